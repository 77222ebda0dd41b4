"""Fit a surrogate to transitions, and score it on episodes that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.jobs.specs import FitSpec
from service.jobs.work import Work
from sim.streams import stream
from surrogates.families import fit_family
from surrogates.scores import score
from surrogates.support import Support
from training.forms import RecordForm, SurrogateForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Scores as JSON takes them."""

    record: dict[str, Any]

    def to_record(self) -> dict[str, Any]:
        """As they are."""
        return self.record

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Told:
        """As they are."""
        return cls(record=record)


def weights(_: FitSpec) -> dict[str, float]:
    """Fitting is nearly all of it."""
    return {"fit": 0.95, "score": 0.05}


def run(work: Work[FitSpec]) -> dict[str, Any]:
    """Makes `surrogate`."""
    spec, description = work.spec, work.subject.description
    transitions = work.transitions("transitions")
    kept, held = transitions.split(spec.held_out, stream(spec.seed, "split"))
    surrogate = work.journal.step(
        "fit",
        lambda: fit_family(
            spec.family,
            kept,
            description,
            stream(spec.seed, "fit", spec.family),
            work.journal.at,
        ),
        SurrogateForm(description=description, lineage=work.lineage),
    )
    scores = work.journal.step(
        "score",
        lambda: Told(record=score(surrogate, held, stream(spec.seed, "scores")).to_record()),
        RecordForm(from_record=Told.from_record),
    ).record
    support = Support.learn(kept, description, stream(spec.seed, "support"))
    data = work.origin["inputs"]["transitions"]
    work.keep_surrogate(surrogate, support, data=data, scores=scores)
    return {"family": spec.family, "rows": len(kept), "held_out_rows": len(held), "scores": scores}
