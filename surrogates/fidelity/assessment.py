"""All of the evidence about one surrogate, gathered on fresh simulator runs, with the verdict."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import cached_property
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
from surrogates.fidelity.policies import (
    Decider,
    constants,
    count_distinct,
    varied_policies,
)
from surrogates.fidelity.progress import Counter, Hear
from surrogates.fidelity.ranking import Ranking, rank_policies, refuse_unrankable
from surrogates.fidelity.settings import FidelitySettings
from surrogates.fidelity.standing import Standing, standing_of
from surrogates.fidelity.verdict import judge
from surrogates.interface import Surrogate
from surrogates.pilot import seated
from surrogates.support import Support

_DIGITS = 6
_FIRST_EPISODES = 16
"""Simulated to see which states occur, before the policies to rank are drawn."""
_FEWEST_DAYS = 4
"""Days below which a cell's gap is left out."""
_SHARE = 8
"""Imagined episodes of the trained policy for each of a varied one it is held against."""


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
    standing: Standing | None
    """Of that policy in the surrogate among the varied ones, at the same parameters."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """What was simulated for one report."""

    batches: Asked
    """Of the first batch; the second differs in its seeds."""
    first: Transitions
    second: Transitions
    ranked: Asked
    """Every policy on the same days."""
    values: Transitions
    """These days."""
    trained: Transitions | None
    """Days of the policy trained on the surrogate."""


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
    on_progress: Hear | None = None

    def gather(self) -> Evidence:
        """Run the simulator afresh and compare."""
        refuse_unrankable(len(self._policies), self.settings.days)
        fresh = self._run_afresh()
        scored = fresh.first.take(self._some(len(fresh.first), self.settings.scored_rows))
        asks = self._counter("asking the surrogate", self._answers(fresh))
        gap, standing, familiar = self._trained_gap(fresh, asks)
        days, costs, dreamt = self._values(fresh, asks)
        count = len(self._varied)
        evidence = Evidence(
            family=self.surrogate.name,
            system=self.surrogate.description.name,
            settings=self.settings,
            horizons=self._compare(fresh.batches, fresh.first, fresh.second, self._horizons, asks),
            midway=self._compare_midway(fresh, asks),
            one_epoch=score_one_epoch(
                self.surrogate, scored, self.settings.draws, self._stream("one epoch")
            ),
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
                count_distinct(self._policies, scored.state),
                costs,
                dreamt,
                days,
                self._stream("ranking"),
            ),
            gap=gap,
            standing=standing,
            gap_cells={} if self.trained is None else self._cell_gaps(days, costs, dreamt),
            untrained_gap=paired_optimism(
                costs[:count].mean(axis=0), dreamt[:count].mean(axis=0), self._stream("untrained")
            ),
            support=self._familiarity(scored),
            support_of_trained=familiar,
        )
        asks.finish()
        return evidence

    @cached_property
    def _varied(self) -> tuple[Decider, ...]:
        """Rules need to know which states occur: a few episodes under constants tell."""
        description = self.surrogate.description
        few = constants(description, _FIRST_EPISODES)
        asked = Asked(
            parameters=self._parameters(_FIRST_EPISODES, "first look"),
            which=np.arange(_FIRST_EPISODES) % len(few),
            seeds=self._seeds(_FIRST_EPISODES, "first look"),
        )
        look = self._counter("a first look at the states that occur", len(asked))
        run = simulate(self.build, few, asked, self.settings.longest, self.executor, look.add)
        states = run.state[self._some(len(run), self.settings.scored_rows)]
        return varied_policies(description, states, self.settings.policies, self.seed)

    @cached_property
    def _policies(self) -> tuple[Decider, ...]:
        return self._varied if self.trained is None else (*self._varied, self.trained)

    @property
    def _horizons(self) -> Int[np.ndarray, "horizon"]:
        return chosen_horizons(min(self.surrogate.description.epochs, self.settings.longest))

    def _counter(self, title: str, total: int) -> Counter:
        return Counter(title=title, total=total, hear=self.on_progress)

    def _run_afresh(self) -> Fresh:
        """Everything that is asked of the simulator."""
        batches = self._spread(self.settings.episodes, "fresh")
        again = replace(batches, seeds=self._seeds(len(batches), "second batch"))
        ranked, trained = self._asked_to_rank(), self._asked_of_trained(self.settings.gap_days)
        asked = (batches, again, ranked, *([] if trained is None else [trained]))
        runs = self._counter("simulating fresh episodes", sum(map(len, asked)))
        first, second, values, *rest = (
            simulate(
                self.build, self._policies, part, self.settings.longest, self.executor, runs.add
            )
            for part in asked
        )
        return Fresh(
            batches=batches,
            first=first,
            second=second,
            ranked=ranked,
            values=values,
            trained=rest[0] if rest else None,
        )

    def _answers(self, fresh: Fresh) -> int:
        """Epochs that the surrogate will be asked to imagine step by step."""
        s, whole = self.settings, int(self._horizons[-1])
        episodes = len(fresh.batches) + s.copies * len(fresh.ranked)
        if fresh.trained is not None:
            episodes += 2 * s.gap_episodes + len(self._varied) * self._held_against
        return episodes * whole + len(fresh.batches) * min(s.short, whole)

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

    def _imagine(
        self,
        asked: Asked,
        openings: Float[np.ndarray, "episode state"],
        horizons: Int[np.ndarray, "horizon"],
        purpose: str,
        asks: Counter,
    ) -> Episodes:
        return imagine(
            self.surrogate,
            self._policies,
            asked,
            openings,
            horizons,
            self.cost,
            self._stream(purpose),
            asks.add,
        )

    def _compare(
        self,
        asked: Asked,
        first: Transitions,
        second: Transitions,
        horizons: Int[np.ndarray, "horizon"],
        asks: Counter,
    ) -> Horizons:
        imagined = self._imagine(asked, first.openings, horizons, "imagined batch", asks)
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

    def _compare_midway(self, fresh: Fresh, asks: Counter) -> Horizons:
        """From anywhere in the episodes, at the same epochs in both batches."""
        length = min(self.settings.short, int(self._horizons[-1]))
        lasts = np.minimum(lengths_of(fresh.first), lengths_of(fresh.second)) - length
        starts = self._stream("starts").integers(np.maximum(lasts, 0) + 1)
        part, other = (windows(batch, starts, length) for batch in (fresh.first, fresh.second))
        return self._compare(fresh.batches, part, other, np.arange(1, length + 1), asks)

    def _asked_to_rank(self) -> Asked:
        """The same days for every policy, two under each of the parameters."""
        count, days = len(self._policies), self.settings.days
        points = self._parameters(days // 2, "ranking")
        return Asked(
            parameters=np.tile(np.repeat(points, 2, axis=0), (count, 1)),
            which=np.repeat(np.arange(count), days),
            seeds=np.tile(self._seeds(days, "ranking"), count),
        )

    def _values(
        self, fresh: Fresh, asks: Counter
    ) -> tuple[
        Float[np.ndarray, "day parameter"],
        Float[np.ndarray, "policy day"],
        Float[np.ndarray, "policy day"],
    ]:
        """Parameters of the days, and the costs of every policy on each, in both worlds."""
        count, days = len(self._policies), self.settings.days
        simulated = as_episodes(fresh.values, self._horizons, self.cost).costs
        copied = fresh.ranked.take(np.repeat(np.arange(count * days), self.settings.copies))
        imagined = self._imagine(
            copied, self._openings(len(copied)), self._horizons, "imagined policies", asks
        ).costs
        return (
            fresh.ranked.parameters[:days],
            simulated.reshape(count, days),
            imagined.reshape(count, days, -1).mean(axis=2),
        )

    def _openings(self, count: int) -> Float[np.ndarray, "episode state"]:
        """Where episodes begin in the surrogate by itself."""
        openings = self.surrogate.openings
        chosen = self._stream("openings").integers(len(openings), size=count)
        return np.asarray(openings[chosen])

    def _trained_gap(
        self, fresh: Fresh, asks: Counter
    ) -> tuple[Gap | None, Standing | None, Familiarity | None]:
        asked = self._asked_of_trained(self.settings.gap_episodes)
        if asked is None or fresh.trained is None:
            return None, None, None
        costs = as_episodes(fresh.trained, self._horizons, self.cost).costs
        dreamt = self._imagine(
            asked, self._openings(len(asked)), self._horizons, "the trained policy", asks
        )
        gap = optimism(costs, dreamt.costs, self._stream("gap"))
        return gap, self._standing(dreamt.costs, asks), self._met_by_trained(dreamt)

    def _asked_of_trained(self, count: int) -> Asked | None:
        """Episodes at nominal parameters, where there is a trained policy."""
        if self.trained is None:
            return None
        return self._at_nominal(np.full(count, len(self._policies) - 1), "the trained policy")

    def _at_nominal(self, which: Int[np.ndarray, "episode"], purpose: str) -> Asked:
        """Episodes of the numbered policies at the parameters that policies are trained at."""
        return Asked(
            parameters=np.tile(self.surrogate.description.nominal, (len(which), 1)),
            which=which,
            seeds=self._seeds(len(which), purpose),
        )

    @property
    def _held_against(self) -> int:
        """Imagined episodes of each varied policy at nominal parameters."""
        return max(1, self.settings.gap_episodes // _SHARE)

    def _standing(self, trained: Float[np.ndarray, "episode"], asks: Counter) -> Standing:
        count = len(self._varied)
        each = np.repeat(np.arange(count), self._held_against)
        means = self._imagined_costs(each, "the varied", asks).reshape(count, -1).mean(axis=1)
        again = np.full(self.settings.gap_episodes, means.argmin())
        return standing_of(
            trained,
            [policy.name for policy in self._varied],
            means,
            self._imagined_costs(again, "the best of the varied", asks),
            self._stream("standing"),
        )

    def _imagined_costs(
        self, which: Int[np.ndarray, "episode"], purpose: str, asks: Counter
    ) -> Float[np.ndarray, "episode"]:
        asked = self._at_nominal(which, purpose)
        openings = self._openings(len(asked))
        return self._imagine(asked, openings, self._horizons, purpose, asks).costs

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
        # One that looks back decides as at the beginning of an episode: states stand alone here.
        seat = seated(self.trained, len(rows))
        decisions = self.surrogate.description.levels_of(seat.decide(states[rows]))
        parameters = np.tile(self.surrogate.description.nominal, (len(rows), 1))
        return familiarity(self.support, states[rows], decisions, parameters)
