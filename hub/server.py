"""The hub under gunicorn, started by program; `gthread`, so that many feeds may wait in few processes."""

import signal
import socket
import struct
from pathlib import Path
from typing import Any

import click
from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from fhir_profiles import logs
from hub import keys, schema
from hub.app import create_app
from hub.config import Config
from hub.relay import relaying
from hub.store.database import Database

STOP_SECONDS = 5
CONNECTIONS = 2000
STALLED_SECONDS = 30
"""Of whom nothing comes for so long in the middle of a request is not waited for: it would hold a thread for ever."""


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn with the settings of a hub."""

    def __init__(self, config: Config) -> None:
        self._config = config
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings over."""
        config = self._config
        settings = {
            "bind": config.bind, "workers": config.workers, "threads": config.threads, "worker_class": "gthread",
            "worker_connections": CONNECTIONS, "keepalive": 75, "timeout": 60, "graceful_timeout": STOP_SECONDS,
            "control_socket_disable": True, "logconfig_dict": _logging(config.log), "when_ready": self._ready,
            "post_worker_init": _answer_at_the_end, "proc_name": "obhut-hub",
        }  # fmt: skip
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application, made in each worker after the fork."""
        logs.set_up(self._config.log)
        return create_app(self._config)

    def _ready(self, arbiter: Any) -> None:
        for listener in arbiter.LISTENERS:  # what it accepts inherits this
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", STALLED_SECONDS, 0))
        click.echo(f"listening {self._config.base_url}")


def _answer_at_the_end(worker: Any) -> None:
    """A worker that is told to end answers the feeds that wait at once, instead of cutting them off later."""

    def end(*signalled: Any) -> None:
        worker.wsgi.extensions["obhut"].bell.end()
        worker.handle_exit(*signalled)

    signal.signal(signal.SIGTERM, end)


def _logging(level: str) -> dict[str, Any]:
    handler = {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "fhir_profiles.logs.JsonLines"}},
        "handlers": {"stderr": handler},
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {"gunicorn.error": {"level": level, "handlers": ["stderr"], "propagate": False}},
    }


def run(config: Config) -> None:
    """Serve until SIGTERM. Keys and tables are made here, before there is more than one process."""
    home = Path(config.data)
    for name in keys.ALL:
        keys.load(home, name)
    if config.migrates_itself:
        db = Database(config.database_url)
        schema.upgrade(db)
        db.close()
    with relaying(config):
        _Server(config).run()
