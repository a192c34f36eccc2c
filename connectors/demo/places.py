"""The parties of the story: hubs, houses with a gateway, people with a client. Each knows its files and its address."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from connectors.demo.programs import Failed, Programs

HTTP_SECONDS = 120
PURPOSE = "TREAT"
ROLE = "physician"


@dataclass
class Hub:
    """One municipal hub. Its files are in `directory`, the log of its server too."""

    programs: Programs
    domain: str
    port: int

    @property
    def name(self) -> str:
        """As its directory is called."""
        return self.domain.partition(".")[0]

    @property
    def directory(self) -> Path:
        """Where it keeps everything."""
        return self.programs.directory / self.name

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def portal(self) -> str:
        """Where people sign in with a browser; by a name, because passkeys want one."""
        return f"http://localhost:{self.port}/portal/"

    @property
    def environment(self) -> dict[str, str]:
        """Its configuration."""
        return {
            "OBHUT_HUB_DOMAIN": self.domain, "OBHUT_HUB_DATA": str(self.directory),
            "OBHUT_HUB_BIND": f"127.0.0.1:{self.port}", "OBHUT_HUB_PEERS": str(self.directory / "peers.toml"),
        }  # fmt: skip

    def pin(self, others: "Sequence[Hub]") -> None:
        """Write down by which keys it knows the other hubs."""
        self.directory.mkdir(parents=True, exist_ok=True)
        blocks = [other.programs.run("hub", "peer", environment=other.alone) for other in others]
        (self.directory / "peers.toml").write_text("\n".join(blocks), encoding="utf-8")

    @property
    def alone(self) -> dict[str, str]:
        """Its configuration before it knows others."""
        return {name: value for name, value in self.environment.items() if name != "OBHUT_HUB_PEERS"}

    def start(self) -> None:
        """Serve."""
        self.programs.serve(f"{self.name}/hub", "hub", "serve", environment=self.environment)

    def end(self) -> None:
        """Stop serving."""
        self.programs.end(f"{self.name}/hub")

    def admit(self, name: str, type_: str) -> str:
        """The admission code for an organisation."""
        words = ("hub", "admit", name, "--type", type_, "--title", name.replace("-", " ").title())
        return self.programs.run(*words, environment=self.environment).strip()


@dataclass
class House:
    """An organisation with a gateway: its address, its account, and one person's token."""

    hub: Hub
    name: str
    type: str
    folder: str
    port: int
    person: str
    account: str = ""
    token: str = field(default="", repr=False)

    @property
    def directory(self) -> Path:
        """Where its gateway keeps keys and record."""
        return self.hub.programs.directory / self.folder

    @property
    def base(self) -> str:
        """FHIR base of the gateway."""
        return f"http://127.0.0.1:{self.port}/fhir"

    @property
    def environment(self) -> dict[str, str]:
        """The gateway's configuration."""
        return {
            "OBHUT_GATEWAY_HUB_URL": self.hub.url,
            "OBHUT_GATEWAY_KEYSTORE": str(self.directory / "keys"),
            "OBHUT_GATEWAY_DATABASE": f"sqlite:///{self.directory / 'record.db'}",
            "OBHUT_GATEWAY_PORT": str(self.port),
        }

    def run(self, *words: str) -> str:
        """A command of its gateway; its output."""
        return self.hub.programs.run("gateway", *words, environment=self.environment)

    def join(self) -> None:
        """Come to the hub that has admitted it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        code = self.hub.admit(self.name, self.type)
        told = self.run(
            "enrol", "--keystore", str(self.directory / "keys"), "--root", str(self.directory / "root"), "--hub",
            self.hub.url, "--name", self.name, "--admission", code, "--json",
        )  # fmt: skip
        self.account = json.loads(told)["account"]

    def start(self) -> None:
        """Serve FHIR, and give the person a token."""
        self.hub.programs.serve(f"{self.folder}/gateway", "gateway", "serve", environment=self.environment)
        self.token = self.run(
            "token", "create", "--person", self.person, "--role", ROLE, "--purpose", PURPOSE, "--write"
        ).split()[-1]  # fmt: skip

    def call(self, method: str, path: str, resource: Any = None) -> requests.Response:
        """What the person's system sends to the gateway."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/fhir+json"}
        body = None if resource is None else json.dumps(resource).encode()
        return requests.request(method, f"{self.base}/{path}", headers=headers, data=body, timeout=HTTP_SECONDS)

    def total(self, path: str) -> int:
        """How many resources a search finds."""
        answer = self.call("GET", path + "&_total=accurate")
        if answer.status_code != 200:
            raise Failed(f"GET {path} answers {answer.status_code}")
        return int(answer.json()["total"])


@dataclass
class Person:
    """A person with the terminal's client: the account's directory and name."""

    hub: Hub
    folder: str
    account: str = ""
    card: str = ""
    recovery: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)

    @property
    def portal(self) -> str:
        """Where she can sign in with a browser."""
        return self.hub.portal

    def choose_passphrase(self, words: str) -> None:
        """Let these words open the account in a browser."""
        self.run("passphrase", "--passphrase", words)
        self.passphrase = words

    @property
    def directory(self) -> Path:
        """Where her client keeps keys and chains."""
        return self.hub.programs.directory / self.folder

    @property
    def id(self) -> str:
        """`Patient.id`."""
        return self.account.partition("@")[0]

    def enrol(self) -> None:
        """Open the account."""
        told = json.loads(self.run("enrol", "--hub", self.hub.url, "--json"))
        self.account, self.card, self.recovery = told["account"], told["card"], told["recovery"]

    def words(self, command: str, *more: str) -> tuple[str, ...]:
        """A command of her client; `command` may be of two words."""
        return ("patient", *command.split(), "--account", str(self.directory), *more)

    def run(self, command: str, *more: str) -> str:
        """A command of her client; its output."""
        return self.hub.programs.run(*self.words(command, *more))

    def lines(self, command: str, *more: str) -> list[dict[str, Any]]:
        """What a command of her client lists."""
        return [json.loads(line) for line in self.run(command, *more, "--json").splitlines()]
