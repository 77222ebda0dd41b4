"""A training as the policies it would have given, had it been stopped earlier."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training.forms import PolicyForm, read_json
from training.journal import write_json
from training.policies import NetworkPolicy


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """What there was at one moment."""

    seconds: float
    """Wall-clock since the beginning, all that came before the training included."""
    simulator_epochs: int
    """Epochs of the true simulator so far."""
    policy: NetworkPolicy


Timeline = tuple[Checkpoint, ...]


@dataclass(slots=True)
class Recorder:
    """Keeps policies of a training as it goes, ever more seldom.

    Give it as `evaluate` with `evaluate_every=1`; it calls none of them better than another.
    """

    before_seconds: float
    """Wall-clock that was spent before the training."""
    before_epochs: int
    """True epochs that were simulated before it."""
    epochs_each: int = 0
    """True epochs between two policies that it is given; none on a surrogate."""
    is_warm: bool = False
    """Whether the first policy is the one that the training begins with."""
    growth: float = 1.15
    """A checkpoint is kept when so many times the seconds of the last have passed."""
    kept: list[Checkpoint] = field(default_factory=list)
    _began: float = field(default_factory=time.perf_counter)
    _latest: Checkpoint | None = None
    _heard: int = 0

    def __call__(self, policy: NetworkPolicy) -> float:
        """Hear of a policy; always 0."""
        self.hear(policy, (self._heard + (not self.is_warm)) * self.epochs_each)
        self._heard += 1
        return 0.0

    def hear(self, policy: NetworkPolicy, simulator_epochs: int) -> None:
        """Keep it when it is time, with the true epochs of the training so far."""
        seconds = time.perf_counter() - self._began
        self._latest = Checkpoint(
            seconds=self.before_seconds + seconds,
            simulator_epochs=self.before_epochs + simulator_epochs,
            policy=policy,
        )
        last = self.kept[-1].seconds - self.before_seconds if self.kept else 0.0
        if seconds >= self.growth * last:
            self.kept.append(self._latest)

    @property
    def timeline(self) -> Timeline:
        """All that was kept, the last policy among it."""
        if self._latest is None or (self.kept and self.kept[-1] is self._latest):
            return tuple(self.kept)
        return (*self.kept, self._latest)


def thinned(timeline: Timeline, most: int) -> Timeline:
    """So many of the checkpoints at most, evenly in their order; the last among them."""
    if len(timeline) <= most:
        return timeline
    places = np.unique(np.linspace(0, len(timeline) - 1, most).round().astype(int))
    return tuple(timeline[place] for place in places)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineForm:
    """Checkpoints as stored policies, a folder each, and JSON."""

    system: str

    def write(self, folder: Path, value: Timeline) -> None:
        """In order."""
        told = [{"seconds": c.seconds, "simulator_epochs": c.simulator_epochs} for c in value]
        write_json(folder / "timeline.json", {"checkpoints": told})
        for number, checkpoint in enumerate(value):
            (folder / f"{number:03d}").mkdir()
            self._form.write(folder / f"{number:03d}", checkpoint.policy)

    def read(self, folder: Path) -> Timeline:
        """Raises TamperedArtefact and InvalidJournal for anything but what was written."""
        told: Sequence[dict[str, float]] = read_json(folder / "timeline.json")["checkpoints"]
        return tuple(
            Checkpoint(
                seconds=float(each["seconds"]),
                simulator_epochs=int(each["simulator_epochs"]),
                policy=self._form.read(folder / f"{number:03d}"),
            )
            for number, each in enumerate(told)
        )

    @property
    def _form(self) -> PolicyForm:
        return PolicyForm(system=self.system)
