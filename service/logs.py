"""Logs: one line an event, with the request or the job it belongs to, and without secrets."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from service.security import SECRET

_SECRET_NAMES = ("authorization", "cookie", "secret", "password", "api_key", "token")
_MASK = "***"


def configure_logs(form: str) -> None:
    """Send this process's logs, ours and the libraries', to standard error in one form.

    `form` is json, text, or auto for text on a terminal. Called by the command, never on import.
    """
    is_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: Processor = structlog.processors.JSONRenderer()
    last: list[Processor] = [structlog.processors.format_exc_info, without_secrets, renderer]
    if is_text:
        last[-1] = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers, root.level = [handler], logging.INFO
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic", "httpx2"):
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], True
        library.setLevel(logging.WARNING)


def without_secrets(_: Any, __: str, event: EventDict) -> EventDict:
    """Mask whatever looks like a key, or has a name that secrets have."""
    return {name: _masked(name, value) for name, value in event.items()}


def _masked(name: str, value: Any) -> Any:
    if any(each in name.lower() for each in _SECRET_NAMES):
        return _MASK
    return SECRET.sub(_MASK, value) if isinstance(value, str) else value
