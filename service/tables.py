"""Every table that there is, for migrations to be held against."""

from __future__ import annotations

from sqlalchemy import MetaData

from service.database import Base
from service.keys import tables as keys

METADATA: MetaData = Base.metadata
RESOURCES = (keys,)
"""Modules whose import makes their tables known."""
