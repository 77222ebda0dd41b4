"""One run: every curve that is missing, kept as soon as it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from time import monotonic, process_time

import numpy as np
from scipy.stats import kendalltau

from experiments.main_job.context import machine
from experiments.rows import append_row, read_rows
from experiments.where_to_simulate.arms import ARMS
from experiments.where_to_simulate.place import Place
from experiments.where_to_simulate.reference import Reference, reference_of
from experiments.where_to_simulate.rows import Row
from experiments.where_to_simulate.settings import Setting
from sim.provenance import commit
from sim.streams import stream
from surrogates.acquisition.campaign import Finished
from surrogates.scores import score


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One arm with one seed, to be measured at every number of episodes."""

    setting: Setting
    arm: str
    seed: int

    @property
    def key(self) -> tuple[str, str, int, str]:
        """As rows name it."""
        return self.setting.scenario, self.arm, self.seed, self.setting.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where rows come from, as it was when the run began."""

    commit: str
    machine: str


def missing(
    settings: Iterable[Setting], arms: Iterable[str], rows: Iterable[Row]
) -> Iterator[Curve]:
    """Curves of which a row is missing: everything with the first seeds before the next ones."""
    known: dict[tuple[str, str, int, str], set[int]] = {}
    for row in rows:
        known.setdefault(row.curve, set()).add(row.episodes)
    chosen = tuple(arms)
    every = (
        (number, Curve(setting=setting, arm=arm, seed=seed))
        for setting in settings
        for number, seed in enumerate(setting.seeds)
        for arm in chosen
    )
    for _, curve in sorted(every, key=lambda numbered: numbered[0]):
        if not set(curve.setting.episodes) <= known.get(curve.key, set()):
            yield curve


def run(
    settings: Iterable[Setting],
    arms: Iterable[str],
    path: Path,
    references: Path,
    *,
    minutes: float = inf,
    on_row: Callable[[Row], None] | None = None,
) -> None:
    """Measure the curves that are missing; none is begun after so many minutes.

    References are kept in a folder of their own, being costly.
    """
    origin = Origin(commit=commit(), machine=machine())
    until = monotonic() + 60 * minutes
    for curve in tuple(missing(settings, arms, read_rows(path, Row))):
        if monotonic() > until:
            return
        place = Place(curve.setting.scenario)
        rows = []
        for row in measure(curve, place, reference_of(curve.setting, place, references), origin):
            rows.append(row)
            if on_row is not None:
                on_row(row)
        for row in rows:
            append_row(path, row)


def measure(curve: Curve, place: Place, reference: Reference, origin: Origin) -> Iterator[Row]:
    """The curve's points as they come."""
    began = process_time()
    for finished in ARMS[curve.arm](curve.setting, place, curve.seed):
        scores = judge(finished, curve, place, reference)
        yield Row(
            scenario=curve.setting.scenario,
            family=curve.setting.family,
            arm=curve.arm,
            seed=curve.seed,
            digest=curve.setting.digest,
            episodes=curve.setting.episodes[finished.number],
            epochs=len(finished.transitions),
            crps=scores["crps"],
            crps_usual=scores["crps_usual"],
            tau=scores["tau"],
            seconds=round(process_time() - began, 2),
            commit=origin.commit,
            date=datetime.now(UTC).strftime("%Y-%m-%d"),
            machine=origin.machine,
        )
        began = process_time()


def judge(finished: Finished, curve: Curve, place: Place, reference: Reference) -> dict[str, float]:
    """The three scores; the same random numbers for every arm."""
    setting, surrogate = curve.setting, finished.surrogate
    random = stream(curve.seed, "scores", str(finished.number))
    met, usual = (
        score(surrogate, rows, random, setting.draws).standardised_crps
        for rows in (reference.held_out, reference.usual)
    )
    costs = place.costs_on(surrogate, reference.controllers, setting.ranked_days, curve.seed)
    tau = kendalltau(costs, reference.costs).statistic
    # A surrogate to which all policies are alike ranks none of them.
    return {"crps": met, "crps_usual": usual, "tau": float(np.nan_to_num(tau))}
