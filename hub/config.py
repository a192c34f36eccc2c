"""What a hub is told at its start: one frozen dataclass, one line a variable."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from consent import identifiers
from consent.log import KEEP_DAYS
from consent.primitives import Rejected
from hub import peers
from hub.peers import Peer

PREFIX = "OBHUT_HUB_"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of one hub; `OBHUT_HUB_` and the name in capitals is the variable.

    A value may instead stand in a file: `OBHUT_HUB_DATABASE_FILE` holds the path of a file with the database URL.
    """

    domain: str = "hub.localhost"  # the hub's domain, the part behind @ in its accounts; never changes
    title: str = "Obhut"  # what people call this hub
    operator: str = ""  # who runs it, with a postal address, for the imprint of its public page
    contact: str = ""  # an address or number by which the operator is reached, for the same
    privacy: str = ""  # URL of its privacy notice, for the same
    bind: str = "127.0.0.1:8101"  # address and port to listen on
    url: str = ""  # base URL as clients see it; http://BIND if empty; tokens name it
    data: str = "hub-data"  # directory of the hub's keys, and of its SQLite database
    database: str = ""  # postgresql://… or sqlite:///FILE; hub.sqlite in the data directory if empty
    workers: int = 1  # processes
    threads: int = 64  # threads a process
    waiters: int = 48  # feeds of one process that may wait at a time, 8 of one account; below threads
    rate: int = 600  # requests a minute and address at doors without a token; 0 counts nothing
    attempts: int = 10  # tries to open an account in ten minutes, by address; ten times as many in all; 0: no limit
    peers: str = ""  # TOML file of the hubs it knows: [[peer]] blocks as `obhut hub peer` prints them
    log_days: int = KEEP_DAYS  # so many days an entry of an access log is kept at least; three years or more
    proxies: int = 0  # reverse proxies in front whose X-Forwarded-For and -Proto are believed
    log: str = "INFO"  # least level of a log line

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None, **given: Any) -> "Config":
        """Settings from what was `given` (None there says nothing), before the environment. Raises `ValueError`."""
        values = _from_environment(os.environ if environment is None else environment)
        values |= {name: value for name, value in given.items() if value is not None}
        config = cls(**values)
        config.check()
        return config

    def check(self) -> None:
        """Refuse a combination that cannot be meant. Raises `ValueError` with one sentence."""
        try:
            identifiers.domain(self.domain)
        except Rejected:
            raise ValueError("The domain must be two or more labels in lower case, without a port.") from None
        host, _, port = self.bind.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError("The address to listen on must be HOST:PORT.")
        if urlsplit(self.base_url).scheme not in ("http", "https"):
            raise ValueError("The URL must begin with http:// or https://.")
        if self.privacy and urlsplit(self.privacy).scheme not in ("http", "https"):
            raise ValueError("The URL of the privacy notice must begin with http:// or https://.")
        if self.workers < 1 or not 0 < self.waiters < self.threads:
            raise ValueError("Workers and waiters must be at least 1, and waiters fewer than threads.")
        if self.rate < 0 or self.attempts < 0 or self.proxies < 0:
            raise ValueError("Rate, attempts and proxies cannot be negative.")
        if self.log_days < KEEP_DAYS:
            raise ValueError(f"An entry of an access log is kept for {KEEP_DAYS} days at least.")
        self.known_peers()

    @property
    def base_url(self) -> str:
        """The base URL without a slash at its end."""
        return (self.url or f"http://{self.bind}").rstrip("/")

    @property
    def token_endpoint(self) -> str:
        """Where tokens are given out, and the only audience of a client's assertion."""
        return f"{self.base_url}/oauth/token"

    @property
    def database_url(self) -> str:
        """The database, the default resolved."""
        return self.database or f"sqlite:///{Path(self.data).resolve() / 'hub.sqlite'}"

    def known_peers(self) -> Mapping[str, Peer]:
        """The hubs it knows, by domain. Raises `ValueError` with one sentence."""
        return peers.load(self.peers, self.domain)

    @property
    def migrates_itself(self) -> bool:
        """Whether `serve` may change the tables: only in the hub's own file, never in a shared server."""
        return self.database_url.startswith("sqlite:")


_TYPES: Mapping[str, type] = {field.name: type(field.default) for field in fields(Config)}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name.endswith("_file"):
            name, value = name.removesuffix("_file"), _read(variable, text)
        else:
            value = text
        if name not in _TYPES:
            raise ValueError(f"{variable} is no setting of a hub.")
        values[name] = _value(variable, value, _TYPES[name])
    return values


def _read(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"The file that {variable} names cannot be read.") from None


def _value(variable: str, text: str, kind: type) -> Any:
    if kind is not int:
        return text
    if not text.isdecimal():
        raise ValueError(f"{variable} must be a whole number.")
    return int(text)
