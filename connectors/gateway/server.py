"""Run the gateway's app under gunicorn: some processes, some threads each, one line when all of them answer."""

import multiprocessing
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from connectors.gateway.config import Config

STALLED_SECONDS = 30
"""Of whom nothing comes for so long in the middle of a request is not waited for: it would hold a thread for ever."""


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with gthread workers. `make_app` runs in each worker, after the fork, with the base URL."""

    def __init__(self, config: Config, make_app: Callable[[str], Flask]) -> None:
        self._config = config
        self._make_app = make_app
        self._ready = multiprocessing.get_context("fork").Value("i", 0)
        self._base_url = config.base_url
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings to gunicorn."""
        config = self._config
        host = f"[{config.host}]" if ":" in config.host else config.host
        settings: dict[str, Any] = {
            "bind": f"{host}:{config.port}",
            "workers": config.workers,
            "worker_class": "gthread",
            "threads": config.threads,
            "worker_connections": max(1000, 2 * config.threads),
            "keepalive": 75,
            "timeout": 120,
            "graceful_timeout": 10,
            "limit_request_line": 8190,
            "accesslog": None,
            "loglevel": "warning",
            "control_socket_disable": True,
            "when_ready": self._note_address,
            "post_worker_init": self._note_worker,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The app of one worker."""
        return self._make_app(self._base_url)

    def _note_address(self, arbiter: Any) -> None:
        # Before the workers fork, so that they know the port when it was 0.
        for listener in arbiter.LISTENERS:  # what it accepts inherits this
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", STALLED_SECONDS, 0))
        host, port = arbiter.LISTENERS[0].getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        self._base_url = self._base_url or f"http://{host}:{port}/fhir"

    def _note_worker(self, _worker: Any) -> None:
        with self._ready.get_lock():
            self._ready.value += 1
            if self._ready.value == self._config.workers:
                sys.stdout.write(f"listening {self._base_url}\n")
                sys.stdout.flush()
