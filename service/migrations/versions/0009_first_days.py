"""The first day of which a monitor expects telemetry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; monitors that are there expect days from the first that came."""
    op.add_column(
        "monitors", sa.Column("first_day", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.execute(
        "UPDATE monitors SET first_day = COALESCE((SELECT MIN(day) FROM monitor_days "
        "WHERE monitor_days.monitor_id = monitors.id), next_day)"
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_column("monitors", "first_day")
