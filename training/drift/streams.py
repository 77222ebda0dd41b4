"""River's detectors on standardised residuals, their sensitivity set by simulated days in control.

ADWIN, Page-Hinkley and KSWIN are made for single streams whose values do not depend on each other;
here there is a stream for each watched part, and the parts of one day share its luck. So what their
own settings promise does not hold, and one number, the same for all streams of a detector, is set
by simulation to the wanted run length of all of them together. Whole days in control are drawn
again and again for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from river.base import DriftDetector

from surrogates.dataset import Transitions
from surrogates.interface import Surrogate
from training.drift.residuals import ComponentResiduals
from training.drift.river_charts import RIVER_CHARTS, Fired, Path, RiverChart, show
from training.drift.settings import DetectorSettings, RunLength
from training.drift.thresholds import LONGEST_RUN, bisect, mean_run_length
from training.drift.verdict import Seen, Verdict, arrays_to_record, only_day

_HALVINGS = 15
"""Of the range of a sensitivity, on a logarithmic scale: to about a thousandth of itself."""
_BOOTSTRAPS = 200
_BAND = (0.05, 0.95)


@runtime_checkable
class Source(Protocol):
    """Where the streams come from."""

    @property
    def names(self) -> tuple[str, ...]:
        """What verdicts call the streams."""
        ...

    def samples(self, days: Transitions) -> list[Float[np.ndarray, "_ watched"]]:
        """Of each day."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """All values since the beginning; a detector of river's is rebuilt by showing it these."""

    seen: Float[np.ndarray, "sample watched"]
    live: list[DriftDetector] = field(default_factory=list, compare=False, repr=False)
    """River's detectors as these values left them, until the next day is shown to them."""

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return arrays_to_record(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDetector:
    """One of river's detectors for each stream; any of them raises the alarm."""

    chart: RiverChart
    source: Source
    sensitivity: float
    """The one number that is calibrated."""
    run_length: RunLength | None
    """None where river's own default is left as it is."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.chart.name

    def begin(self) -> StreamState:
        """Nothing seen yet."""
        return StreamState(seen=np.zeros((0, len(self.source.names))))

    def measure(self, days: Transitions) -> Sequence[Seen]:
        """The streams' values over each day, a row for each sample."""
        return self.source.samples(days)

    def step(
        self, state: StreamState, seen: Float[np.ndarray, "sample watched"]
    ) -> tuple[StreamState, Verdict]:
        """Show one day's values to each stream's detector."""
        live = list(state.live) or self._replayed(state.seen)
        # They are about to move on: whoever uses the old state again has them rebuilt.
        state.live.clear()
        fired = show(live, seen.T.tolist())
        after = StreamState(seen=np.concatenate([state.seen, seen]), live=live)
        return after, self._judge(after, fired, seen)

    def observe(self, state: StreamState, day: Transitions) -> tuple[StreamState, Verdict]:
        """Add one day; refuses telemetry of more than one."""
        return self.step(state, only_day(self.measure(day)))

    def first_alarms(self, paths: Sequence[Path]) -> list[tuple[int, Verdict] | None]:
        """Of each path of days the first that alarms, counted from 1, and the verdict on it.

        As stepping day by day would find them, and much faster.
        """
        found = self.chart.first_alarms(paths)(self.sensitivity)
        return [
            None if first is None else (first[0], self._of_path(path[: first[0]], first[1]))
            for path, first in zip(paths, found, strict=True)
        ]

    def _of_path(self, path: Path, fired: Fired) -> Verdict:
        return self._judge(StreamState(seen=np.concatenate(path)), fired, path[-1])

    def restore(self, record: dict[str, Any]) -> StreamState:
        """The state whose `to_record` gave this."""
        seen = np.array(record["seen"], dtype=float).reshape(-1, len(self.source.names))
        return StreamState(seen=seen)

    def _replayed(self, seen: Float[np.ndarray, "sample watched"]) -> list[DriftDetector]:
        live = [self.chart.build(self.sensitivity) for _ in self.source.names]
        show(live, seen.T.tolist())
        return live

    def _judge(
        self,
        state: StreamState,
        fired: Fired,
        seen: Float[np.ndarray, "sample watched"],
    ) -> Verdict:
        shift, samples = _clearest_tail(state.seen)
        order = np.argsort(-np.abs(shift), kind="stable")
        drifted = [int(i) for i in order if fired[i]]
        lasted = samples[drifted[0]] if drifted else 0
        return Verdict(
            names=self.source.names,
            up=(fired & (shift > 0)).astype(float),
            down=(fired & (shift <= 0)).astype(float),
            threshold=1.0,
            residuals=seen.sum(axis=0) / np.sqrt(len(seen)),
            alarm=bool(drifted),
            drifted=tuple(self.source.names[i] for i in drifted),
            since_days=int(np.ceil(lasted / len(seen))),
        )

    def to_record(self) -> dict[str, Any]:
        """Everything but the surrogate, as JSON takes it; of detectors of residuals only."""
        assert isinstance(self.source, ComponentResiduals)
        return {
            "chart": self.chart.name,
            "source": self.source.to_record(),
            "sensitivity": self.sensitivity,
            "run_length": None if self.run_length is None else asdict(self.run_length),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any], surrogate: Surrogate) -> StreamDetector:
        """Rebuild around the same surrogate. Raises InvalidDataset for one of another system."""
        length = record["run_length"]
        return cls(
            chart=RIVER_CHARTS[record["chart"]],
            source=ComponentResiduals.from_record(record["source"], surrogate),
            sensitivity=float(record["sensitivity"]),
            run_length=None if length is None else RunLength(**length),
        )


