"""Alembic's scripts; run by `hub.schema`, without an ini file."""
