"""Monitors, their days and their epochs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from service.database import Document, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of monitors."""
    op.create_table(
        "monitors",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("system", sa.String(130), nullable=False),
        sa.Column("surrogate", sa.String(120), nullable=False),
        sa.Column("policy", sa.String(120), nullable=False),
        sa.Column("beliefs", Document, nullable=False),
        sa.Column("watch", Document, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(1000), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_day", sa.BigInteger(), nullable=False),
        sa.Column("states", Document, nullable=True),
        sa.Column("calibration", Document, nullable=True),
        sa.Column("alarm", Document, nullable=True),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("conflicts", sa.Integer(), nullable=False),
        sa.Column("late", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_epoch_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_monitors")),
    )
    op.create_index("ix_monitors_owner", "monitors", ["owner", "created_at", "id"])
    op.create_table(
        "monitor_days",
        sa.Column("monitor_id", sa.String(32), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=True),
        sa.Column("first_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=True),
        sa.Column("verdicts", Document, nullable=True),
        sa.Column("is_alarm", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["monitor_id"],
            ["monitors.id"],
            name=op.f("fk_monitor_days_monitor_id_monitors"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("monitor_id", "day", name=op.f("pk_monitor_days")),
    )
    op.create_table(
        "monitor_epochs",
        sa.Column("monitor_id", sa.String(32), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("content", Document, nullable=False),
        sa.ForeignKeyConstraint(
            ["monitor_id"],
            ["monitors.id"],
            name=op.f("fk_monitor_epochs_monitor_id_monitors"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("monitor_id", "day", "position", name=op.f("pk_monitor_epochs")),
    )


def downgrade() -> None:
    """Drop them, telemetry and all."""
    op.drop_table("monitor_epochs")
    op.drop_table("monitor_days")
    op.drop_table("monitors")
