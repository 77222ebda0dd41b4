"""Spend a budget of simulator epochs where a surrogate needs them, round by round."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np

from sim.streams import stream
from surrogates.acquisition.choice import AcquisitionSettings, choose_episodes
from surrogates.acquisition.committee import Fit
from surrogates.acquisition.proposals import CURRENT, plan_purpose, propose_episodes
from surrogates.collect import BuildSimulator, collect, run_episodes
from surrogates.dataset import Transitions
from surrogates.dataset_file import Memory, Store
from surrogates.design import BEHAVIOURS, PlannedEpisode, plan_latin_hypercube
from surrogates.errors import InvalidDataset
from surrogates.interface import Surrogate
from surrogates.pilot import NO_POLICIES, Policies

Improve = Callable[[Surrogate, int], Policies]
"""The policies of today, given the surrogate and a seed: the one named CURRENT is trained on it,
others may be rules to compare with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSettings:
    """How a budget is spent."""

    budget: int
    """Epochs of the simulator in all, those included that were there before."""
    first: int = 16
    """Episodes of the first round: a Latin hypercube under random decisions, as nobody knows better
    yet."""
    growth: float = 1.0
    """Episodes that a later round adds, over those that are there already."""
    choice: int = 4
    """Candidates for each episode that is picked."""
    fewest_candidates: int = 96
    """Candidates of a round at least."""
    deciders: tuple[str, ...] = (CURRENT, CURRENT, "constant", "linear")
    """Who will decide when the surrogate is asked, each as often as it matters; those who are not
    among a round's policies and behaviours are left out."""
    purpose: int = 48
    """Episodes that stand for what the surrogate is wanted for."""
    acquisition: AcquisitionSettings = field(default_factory=AcquisitionSettings)
    """How candidates are looked at."""
    seed: int
    """Root of the rounds' seeds."""

    def __post_init__(self) -> None:
        if self.budget < 1 or self.first < 1 or not self.growth > 0:
            raise InvalidDataset(
                f"budget {self.budget}, first {self.first}, growth {self.growth}: all above 0"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A finished round: all data so far, and the surrogate fitted to them."""

    number: int
    transitions: Transitions
    surrogate: Surrogate


def nobody(surrogate: Surrogate, seed: int) -> Policies:
    """Null case: no policy is trained, so only the behaviours matter."""
    del surrogate, seed
    return NO_POLICIES


def run_campaign(
    build: BuildSimulator,
    fit: Fit,
    settings: CampaignSettings,
    *,
    improve: Improve = nobody,
    store: Store | None = None,
    executor: Executor | None = None,
) -> Iterator[Finished]:
    """Collect, fit, choose, and again, until another episode would exceed the budget.

    Every round fits afresh: it doubles the data and moves to where they lack, and a fit that goes
    on from the last keeps the scales and the habits of the few epochs it began with. Rounds that
    the store holds are not run again: a campaign that was stopped goes on after the last finished
    one, as if it had not been stopped.
    """
    store = store or Memory()
    campaign = _Campaign(build, settings, executor)
    transitions, number = store.read()
    if transitions is None:
        number, plans = 0, campaign.first_plans()
        transitions = store.append(number, plans, campaign.run(plans, NO_POLICIES))
    random = stream(settings.seed, "fits", str(number))
    surrogate = fit(transitions, random)
    yield Finished(number=number, transitions=transitions, surrogate=surrogate)
    while count := campaign.affordable(transitions):
        number += 1
        policies = improve(surrogate, settings.seed * 1_000_003 + number)
        plans = campaign.choose(surrogate, transitions, count, number, policies)
        transitions = store.append(number, plans, campaign.run(plans, policies))
        random = stream(settings.seed, "fits", str(number))
        surrogate = fit(transitions, random)
        yield Finished(number=number, transitions=transitions, surrogate=surrogate)


class _Campaign:
    """What stays the same from round to round."""

    def __init__(
        self, build: BuildSimulator, settings: CampaignSettings, executor: Executor | None
    ) -> None:
        self._build, self._settings, self._executor = build, settings, executor
        self._simulator = build()
        self._description = self._simulator.describe()

    def first_plans(self) -> tuple[PlannedEpisode, ...]:
        """Spread without a model, as far as the budget goes."""
        settings, epochs = self._settings, self._description.epochs
        count = min(settings.first, settings.budget // epochs)
        if not count:
            raise InvalidDataset(
                f"budget {settings.budget}: one episode has {epochs} epochs; give {epochs} or more"
            )
        return plan_latin_hypercube(self._description, count, settings.seed)

    def affordable(self, transitions: Transitions) -> int:
        """Episodes of the next round; 0 when the budget is spent."""
        left = self._settings.budget - len(transitions)
        grown = round(self._settings.growth * len(np.unique(transitions.episode)))
        return max(0, min(max(1, grown), left // self._description.epochs))

    def choose(
        self,
        surrogate: Surrogate,
        transitions: Transitions,
        count: int,
        number: int,
        policies: Policies,
    ) -> tuple[PlannedEpisode, ...]:
        """Proposed, rehearsed and picked."""
        settings, d = self._settings, self._description
        random = stream(settings.seed, "choice", str(number))
        offered_seed, purpose_seed = random.integers(2**31, size=2).tolist()
        most = max(settings.fewest_candidates, settings.choice * count)
        offered = propose_episodes(d, most, offered_seed, policies=tuple(policies))
        known = {*BEHAVIOURS, *policies}
        deciders = [name for name in settings.deciders if name in known]
        return choose_episodes(
            surrogate,
            self._simulator,
            transitions,
            offered,
            plan_purpose(d, deciders, settings.purpose, purpose_seed),
            count,
            random,
            policies=policies,
            settings=settings.acquisition,
        )

    def run(self, plans: tuple[PlannedEpisode, ...], policies: Policies) -> Transitions:
        """On the executor, where there is one."""
        if self._executor is None:
            return run_episodes(self._build, plans, policies)
        return collect(self._build, plans, self._executor, policies=policies)
