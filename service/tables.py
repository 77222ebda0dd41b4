"""Every table that there is, for migrations to be held against."""

from __future__ import annotations

from sqlalchemy import MetaData

from service.database import Base
from service.jobs import tables as jobs
from service.keys import tables as keys
from service.models import tables as models
from service.monitors import tables as monitors
from service.schedules import tables as schedules
from service.sessions import tables as sessions
from service.webhooks import tables as webhooks

METADATA: MetaData = Base.metadata
RESOURCES = (keys, models, sessions, jobs, monitors, schedules, webhooks)
"""Modules whose import makes their tables known."""
