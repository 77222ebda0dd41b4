"""How long and how much of everything; one frozen record a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class MainJobSettings:
    """The settings of one run; they are kept in its folder and never change."""

    scenario: str = "bank"
    """A bundled scenario or the path of a scenario file."""
    volumes: str | None = None
    """Another series of volumes than the scenario's."""
    seed: int = 2003
    """Root of every random stream."""
    workers: int = 2
    """Processes that simulate side by side."""
    dispersion_days: int = 400
    """Simulated days behind the comparison of dispersion."""
    truth_days: int = 12
    """Replications of the Erlang-A check."""
    episodes: int = 400
    """Simulated days whose epochs the surrogates learn from."""
    held_out: float = 0.15
    """Share of those days kept for scores."""
    flow_passes: int = 40
    """Passes over the data when fitting the flow surrogate."""
    pretrain_seconds: float = 55.0
    """Time of PPO on the surrogate."""
    num_envs: int = 512
    """Copies of the surrogate stepped together."""
    search_rounds: int = 8
    """Rounds of the cross-entropy search of the adaptive rule."""
    search_candidates: int = 64
    """Candidates in each round."""
    search_days: int = 256
    """Surrogate days each candidate is judged on."""
    evaluation_days: int = 60
    """True days on which every controller is compared."""
    in_control_days: int = 150
    """Simulated days on which the detector is calibrated."""
    live_days: int | None = None
    """Days of the live replay; None: all there are."""
    retrain_seconds: float = 15.0
    """Time of each re-training on the surrogate."""
    fine_tune_seconds: float = 10.0
    """Time of each fine-tuning on the true simulator."""
    gate_days: int = 50
    """True days of each paired evaluation before promotion."""
    most_retrainings: int = 2
    """Re-trainings at most in the live replay."""
    most_corrections: int = 2
    """Corrections of the beliefs at most; each calibrates the detector anew."""
    smallest_change: float = 0.05
    """Relative change of a parameter below which nobody is re-trained."""

    def to_record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


QUICK: dict[str, Any] = {
    "dispersion_days": 100,
    "truth_days": 4,
    "episodes": 48,
    "flow_passes": 20,
    "pretrain_seconds": 6.0,
    "num_envs": 128,
    "search_rounds": 2,
    "search_candidates": 12,
    "search_days": 32,
    "evaluation_days": 6,
    "in_control_days": 24,
    "live_days": 10,
    "retrain_seconds": 3.0,
    "fine_tune_seconds": 3.0,
    "gate_days": 4,
    "most_retrainings": 1,
    "most_corrections": 1,
}
"""Settings of `--quick`: the whole job as a smoke test, whose figures mean little."""
