"""`python -m experiments.fidelity`: surrogates that saw enough, too little and nearly nothing."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.fidelity.page import write_report
from experiments.fidelity.progress import Steps
from experiments.fidelity.subject import Wanted, collected_subject, examine, train_policy
from experiments.main_job.reporter import Reporter
from surrogates.fidelity import FidelitySettings
from training.rllib.session import RayExecutor, ray_session

STORED = Path(__file__).resolve().parents[2] / "docs" / "fidelity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One report of the study."""

    name: str
    episodes: int
    """Simulated days of the bank that the flow surrogate is fitted to."""
    settings: FidelitySettings = field(default_factory=FidelitySettings)


EXAMPLES = (
    # Costs of its days vary so much that less leaves the gap and the ranking of a good one unknown.
    Example(
        name="good",
        episodes=900,
        settings=FidelitySettings(
            days=48, gap_days=2000, gap_episodes=10_000, scored_rows=8000, conditional_rows=4000
        ),
    ),
    Example(name="scant", episodes=12),
    Example(name="starved", episodes=5),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the reports; each is JSON with a page made from it."""
    parser = argparse.ArgumentParser(prog="python -m experiments.fidelity", description=__doc__)
    parser.add_argument("--only", choices=[e.name for e in EXAMPLES], action="append")
    parser.add_argument("--seed", type=int, default=2003)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), metavar="PROCESSES")
    parser.add_argument("--train-seconds", type=float, default=30.0)
    parser.add_argument("--folder", type=Path, default=STORED, help="of the reports")
    parser.add_argument("--pages", action="store_true", help="only make the pages, from records")
    given = parser.parse_args(arguments)
    if given.pages:
        for path in given.folder.glob("*.json"):
            write_report(path.with_suffix(".html"), json.loads(path.read_text()))
        return
    with ray_session(given.workers), RayExecutor() as executor, Steps(Reporter()) as steps:
        for example in EXAMPLES:
            if given.only and example.name not in given.only:
                continue
            wanted = Wanted.of("bank", "flow")
            subject = collected_subject(wanted, example.episodes, given.seed, executor, steps)
            trained = train_policy(subject, given.train_seconds, given.seed, steps)
            record = examine(subject, trained, example.settings, given.seed, executor, steps)
            write_report(given.folder / f"{example.name}.html", record)
            steps.say(f"{example.name}: {record['verdict']['use']}: {record['verdict']['reason']}")


if __name__ == "__main__":
    main()
