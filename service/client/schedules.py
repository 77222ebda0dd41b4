"""Schedules from Python: what is done when, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from service.client.transport import NotReached, Transport
from service.schedules.schemas import RunView, ScheduleView

_URL = "/v1/schedules"
_ENDED = frozenset({"promoted", "kept", "skipped", "failed", "cancelled"})


class SchedulesClient:
    """Who answers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, **order: Any) -> ScheduleView:
        """Say what is done about a monitor; `order` has the keywords of `POST /v1/schedules`."""
        return _schedule(self._transport.request("POST", _URL, json=order))

    def list(self, **filters: Any) -> list[ScheduleView]:
        """One's schedules, the newest first; `monitor` chooses among them."""
        found = self._transport.items(_URL, **filters)
        return [ScheduleView.model_validate(item) for item in found]

    def get(self, schedule_id: str) -> ScheduleView:
        """One schedule, and when its cron is due next."""
        return _schedule(self._transport.request("GET", f"{_URL}/{schedule_id}"))

    def change(self, schedule_id: str, **wish: Any) -> ScheduleView:
        """Have some of it otherwise."""
        path = f"{_URL}/{schedule_id}"
        return _schedule(self._transport.request("PATCH", path, may_repeat=True, json=wish))

    def pause(self, schedule_id: str, reason: str) -> ScheduleView:
        """Begin nothing by itself any more."""
        path = f"{_URL}/{schedule_id}/pause"
        return _schedule(self._transport.request("POST", path, json={"reason": reason}))

    def resume(self, schedule_id: str) -> ScheduleView:
        """Begin again."""
        return _schedule(self._transport.request("POST", f"{_URL}/{schedule_id}/resume"))

    def want(
        self,
        schedule_id: str,
        *,
        costs: Mapping[str, float] | None = None,
        costs_at_close: Mapping[str, float] | None = None,
    ) -> RunView:
        """Want something else from now on; the run that answers it."""
        wish = {"costs": costs, "costs_at_close": costs_at_close}
        path = f"{_URL}/{schedule_id}/objective"
        return _run(self._transport.request("PUT", path, json=wish))

    def run_now(self, schedule_id: str, *, idempotency_key: str | None = None) -> RunView:
        """Ask for a run; sent again with the same key when it was lost."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return _run(
            self._transport.request(
                "POST",
                f"{_URL}/{schedule_id}/runs",
                may_repeat=idempotency_key is not None,
                headers=headers,
            )
        )

    def backfill(self, schedule_id: str, since: datetime, until: datetime) -> Sequence[RunView]:
        """Make up for cron times of the past, each once."""
        wish = {"since": since.isoformat(), "until": until.isoformat()}
        path = f"{_URL}/{schedule_id}/backfill"
        answer = self._transport.request("POST", path, may_repeat=True, json=wish)
        return [RunView.model_validate(item) for item in answer.json()["items"]]

    def delete(self, schedule_id: str) -> None:
        """End a schedule, whatever it has at work, and its runs."""
        self._transport.request("DELETE", f"{_URL}/{schedule_id}")

    def runs(self, **filters: Any) -> Sequence[RunView]:
        """One's runs, the newest first; `schedule`, `monitor` and `state` choose among them."""
        found = self._transport.items("/v1/runs", **filters)
        return [RunView.model_validate(item) for item in found]

    def run(self, run_id: str) -> RunView:
        """One run."""
        return _run(self._transport.request("GET", f"/v1/runs/{run_id}"))

    def wait(self, run_id: str, seconds: float = 3600.0) -> RunView:
        """A run that has ended; raises NotReached after so long."""
        until = time.monotonic() + seconds
        while (run := self.run(run_id)).state not in _ENDED:
            if time.monotonic() >= until:
                raise NotReached(f"run {run_id} is still {run.state} after {seconds:g} seconds")
            time.sleep(0.5)
        return run

    def cancel(self, run_id: str, reason: str) -> RunView:
        """End a run and its jobs."""
        path = f"/v1/runs/{run_id}/cancel"
        return _run(self._transport.request("POST", path, json={"reason": reason}))


def _schedule(answer: Any) -> ScheduleView:
    return ScheduleView.model_validate(answer.json())


def _run(answer: Any) -> RunView:
    return RunView.model_validate(answer.json())
