"""One decision problem, played in the true simulator or in a surrogate."""

from envs.environment import Environment
from envs.objective import Objective
from envs.observation import Observation, PlainObservation, Viewpoint, viewpoint_of
from envs.problem import Problem, Rollouts
from envs.vector import VectorEnvironment
from envs.world import Answers, SimulatedWorld, SurrogateWorld, World

__all__ = [
    "Answers",
    "Environment",
    "Objective",
    "Observation",
    "PlainObservation",
    "Problem",
    "Rollouts",
    "SimulatedWorld",
    "SurrogateWorld",
    "VectorEnvironment",
    "Viewpoint",
    "World",
    "viewpoint_of",
]
