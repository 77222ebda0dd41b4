"""Everything an operator may set, by environment variables that begin with `SURROGYM_`.

Nothing has to be set: the defaults serve one person on one machine.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.jobs.settings import JobSettings
from service.monitors.settings import MonitorSettings
from service.schedules.settings import ScheduleSettings
from service.sessions.settings import SessionSettings
from service.webhooks.settings import WebhookSettings

_SHORTEST_KEY = 32


class LimitSettings(BaseModel):
    """What one request may ask for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_bytes: int = Field(default=16 << 20, ge=1 << 10)
    """Of a request's body, but for artefacts, which have a limit of their own."""
    stranger_bytes: int = Field(default=16 << 10, ge=1 << 10)
    """Of a body that may come without a key, as at the sign-in."""
    head_seconds: float = Field(default=20.0, gt=0)
    """In which a client has to say what it wants, from the connection or its first byte on."""
    body_seconds: float = Field(default=60.0, gt=0)
    """In which the body of a request has to come, but for artefacts."""
    artefact_bytes: int = Field(default=512 << 20, ge=1 << 10)
    """Of an uploaded artefact."""
    json_depth: int = Field(default=32, ge=4)
    """Brackets within brackets."""
    json_nodes: int = Field(default=1_000_000, ge=100)
    """Values in one body."""
    requests_per_minute: int = Field(default=600_000, ge=1)
    """Of one key. Generous: it stops loops gone wild, not users."""
    failures_per_minute: int = Field(default=60, ge=1)
    """Refused keys from one address, so that keys cannot be guessed."""
    page_size: int = Field(default=200, ge=1, le=1000)
    """Most items on one page."""


def _long_enough(key: SecretStr) -> SecretStr:
    if len(key) < _SHORTEST_KEY:
        raise ValueError(f"shorter than {_SHORTEST_KEY} characters: take a longer one, at random")
    return key


class Settings(BaseSettings):
    """Of one service."""

    model_config = SettingsConfigDict(
        env_prefix="SURROGYM_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    data: Path = Path("surrogym-data")
    """Folder of everything that is not in the database, and of the database where it is SQLite."""
    free_disk_bytes: int = Field(default=64 << 20, ge=0)
    """Free space in the data folder below which the service is not ready."""
    database_url: SecretStr | None = None
    """`postgresql://user:password@host/name`; SQLite in the data folder where it is not given."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    """0 takes any that is free."""
    key: Annotated[SecretStr, AfterValidator(_long_enough)] | None = None
    """An admin key of the operator's own choice, 32 characters at least; else one is made and
    printed once."""
    log_format: str = Field(default="auto", pattern="^(auto|json|text)$")
    """JSON lines, or text for people; auto is text on a terminal."""
    stop_seconds: float = Field(default=9.0, ge=1)
    """From when the service is told to stop until it is gone: half for open requests to finish,
    what is left of it to lay down jobs and all else. Docker kills after 10."""
    limits: LimitSettings = Field(default_factory=LimitSettings)
    sessions: SessionSettings = Field(default_factory=SessionSettings)
    jobs: JobSettings = Field(default_factory=JobSettings)
    webhooks: WebhookSettings = Field(default_factory=WebhookSettings)
    monitors: MonitorSettings = Field(default_factory=MonitorSettings)
    schedules: ScheduleSettings = Field(default_factory=ScheduleSettings)

    @property
    def database(self) -> str:
        """URL of the database as SQLAlchemy takes it."""
        if self.database_url is None:
            return f"sqlite:///{self.data.absolute() / 'surrogym.db'}"
        return self.database_url.get_secret_value()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the service."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False
