"""People and organisations at a real hub: the small world of tests/consent, each write also sent over HTTP."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import OKPKey

from consent import envelope as envelopes
from consent import identifiers, messages
from consent.accounts import AccountState
from consent.keys import SigningKey
from consent.primitives import b64, random_bytes, unb64
from consent.steps import Written, new_sets
from consent.vault import RootCompartment, Vault
from hub import schema
from hub.app import create_app
from hub.config import Config
from hub.context import Hub
from hub.models import metadata
from hub.store import directory
from hub.store.database import Database
from hub.store.hashing import digest
from tests.consent import world
from tests.consent.world import DOMAIN, Identity

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
VITALS, ACTIVITY, TRACES = 1, 2, 3
LINE = b'{"resourceType":"Observation"}'


@dataclass
class Town:
    """A hub under test."""

    app: Flask
    clock: Any
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    keys: dict[str, SigningKey] = field(default_factory=dict)

    @property
    def hub(self) -> Hub:
        return self.app.extensions["obhut"]

    @property
    def domain(self) -> str:
        return self.hub.config.domain

    @property
    def http(self) -> FlaskClient:
        return self.app.test_client()

    @property
    def now(self) -> int:
        return int(self.clock())

    def call(self, method: str, path: str, who: Identity | None = None, token: str = "", **options: Any) -> Any:
        """A request as a device of somebody, or with a token, or with neither."""
        headers = options.pop("headers", {})
        if who is not None or token:
            headers["Authorization"] = f"Bearer {token or self.token(who)}"
        return self.http.open(path, method=method, headers=headers, **options)

    def get(self, path: str, who: Identity | None = None, token: str = "", **query: Any) -> Any:
        return self.call("GET", f"{path}?{urlencode(query)}" if query else path, who, token)

    def post(self, path: str, body: Any, who: Identity | None = None, token: str = "") -> Any:
        return self.call("POST", path, who, token, json=body)

    # --- accounts -----------------------------------------------------------------------------------------------

    def enrol(self, who: Identity, admission: str = "", status: int = 201) -> Any:
        key = self.keys.setdefault(who.device, SigningKey.generate())
        frame = messages.register(who.sign, acc=who.account, dev=who.device, token_key=key.public, at=self.now)
        body = {"frames": [b64(f) for f in who.frames], "client": b64(frame)}
        answer = self.post("/v1/accounts", body | ({"admission": admission} if admission else {}))
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer

    def organisation(self, name: str, title: str = "", type_: str = "practice") -> Identity:
        """An organisation that was admitted and has its account."""
        who = world.organisation(name, self.now, self.domain)
        with self.hub.db.write() as tx:
            directory.admit(tx, who.account, title or name, type_, digest("code"))
        self.enrol(who, "code")
        return who

    def person(self) -> Identity:
        who = world.person(self.now, self.domain)
        self.enrol(who)
        return who

    def assertion(self, who: Identity, header: dict[str, Any] | None = None, **claims: Any) -> str:
        client = f"{who.account}/{who.device}"
        values = {
            "iss": client,
            "sub": client,
            "aud": self.hub.config.token_endpoint,
            "exp": self.now + 240,
            "jti": identifiers.new_id(),
        } | claims
        values = {name: value for name, value in values.items() if value is not None}
        key = self.keys[who.device]
        jwk = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64(key.public), "d": b64(bytes(key))})
        fields = {"alg": "Ed25519", "typ": "JWT", "kid": who.device} | (header or {})
        return jwt.encode(fields, values, jwk, algorithms=["Ed25519"])

    def ask_token(self, assertion: str, **more: str) -> Any:
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": assertion}
        return self.http.post("/oauth/token", data=form | more)

    def token(self, who: Identity) -> str:
        token, until = self.tokens.get(who.device, ("", 0.0))
        if until <= self.clock():
            answer = self.ask_token(self.assertion(who))
            assert answer.status_code == 200, answer.get_data(as_text=True)
            token = answer.json["access_token"]
            self.tokens[who.device] = (token, self.clock() + 240)
        return token

    # --- patients -----------------------------------------------------------------------------------------------

    def patient(self) -> "Patient":
        """A patient with a block of four sets."""
        me = self.person()
        root = RootCompartment.new(me.root, random_bytes(32))
        made = Patient(me, RemoteHub(me, self), Vault(me.reading), self.now, random_bytes(32), root=root)
        made.save(new_sets(made.vault))
        made.settle()
        return made

    def deposit(self, who: Identity, *frames: bytes) -> Any:
        data = b"".join(len(f).to_bytes(4, "little") + f for f in frames)
        return self.call("POST", "/v1/envelopes", who, data=data, content_type="application/octet-stream")

    def feed(self, who: Identity, after: str = "", **query: Any) -> list[dict[str, Any]]:
        """All events there are behind a cursor."""
        found = []
        while True:
            answer = self.get("/v1/feed", who, **{"after": after, **query})
            assert answer.status_code == 200, answer.get_data(as_text=True)
            if not answer.json["events"]:
                return found
            found += answer.json["events"]
            after = answer.json["next"]

    def envelopes(self, who: Identity, after: str = "", **query: Any) -> list[str]:
        """The ids of the envelopes in somebody's feed, in order."""
        events = [e for e in self.feed(who, after, **query) if e["type"] == "envelope"]
        return [envelopes.parse(unb64(event["frame"])).bid for event in events]

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table but what is counted at the doors."""
        with self.hub.db.read() as conn:
            return {
                table.name: sorted(map(tuple, conn.execute(table.select())), key=repr)
                for table in metadata.sorted_tables
                if table.name not in ("assertions", "attempts", "counters")
            }


class RemoteHub(world.Hub):
    """The hub of the small world, and the real one beside it: both must take each statement."""

    def __init__(self, patient: Identity, town: Town) -> None:
        super().__init__(patient)
        self.town, self.patient = town, patient
        self.authors = {patient.account: patient}
        self.key = town.hub.key

    def post(self, written: Written, now: int) -> None:
        super().post(written, now)
        answer = self.send(written)
        assert answer.status_code == 200, answer.get_data(as_text=True)

    def send(self, *written: Written, who: Identity | None = None) -> Any:
        items = [{"frame": b64(w.frame)} | ({"blob": b64(w.blob)} if w.blob is not None else {}) for w in written]
        return self.town.post("/v1/statements", {"statements": items}, who or self.patient)

    def deposit(self, raw: bytes, caller: AccountState, now: int) -> bytes:
        stamp = super().deposit(raw, caller, now)
        answer = self.town.deposit(self.authors[caller.acc], raw)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        (result,) = answer.json["results"]
        assert result["status"] == 201, result
        assert unb64(result["stamp"]) == stamp
        return stamp


@dataclass
class Patient(world.Client):
    """The patient's client of the small world, whose writes also go to the real hub."""

    hub: RemoteHub

    def write(
        self,
        author: Identity,
        set_id: str,
        category: int = VITALS,
        lines: list[bytes] | None = None,
        epoch: int | None = None,
    ) -> str:
        self.hub.authors[author.account] = author
        return super().write(author, set_id, category, lines or [LINE], epoch)

    def seal(self, author: Identity, set_id: str, count: int, category: int = VITALS) -> list[bytes]:
        """So many envelopes that the author would send next, one after the other, not deposited."""
        frames: list[bytes] = []
        last = self.hub.last(author.account, author.device, self.stream(set_id, category)) or (0, "")
        for seq in range(last[0] + 1, last[0] + 1 + count):
            prev = envelopes.parse(frames[-1]).hash if frames else last[1]
            frames.append(self.sealed(author, set_id, category, [LINE], seq=seq, prev=prev))
        return frames

    def appoint(self, who: Identity) -> None:
        """Name a delegate who may do all."""
        self.hub.know(who)
        body = {"to": who.account, "fp": who.state.fingerprint, "scope": "full", "nb": 0, "until": self.now + 9999}
        self.post(self.account("delegate", body))

    def stream(self, set_id: str, category: int = VITALS) -> str:
        keys = self.vault.sets[set_id]
        return keys.ids[keys.index(category)]


def upgrade(url: str) -> None:
    """Make a hub's tables."""
    db = Database(Config(domain=DOMAIN, database=url).database_url)
    schema.upgrade(db)
    db.close()


def build(database: str, directory_: Path, clock: Any, domain: str = DOMAIN, **settings: Any) -> Town:
    """A hub on a database. One of PostgreSQL must have its tables, as where it runs."""
    config = Config(domain=domain, database=database, data=str(directory_), rate=0, **settings)
    town = Town(create_app(config, clock), clock)
    town.hub.refused.later = lambda _: None  # a test says itself when what was refused is written
    return town


def problem(answer: Any) -> dict[str, Any]:
    """The problem document of an answer."""
    assert answer.content_type == "application/problem+json", answer.content_type
    return dict(json.loads(answer.data))
