"""All benchmarks by name, and what becomes of their rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.benchmark import Benchmark
from benchmarks.collecting import Collecting
from benchmarks.environment_steps import EnvironmentSteps
from benchmarks.errors import InvalidMeasurement
from benchmarks.figures import Figure
from benchmarks.plots import draw_scaling
from benchmarks.rows import Origin, Row, append_row, latest, origins, read_rows
from benchmarks.scaling import Scaling
from benchmarks.serving import Serving
from benchmarks.speed import Speed
from benchmarks.stepping import Stepping
from benchmarks.training_speed import TrainingSpeed
from benchmarks.updating import Updating
from benchmarks.yardstick import plain_python_seconds
from sim.errors import suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One benchmark in its two sizes."""

    whole: Callable[[], Benchmark]
    quick: Callable[[], Benchmark]


BENCHMARKS: dict[str, Kind] = {
    "speed": Kind(whole=Speed, quick=Speed.quick),
    "scaling": Kind(whole=Scaling, quick=Scaling.quick),
    "collecting": Kind(whole=Collecting, quick=Collecting.quick),
    "stepping": Kind(whole=Stepping, quick=Stepping.quick),
    "environment_steps": Kind(whole=EnvironmentSteps, quick=EnvironmentSteps.quick),
    "training_speed": Kind(whole=TrainingSpeed, quick=TrainingSpeed.quick),
    "updating": Kind(whole=Updating, quick=Updating.quick),
    "serving": Kind(whole=Serving, quick=Serving.quick),
}
"""In the order in which they run and their figures are listed."""

STORED = Path(__file__).resolve().parent
"""Where the rows of whole runs are kept."""


def find(name: str) -> Kind:
    """A benchmark by its name."""
    if name not in BENCHMARKS:
        raise InvalidMeasurement(f"no benchmark {name!r}{suggestion(name, BENCHMARKS)}")
    return BENCHMARKS[name]


def measure(
    name: str, *, is_quick: bool, folder: Path, origin: Origin, say: Callable[[str], None]
) -> None:
    """Run one benchmark and append its rows to those in a folder."""
    kind = find(name)
    benchmark = kind.quick() if is_quick else kind.whole()
    for measurement in benchmark.measure():
        row = Row(
            benchmark=name,
            origin=origin,
            measurement=measurement,
            # Of every row, for machines that are shared may be three times as slow in one run.
            yardstick=plain_python_seconds(),
        )
        append_row(folder / "rows.jsonl", row)
        seconds = ", ".join(f"{who} {took:.3g} s" for who, took in measurement.seconds.items())
        say(f"{name}: {seconds}")


def summarise(folder: Path) -> None:
    """Make the summary and the plot from the rows in a folder."""
    rows = read_rows(folder / "rows.jsonl")
    text = json.dumps(summary(rows), indent=1, allow_nan=False) + "\n"
    (folder / "summary.json").write_text(text, encoding="utf-8")
    if scaling := latest(rows).get("scaling"):
        (folder / "scaling.svg").write_bytes(draw_scaling(scaling))


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures of the last run of every benchmark, with the newest run's origin."""
    if not rows:
        raise InvalidMeasurement("no rows to summarise: run python -m benchmarks first")
    newest = origins(rows)[-1]
    return {
        "commit": newest.commit,
        "date": newest.date,
        "machine": newest.machine,
        "figures": [figure.to_record() for figure in figures(rows)],
    }


def figures(rows: Sequence[Row]) -> list[Figure]:
    """The figures of the last run of every benchmark."""
    last = latest(rows)
    return [
        figure
        for name, kind in BENCHMARKS.items()
        if name in last
        for figure in kind.whole().figures(last[name])
    ]
