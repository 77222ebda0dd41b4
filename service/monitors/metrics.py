"""What monitors count."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class MonitorMetrics:
    """Counters of one service."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.epochs = Counter(
            "surrogym_epochs_total", "Epochs of telemetry by what became of them.", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self.days = Counter("surrogym_days_total", "Days that were judged.", registry=registry)
        self.alarms = Counter("surrogym_alarms_total", "Alarms of monitors.", registry=registry)
