"""Which answer a change asks for."""

from __future__ import annotations

import pytest

from training.calibrate import Calibration, Estimate
from training.loop.decision import Change, Decision, Findings, decide


def calibration(**values: float) -> Calibration:
    """Estimates with a standard error of 0.01 about a belief of 1; 1.3 is the bound of the box."""
    return Calibration(
        estimates=tuple(
            Estimate(
                name=name,
                start=1.0,
                value=value,
                standard_error=0.01,
                low=value - 0.0196,
                high=value + 0.0196,
                at_bound=value >= 1.3,
            )
            for name, value in values.items()
        ),
        parameters=tuple(values.values()),
        days=3,
        log_likelihood=-1.0,
    )


@pytest.mark.parametrize(
    ("findings", "change"),
    [
        (Findings(), Change.NOTHING),
        (Findings(objective_changed=True), Change.OBJECTIVE),
        (Findings(calibration=calibration(service=1.01)), Change.NOTHING),
        (Findings(calibration=calibration(service=1.03)), Change.NOTHING),
        (Findings(calibration=calibration(service=1.2)), Change.INSIDE),
        (Findings(calibration=calibration(service=1.3)), Change.OUTSIDE),
        (Findings(calibration=calibration(service=1.3, patience=0.8)), Change.OUTSIDE),
        (Findings(calibration=calibration(service=1.3), unexplained=("routing",)), Change.OUTSIDE),
        (
            Findings(
                calibration=calibration(service=1.3), unexplained=("routing",), is_followed=True
            ),
            Change.STRUCTURE,
        ),
        (
            Findings(calibration=calibration(service=1.01), unexplained=("routing",)),
            Change.STRUCTURE,
        ),
        (
            Findings(calibration=calibration(service=1.2), objective_changed=True),
            Change.INSIDE,
        ),
    ],
)
def test_what_changed_most_decides(findings: Findings, change: Change) -> None:
    """Each answer includes those before it: who learns a structure trains for an objective too."""
    decision = decide(findings)
    assert decision.change is change
    assert decision.reason


def test_only_what_the_surrogate_has_not_learnt_is_simulated() -> None:
    """An objective and parameters inside the box need no new data: that is what they are for."""
    simulating = {change for change in Change if decision_of(change).simulates}
    assert simulating == {Change.OUTSIDE, Change.STRUCTURE}
    assert not decision_of(Change.NOTHING).retrains


def test_what_is_given_is_not_answered() -> None:
    """Volumes come and go by themselves, and whoever is in charge sees them come."""
    moved = calibration(volume=1.2, service=1.02)
    assert decide(Findings(calibration=moved), given=("volume",)).change is Change.NOTHING


def test_the_clearest_parameter_is_named_first() -> None:
    """Who reads the reason looks there first."""
    decision = decide(Findings(calibration=calibration(patience=0.9, service=1.25)))
    assert decision.moved == ("service", "patience")
    assert decision.reason.startswith("service, patience moved")


def test_a_decision_survives_as_a_record() -> None:
    """It is kept in the journal."""
    decision = decide(Findings(calibration=calibration(service=1.2)))
    assert Decision.from_record(decision.to_record()) == decision


def decision_of(change: Change) -> Decision:
    return Decision(change=change, moved=(), reason="a test")