def calibrate_stream(
    chart: RiverChart,
    source: Source,
    in_control: Transitions,
    settings: DetectorSettings,
    random: np.random.Generator,
) -> StreamDetector:
    """Set the sensitivity on days in control under the policy in charge.

    Where a detector cannot be made keen enough for the wanted run length it is as keen as it gets,
    and `run_length` says how long it runs.
    """
    sensitivity, achieved = set_sensitivity(chart, source.samples(in_control), settings, random)
    return StreamDetector(chart=chart, source=source, sensitivity=sensitivity, run_length=achieved)


def with_default(chart: RiverChart, source: Source) -> StreamDetector:
    """The detector as river sets it, whatever run length that gives."""
    return StreamDetector(
        chart=chart.value_by_value(), source=source, sensitivity=chart.usual, run_length=None
    )


def set_sensitivity(
    chart: RiverChart,
    days: Sequence[Float[np.ndarray, "_ watched"]],
    settings: DetectorSettings,
    random: np.random.Generator,
) -> tuple[float, RunLength]:
    """The keenest sensitivity that gives the wanted run length on days drawn from these."""
    longest = int(np.ceil(LONGEST_RUN * settings.run_length))
    chains = random.integers(len(days), size=(settings.chains, longest))
    alarms = chart.first_alarms([[days[i] for i in chain] for chain in chains])
    calmest, keenest = np.log(chart.calmest), np.log(chart.keenest)

    def sensitivity(calm: float) -> float:
        return float(np.exp(keenest + calm * (calmest - keenest)))

    calm = bisect(
        lambda share: mean_run_length(_days(alarms(sensitivity(share))), longest),
        settings.run_length,
        1.0,
        _HALVINGS,
    )
    return sensitivity(calm), _achieved(_days(alarms(sensitivity(calm))), longest, random)


def _days(alarms: Sequence[tuple[int, Fired] | None]) -> list[int | None]:
    return [None if alarm is None else alarm[0] for alarm in alarms]


def _achieved(found: Sequence[int | None], longest: int, random: np.random.Generator) -> RunLength:
    """Mean run length with a bootstrap band over the chains."""
    again = random.integers(len(found), size=(_BOOTSTRAPS, len(found)))
    means = [mean_run_length([found[i] for i in rows], longest) for rows in again]
    low, high = np.quantile(means, _BAND)
    return RunLength(mean=mean_run_length(found, longest), low=float(low), high=float(high))


def _clearest_tail(
    seen: Float[np.ndarray, "sample watched"],
) -> tuple[Float[np.ndarray, "watched"], np.ndarray]:
    """How far each stream's last values lie off 0, and since how many samples that is clearest."""
    counts = np.arange(1, len(seen) + 1)[:, None]
    tails = seen[::-1].cumsum(axis=0) / np.sqrt(counts)
    best = np.abs(tails).argmax(axis=0)
    return tails[best, np.arange(seen.shape[1])], best + 1
