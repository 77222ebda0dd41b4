"""What the loop does to surrogates and policies, each as one finished piece of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from sim.description import Description
from sim.streams import stream
from surrogates.dataset import Transitions
from surrogates.families import LOADERS, fit_family
from surrogates.interface import SupportsUpdate, Surrogate
from surrogates.storage import SupportsStorage
from training.forms import PolicyForm, read_json
from training.journal import write_json
from training.loop.softening import softened
from training.plant import Environments, Plant, Where
from training.policies import NetworkPolicy
from training.rllib.fine_tune import gentle
from training.rllib.recovery import run_again
from training.rllib.settings import Budget, PPOSettings
from training.rllib.train import CurvePoint, Training, train_ppo

OnPoint = Callable[[str, CurvePoint], None]
"""Hears how the training of the policy of that name goes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """A policy and what it took."""

    policy: NetworkPolicy
    steps: int
    """Environment steps of the training."""
    seconds: float
    """Its wall time."""

    @classmethod
    def of(cls, training: Training) -> Trained:
        """The end of a training."""
        return cls(policy=training.policy, steps=training.steps, seconds=training.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedForm:
    """A policy as it is stored for others too, and JSON."""

    policies: PolicyForm

    def write(self, folder: Path, value: Trained) -> None:
        """Side by side."""
        self.policies.write(folder, value.policy)
        write_json(folder / "trained.json", {"steps": value.steps, "seconds": value.seconds})

    def read(self, folder: Path) -> Trained:
        """Raises TamperedArtefact and InvalidJournal for anything but what was written."""
        told = read_json(folder / "trained.json")
        return Trained(
            policy=self.policies.read(folder),
            steps=int(told["steps"]),
            seconds=float(told["seconds"]),
        )


def refit(
    surrogate: Surrogate,
    transitions: Transitions,
    random: np.random.Generator,
    on_progress: Callable[[float], None] | None = None,
) -> Surrogate:
    """Learn on from where a surrogate stands; from the start where its family cannot."""
    if isinstance(surrogate, SupportsUpdate):
        return surrogate.update(transitions, random, on_progress)
    return fit_family(surrogate.name, transitions, surrogate.description, random, on_progress)


def redescribed(surrogate: Surrogate, description: Description) -> Surrogate:
    """The same surrogate of a system whose parameters may move in another box.

    What it says there it has not learnt: refit it to transitions from there before it is used.
    """
    if not isinstance(surrogate, SupportsStorage):
        raise TypeError(f"surrogate {surrogate.name!r} cannot be taken apart: fit a new one")
    return LOADERS[surrogate.name](surrogate.to_tensors(), description)


def warm(settings: PPOSettings) -> PPOSettings:
    """Going on from a policy that was softened: its values first, then as from nothing."""
    return replace(settings, value_warmup_iterations=max(settings.value_warmup_iterations, 3))


def train_imagined(
    plant: Plant,
    surrogate: Surrogate,
    settings: PPOSettings,
    budget: Budget,
    *,
    where: Where = None,
    warm_start: NetworkPolicy | None = None,
    name: str,
    on_point: OnPoint | None = None,
) -> Trained:
    """PPO on the surrogate; a warm start is softened, or it would hardly try anything else."""
    environments = Environments(problem=plant.practice(surrogate, where))
    found = train_ppo(
        environments,
        settings if warm_start is None else warm(settings),
        budget,
        warm_start=None
        if warm_start is None
        else softened(warm_start, environments, settings.seed),
        on_point=_named(on_point, name),
        name=name,
    )
    return Trained.of(found)


def train_true(
    plant: Plant,
    settings: PPOSettings,
    budget: Budget,
    *,
    parameters: dict[str, float] | None,
    warm_start: NetworkPolicy,
    name: str,
    on_point: OnPoint | None = None,
) -> Trained:
    """PPO on the true simulator from a policy that is good already: gently."""
    environments = Environments(problem=plant.true(parameters))
    found = run_again(
        lambda: train_ppo(
            environments,
            gentle(settings),
            budget,
            warm_start=warm_start,
            on_point=_named(on_point, name),
            name=name,
        )
    )
    return Trained.of(found)


def _named(on_point: OnPoint | None, name: str) -> Callable[[CurvePoint], None] | None:
    return None if on_point is None else partial(on_point, name)


def seeds_of(seed: int, count: int, *purpose: str) -> tuple[int, ...]:
    """Seeds of episodes that no other purpose meets."""
    return tuple(stream(seed, "loop", *purpose).integers(2**31, size=count).tolist())
