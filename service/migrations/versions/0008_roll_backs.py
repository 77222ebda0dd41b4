"""Which move of an alias a roll-back returns to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it to the history; roll-backs of before count as moves by hand."""
    op.add_column("model_alias_history", sa.Column("returns_to", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Drop it: the next roll-back takes the last one back."""
    op.drop_column("model_alias_history", "returns_to")
