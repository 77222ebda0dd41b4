"""One run: whatever has not been measured yet, kept as it is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from experiments.main_job.context import machine
from experiments.rows import append_row, read_rows
from experiments.surrogate_comparison.contestants import PEERS, Contestant, contestants
from experiments.surrogate_comparison.errors import UnknownContestant
from experiments.surrogate_comparison.material import Judgement, Store
from experiments.surrogate_comparison.measuring import Measured, measure
from experiments.surrogate_comparison.rows import Row
from experiments.surrogate_comparison.settings import EFFORTS, GROUNDS, Depth, Effort, digest
from sim.errors import suggestion
from sim.provenance import commit
from surrogates.families import DEFAULT_SETTINGS, FAMILIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One fit to be measured."""

    scenario: str
    contestant: Contestant
    rows: int
    seed: int
    depth: Depth

    @property
    def digest(self) -> str:
        """Of all that the measurement depends on beside seed and amount of data."""
        return settings_digest(self.scenario, self.contestant.settings, self.depth)

    @property
    def key(self) -> tuple[str, str, int, int, str]:
        """What is to be measured."""
        return self.scenario, self.contestant.name, self.rows, self.seed, self.digest


def settings_digest(scenario: str, settings: object, depth: Depth) -> str:
    """Twelve characters that change with the ground, the effort or the contestant's settings.

    More seeds and other amounts of data leave what was measured as it is.
    """
    effort = EFFORTS[depth]
    return digest(
        GROUNDS[scenario],
        effort.held_out,
        effort.held_out_episodes,
        effort.draws,
        effort.policies,
        effort.simulated_episodes,
        effort.sampled_episodes,
        settings,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What of the whole study is to be measured; empty where all of it."""

    pairs: tuple[str, ...] = ()
    """`scenario` or `scenario/contestant`."""
    rows: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        known = (*FAMILIES, *PEERS)
        for pair in self.pairs:
            scenario, _, contestant = pair.partition("/")
            if scenario not in GROUNDS:
                raise UnknownContestant(
                    f"{pair!r}: no scenario {scenario!r} here{suggestion(scenario, GROUNDS)}"
                )
            if contestant and contestant not in known:
                raise UnknownContestant(
                    f"{pair!r}: nobody is called {contestant!r}{suggestion(contestant, known)}"
                )

    def takes(self, scenario: str, contestant: str) -> bool:
        """Whether a contestant on a scenario is to be measured."""
        asked = {scenario, f"{scenario}/{contestant}"}
        return not self.pairs or bool(asked & set(self.pairs))


def planned(depth: Depth, chosen: Chosen) -> Iterator[Fit]:
    """All fits that were chosen: small amounts of data first, then seed by seed."""
    effort = EFFORTS[depth]
    wanted = {name for name in GROUNDS if any(p.split("/")[0] == name for p in chosen.pairs)}
    field = {
        name: contestants(GROUNDS[name]().describe(), depth) for name in wanted or set(GROUNDS)
    }
    for rows in chosen.rows or effort.rows:
        for seed in chosen.seeds or effort.seeds:
            for scenario in (name for name in GROUNDS if name in field):
                for contestant in field[scenario].values():
                    if chosen.takes(scenario, contestant.name):
                        yield Fit(
                            scenario=scenario,
                            contestant=contestant,
                            rows=rows,
                            seed=seed,
                            depth=depth,
                        )


def missing(fits: Iterable[Fit], rows: Iterable[Row]) -> tuple[Fit, ...]:
    """The fits of which there is no row."""
    known = {row.key for row in rows}
    return tuple(fit for fit in fits if fit.key not in known)


def run(
    fits: Iterable[Fit],
    path: Path,
    store: Store,
    *,
    on_row: Callable[[Row, int], None] | None = None,
) -> None:
    """Measure one fit after another and keep each row at once, so that a kill loses little.

    One at a time, because two would spoil each other's seconds. `on_row` hears of each row and of
    how many are still to come.
    """
    code, machine_name, wanted = commit(), machine(), tuple(fits)
    judged: dict[tuple[str, int], Judgement] = {}
    for number, fit in enumerate(wanted, start=1):
        effort, ground = EFFORTS[fit.depth], GROUNDS[fit.scenario]
        place = (fit.scenario, fit.seed)
        if place not in judged:
            judged[place] = store.judgement(ground, effort, fit.seed)
        measured = _measure(fit, store, judged[place], effort)
        row = _row(fit, measured, judged[place], code, machine_name)
        append_row(path, row)
        if on_row is not None:
            on_row(row, len(wanted) - number)


def _measure(fit: Fit, store: Store, judgement: Judgement, effort: Effort) -> Measured:
    learnt = store.transitions(GROUNDS[fit.scenario], fit.rows, fit.seed)
    return measure(fit.contestant, learnt, judgement, effort, fit.seed)


def _row(fit: Fit, measured: Measured, judgement: Judgement, code: str, machine_name: str) -> Row:
    scores = measured.scores
    return Row(
        scenario=fit.scenario,
        contestant=fit.contestant.name,
        is_ours=fit.contestant.is_ours,
        rows=fit.rows,
        seed=fit.seed,
        digest=fit.digest,
        crps=scores.standardised_crps,
        energy=scores.energy,
        coverage_50=scores.coverage["50"],
        coverage_80=scores.coverage["80"],
        coverage_95=scores.coverage["95"],
        log_likelihood=scores.log_likelihood,
        tau=measured.rank.tau,
        tau_low=measured.rank.low,
        tau_high=measured.rank.high,
        tau_attainable=judgement.truth.tau_of_halves,
        values=measured.values,
        true_values=judgement.truth.values.tolist(),
        fit_cpu_seconds=round(measured.fit_cpu_seconds, 3),
        fit_seconds=round(measured.fit_seconds, 3),
        samples_per_second=round(measured.samples_per_second, 1),
        threads=measured.threads,
        commit=code,
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        machine=machine_name,
    )


def stored(path: Path) -> tuple[Row, ...]:
    """The rows of a file that were measured under today's settings, of each fit the newest."""
    rows = {row.key: row for row in read_rows(path, Row) if is_current(row)}
    return tuple(rows.values())


def is_current(row: Row) -> bool:
    """Whether a row's settings are still those of the scenario, the effort and the contestant."""
    if row.scenario not in GROUNDS:
        return False
    asked: list[tuple[Depth, object]] = []
    if row.contestant in DEFAULT_SETTINGS:
        asked = [(depth, DEFAULT_SETTINGS[row.contestant]) for depth in EFFORTS]
    elif row.contestant in PEERS:
        asked = [(depth, PEERS[row.contestant].settings_at(depth)) for depth in EFFORTS]
    return row.digest in {settings_digest(row.scenario, told, depth) for depth, told in asked}
