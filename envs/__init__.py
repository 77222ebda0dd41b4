"""One decision problem, played in the true simulator or in a surrogate."""

from envs.environment import Environment
from envs.objective import Objective
from envs.observation import Observation
from envs.problem import Problem, Rollouts
from envs.vector import VectorEnvironment
from envs.world import SimulatedWorld, SurrogateWorld, World

__all__ = [
    "Environment",
    "Objective",
    "Observation",
    "Problem",
    "Rollouts",
    "SimulatedWorld",
    "SurrogateWorld",
    "VectorEnvironment",
    "World",
]
