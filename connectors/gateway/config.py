"""What a gateway is told at its start: one frozen dataclass, one line a variable."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

PREFIX = "OBHUT_GATEWAY_"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of one gateway; `OBHUT_GATEWAY_` and the name in capitals is the variable.

    A value may instead stand in a file: `OBHUT_GATEWAY_DATABASE_FILE` holds the path of a file with the database URL.
    """

    database: str = ""  # sqlite:///FILE or postgresql://…; standalone without one: a new SQLite file, gone at the end
    host: str = "127.0.0.1"  # address to listen on
    port: int = 8080  # port to listen on; 0 takes a free one
    base_url: str = ""  # base of the FHIR API as clients see it; http://HOST:PORT/fhir if empty
    workers: int = 2  # processes
    threads: int = 8  # threads a process
    max_body: int = 16 * 1024 * 1024  # largest request body taken, bytes
    hub_url: str = ""  # base URL of the own hub; connected mode only
    keystore: str = ""  # directory of the organisation's keys; connected mode only
    standalone: bool = False  # a plain FHIR server without hub, consent and outbox
    auth: bool = False  # standalone only: programs sign in by SMART Backend Services and keep to their scopes

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None, file: Path | None = None, **given: Any) -> "Config":
        """Settings from the command line before the environment before a TOML file. Raises `ValueError`, one sentence.

        `given` holds what the command line said; `None` there means it said nothing.
        """
        config = cls(**_values(environment, file, given))
        config.check()
        return config

    @classmethod
    def database_url(
        cls, environment: Mapping[str, str] | None = None, file: Path | None = None, given: str | None = None
    ) -> str:
        """The database alone, for commands that need no more. Raises `ValueError`."""
        return cls.stored(environment, file, database=given).database

    @classmethod
    def stored(cls, environment: Mapping[str, str] | None = None, file: Path | None = None, **given: Any) -> "Config":
        """Where the gateway keeps what it has, for commands that serve nothing. Raises `ValueError`."""
        config = cls(**_values(environment, file, given))
        if not config.database:
            raise ValueError("Name the database: --database, OBHUT_GATEWAY_DATABASE or the configuration file.")
        return config

    def check(self) -> None:
        """Refuse a combination that cannot be meant. Raises `ValueError` with one sentence."""
        if self.standalone:
            if self.hub_url:
                raise ValueError("--standalone serves without a hub: take the hub URL away, or --standalone.")
            if self.keystore:
                raise ValueError("--standalone holds no keys: take the keystore away, or --standalone.")
            if not _loopback(self.host):
                raise ValueError("--standalone is for this machine alone, so it listens on a loopback address only.")
            if self.auth and self.base_url and not self.base_url.rstrip("/").endswith("/fhir"):
                raise ValueError("With --auth the base URL must end in /fhir: /oauth/token is found beside it.")
        elif self.auth:
            raise ValueError(
                "--auth goes with --standalone: a gateway of a hub gives tokens to the people of its house."
            )
        elif not (self.hub_url and self.keystore and self.database):
            needed = f"{PREFIX}HUB_URL, {PREFIX}KEYSTORE and {PREFIX}DATABASE"
            raise ValueError(f"A gateway needs {needed}, or --standalone.")
        if not 0 <= self.port <= 65535:
            raise ValueError("The port must be between 0 and 65535.")
        if self.workers < 1 or self.threads < 1 or self.max_body < 1:
            raise ValueError("Workers, threads and the largest body must be at least 1.")


def _values(environment: Mapping[str, str] | None, file: Path | None, given: Mapping[str, Any]) -> dict[str, Any]:
    values = _from_file(file) if file else {}
    values |= _from_environment(os.environ if environment is None else environment)
    return values | {name: value for name, value in given.items() if value is not None}


_TYPES: Mapping[str, type] = {field.name: type(field.default) for field in fields(Config)}


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"The configuration file cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ValueError("The configuration file is not TOML.") from None
    for name, value in values.items():
        if name not in _TYPES:
            raise ValueError(f"The configuration file has an unknown setting: {name}.")
        if type(value) is not _TYPES[name]:
            raise ValueError(f"The setting {name} must be of the type {_TYPES[name].__name__}.")
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    variables = {PREFIX + name.upper() for name in _TYPES}
    for variable in environment:
        if variable.startswith(PREFIX) and variable.removesuffix("_FILE") not in variables:
            raise ValueError(f"There is no setting {variable}.")
    values: dict[str, Any] = {}
    for name, kind in _TYPES.items():
        variable = PREFIX + name.upper()
        text = environment.get(variable)
        if text is None and variable + "_FILE" in environment:
            try:
                text = Path(environment[variable + "_FILE"]).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ValueError(f"The file named by {variable}_FILE cannot be read: {error.strerror}.") from None
        if text is not None:
            values[name] = _value(variable, kind, text)
    return values


def _value(variable: str, kind: type, text: str) -> Any:
    if kind is bool:
        if text not in {"0", "1"}:
            raise ValueError(f"{variable} must be 0 or 1.")
        return text == "1"
    if kind is int:
        if not text.isdecimal():
            raise ValueError(f"{variable} must be a whole number.")
        return int(text)
    return text


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
