"""One client of OpenEnv: a session that is made at its first reset and ends with it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import orjson
from anyio.to_thread import run_sync
from pydantic import ValidationError

from service.problems import Problem
from service.sessions.encoding import Form
from service.sessions.frames import Kind
from service.sessions.operations import Sessions
from service.sessions.ordering import spec_of
from service.sessions.schemas import SessionOrder
from service.sessions.session import Session
from sim.errors import SurrogymError

_CODES = {"capacity": "CAPACITY_REACHED", "quota": "CAPACITY_REACHED"}
"""Theirs for ours; whatever else goes wrong is an execution error to them."""


class Wrong(Exception):
    """A message that is told as an error; the connection goes on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.document = {"type": "error", "data": {"message": message, "code": code}}


def told(problem: Problem) -> dict[str, Any]:
    """A problem as an error of theirs."""
    code = _CODES.get(problem.code, "EXECUTION_ERROR")
    return Wrong(code, f"{problem.code}: {problem.detail}").document


class Message(msgspec.Struct):
    """What a client sends."""

    type: str = ""
    data: dict[str, Any] = {}


class Visit:
    """Answers a client's messages."""

    def __init__(self, sessions: Sessions, owner: str, env: str) -> None:
        self._sessions, self._owner, self._env = sessions, owner, env
        self._session: Session | None = None
        self._options: dict[str, Any] = {}
        self._episode: str | None = None
        self._steps = 0

    async def answer(self, text: str) -> dict[str, Any] | None:
        """The answer to a message; None where the client takes its leave."""
        try:
            message = msgspec.json.decode(text, type=Message)
            return None if message.type == "close" else await self._answered(message)
        except msgspec.ValidationError as error:
            return Wrong("VALIDATION_ERROR", str(error)).document
        except (msgspec.DecodeError, RecursionError):
            return Wrong("INVALID_JSON", "the message is not JSON").document
        except Wrong as wrong:
            return wrong.document
        except Problem as problem:
            return told(problem)
        except SurrogymError as error:
            return Wrong("EXECUTION_ERROR", str(error)).document

    async def _answered(self, message: Message) -> dict[str, Any]:
        match message.type:
            case "reset":
                return {"type": "observation", "data": await self.reset(message.data)}
            case "step":
                return {"type": "observation", "data": await self.step(message.data)}
            case "state":
                return {"type": "state", "data": self.state()}
        raise Wrong("UNKNOWN_TYPE", "type: one of reset, step, state, close")

    async def reset(self, data: dict[str, Any]) -> dict[str, Any]:
        """Begin an episode, in another session where other options are asked for."""
        options = {k: v for k, v in data.items() if k not in ("seed", "episode_id")}
        if self._session is None or options != self._options:
            await self.leave()
            self._session, self._options = await self._begun(options), options
        reply = await self._ask(self._session, Kind.RESET, {"seed": data.get("seed")})
        self._episode, self._steps = data.get("episode_id"), 0
        return reply

    async def step(self, data: dict[str, Any]) -> dict[str, Any]:
        """Step once."""
        if "action" not in data or data.keys() - {"action", "metadata"}:
            raise Wrong("VALIDATION_ERROR", "data: an 'action' of the action space")
        if self._session is None:
            raise Wrong("EXECUTION_ERROR", "no episode goes on: reset first")
        reply = await self._ask(self._session, Kind.STEP, {"action": data["action"]})
        self._steps += 1
        return reply

    def state(self) -> dict[str, Any]:
        """Which episode goes on, and how far it is."""
        return {"episode_id": self._episode, "step_count": self._steps}

    async def leave(self) -> None:
        """End the session."""
        if self._session is not None:
            session, self._session = self._session, None
            # It is over in any case; only its record may be late.
            with suppress(Problem):
                await self._sessions.delete(self._owner, session.id, by=self._owner)

    async def _begun(self, options: dict[str, Any]) -> Session:
        try:
            order = SessionOrder.model_validate({**options, "env": self._env})
        except ValidationError as error:
            faults = "; ".join(f"{fault['loc']}: {fault['msg']}" for fault in error.errors()[:5])
            raise Wrong("VALIDATION_ERROR", faults) from error
        if order.num_envs is not None:
            raise Wrong("VALIDATION_ERROR", "num_envs: batches are stepped on /v1/sessions")
        spec = await run_sync(spec_of, self._sessions, order)
        return await self._sessions.create(self._owner, spec, order.idle_seconds)

    async def _ask(self, session: Session, kind: Kind, command: dict[str, Any]) -> dict[str, Any]:
        try:
            content = orjson.dumps(command)
        except TypeError as error:
            # Whole numbers of more than 64 bits, and what is no character.
            raise Wrong("VALIDATION_ERROR", "data: numbers of at most 64 bits, and text") from error
        reply = await self._sessions.ask(session, kind, Form.JSON, content)
        return result_of(orjson.loads(reply.content))


def result_of(reply: dict[str, Any]) -> dict[str, Any]:
    """A reply in their form: an episode that was cut short is done as well, and says so."""
    terminated, truncated = reply.get("terminated", False), reply.get("truncated", False)
    return {
        "observation": {
            "values": reply["observation"],
            "terminated": terminated,
            "truncated": truncated,
            "metadata": reply["info"],
        },
        "reward": reply.get("reward"),
        "done": terminated or truncated,
        "metadata": reply["info"],
    }
