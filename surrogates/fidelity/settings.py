"""How much of everything a fidelity report looks at."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from surrogates.errors import InvalidDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class FidelitySettings:
    """Sizes of a report; the defaults suit a simulator that runs ten episodes a second."""

    episodes: int = 384
    """Fresh simulated episodes in each of two batches."""
    longest: int = 1000
    """Epochs of an episode that are looked at; longer ones are cut."""
    short: int = 5
    """Epochs that a short rollout lasts."""
    scored_rows: int = 4000
    """Fresh epochs that are scored one by one, drawn at random."""
    conditional_rows: int = 2000
    """Of these, epochs replayed with their arrivals."""
    draws: int = 64
    """Samples of the surrogate for each scored epoch."""
    swaps: int = 200
    """Pairs of batches that chance might have given, for the noise floor."""
    policies: int = 40
    """Varied policies that are ranked."""
    days: int = 24
    """Episodes that each of them is simulated on, the same for all; even, for there are two under
    each of the parameters."""
    copies: int = 8
    """Imagined episodes for each of these."""
    gap_days: int = 160
    """Simulated episodes of the policy trained on the surrogate. The interval of its gap is to lie
    within the bound, for which costs that vary as much as they are high need about 1500."""
    gap_episodes: int = 1024
    """Imagined episodes of it."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise InvalidDataset(f"{name} {value}: at least 1")
        if self.days % 2:
            raise InvalidDataset(
                f"days {self.days}: two under each of the parameters, so take {self.days + 1}"
            )
