"""Sessions from Python: begun, kept, brought back and ended. Stepping is in `envs.remote`."""

from __future__ import annotations

from typing import Any

from service.client.transport import Transport
from service.sessions.schemas import Restored, SessionView, SnapshotView

_URL = "/v1/sessions"


class SessionsClient:
    """Environments under way."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, **order: Any) -> SessionView:
        """Begin a session that outlives its clients; `order` is as in `POST /v1/sessions`.

        `envs.remote.RemoteEnv` steps it when it is given the `session_id`.
        """
        return _session(self._transport.request("POST", _URL, json=order))

    def list(self, **filters: Any) -> list[SessionView]:
        """One's sessions, the newest first, those that are over for a while too.

        An admin sees everybody's, or those of an `owner`.
        """
        found = self._transport.items(_URL, **filters)
        return [SessionView.model_validate(item) for item in found]

    def get(self, session_id: str) -> SessionView:
        """One session, and why it is over if it is."""
        return _session(self._transport.request("GET", f"{_URL}/{session_id}"))

    def snapshot(self, session_id: str) -> SnapshotView:
        """Keep where a session is."""
        answer = self._transport.request("POST", f"{_URL}/{session_id}/snapshot")
        return SnapshotView.model_validate(answer.json())

    def restore(self, session_id: str, snapshot_id: str) -> Restored:
        """Go to a snapshot of this session, or of another with the same spec digest."""
        path = f"{_URL}/{session_id}/restore"
        answer = self._transport.request("POST", path, json={"snapshot_id": snapshot_id})
        return Restored.model_validate(answer.json())

    def delete(self, session_id: str) -> None:
        """End a session; to end it again changes nothing."""
        self._transport.request("DELETE", f"{_URL}/{session_id}")


def _session(answer: Any) -> SessionView:
    return SessionView.model_validate(answer.json())
