"""Has the world left the reference, and in which parameter? Cumulative sums of daily scores.

Each evening the day's score under a surrogate with a likelihood gives a one-step estimate of how
far every hidden parameter has moved. Standardised by what simulated days in control show, kind of
day by kind of day, these run through two-sided cumulative sums (Page 1954) with one threshold for
all, set by simulation to a stated number of days between false alarms. In control everything but
the threshold is estimated from finitely many days, which shortens the true run length (Jones,
Champ and Rigdon 2004); the threshold allows for it by resampling the days that standardise, after
Gandy and Kvaloy (2013).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from training.likelihood import (
    DayLikelihood,
    InControl,
    first_rows,
    kinds_of_days,
    number_of_kinds,
)

_FEWEST_DAYS = 20
_DAYS_TRUSTED_FOR_MEAN, _DAYS_TRUSTED_FOR_WIDTH = 5.0, 10.0
"""Weight, in days, of all kinds of day together in the mean and in the width of one kind."""
_LONGEST_RUN = 4
"""Simulated days per chain, in wanted run lengths; longer runs are counted as unfinished."""
_RESAMPLE_BAND = (0.05, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """What the detector is tuned to."""

    run_length: float = 250.0
    """Wanted mean number of days between false alarms of all parameters together."""
    allowance: float = 1.0
    """Daily drift taken off each sum, in standard deviations: half the shift that matters."""
    clip: float = 4.0
    """Largest daily value, in standard deviations, so that one freak day alone is no alarm."""
    leak: float = 0.25
    """A parameter is named only with this share of the clearest one's mean shift: far from the
    reference the likelihood is not quadratic, and a large shift of one leaks into the others."""
    assurance: float = 0.9
    """Share of resampled sets of days in control for which the run length is at least as wanted."""
    resamples: int = 40
    """Resampled sets of days in control."""
    chains: int = 100
    """Simulated runs for each of them."""

    def __post_init__(self) -> None:
        positive = (self.run_length - 1, self.allowance, self.clip - self.allowance)
        few = self.resamples < 2 or self.chains < 1
        if min(positive) <= 0 or few or not 0 < self.assurance < 1:
            raise ValueError(
                f"{self}: run_length above 1, clip above an allowance above 0, assurance between "
                "0 and 1, 2 resamples or more"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLength:
    """Mean days between false alarms at the threshold, as simulated."""

    mean: float
    """Over resampled sets of days in control."""
    low: float
    """5% quantile over those sets. Not a bound: unseen tails make the true one shorter still."""
    high: float
    """95% quantile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorState:
    """What a detector carries from day to day; upward sums first, downward second."""

    sums: Float[np.ndarray, "2 hidden"]
    """Cumulative sums, in standard deviations."""
    days: Int[np.ndarray, "2 hidden"]
    """Days since each sum was last zero."""
    shifts: Float[np.ndarray, "2 hidden"]
    """Residuals added up over those days, in the sum's own direction and not clipped."""

    @classmethod
    def empty(cls, count: int) -> DetectorState:
        """Nothing seen yet."""
        none = np.zeros((2, count))
        return cls(sums=none, days=np.zeros((2, count), dtype=int), shifts=none)

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {name: value.tolist() for name, value in _arrays(self).items()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> DetectorState:
        """Rebuild from a record."""
        return cls(
            sums=np.array(record["sums"], dtype=float),
            days=np.array(record["days"], dtype=int),
            shifts=np.array(record["shifts"], dtype=float),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a detector says of the world after one more day."""

    names: tuple[str, ...]
    """The hidden parameters, in the order of the vectors here."""
    up: Float[np.ndarray, "hidden"]
    """Evidence that each parameter has risen: its cumulative sum."""
    down: Float[np.ndarray, "hidden"]
    threshold: float
    residuals: Float[np.ndarray, "hidden"]
    """The day's standardised estimates, not clipped."""
    alarm: bool
    drifted: tuple[str, ...]
    """Parameters over the threshold, the clearest first; empty without an alarm."""
    since_days: int
    """Days the drift has lasted, today included, by the clearest sum; 0 while that is zero."""

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        arrays = {name: value.tolist() for name, value in _arrays(self).items()}
        plain = {"names": list(self.names), "drifted": list(self.drifted)}
        return {
            **arrays,
            **plain,
            "threshold": self.threshold,
            "alarm": self.alarm,
            "since_days": self.since_days,
        }


@runtime_checkable
class Detector(Protocol):
    """Watches days go by; holds no state of its own, so a restart is a fresh `begin`."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def begin(self) -> DetectorState:
        """The state before the first day, and after a restart."""
        ...

    def observe(self, state: DetectorState, day: Transitions) -> tuple[DetectorState, Verdict]:
        """Take in the telemetry of one day."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverAlarm:
    """Null case: the world never changes."""

    names: tuple[str, ...] = ()
    name: str = "never alarm"

    def begin(self) -> DetectorState:
        """Empty: nothing is remembered."""
        return DetectorState.empty(len(self.names))

    def observe(self, state: DetectorState, day: Transitions) -> tuple[DetectorState, Verdict]:
        """No alarm."""
        return state, _constant_verdict(self.names, alarm=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlwaysAlarm:
    """Null case: the world changes every day, in everything."""

    names: tuple[str, ...] = ()
    name: str = "always alarm"

    def begin(self) -> DetectorState:
        """Empty: nothing is remembered."""
        return DetectorState.empty(len(self.names))

    def observe(self, state: DetectorState, day: Transitions) -> tuple[DetectorState, Verdict]:
        """An alarm that names every parameter."""
        return state, _constant_verdict(self.names, alarm=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """Mean and width of one-step estimates in control, for each kind of day."""

    centre: Float[np.ndarray, "kind hidden"]
    width: Float[np.ndarray, "kind hidden"]

    @classmethod
    def of(
        cls,
        estimates: Float[np.ndarray, "day hidden"],
        kinds: Int[np.ndarray, "day"],
        number: int,
    ) -> Standard:
        """Mean and width by kind, drawn towards those of all days where a kind has few."""
        ones = (kinds[None, :] == np.arange(number)[:, None]).astype(float)
        counts = ones.sum(axis=1)[:, None]
        centre = (ones @ estimates + _DAYS_TRUSTED_FOR_MEAN * estimates.mean(axis=0)) / (
            counts + _DAYS_TRUSTED_FOR_MEAN
        )
        squares = (estimates - centre[kinds]) ** 2
        variance = (ones @ squares + _DAYS_TRUSTED_FOR_WIDTH * squares.mean(axis=0)) / (
            counts + _DAYS_TRUSTED_FOR_WIDTH
        )
        return cls(centre=centre, width=np.sqrt(variance))

    def apply(
        self, estimates: Float[np.ndarray, "day hidden"], kinds: Int[np.ndarray, "day"]
    ) -> Float[np.ndarray, "day hidden"]:
        """Estimates in standard deviations from their mean in control."""
        result: Float[np.ndarray, "day hidden"] = (estimates - self.centre[kinds]) / self.width[
            kinds
        ]
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCusum:
    """Two-sided cumulative sums of standardised one-step estimates, calibrated."""

    likelihood: DayLikelihood
    control: InControl
    standard: Standard
    settings: DetectorSettings
    threshold: float
    run_length: RunLength
    name: str = "score cusum"

    def begin(self) -> DetectorState:
        """Every sum at zero."""
        return DetectorState.empty(len(self.likelihood.names))

    def residuals(self, days: Transitions) -> Float[np.ndarray, "day hidden"]:
        """Standardised one-step estimates of each day, not clipped."""
        estimates = self.control.one_step(self.likelihood.scores(days))
        description = self.likelihood.surrogate.description
        return self.standard.apply(estimates, kinds_of_days(description, days))

    def observe(self, state: DetectorState, day: Transitions) -> tuple[DetectorState, Verdict]:
        """Add one day; refuses telemetry of more than one."""
        residuals = self.residuals(day)
        if len(residuals) != 1:
            raise InvalidDataset(f"telemetry of {len(residuals)} days: observe one at a time")
        return self.step(state, residuals[0])

    def step(
        self, state: DetectorState, residuals: Float[np.ndarray, "hidden"]
    ) -> tuple[DetectorState, Verdict]:
        """Add one day's standardised estimates."""
        s = self.settings
        moved = np.stack([residuals, -residuals])
        sums = advance(state.sums, moved, s.allowance, s.clip)
        is_up = sums > 0
        after = DetectorState(
            sums=sums,
            days=np.where(is_up, state.days + 1, 0),
            shifts=np.where(is_up, state.shifts + moved, 0.0),
        )
        return after, self._judge(after, residuals)

    def _judge(self, state: DetectorState, residuals: Float[np.ndarray, "hidden"]) -> Verdict:
        is_over = state.sums.max(axis=0) >= self.threshold
        means = (state.shifts / np.maximum(state.days, 1)).max(axis=0)
        clear = is_over & (means >= self.settings.leak * np.where(is_over, means, 0.0).max())
        order = np.argsort(-means, kind="stable")
        clearest = np.unravel_index(int(state.sums.argmax()), state.sums.shape)
        return Verdict(
            names=self.likelihood.names,
            up=state.sums[0],
            down=state.sums[1],
            threshold=self.threshold,
            residuals=residuals,
            alarm=bool(is_over.any()),
            drifted=tuple(self.likelihood.names[i] for i in order if clear[i]),
            since_days=int(state.days[clearest]),
        )

    def to_record(self) -> dict[str, Any]:
        """Everything but the surrogate, as JSON takes it."""
        return {
            "reference": self.likelihood.reference.tolist(),
            "names": list(self.likelihood.names),
            "control": self.control.to_record(),
            "standard": {k: v.tolist() for k, v in _arrays(self.standard).items()},
            "settings": asdict(self.settings),
            "threshold": self.threshold,
            "run_length": asdict(self.run_length),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any], likelihood: DayLikelihood) -> ScoreCusum:
        """Rebuild around the same surrogate; refuses a likelihood about another reference."""
        names, reference = tuple(record["names"]), record["reference"]
        if names != likelihood.names or reference != likelihood.reference.tolist():
            raise InvalidDataset(
                f"a detector of {names} at {reference} cannot watch {likelihood.names} at "
                f"{likelihood.reference.tolist()}: calibrate a new one"
            )
        return cls(
            likelihood=likelihood,
            control=InControl.from_record(record["control"]),
            standard=Standard(**{k: np.array(v) for k, v in record["standard"].items()}),
            settings=DetectorSettings(**record["settings"]),
            threshold=float(record["threshold"]),
            run_length=RunLength(**record["run_length"]),
        )


def calibrate_detector(
    in_control: Transitions,
    likelihood: DayLikelihood,
    settings: DetectorSettings,
    random: np.random.Generator,
) -> ScoreCusum:
    """Standardise and set the threshold on days simulated at the likelihood's reference.

    The days should run under the policy that will be in charge. Raises InvalidDataset below 20
    days; 200 is what keeps the true run length near the wanted one.
    """
    count = len(first_rows(in_control))
    if count < _FEWEST_DAYS:
        raise InvalidDataset(f"{count} days in control: simulate at least {_FEWEST_DAYS}")
    control = InControl.measure(likelihood, in_control)
    estimates = control.one_step(likelihood.scores(in_control))
    description = likelihood.surrogate.description
    kinds, number = kinds_of_days(description, in_control), number_of_kinds(description)
    threshold, achieved = set_threshold(estimates, kinds, number, settings, random)
    return ScoreCusum(
        likelihood=likelihood,
        control=control,
        standard=Standard.of(estimates, kinds, number),
        settings=settings,
        threshold=threshold,
        run_length=achieved,
    )


def set_threshold(
    estimates: Float[np.ndarray, "day hidden"],
    kinds: Int[np.ndarray, "day"],
    number: int,
    settings: DetectorSettings,
    random: np.random.Generator,
) -> tuple[float, RunLength]:
    """Threshold that gives the wanted run length in the assured share of resampled sets.

    The sets say how wrong centre and width may be; tails that no day in control has shown they
    cannot foretell, so the true run length may still be shorter than the band.
    """
    sets = _resampled(estimates, kinds, number, settings, random)
    steps = int(np.ceil(_LONGEST_RUN * settings.run_length))
    peaks = simulate_peaks(sets, settings.allowance, settings.clip, steps, settings.chains, random)
    threshold = _bisect(
        lambda h: float(np.quantile(_run_lengths(peaks, h), 1.0 - settings.assurance)),
        settings.run_length,
        float(peaks.max()),
    )
    each = _run_lengths(peaks, threshold)
    low, high = np.quantile(each, _RESAMPLE_BAND)
    achieved = RunLength(mean=float(np.mean(each)), low=float(low), high=float(high))
    return threshold, achieved


def advance(
    sums: Float[np.ndarray, "*chains hidden"],
    moved: Float[np.ndarray, "*chains hidden"],
    allowance: float,
    clip: float,
) -> Float[np.ndarray, "*chains hidden"]:
    """One day of cumulative sums: max(0, sum + clipped value - allowance)."""
    result: Float[np.ndarray, "*chains hidden"] = np.maximum(
        0.0, sums + np.clip(moved, -clip, clip) - allowance
    )
    return result


def simulate_peaks(
    sets: Float[np.ndarray, "resample day hidden"],
    allowance: float,
    clip: float,
    steps: int,
    chains: int,
    random: np.random.Generator,
) -> Float[np.ndarray, "step resample chain"]:
    """Largest two-sided sum so far, along chains that draw their days from each set."""
    resamples, count, hidden = sets.shape
    sums = np.zeros((resamples, chains, 2 * hidden))
    peaks = np.zeros((steps, resamples, chains))
    peak = np.zeros((resamples, chains))
    both = np.concatenate([sets, -sets], axis=2)
    rows = np.arange(resamples)[:, None]
    for step in range(steps):
        days = random.integers(count, size=(resamples, chains))
        sums = advance(sums, both[rows, days], allowance, clip)
        peak = np.maximum(peak, sums.max(axis=2))
        peaks[step] = peak
    return peaks


def run_length(peaks: Float[np.ndarray, "step *chains"], threshold: float) -> float:
    """Mean days to an alarm: all days until alarm or end over the number of alarms."""
    crossed = peaks >= threshold
    has_alarm = crossed.any(axis=0)
    days = np.where(has_alarm, crossed.argmax(axis=0) + 1, len(peaks))
    return float(days.sum() / max(1, int(has_alarm.sum())))


def _run_lengths(peaks: Float[np.ndarray, "step resample chain"], threshold: float) -> list[float]:
    return [run_length(peaks[:, number], threshold) for number in range(peaks.shape[1])]


def _resampled(
    estimates: Float[np.ndarray, "day hidden"],
    kinds: Int[np.ndarray, "day"],
    number: int,
    settings: DetectorSettings,
    random: np.random.Generator,
) -> Float[np.ndarray, "resample day hidden"]:
    """The days in control as standardised by resamples of themselves."""
    sets = []
    for _ in range(settings.resamples):
        rows = random.integers(len(estimates), size=len(estimates))
        standard = Standard.of(estimates[rows], kinds[rows], number)
        sets.append(standard.apply(estimates, kinds))
    return np.stack(sets)


def _bisect(of: Callable[[float], float], wanted: float, most: float) -> float:
    """Least threshold whose run length is the wanted one; run lengths rise with it."""
    low, high = 0.0, most
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if of(middle) >= wanted else (middle, high)
    return high


def _arrays(record: DetectorState | Verdict | Standard) -> dict[str, np.ndarray]:
    values = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def _constant_verdict(names: tuple[str, ...], *, alarm: bool) -> Verdict:
    none = np.zeros(len(names))
    return Verdict(
        names=names,
        up=none,
        down=none,
        threshold=0.0,
        residuals=none,
        alarm=alarm,
        drifted=names if alarm else (),
        since_days=int(alarm),
    )
