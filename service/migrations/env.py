"""What Alembic runs to apply migrations on the connection that it is given."""

from __future__ import annotations

from alembic import context

from service.tables import METADATA

_connection = context.config.attributes["connection"]
# Tables change under one lock, so that two services that start at once do it once.
context.configure(
    connection=_connection,
    target_metadata=METADATA,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    if _connection.dialect.name == "postgresql":
        _connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7352119)")
    context.run_migrations()
_connection.commit()
