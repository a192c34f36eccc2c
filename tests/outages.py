"""How the tests take room, or the database itself, away from a running program, and give it back."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Engine, event, make_url

SPARE_PAGES = 6

FULL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON {table} EXECUTE FUNCTION no_room()
"""


@contextmanager
def no_room(engine: Engine, table: str) -> Iterator[None]:
    """SQLite may take a few more pages and no more; PostgreSQL reports a full disk at the next row of the table."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as conn:
            pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()

        def limit(connection: object, _: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages + SPARE_PAGES}").close()

        event.listen(engine, "connect", limit)
        engine.dispose()
        yield
        event.remove(engine, "connect", limit)
        engine.dispose()
        return
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(FULL.format(table=table).encode())
        yield
        conn.execute(f"DROP TRIGGER no_room ON {table}".encode())


@contextmanager
def gone(url: str) -> Iterator[None]:
    """All connections to a database of PostgreSQL are killed, and no new one is taken."""
    parsed = make_url(url).set(drivername="postgresql")
    server = parsed.set(database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f'ALTER DATABASE "{parsed.database}" ALLOW_CONNECTIONS false'.encode())
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [parsed.database])
        yield
        conn.execute(f'ALTER DATABASE "{parsed.database}" ALLOW_CONNECTIONS true'.encode())
