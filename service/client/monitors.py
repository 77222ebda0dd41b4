"""Monitors from Python: telemetry in, drift out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.client.transport import Transport
from service.monitors.schemas import (
    DayView,
    Gap,
    MonitorView,
    Received,
    Residuals,
    ShadowReport,
)
from surrogates.dataset import Transitions

_URL = "/v1/monitors"
_MOST_EPOCHS = 2000
"""In one request, well below what a service takes."""


class MonitorsClient:
    """Who watches."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, **order: Any) -> MonitorView:
        """Begin to watch; `order` has the keywords of `POST /v1/monitors`."""
        return self._view(self._transport.request("POST", _URL, json=order))

    def list(self) -> list[MonitorView]:
        """One's monitors, the newest first."""
        return [MonitorView.model_validate(item) for item in self._transport.items(_URL)]

    def get(self, monitor_id: str) -> MonitorView:
        """One monitor: its state, what was raised, and what drifted."""
        return self._view(self._transport.request("GET", f"{_URL}/{monitor_id}"))

    def send(self, monitor_id: str, epochs: Sequence[Mapping[str, Any]]) -> Received:
        """Send epochs, as often as it takes: each is stored once."""
        total = Received(stored=0, duplicates=0, refused=[], late=0)
        for begin in range(0, len(epochs), _MOST_EPOCHS):
            part = [dict(each) for each in epochs[begin : begin + _MOST_EPOCHS]]
            answer = self._transport.request(
                "POST", f"{_URL}/{monitor_id}/epochs", may_repeat=True, json={"epochs": part}
            )
            told = Received.model_validate(answer.json())
            total = Received(
                stored=total.stored + told.stored,
                duplicates=total.duplicates + told.duplicates,
                refused=[*total.refused, *told.refused],
                late=total.late + told.late,
            )
        return total

    def send_days(self, monitor_id: str, telemetry: Transitions, first_day: int) -> Received:
        """Send whole days, numbered in order from the first; each ends with its last epoch."""
        return self.send(monitor_id, list(epochs_of(telemetry, first_day)))

    def days(self, monitor_id: str) -> Sequence[DayView]:
        """Days, the newest first, with the verdicts of the detectors."""
        found = self._transport.items(f"{_URL}/{monitor_id}/days")
        return [DayView.model_validate(item) for item in found]

    def gaps(self, monitor_id: str) -> Sequence[Gap]:
        """What did not come."""
        found = self._transport.items(f"{_URL}/{monitor_id}/gaps")
        return [Gap.model_validate(item) for item in found]

    def residuals(self, monitor_id: str, days: int = 100) -> Residuals:
        """What the detectors saw of each part of the system, day by day."""
        path = f"{_URL}/{monitor_id}/residuals"
        answer = self._transport.request("GET", path, params={"days": days})
        return Residuals.model_validate(answer.json())

    def acknowledge(self, monitor_id: str, reason: str) -> MonitorView:
        """Answer an alarm with nothing, and watch on."""
        return self._act(monitor_id, "acknowledge", {"reason": reason})

    def pause(self, monitor_id: str) -> MonitorView:
        """Store telemetry without judging it."""
        return self._act(monitor_id, "pause")

    def resume(self, monitor_id: str) -> MonitorView:
        """Judge again, what came in the meantime included."""
        return self._act(monitor_id, "resume")

    def let_shadow(self, monitor_id: str, policy: str) -> ShadowReport:
        """Compare a challenger with who is in charge, on days to come."""
        answer = self._transport.request(
            "PUT", f"{_URL}/{monitor_id}/shadow", json={"policy": policy}
        )
        return ShadowReport.model_validate(answer.json())

    def shadow(self, monitor_id: str) -> ShadowReport:
        """What the challenger that watches would have done."""
        answer = self._transport.request("GET", f"{_URL}/{monitor_id}/shadow")
        return ShadowReport.model_validate(answer.json())

    def drop_shadow(self, monitor_id: str) -> None:
        """Compare no more; what was found stays with its days."""
        self._transport.request("DELETE", f"{_URL}/{monitor_id}/shadow")

    def delete(self, monitor_id: str) -> None:
        """End a monitor and forget its telemetry."""
        self._transport.request("DELETE", f"{_URL}/{monitor_id}")

    def _act(self, monitor_id: str, what: str, told: dict[str, Any] | None = None) -> MonitorView:
        return self._view(self._transport.request("POST", f"{_URL}/{monitor_id}/{what}", json=told))

    def _view(self, answer: Any) -> MonitorView:
        return MonitorView.model_validate(answer.json())


def epochs_of(telemetry: Transitions, first_day: int) -> Iterator[dict[str, Any]]:
    """Transitions as a monitor takes them; a new day begins where the episode's number changes."""
    rows, day, index = len(telemetry), first_day, 0
    for row in range(rows):
        is_last = row + 1 == rows or telemetry.episode[row + 1] != telemetry.episode[row]
        yield {
            "day": day,
            "index": index,
            "state": telemetry.state[row].tolist(),
            "decision": telemetry.decision[row].tolist(),
            "outputs": telemetry.outputs[row].tolist(),
            "next_state": telemetry.next_state[row].tolist(),
            "minutes": float(telemetry.duration[row]),
            "is_last": bool(is_last),
        }
        day, index = (day + 1, 0) if is_last else (day, index + 1)
