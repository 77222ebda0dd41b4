"""Schedules, their runs, and challengers that watch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from service.database import Document, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of schedules."""
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("monitor_id", sa.String(32), nullable=False),
        sa.Column("order", Document, nullable=False),
        sa.Column("objective", Document, nullable=True),
        sa.Column("objective_number", sa.Integer(), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(1000), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("planned_until", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["monitor_id"],
            ["monitors.id"],
            name=op.f("fk_schedules_monitor_id_monitors"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index("ix_schedules_owner", "schedules", ["owner", "created_at", "id"])
    op.create_index("ix_schedules_monitor", "schedules", ["monitor_id"])
    op.create_table(
        "schedule_runs",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("schedule_id", sa.String(32), nullable=False),
        sa.Column("monitor_id", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("trigger", sa.String(12), nullable=False),
        sa.Column("key", sa.String(120), nullable=False),
        sa.Column("planned_at", UtcDateTime(), nullable=False),
        sa.Column("begin_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(1000), nullable=True),
        sa.Column("base", Document, nullable=True),
        sa.Column("calibrate_job", sa.String(40), nullable=True),
        sa.Column("retrain_job", sa.String(40), nullable=True),
        sa.Column("decision", Document, nullable=True),
        sa.Column("outcome", Document, nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["schedule_id"],
            ["schedules.id"],
            name=op.f("fk_schedule_runs_schedule_id_schedules"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule_runs")),
        sa.UniqueConstraint("schedule_id", "key", name=op.f("uq_schedule_runs_schedule_id")),
    )
    op.create_index("ix_schedule_runs_state", "schedule_runs", ["state", "begin_at"])
    op.create_index(
        "ix_schedule_runs_schedule", "schedule_runs", ["schedule_id", "created_at", "id"]
    )
    op.create_index("ix_schedule_runs_owner", "schedule_runs", ["owner", "created_at", "id"])
    op.add_column("monitors", sa.Column("shadow", Document, nullable=True))
    op.add_column("monitor_days", sa.Column("shadow", Document, nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("monitor_days", "shadow")
    op.drop_column("monitors", "shadow")
    op.drop_table("schedule_runs")
    op.drop_table("schedules")
