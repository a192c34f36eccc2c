"""Where Alembic starts: on the connection that `connectors.gateway.schema` hands over, within its transaction."""

from alembic import context

from connectors.gateway.models import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transaction_per_migration=False
)
context.run_migrations()
