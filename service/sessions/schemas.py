"""Sessions over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from envs.actions import ActionForm
from envs.masks import Mask
from service.bodies import Strict
from service.sessions.objectives import ObjectiveOrder
from service.sessions.spec import AutoresetName

Seed = Annotated[int, Field(ge=0, lt=2**53)]
StepId = Annotated[int, Field(ge=1, lt=2**53)]


class SessionOrder(Strict):
    """A session that is wanted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"env": "clinic", "seed": 7},
                {"env": "bank", "world": "bank-flow@champion", "num_envs": 64, "seed": 7},
                {"env": "clinic", "objective": {"outputs": {"registration_wait": 2.0}}},
            ]
        },
    )

    env: str = Field(
        min_length=1, max_length=200, description="A scenario, `scenario:variant`, or a plug-in"
    )
    world: str = Field(
        default="simulator",
        min_length=1,
        max_length=300,
        description="`simulator`, or a surrogate: `name`, `name@alias`, `name@sha256`",
    )
    seed: Seed | None = Field(default=None, description="Of the first episode; drawn if not given")
    num_envs: int | None = Field(
        default=None, ge=1, le=1 << 20, description="Copies in a batch; one, not batched, if absent"
    )
    autoreset_mode: AutoresetName = Field(
        default="SameStep", description="Of a batch: gymnasium's `AutoresetMode`"
    )
    parameters: dict[str, FiniteFloat] | None = Field(
        default=None, max_length=200, description="Nominal where not given"
    )
    objective: ObjectiveOrder | None = Field(
        default=None,
        description="`outputs` and `at_close` with a cost for each name, `targets`, `constraints`; "
        "or a record of `envs.Objective`. The scenario's own if absent",
    )
    actions: ActionForm = "joint"
    mask: Mask | None = None
    history: int = Field(default=1, ge=1, le=64, description="Epochs that are seen at once")
    tell_state: bool = Field(
        default=False,
        description="Replies then have `info.state`, the system's own numbers as the scenario "
        "names them, beside the observation",
    )
    idle_seconds: float | None = Field(
        default=None, gt=0, le=1e7, description="After so long without a step it expires"
    )


class SessionView(BaseModel):
    """A session."""

    id: str
    owner: str
    env: str
    world: str
    world_digest: str | None = Field(description="SHA-256 of the surrogate's weights")
    state: Literal["open", "closed", "expired", "failed"]
    code: str | None = Field(default=None, description="Why it is over, as in problems")
    detail: str | None = None
    seed: int
    num_envs: int | None
    autoreset_mode: AutoresetName | None
    actions: ActionForm
    mask: Mask | None
    history: int
    spec_digest: str = Field(description="Sessions of one digest answer the same actions alike")
    observation_space: dict[str, Any]
    action_space: dict[str, Any]
    step_id: int | None = Field(
        description="Of the last command; null until the first after the service was restarted"
    )
    credit: int = Field(description="Commands of a stream that may be under way")
    created_at: datetime
    used_at: datetime | None
    idle_seconds: float


class StepOrder(BaseModel):
    """A step."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"step_id": 2, "action": 3}]})

    step_id: StepId | None = Field(
        default=None,
        description="One more than that of the last command. A repeat gets the reply it had, a gap "
        "is 409; without one the step cannot safely be repeated",
    )
    action: Any = Field(description="As the action space says; a row for each of a batch")


class ResetOrder(BaseModel):
    """A reset."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"step_id": 1, "seed": 7}]})

    step_id: StepId | None = None
    seed: Seed | None = Field(
        default=None, description="Drawn from the last one given, and the resets since, if absent"
    )
    reset_mask: list[bool] | None = Field(
        default=None, description="Which environments of a batch; all if absent"
    )


class Reply(BaseModel):
    """What a command was answered; in a batch each is a row for each environment."""

    type: Literal["reply"] = "reply"
    step_id: int
    observation: Any
    info: dict[str, Any] = Field(
        description="`cost`, `duration`, `action_mask`; in a batch `final_obs` and `final_info` too"
    )
    reward: Any = Field(default=None, description="Absent after a reset, like the next two")
    terminated: Any = None
    truncated: Any = None


class SnapshotView(BaseModel):
    """Where a session was."""

    id: str
    session_id: str
    spec_digest: str
    seed: int
    step_id: int
    log_bytes: int = Field(description="Of the actions that lead there")
    created_at: datetime
    expires_at: datetime


class RestoreOrder(Strict):
    """Which snapshot to go to."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"snapshot_id": "snap_0123456789abcdef01234567"}]},
    )

    snapshot_id: str = Field(min_length=1, max_length=40)


class Restored(BaseModel):
    """A session that was brought to a snapshot."""

    next_step_id: int
