"""Whatever goes wrong is answered as a problem document.

No answer has the text of an exception that was not written for its reader, nor what was sent.
"""

from __future__ import annotations

import http
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException

from service.problems import Fault, Problem, ProblemDocument, retry_after
from sim.errors import SurrogymError

MEDIA_TYPE = "application/problem+json"

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
_WAYS_OUT = {
    "not_found": "GET /v1/openapi.json has every path",
    "method_not_allowed": "the header Allow has those that are",
}
_log = structlog.get_logger("surrogym.errors")


def as_problem(error: Exception) -> Problem:
    """What an exception is told as; what was not written for its reader is logged, not told."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, SurrogymError):
        return Problem("refused_input", str(error))
    if isinstance(error, IntegrityError):
        return Problem("conflict", "somebody did the same at the same time: ask again")
    if isinstance(error, DataError):
        _log.error("not stored", exc_info=error)
        return Problem("invalid_request", "a value that the database does not take")
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
    if any(each["loc"] == ("body",) and each["type"] != "missing" for each in found):
        # Nobody parses what is not said to be JSON: all of it is one text then.
        media = request.headers.get("content-type", "").partition(";")[0].strip()
        if media != "application/json" and not media.endswith("+json"):
            told = "say what it is, with 'Content-Type: application/json'"
            return await _told(request, Problem("unsupported_media_type", told))
    faults = [Fault(at=_pointer(each["loc"]), reason=_reason(each)) for each in found]
    return await _told(request, Problem("invalid_request", errors=faults[:50]))


_REASONS = {
    "extra_forbidden": "no such field: leave it out, GET /v1/openapi.json has those that there are",
    "missing": "it is required: give it",
}
"""In place of what says only what is wrong, by pydantic's types."""


def _reason(error: Any) -> str:
    return _REASONS.get(error["type"]) or str(error["msg"])[:300]


async def _plain(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _BY_STATUS.get(error.status_code)
    if code is None:
        code = "internal_error" if error.status_code >= 500 else "invalid_request"
    told = _WAYS_OUT.get(code, http.HTTPStatus(error.status_code).phrase)
    problem = Problem(code, told, headers=error.headers)
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
