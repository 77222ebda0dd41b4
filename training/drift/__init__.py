"""Has the world left the reference, and in what? Detectors with a stated run length in control.

`calibrate` gives a detector of `DETECTORS` by name; each evening `observe` takes in the telemetry
of a day and gives a verdict that names what has drifted, a parameter or a part of the system. After
an alarm a `StructureTest` says whether parameters explain it. All is calibrated on simulated days
at the reference, under the policy in charge.
"""

from training.drift.components import KINDS, Component, components_of, kind_of
from training.drift.cusum import DetectorState
from training.drift.detectors import DETECTORS, Setting, SupportsRecord, calibrate, restore
from training.drift.null import AlwaysAlarm, NeverAlarm
from training.drift.residual_cusum import ResidualCusum, calibrate_residual_cusum
from training.drift.residuals import ComponentResiduals, RawQueues
from training.drift.river_charts import RIVER_CHARTS
from training.drift.score_cusum import ScoreCusum, calibrate_detector
from training.drift.settings import DetectorSettings, RunLength
from training.drift.standard import Standard
from training.drift.streams import StreamDetector, StreamState, calibrate_stream, with_default
from training.drift.structure import (
    Explanation,
    StructureSettings,
    StructureTest,
    calibrate_structure_test,
)
from training.drift.thresholds import run_length, set_threshold, simulate_peaks
from training.drift.verdict import Detector, Verdict

__all__ = [
    "DETECTORS",
    "KINDS",
    "RIVER_CHARTS",
    "AlwaysAlarm",
    "Component",
    "ComponentResiduals",
    "Detector",
    "DetectorSettings",
    "DetectorState",
    "Explanation",
    "NeverAlarm",
    "RawQueues",
    "ResidualCusum",
    "RunLength",
    "ScoreCusum",
    "Setting",
    "Standard",
    "StreamDetector",
    "StreamState",
    "StructureSettings",
    "StructureTest",
    "SupportsRecord",
    "Verdict",
    "calibrate",
    "calibrate_detector",
    "calibrate_residual_cusum",
    "calibrate_stream",
    "calibrate_structure_test",
    "components_of",
    "kind_of",
    "restore",
    "run_length",
    "set_threshold",
    "simulate_peaks",
    "with_default",
]
