"""Sessions and their snapshots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from service.database import Document, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of sessions."""
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("spec", Document, nullable=False),
        sa.Column("about", Document, nullable=False),
        sa.Column("idle_seconds", sa.Float(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("code", sa.String(40), nullable=True),
        sa.Column("detail", sa.String(1000), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_owner", "sessions", ["owner", "created_at", "id"])
    op.create_index(op.f("ix_sessions_state"), "sessions", ["state"])
    op.create_table(
        "session_snapshots",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("session_id", sa.String(40), nullable=False),
        sa.Column("spec_digest", sa.String(64), nullable=False),
        sa.Column("document", Document, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_snapshots")),
    )
    op.create_index(op.f("ix_session_snapshots_created_at"), "session_snapshots", ["created_at"])


def downgrade() -> None:
    """Drop them; the actions stay in the data folder."""
    op.drop_table("session_snapshots")
    op.drop_table("sessions")
