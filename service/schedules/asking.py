"""What a run asks of jobs, as their specs."""

from __future__ import annotations

from typing import Any

from service.jobs.runtime import Jobs
from service.jobs.specs import (
    CalibrateSpec,
    Closed,
    FromJob,
    FromModel,
    Given,
    Investigating,
    Retraining,
    RetrainSpec,
)
from service.models.operations import Version
from service.problems import Problem
from service.schedules.schemas import AnswerOrder, ScheduleOrder
from service.schedules.tables import RunRow
from training.loop import Change

TELEMETRY = "telemetry"
_LONGEST_SEED = 2**31
_CHANGES = {
    Change.OBJECTIVE: "objective",
    Change.INSIDE: "inside",
    Change.OUTSIDE: "outside",
    Change.STRUCTURE: "structure",
}


def calibration(order: ScheduleOrder, run: RunRow) -> CalibrateSpec:
    """Re-estimate what is believed from the monitor's telemetry."""
    base, answer = _base(run), order.answer
    return CalibrateSpec(
        kind="calibrate",
        scenario=base["system"],
        seed=_seed(order, run),
        cores=answer.cores,
        title=_title(order, run),
        surrogate=FromModel(model=base["surrogate"]),
        policy=FromModel(model=base["policy"]),
        telemetry=Given(given=TELEMETRY),
        beliefs=base["beliefs"],
        **_of(Investigating, answer),
    )


def retraining(order: ScheduleOrder, run: RunRow, transitions: FromJob) -> RetrainSpec:
    """The answer to what was decided; the challenger is registered under the policy's name."""
    base, answer = _base(run), order.answer
    assert run.decision is not None
    change = Change(run.decision["change"])
    objective = base["objective"] or {}
    publish = {"policy": name_of(base["policy"])}
    if change in (Change.OUTSIDE, Change.STRUCTURE):
        publish["surrogate"] = name_of(base["surrogate"])
    calibrated = run.calibrate_job
    follows = change is Change.OUTSIDE
    return RetrainSpec.model_validate(
        {
            "kind": "retrain",
            "scenario": base["system"],
            "change": _CHANGES[change],
            "policy": FromModel(model=base["policy"]),
            "surrogate": FromModel(model=base["surrogate"]),
            "transitions": transitions,
            "beliefs": base["beliefs"],
            "calibration": calibrated and FromJob(job=calibrated, artefact="calibration"),
            "telemetry": Given(given=TELEMETRY) if follows else None,
            "costs": objective.get("costs"),
            "costs_at_close": objective.get("costs_at_close"),
            **_of(Retraining, answer),
            **_of(Investigating, answer),
            "publish": publish,
            "cores": answer.cores,
            "seed": _seed(order, run),
            "title": _title(order, run),
        }
    )


def transitions_of(jobs: Jobs, surrogate: Version, owner: str) -> FromJob:
    """On which a surrogate was fitted, by its lineage; raises Problem where that says nothing."""
    made_by = surrogate.lineage.get("job")
    if isinstance(made_by, str):
        job = jobs.get(made_by, owner)
        if any(each.name == "transitions" for each in jobs.repository.artefacts(job.id)):
            return FromJob(job=job.id, artefact="transitions")
        asked: Any = job.spec.get("transitions")
        if isinstance(asked, dict) and "job" in asked:
            return FromJob.model_validate(asked)
    raise Problem(
        "refused_input",
        f"nobody knows on which transitions {surrogate.reference} was fitted: give "
        "answer.transitions, the artefact of a job",
    )


def name_of(reference: str) -> str:
    """Of the model that `name@version` is of."""
    return reference.partition("@")[0]


def version_of(reference: str) -> int:
    """Of `name@version`."""
    return int(reference.partition("@")[2])


def _of(part: type[Closed], answer: AnswerOrder) -> dict[str, Any]:
    """What an answer says of one of its parts."""
    return {name: getattr(answer, name) for name in part.model_fields}


def _base(run: RunRow) -> dict[str, Any]:
    assert run.base is not None
    return run.base


def _seed(order: ScheduleOrder, run: RunRow) -> int:
    """Each run meets other chance."""
    return (order.answer.seed + run.number) % _LONGEST_SEED


def _title(order: ScheduleOrder, run: RunRow) -> str:
    return f"{order.name}: {run.trigger}, run {run.number}"
