"""Whatever goes wrong, as problem documents (RFC 9457) with codes that stay.

No answer has the text of an exception that was not written for its reader, nor what was sent.
"""

from __future__ import annotations

import http
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException

from sim.errors import SurrogymError

MEDIA_TYPE = "application/problem+json"

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

_BY_STATUS = {
    400: "malformed_json",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
}
_LONGEST = 1000
_log = structlog.get_logger("surrogym.errors")


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
            raise KeyError(f"problem {code!r} is not in service.errors.PROBLEMS")
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


def as_problem(error: Exception) -> Problem:
    """What an exception is told as; what was not written for its reader is logged, not told."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, SurrogymError):
        return Problem("refused_input", str(error))
    if isinstance(error, IntegrityError):
        return Problem("conflict", "somebody did the same at the same time: ask again")
    if isinstance(error, DBAPIError | NoConnection):
        _log.error("database does not answer", exc_info=error)
        return Problem("storage_unavailable", "try again soon", headers=retry_after(2))
    if isinstance(error, OSError) and error.errno in _STORAGE:
        _log.error("disk does not answer", exc_info=error)
        return Problem("storage_unavailable", "try again soon", headers=retry_after(10))
    _log.error("unforeseen", exc_info=error)
    return Problem("internal_error", "tell the operator the request id")


_STORAGE = frozenset({5, 27, 28, 30, 122})
"""EIO, EFBIG, ENOSPC, EROFS, EDQUOT."""


def install_handlers(app: FastAPI) -> None:
    """Answer every exception of an app with a problem document."""
    for kind, handle in {
        Problem: _told,
        SurrogymError: _told,
        DBAPIError: _told,
        NoConnection: _told,
        OSError: _told,
        RequestValidationError: _unvalidated,
        HTTPException: _plain,
    }.items():
        app.add_exception_handler(kind, handle)


async def _told(request: Request, error: Exception) -> JSONResponse:
    return respond(request.scope.get("state", {}).get("request_id"), as_problem(error))


async def _unvalidated(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return await _told(request, Problem("malformed_json"))
    faults = [Fault(at=_pointer(each["loc"]), reason=str(each["msg"])[:300]) for each in found]
    return await _told(request, Problem("invalid_request", errors=faults[:50]))


async def _plain(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _BY_STATUS.get(error.status_code)
    if code is None:
        code = "internal_error" if error.status_code >= 500 else "invalid_request"
    phrase = http.HTTPStatus(error.status_code).phrase
    problem = Problem(code, phrase, headers=error.headers)
    return await _told(request, problem)


def respond(request_id: str | None, problem: Problem) -> JSONResponse:
    """A problem as an answer."""
    headers = dict(problem.headers)
    if problem.status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    if problem.code == "storage_unavailable":
        headers.setdefault("Retry-After", "10")
    return JSONResponse(
        problem.document(request_id),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def _pointer(location: tuple[int | str, ...]) -> str:
    return "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in location)


def problem_responses() -> dict[int | str, dict[str, Any]]:
    """How OpenAPI tells of problems: any refusal and any failure looks the same."""
    content = {MEDIA_TYPE: {"schema": ProblemDocument.model_json_schema()}}
    for name in ("$defs",):
        schema = content[MEDIA_TYPE]["schema"]
        if name in schema:
            schema["properties"]["errors"] = {
                "type": "array",
                "items": schema.pop(name)["Fault"],
            }
    return {
        "4XX": {"description": "Refused: a problem document says why", "content": content},
        "5XX": {"description": "Failed: a problem document says what", "content": content},
    }
