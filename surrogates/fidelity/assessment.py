"""All of the evidence about one surrogate, gathered on fresh simulator runs, with the verdict."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from sim.streams import stream
from surrogates.collect import BuildSimulator
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.fidelity.cells import cells_of
from surrogates.fidelity.conditional import (
    Conditional,
    obstacle_to_conditioning,
    score_conditional,
)
from surrogates.fidelity.episodes import (
    Asked,
    Cost,
    Episodes,
    as_episodes,
    imagine,
    lengths_of,
    simulate,
    windows,
)
from surrogates.fidelity.familiarity import Familiarity, familiarity
from surrogates.fidelity.gap import Gap, optimism, paired_optimism
from surrogates.fidelity.horizons import Horizons, chosen_horizons, horizon_distances
from surrogates.fidelity.one_epoch import OneEpoch, score_one_epoch
from surrogates.fidelity.policies import Decider, varied_policies
from surrogates.fidelity.ranking import Ranking, rank_policies
from surrogates.fidelity.settings import FidelitySettings
from surrogates.fidelity.verdict import judge
from surrogates.interface import Surrogate
from surrogates.support import Support

Progress = Callable[[str, int, int], None]
"""Hears what is simulated, and how many episodes of how many are done."""
_DIGITS = 6
_FEWEST_DAYS = 4
"""Days below which a cell's gap is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured of one surrogate."""

    family: str
    system: str
    settings: FidelitySettings
    one_epoch: OneEpoch
    horizons: Horizons
    """From the opening to the end of the episode."""
    midway: Horizons
    """A short rollout's epochs from states of the simulator at any time of the episode."""
    conditional: Conditional | None
    no_conditional: str | None
    """Why epochs could not be replayed with their arrivals, where they could not."""
    ranking: Ranking
    gap: Gap | None
    """Of the policy trained on it, at nominal parameters."""
    gap_cells: dict[str, Gap]
    untrained_gap: Gap
    """Of the varied policies together: what no policy could have exploited."""
    support: Familiarity | None
    """Of fresh simulated epochs."""
    support_of_trained: Familiarity | None
    """Of the epochs that the trained policy meets in the surrogate."""

    def to_record(self) -> dict[str, Any]:
        """As JSON, with the verdict; numbers to six digits."""
        record = {**asdict(self), "verdict": asdict(judge(self))}
        told: dict[str, Any] = _shortened(record)
        return told


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _shortened(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(each) for each in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """A surrogate under examination: the parts share its settings, policies and streams."""

    surrogate: Surrogate
    build: BuildSimulator
    """Makes the true simulator, in whatever process calls it."""
    cost: Cost
    executor: Executor
    settings: FidelitySettings
    seed: int
    support: Support | None = None
    trained: Decider | None = None
    """A policy trained on the surrogate."""
    on_progress: Progress | None = None

    def gather(self) -> Evidence:
        """Run the simulator afresh and compare."""
        asked = self._spread(self.settings.episodes, "fresh")
        first = self._simulate("first batch", asked)
        second = self._simulate("second batch", self._reseeded(asked))
        scored = first.take(self._some(len(first), self.settings.scored_rows))
        days, costs, dreamt = self._values()
        count = len(self._varied)
        gap, familiar = self._trained_gap()
        return Evidence(
            family=self.surrogate.name,
            system=self.surrogate.description.name,
            settings=self.settings,
            one_epoch=score_one_epoch(
                self.surrogate, scored, self.settings.draws, self._stream("one epoch")
            ),
            horizons=self._compare(asked, first, second, self._horizons),
            midway=self._compare_midway(asked, first, second),
            conditional=score_conditional(
                self.surrogate,
                scored.take(np.arange(min(len(scored), self.settings.conditional_rows))),
                self.settings.draws,
                self._stream("conditional"),
            ),
            no_conditional=obstacle_to_conditioning(self.surrogate),
            ranking=rank_policies(
                self.surrogate.description,
                tuple(policy.name for policy in self._policies),
                costs,
                dreamt,
                days,
                self._stream("ranking"),
            ),
            gap=gap,
            gap_cells={} if self.trained is None else self._cell_gaps(days, costs, dreamt),
            untrained_gap=paired_optimism(
                costs[:count].mean(axis=0), dreamt[:count].mean(axis=0), self._stream("untrained")
            ),
            support=self._familiarity(scored),
            support_of_trained=familiar,
        )

    @property
    def _varied(self) -> tuple[Decider, ...]:
        return varied_policies(self.surrogate.description, self.settings.policies, self.seed)

    @property
    def _policies(self) -> tuple[Decider, ...]:
        return self._varied if self.trained is None else (*self._varied, self.trained)

    @property
    def _horizons(self) -> Int[np.ndarray, "horizon"]:
        return chosen_horizons(min(self.surrogate.description.epochs, self.settings.longest))

    def _stream(self, purpose: str) -> np.random.Generator:
        return stream(self.seed, "fidelity", purpose)

    def _seeds(self, count: int, purpose: str) -> Int[np.ndarray, "episode"]:
        return self._stream(f"seeds of {purpose}").integers(2**31, size=count)

    def _some(self, count: int, most: int) -> Int[np.ndarray, "chosen"]:
        return self._stream("some").permutation(count)[:most]

    def _spread(self, count: int, purpose: str) -> Asked:
        """Episodes spread over the parameter box and the policies."""
        parameters = self._parameters(count, purpose)
        return Asked(
            parameters=parameters,
            which=self._stream(f"policies of {purpose}").permutation(
                np.arange(count) % len(self._policies)
            ),
            seeds=self._seeds(count, purpose),
        )

    def _parameters(self, count: int, purpose: str) -> Float[np.ndarray, "episode parameter"]:
        description = self.surrogate.description
        root = int(self._stream(f"design of {purpose}").integers(2**31))
        plans = plan_episodes(description, count, root)
        names = [p.name for p in description.parameters]
        return np.array([[plan.parameters[n] for n in names] for plan in plans]).reshape(count, -1)

    def _reseeded(self, asked: Asked) -> Asked:
        return Asked(
            parameters=asked.parameters,
            which=asked.which,
            seeds=self._seeds(len(asked), "second batch"),
        )

    def _simulate(self, title: str, asked: Asked) -> Transitions:
        def advance(done: int) -> None:
            if self.on_progress is not None:
                self.on_progress(title, done, len(asked))

        longest = self.settings.longest
        return simulate(self.build, self._policies, asked, longest, self.executor, advance)

    def _imagine(
        self,
        asked: Asked,
        openings: Float[np.ndarray, "episode state"],
        horizons: Int[np.ndarray, "horizon"],
        purpose: str,
    ) -> Episodes:
        random = self._stream(purpose)
        return imagine(self.surrogate, self._policies, asked, openings, horizons, self.cost, random)

    def _compare(
        self,
        asked: Asked,
        first: Transitions,
        second: Transitions,
        horizons: Int[np.ndarray, "horizon"],
    ) -> Horizons:
        imagined = self._imagine(asked, first.openings, horizons, "imagined batch")
        one, other = (as_episodes(part, horizons, self.cost) for part in (first, second))
        return horizon_distances(
            self.surrogate.description,
            horizons,
            imagined,
            one,
            other,
            asked.parameters,
            self._stream("swaps"),
            self.settings.swaps,
        )

    def _compare_midway(self, asked: Asked, first: Transitions, second: Transitions) -> Horizons:
        """From anywhere in the episodes, at the same epochs in both batches."""
        length = min(self.settings.short, int(self._horizons[-1]))
        lasts = np.minimum(lengths_of(first), lengths_of(second)) - length
        starts = self._stream("starts").integers(np.maximum(lasts, 0) + 1)
        part, other = (windows(batch, starts, length) for batch in (first, second))
        return self._compare(asked, part, other, np.arange(1, length + 1))

    def _values(
        self,
    ) -> tuple[
        Float[np.ndarray, "day parameter"],
        Float[np.ndarray, "policy day"],
        Float[np.ndarray, "policy day"],
    ]:
        """Parameters of the days, and the costs of every policy on each, in both worlds."""
        count, days = len(self._policies), self.settings.days
        parameters = self._parameters(days, "ranking")
        asked = Asked(
            parameters=np.tile(parameters, (count, 1)),
            which=np.repeat(np.arange(count), days),
            seeds=np.tile(self._seeds(days, "ranking"), count),
        )
        run = self._simulate("policies to rank", asked)
        simulated = as_episodes(run, self._horizons, self.cost).costs.reshape(count, days)
        copied = asked.take(np.repeat(np.arange(len(asked)), self.settings.copies))
        imagined = self._imagine(
            copied, self._openings(len(copied)), self._horizons, "imagined policies"
        ).costs
        return parameters, simulated, imagined.reshape(count, days, -1).mean(axis=2)

    def _openings(self, count: int) -> Float[np.ndarray, "episode state"]:
        """Where episodes begin in the surrogate by itself."""
        openings = self.surrogate.openings
        chosen = self._stream("openings").integers(len(openings), size=count)
        return np.asarray(openings[chosen])

    def _trained_gap(self) -> tuple[Gap | None, Familiarity | None]:
        if self.trained is None:
            return None, None
        s, number = self.settings, len(self._policies) - 1
        run = self._simulate("the trained policy", self._at_nominal(s.gap_days, number))
        costs = as_episodes(run, self._horizons, self.cost).costs
        asked = self._at_nominal(s.gap_episodes, number)
        dreamt = self._imagine(
            asked, self._openings(len(asked)), self._horizons, "the trained policy"
        )
        gap = optimism(costs, dreamt.costs, self._stream("gap"))
        return gap, self._met_by_trained(dreamt)

    def _at_nominal(self, count: int, policy: int) -> Asked:
        return Asked(
            parameters=np.tile(self.surrogate.description.nominal, (count, 1)),
            which=np.full(count, policy),
            seeds=self._seeds(count, "the trained policy"),
        )

    def _cell_gaps(
        self,
        days: Float[np.ndarray, "day parameter"],
        costs: Float[np.ndarray, "policy day"],
        dreamt: Float[np.ndarray, "policy day"],
    ) -> dict[str, Gap]:
        return {
            name: paired_optimism(costs[-1, rows], dreamt[-1, rows], self._stream("cell gaps"))
            for name, rows in cells_of(self.surrogate.description, days)
            if rows.sum() >= _FEWEST_DAYS
        }

    def _familiarity(self, fresh: Transitions) -> Familiarity | None:
        if self.support is None:
            return None
        return familiarity(self.support, fresh.state, fresh.decision, fresh.parameters)

    def _met_by_trained(self, dreamt: Episodes) -> Familiarity | None:
        if self.support is None or self.trained is None:
            return None
        states = dreamt.states[:, :-1].reshape(-1, dreamt.states.shape[2])
        if not len(states):
            return None
        rows = self._some(len(states), self.settings.scored_rows)
        decisions = self.surrogate.description.decisions[self.trained.decide(states[rows])]
        parameters = np.tile(self.surrogate.description.nominal, (len(rows), 1))
        return familiarity(self.support, states[rows], decisions, parameters)
