"""The ways to spend a budget of episodes that are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from experiments.where_to_simulate.place import Place
from experiments.where_to_simulate.rules import find_rules
from experiments.where_to_simulate.settings import Setting, small_fit
from sim.streams import stream
from surrogates.acquisition.campaign import CampaignSettings, Finished, run_campaign
from surrogates.acquisition.proposals import CURRENT, propose_episodes
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions, concatenate
from surrogates.design import PlannedEpisode, plan_episodes, plan_latin_hypercube
from surrogates.interface import Surrogate
from surrogates.pilot import NO_POLICIES, Policies
from training.search import SideBySide

Arm = Callable[[Setting, Place, int], Iterator[Finished]]
"""Yields a surrogate whenever as many episodes are there as the setting says."""
Choose = Callable[[Surrogate | None, int, int], tuple[tuple[PlannedEpisode, ...], Policies]]
"""Given the surrogate so far, how many there are and how many to add: plans and their policies."""


def latin_hypercube(setting: Setting, place: Place, seed: int) -> Iterator[Finished]:
    """The baseline: a Latin hypercube over the box, a random decision each epoch."""
    plans = plan_latin_hypercube(place.description, setting.episodes[-1], seed)
    return _grow(setting, place, seed, lambda _, had, more: (plans[had : had + more], NO_POLICIES))


def mixture(setting: Setting, place: Place, seed: int) -> Iterator[Finished]:
    """The present default: Sobol points, a share of them nominal, four kinds of behaviour."""
    plans = plan_episodes(place.description, setting.episodes[-1], seed)
    return _grow(setting, place, seed, lambda _, had, more: (plans[had : had + more], NO_POLICIES))


def unchosen(setting: Setting, place: Place, seed: int) -> Iterator[Finished]:
    """The active arm's candidates, taken as they come: what its proposals alone are worth."""
    improve = Improve(place=place, search=setting.search)

    def choose(
        surrogate: Surrogate | None, had: int, more: int
    ) -> tuple[tuple[PlannedEpisode, ...], Policies]:
        if surrogate is None:
            return plan_latin_hypercube(place.description, more, seed), NO_POLICIES
        policies = improve(surrogate, seed + had)
        named = tuple(policies)
        return propose_episodes(place.description, more, seed + had, policies=named), policies

    return _grow(setting, place, seed, choose)


def active(setting: Setting, place: Place, seed: int) -> Iterator[Finished]:
    """Doubt times visitation, round by round."""
    first, last = setting.episodes[0], setting.episodes[-1]
    return run_campaign(
        place.build,
        small_fit(setting, place.description),
        CampaignSettings(budget=last * place.description.epochs, first=first, seed=seed),
        improve=Improve(place=place, search=setting.search),
    )


BASELINE = "latin_hypercube"
ARMS: Mapping[str, Arm] = {
    BASELINE: latin_hypercube,
    "mixture": mixture,
    "unchosen": unchosen,
    "active": active,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Improve:
    """The current policy: the best rule that a short search on the surrogate finds."""

    place: Place
    search: tuple[int, int, int] = (2, 16, 4)
    """Rounds, candidates and days of the search."""

    def __call__(self, surrogate: Surrogate, seed: int) -> Policies:
        """The rule under its name in plans."""
        rounds, candidates, days = self.search
        judge = SideBySide(problem=self.place.problem(surrogate), days=days, seed=seed)
        (_, best), *_ = find_rules(
            self.place.description, judge, rounds=rounds, candidates=candidates, seed=seed
        )
        return {CURRENT: best}


def _grow(setting: Setting, place: Place, seed: int, choose: Choose) -> Iterator[Finished]:
    """Add episodes as they are chosen; fit afresh, as the active arm does."""
    fit, had = small_fit(setting, place.description), 0
    parts: list[Transitions] = []
    surrogate: Surrogate | None = None
    for number, episodes in enumerate(setting.episodes):
        plans, policies = choose(surrogate, had, episodes - had)
        parts.append(run_episodes(place.build, plans, policies))
        had, transitions = episodes, concatenate(parts)
        random = stream(seed, "fits", str(number))
        surrogate = fit(transitions, random)
        yield Finished(number=number, transitions=transitions, surrogate=surrogate)
