"""Keys over HTTP."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from service.bodies import Strict
from service.keys.repository import Scope


class KeyOrder(Strict):
    """A key that is wanted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "night job", "owner": "planning", "scopes": ["train"]}]
        },
    )

    name: str = Field(min_length=1, max_length=100, description="What it is for")
    owner: str = Field(
        min_length=1, max_length=100, pattern=r"^[\w.@ -]+$", description="Whose things it sees"
    )
    scopes: list[Scope] = Field(min_length=1, max_length=5)


class Key(BaseModel):
    """A key, but for its secret."""

    id: str
    name: str
    owner: str
    scopes: list[Scope]
    created_at: datetime
    revoked_at: datetime | None


class NewKey(BaseModel):
    """A key as it is told once."""

    key: str = Field(description="Keep it: it is not told again")
