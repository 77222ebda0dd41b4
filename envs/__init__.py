"""One decision problem, played in the true simulator or in a surrogate."""

from envs.caution import (
    AllCautions,
    Caution,
    DoubtPenalty,
    NoCaution,
    SupportPenalty,
    SupportStop,
    TellsSupport,
)
from envs.conditioning import Conditioned
from envs.environment import Environment
from envs.objective import Constraint, Objective, Target
from envs.observation import Observation, PlainObservation, Viewpoint, viewpoint_of
from envs.preferences import Preferences
from envs.problem import Problem, Rollouts
from envs.randomisation import (
    FixedParameters,
    NearBelief,
    ParameterDraws,
    SpreadParameters,
    UniformParameters,
)
from envs.registration import register, scenario_problem
from envs.vector import VectorEnvironment
from envs.world import Answers, ImaginedWorld, SimulatedWorld, SurrogateWorld, World

__all__ = [
    "AllCautions",
    "Answers",
    "Caution",
    "Conditioned",
    "Constraint",
    "DoubtPenalty",
    "Environment",
    "FixedParameters",
    "ImaginedWorld",
    "NearBelief",
    "NoCaution",
    "Objective",
    "Observation",
    "ParameterDraws",
    "PlainObservation",
    "Preferences",
    "Problem",
    "Rollouts",
    "SimulatedWorld",
    "SpreadParameters",
    "SupportPenalty",
    "SupportStop",
    "SurrogateWorld",
    "Target",
    "TellsSupport",
    "UniformParameters",
    "VectorEnvironment",
    "Viewpoint",
    "World",
    "register",
    "scenario_problem",
    "viewpoint_of",
]
