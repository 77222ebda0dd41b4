"""One session as the service holds it: where it is played, what was asked, whether it is over."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from service.sessions.frames import Frame, Kind
from service.sessions.link import Link
from service.sessions.spec import SessionSpec

Tell = Callable[[Frame], None]
"""Told the reply to a request, refusals and failures included."""


@dataclass(slots=True)
class Asked:
    """A request on its way."""

    frame: Frame
    tell: Tell


@dataclass(frozen=True, slots=True)
class End:
    """Why a session is over."""

    state: str
    code: str
    detail: str


@dataclass(slots=True, kw_only=True, eq=False)
class Session:
    """A session that holds a slot."""

    id: str
    owner: str
    spec: SessionSpec
    handle: int
    idle_seconds: float
    created_at: datetime
    last_used: float
    """By the service's monotonic clock; of one that was never stepped, when it was made."""
    is_used: bool = False
    """Whether it was ever stepped."""
    about: dict[str, Any] = field(default_factory=dict)
    is_new: bool = False
    """Whether it was never played: there is no log to play again."""
    link: Link | None = None
    asked: deque[Asked] = field(default_factory=deque)
    """Requests without a reply, in order."""
    number: int | None = None
    """Step id of the last command, where it is known."""
    end: End | None = None
    recorded: asyncio.Task[None] | None = None
    """Of one that is over: notes it in the database."""
    survived: int = 0
    """Deaths of its worker in the command that is being played."""
    on_end: list[Callable[[End], None]] = field(default_factory=list)
    """Streams that want to know."""

    @property
    def is_busy(self) -> bool:
        """Whether something is under way."""
        return bool(self.asked)

    @property
    def rows(self) -> int:
        """Copies that a step steps."""
        return self.spec.num_envs or 1

    @property
    def is_being_built(self) -> bool:
        """Whether its environment may be in the making, or its past be played again."""
        return any(one.frame.kind in (Kind.OPEN, Kind.RESTORE) for one in self.asked)
