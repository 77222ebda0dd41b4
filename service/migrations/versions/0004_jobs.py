"""Training jobs, their attempts, events and artefacts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from service.database import Document, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the four tables."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("title", sa.String(200), nullable=True),
        sa.Column("spec", Document, nullable=False),
        sa.Column("spec_digest", sa.String(64), nullable=False),
        sa.Column("inputs", Document, nullable=False),
        sa.Column("idempotency_key", sa.String(200), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("cores", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("queued_at", UtcDateTime(), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("step", sa.String(100), nullable=True),
        sa.Column("seconds_left", sa.Double(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("last_event", sa.Integer(), nullable=False),
        sa.Column("outcome", Document, nullable=True),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(64), nullable=True),
        sa.Column("host", sa.String(200), nullable=True),
        sa.Column("holder_process", sa.String(64), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("owner", "idempotency_key", name=op.f("uq_jobs_owner")),
    )
    op.create_index("ix_jobs_state", "jobs", ["state", "queued_at"])
    op.create_index("ix_jobs_owner", "jobs", ["owner", "id"])
    op.create_table(
        "job_attempts",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("last_lines", sa.Text(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("host", sa.String(200), nullable=False),
        sa.Column("process", sa.String(64), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("read_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_job_attempts")),
        _of_a_job("job_attempts"),
    )
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("payload", Document, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "sequence", name=op.f("pk_job_events")),
        _of_a_job("job_events"),
    )
    op.create_table(
        "job_artefacts",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("folder", sa.String(300), nullable=False),
        sa.Column("files", Document, nullable=False),
        sa.Column("facts", Document, nullable=False),
        sa.Column("published", Document, nullable=True),
        sa.PrimaryKeyConstraint("job_id", "name", name=op.f("pk_job_artefacts")),
        _of_a_job("job_artefacts"),
    )


def downgrade() -> None:
    """Drop them, and with them every job's story; artefacts stay in the data folder."""
    for table in ("job_artefacts", "job_events", "job_attempts", "jobs"):
        op.drop_table(table)


def _of_a_job(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["job_id"], ["jobs.id"], name=op.f(f"fk_{table}_job_id_jobs"), ondelete="CASCADE"
    )
