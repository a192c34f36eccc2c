"""Servers in the process of the test, and what any server says to bytes as they are."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseServer
from typing import TypeVar

LOOK_SECONDS = 0.02
"""So long a server at most goes on after it was told to end."""

Server = TypeVar("Server", bound=BaseServer)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Let a server answer, until the end of the block."""
    thread = threading.Thread(target=server.serve_forever, args=[LOOK_SECONDS], daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def said(url: str, *parts: bytes) -> bytes:
    """What a server answers to bytes as they are, until it closes the connection."""
    host, _, port = url.split("/")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        return b"".join(iter(lambda: connection.recv(65536), b""))
