"""`surrogym`: the main job whole (`demo`) or stage by stage.

Progress goes to standard error, results to standard output. Exit codes: 0 done, 2 something the
user can mend (one message says what), 130 interrupted.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from cli.fidelity import fidelity
from cli.scenarios import scenarios
from cli.serve import keys, serve
from cli.simulate_next import simulate_next
from cli.validate import validate
from sim.errors import SurrogymError

app = typer.Typer(
    help="Train control policies for service systems on simulation surrogates.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_INTERRUPTED = 130

Runs = Annotated[Path, typer.Option(help="Folder of all runs.")]
RunId = Annotated[str | None, typer.Option(help="Name of the run; a new one gets the time of day.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on after the last finished stage.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="A smoke test: small, its figures mean little.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, no progress.")]
ScenarioName = Annotated[
    str,
    typer.Option(
        help="A bundled scenario, the path of a TOML file, or your simulator's module:Class."
    ),
]
VolumesFile = Annotated[
    str | None, typer.Option(help="A CSV or Parquet file of volumes in place of the scenario's.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Root of every random stream.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; all cores by default.")]


@app.command()
def demo(
    runs: Runs = Path("runs"),
    run_id: RunId = None,
    scenario: ScenarioName = "bank",
    volumes: VolumesFile = None,
    seed: Seed = 2003,
    workers: Workers = None,
    resume: Resume = False,
    quick: Quick = False,
    as_json: AsJson = False,
) -> None:
    """Run the main job: learn, simulate, collect, fit, pretrain, evaluate, live, report."""
    from experiments.main_job.pipeline import STAGES, run_stages

    context = _context(runs, run_id, resume, as_json, scenario, volumes, seed, workers, quick)
    run_stages(context, [stage.name for stage in STAGES])
    _finish(context.run.path, as_json)


def _stage_command(name: str, text: str) -> Callable[..., None]:
    def command(
        run_id: Annotated[str, typer.Option(help="Name of the run.")],
        runs: Runs = Path("runs"),
        scenario: ScenarioName = "bank",
        volumes: VolumesFile = None,
        seed: Seed = 2003,
        workers: Workers = None,
        quick: Quick = False,
        as_json: AsJson = False,
    ) -> None:
        from experiments.main_job.pipeline import run_stages

        is_old = (runs / run_id).exists()
        if name != "learn" and not is_old:
            _refuse(f"no run {runs / run_id}: begin with `surrogym learn --run-id {run_id}`")
        context = _context(runs, run_id, is_old, as_json, scenario, volumes, seed, workers, quick)
        summary = run_stages(context, [name])[name]
        if as_json:
            print(json.dumps(summary))

    command.__doc__ = text
    command.__name__ = name
    return command


for _name, _text in {
    "learn": "Fit the arrival model to the real volumes, where there are any.",
    "simulate": "Check the simulator, against Erlang A or the contract, and run one episode.",
    "collect": "Collect transitions in parallel, over parameters and behaviours.",
    "fit": "Fit the surrogates and score them on held-out days.",
    "pretrain": "Train PPO on the surrogate, PPO on the simulator, and tune the rules.",
    "evaluate": "Compare every controller on the true simulator, on the same days.",
    "live": "Replay later days or a drift: detect, re-train, promote.",
    "report": "Write report.html and results.json.",
}.items():
    app.command(name=_name)(_stage_command(_name, _text))


app.command()(scenarios)
app.command()(validate)
app.command()(fidelity)
app.command()(simulate_next)
app.command()(serve)
app.add_typer(keys, name="keys")


def _context(
    runs: Path,
    run_id: str | None,
    resume: bool,
    as_json: bool,
    scenario: str,
    volumes: str | None,
    seed: int,
    workers: int | None,
    quick: bool,
) -> Any:
    from experiments.main_job.context import Context
    from experiments.main_job.inputs import check_inputs
    from experiments.main_job.reporter import Reporter
    from experiments.main_job.run_folder import RunFolder
    from experiments.main_job.settings import QUICK, MainJobSettings

    reporter = Reporter(is_quiet=as_json)
    if resume:
        path = runs / run_id if run_id else _latest(runs)
        context = Context(run=RunFolder.open(path), reporter=reporter)
    else:
        path = runs / (run_id or datetime.now().strftime("%Y%m%d-%H%M%S"))
        settings = MainJobSettings(
            scenario=scenario,
            volumes=volumes,
            seed=seed,
            workers=workers or len(os.sched_getaffinity(0)),
        )
        settings = replace(settings, **QUICK) if quick else settings
        check_inputs(settings)
        context = Context(run=RunFolder.create(path, settings), reporter=reporter)
    reporter.say(f"run {context.run.path}")
    return context


def _latest(runs: Path) -> Path:
    found = sorted(path.parent for path in runs.glob("*/run.json"))
    if not found:
        _refuse(f"no run to resume in {runs}: start one without --resume")
    return max(found, key=lambda path: (path / "run.json").stat().st_mtime)


def _finish(path: Path, as_json: bool) -> None:
    results = json.loads((path / "results.json").read_text())
    if as_json:
        print(json.dumps(results))
        return
    for figure in results["figures"]:
        interval = ""
        if figure["low"] is not None:
            interval = f" [{figure['low']:.4g}, {figure['high']:.4g}]"
        value = "none" if figure["value"] is None else f"{figure['value']:.4g}"
        print(f"{figure['name']:45s} {value}{interval} {figure['unit']}")
    print(f"report: {path / 'report.html'}")


def _refuse(message: str) -> NoReturn:
    raise SurrogymError(message)


def main() -> None:
    """The command's door: errors a user can mend become one message and exit code 2."""
    # A kill by SIGTERM unwinds like Ctrl-C, so that nothing half written stays.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:
            print(
                "interrupted; go on with --resume, or with the same command where it has none",
                file=sys.stderr,
            )
        raise
    except SurrogymError as error:
        print(f"surrogym: {error}", file=sys.stderr)
        sys.exit(2)
    except ConnectionError as error:
        print(f"surrogym: cannot reach Ray: {error}; check RAY_ADDRESS", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        print(
            f"surrogym: cannot write or read{place}: {error.strerror or error}; "
            "free space or choose another --runs folder, then go on with --resume, or with the "
            "same command where it has none",
            file=sys.stderr,
        )
        sys.exit(2)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
