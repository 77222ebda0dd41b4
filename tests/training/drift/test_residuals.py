"""Residuals of a system's parts: usual on usual days, and telling what has changed on others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from surrogates.interface import Epochs
from tests.training.drift.levels import TwoLevels, days, first_alarm
from training.drift import (
    Component,
    ComponentResiduals,
    DetectorSettings,
    RawQueues,
    ResidualCusum,
    calibrate_residual_cusum,
    kind_of,
    run_length,
    simulate_peaks,
)

if TYPE_CHECKING:
    from tests.training.conftest import SmallCentre

SETTINGS = DetectorSettings(resamples=20, chains=50)


@pytest.fixture(scope="module")
def watching(small_centre: SmallCentre) -> ResidualCusum:
    source = ComponentResiduals.learn(
        small_centre.surrogate,
        small_centre.in_control,
        small_centre.surrogate.description.nominal,
        5,
    )
    random = np.random.default_rng(1)
    return calibrate_residual_cusum(source, small_centre.in_control, SETTINGS, random)


def test_residuals_are_standard_and_do_not_correlate_in_control() -> None:
    """The two numbers go against each other, and what they share must be taken off the second.

    Of 1,600 new epochs the 99.9% half-width of a mean or a correlation is 0.082 and of a variance
    0.116; those of 800 epochs in control, which add to it, are 1.4 times as wide.
    """
    control = days(100, 100, own=0.7, apart=0.7)
    source = ComponentResiduals.learn(TwoLevels(), control, np.ones(2), 3)
    seen = np.concatenate(source.samples(days(200, 10_000, own=0.7, apart=0.7)))
    assert np.abs(seen.mean(axis=0)).max() < 0.142
    assert np.cov(seen.T) == pytest.approx(np.eye(2), abs=0.2)


def test_a_part_that_follows_from_others_is_left_out() -> None:
    """Judged given the others it would be noise, and noise raises alarms."""

    class Mirror(TwoLevels):
        def sample(self, *question: Any) -> Epochs:
            drawn = super().sample(*question)
            return replace(drawn, outputs=mirrored(drawn.outputs))

    def mirrored(outputs: np.ndarray) -> np.ndarray:
        return np.column_stack([outputs[:, 0], 2.0 - outputs[:, 0]])

    control = days(20, 100)
    control = replace(control, outputs=mirrored(control.outputs))
    source = ComponentResiduals.learn(Mirror(), control, np.ones(2), 3)
    assert source.names == ("output: first",)


def test_long_days_are_pooled_without_loss_of_scale() -> None:
    """An event-driven day has thousands of epochs; their sum over a root stays standard."""
    control = days(60, 100)
    source = ComponentResiduals.learn(TwoLevels(), control, np.ones(2), 3)
    pooled = replace(source, most_samples=3).samples(control)
    assert [len(day) for day in pooled] == [3] * 60
    assert np.concatenate(pooled).std(axis=0) == pytest.approx([1.0, 1.0], abs=0.18)


def test_beliefs_replace_what_telemetry_cannot_show(
    small_centre: SmallCentre, watching: ResidualCusum
) -> None:
    """Hidden parameters are as believed; a roster that telemetry shows is taken as it is."""
    elsewhere = watching.source.at(np.array([1.1, 1.2, 0.9, 0.5]))
    moved = elsewhere.believed(small_centre.days(1, 900_000))
    assert moved.parameters[0].tolist() == [1.1, 1.2, 0.9, 1.0]


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("arrivals", {"arrival_scale": 1.25}),
        ("service", {"handle_time_scale": 1.3}),
        ("capacity", {"staff_scale": 0.75}),
        ("patience", {"patience_scale": 0.5}),
    ],
)
def test_what_has_changed_is_named_first(
    small_centre: SmallCentre, watching: ResidualCusum, kind: str, changed: dict[str, float]
) -> None:
    """Each change moves several parts, but its own part most, given those before it."""
    days_after = small_centre.days(12, 910_000, **changed)
    verdict = first_alarm(watching, watching.begin(), days_after)
    assert kind_of(verdict.drifted[0]) == kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs(ComponentResiduals):
    """Residuals that are the outputs of days of one epoch, so that their law is known."""

    def samples(self, days: Transitions) -> list[np.ndarray]:
        return list(days.outputs[:, None])


def test_the_assurance_holds_for_many_parts_that_correlate() -> None:
    """What is taken off for correlation is estimated too, and the threshold must allow for it.

    Nine of ten calibrations are assured the wanted run length; of 12, fewer than 8 would have it
    with probability 0.4%.
    """
    random, parts = np.random.default_rng(8), 10
    source = _outputs(parts)
    mixing = np.eye(parts) + random.standard_normal((parts, parts)) / np.sqrt(parts)
    settings = DetectorSettings(run_length=100.0, resamples=20, chains=40)
    fresh = _single_epochs(random.standard_normal((5_000, parts)) @ mixing)
    reached = 0
    for _ in range(12):
        control = _single_epochs(random.standard_normal((100, parts)) @ mixing)
        watching = calibrate_residual_cusum(source, control, settings, random)
        judged = np.array(watching.measure(fresh))
        peaks = simulate_peaks(judged[None], settings.allowance, settings.clip, 400, 400, random)
        reached += run_length(peaks, watching.threshold) >= 100.0
    assert reached >= 8


def test_few_days_of_many_parts_can_be_resampled() -> None:
    """Of 20 days a resample holds some 13 different ones, whose covariance has no full rank."""
    random = np.random.default_rng(8)
    control = _single_epochs(random.standard_normal((20, 18)))
    watching = calibrate_residual_cusum(_outputs(18), control, SETTINGS, random)
    assert np.isfinite(watching.measure(control)).all()


def _outputs(parts: int) -> Outputs:
    return Outputs(
        surrogate=TwoLevels(),
        reference=np.ones(2),
        components=tuple(
            Component(kind="output", subject=str(i), columns=("first",)) for i in range(parts)
        ),
        centre=np.zeros(parts),
        root=np.eye(parts),
        seed=1,
    )


def _single_epochs(outputs: np.ndarray) -> Transitions:
    rows = len(outputs)
    return Transitions(
        state=np.zeros((rows, 1)),
        decision=np.zeros((rows, 1)),
        parameters=np.ones((rows, 2)),
        next_state=np.zeros((rows, 1)),
        outputs=outputs,
        duration=np.ones(rows),
        episode=np.arange(rows),
        policy=np.full(rows, "none"),
    )


def test_an_old_record_of_another_system_is_refused(small_centre: SmallCentre) -> None:
    """Parts of one system mean nothing in another."""
    source = ComponentResiduals.learn(TwoLevels(), days(20, 100), np.ones(2), 3)
    with pytest.raises(InvalidDataset, match="calibrate a new detector"):
        ComponentResiduals.from_record(source.to_record(), small_centre.surrogate)


def test_raw_queues_are_what_waits(small_centre: SmallCentre) -> None:
    """They are the warning example, so they must be the plain numbers that people would watch."""
    description = small_centre.surrogate.description
    queues, day = RawQueues(description=description), small_centre.days(1, 920_000)
    assert queues.names == ("queue: call_waiting", "queue: case_waiting")
    column = description.state_names.index("case_waiting")
    np.testing.assert_array_equal(queues.samples(day)[0][:, 1], day.next_state[:, column])
