"""Changes of the gateway's tables, by Alembic, one file a version."""
