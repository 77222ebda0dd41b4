"""How far a surrogate can be trusted, measured against fresh runs of the simulator."""

from surrogates.fidelity.assessment import Assessment, Evidence
from surrogates.fidelity.episodes import Cost
from surrogates.fidelity.policies import Decider, varied_policies
from surrogates.fidelity.settings import FidelitySettings
from surrogates.fidelity.verdict import Verdict, judge

__all__ = [
    "Assessment",
    "Cost",
    "Decider",
    "Evidence",
    "FidelitySettings",
    "Verdict",
    "judge",
    "varied_policies",
]
