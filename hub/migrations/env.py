"""Where Alembic starts: on the connection that `hub.schema` hands over, within its transaction."""

from alembic import context

import hub.health_link_models
import hub.peer_models  # noqa: F401 - their tables are the metadata's too
from hub.models import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transaction_per_migration=False
)
context.run_migrations()
