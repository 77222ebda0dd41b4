"""Every problem that there is, by codes that stay, as documents (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

PROBLEMS: dict[str, tuple[int, str]] = {
    "invalid_request": (422, "The request does not say what it has to"),
    "refused_input": (422, "What was asked for cannot be done as it is"),
    "malformed_json": (400, "The body is not JSON"),
    "too_deep": (400, "The body is nested too deeply or has too many values"),
    "request_timeout": (408, "The body did not come in time"),
    "too_large": (413, "The body is too large"),
    "unsupported_media_type": (415, "The body is of a kind that is not read here"),
    "unauthenticated": (401, "No valid key came with the request"),
    "forbidden": (403, "The key may not do this"),
    "cross_site": (403, "A page of another site sent this"),
    "not_found": (404, "There is no such thing"),
    "method_not_allowed": (405, "The method is not offered here"),
    "conflict": (409, "It is in another state than the request needs"),
    "idempotency_key_reused": (422, "The key came with another request before"),
    "quota_exceeded": (429, "There are as many as one may have"),
    "precondition_required": (428, "Say which version is meant, with If-Match"),
    "precondition_failed": (412, "Somebody changed it in the meantime"),
    "rate_limited": (429, "Too many requests"),
    "not_acceptable": (406, "The answer cannot be given in that form"),
    "promotion_refused": (409, "The evidence does not speak for it"),
    "storage_unavailable": (503, "The database or the disk does not answer"),
    "not_ready": (503, "The service is not ready"),
    "invalid_action": (422, "The action is not in the action space"),
    "not_reset": (409, "No episode goes on"),
    "step_gap": (409, "A step is missing before this one"),
    "step_stale": (409, "The step is over, and its reply no longer kept"),
    "spec_mismatch": (409, "The snapshot is of a session of another kind"),
    "session_log_full": (409, "The session was stepped for too long without a full reset"),
    "session_closed": (410, "The session was closed"),
    "session_expired": (410, "The session was not used for too long"),
    "session_lost": (410, "The session's past cannot be brought back"),
    "simulator_error": (502, "The simulator failed"),
    "simulator_crashed": (502, "The simulator's process died"),
    "step_timeout": (504, "The simulator took too long"),
    "quota": (429, "The owner has too many sessions"),
    "capacity": (503, "Every slot is taken"),
    "internal_error": (500, "Something broke on our side"),
}
"""Every code: its status, and its title, which is the same each time."""

_LONGEST = 1000


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    at: str = Field(description="Where, as a JSON pointer from `body`, `query`, `path` or `header`")
    reason: str


class ProblemDocument(BaseModel):
    """A problem as it is told (RFC 9457)."""

    type: str = Field(description="`urn:surrogym:problem:` and the code")
    title: str
    status: int
    code: str = Field(description="Stays the same from release to release")
    detail: str | None = None
    request_id: str | None = None
    errors: list[Fault] | None = None


class Problem(Exception):
    """An answer that says what is wrong; `detail` is for its reader, with the way out."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        errors: list[Fault] | None = None,
    ) -> None:
        if code not in PROBLEMS:
            raise KeyError(f"problem {code!r} is not in service.problems.PROBLEMS")
        super().__init__(code, detail)
        self.code, self.detail, self.errors = code, detail, errors
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """Of the answer."""
        return PROBLEMS[self.code][0]

    def document(self, request_id: str | None = None) -> dict[str, Any]:
        """As JSON takes it."""
        told = ProblemDocument(
            type=f"urn:surrogym:problem:{self.code}",
            title=PROBLEMS[self.code][1],
            status=self.status,
            code=self.code,
            detail=None if self.detail is None else self.detail[:_LONGEST],
            request_id=request_id,
            errors=self.errors,
        )
        return told.model_dump(exclude_none=True)


def retry_after(seconds: float) -> dict[str, str]:
    """The header that says when to come again: whole seconds, one at least."""
    return {"Retry-After": str(max(1, round(seconds)))}
