"""The only HTTP client of a hub: tokens, retries, cursors.

What comes back is parsed, never trusted: chains are replayed and envelopes opened by those who asked.
"""

import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import requests
from joserfc import jwt
from joserfc.jwk import OKPKey

from consent.identifiers import new_id
from consent.keys import SigningKey
from consent.objects import MAX_SEALED_OBJECT
from consent.primitives import Rejected, b64, unb64
from consent.steps import Written
from fhir_profiles.problems import Problem

SHUT_OUT = "this device is not taken: its clock is wrong, or it was removed (open the account in another directory)"
RETRIES = 4
TIMEOUT_SECONDS = 35
MAX_BATCH_FRAMES = 100
MAX_BATCH_BYTES = 8 * 1024 * 1024
PIECE_BYTES = 1024 * 1024
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

P = ParamSpec("P")
T = TypeVar("T")


def understood(method: Callable[P, T]) -> Callable[P, T]:
    """An answer in which something is missing or of another shape is `Problem(busy)`: the hub's fault, not a crash."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except (KeyError, TypeError, ValueError, Rejected):
            raise Problem("busy", "the hub's answer is not understood") from None

    return call


@dataclass(frozen=True)
class Credentials:
    """Who calls: an account's device and the Ed25519 key it signs token requests with."""

    account: str
    device: str
    token_key: SigningKey

    @property
    def client_id(self) -> str:
        """The OAuth client: `account/device`."""
        return f"{self.account}/{self.device}"


@dataclass(frozen=True)
class Deposited:
    """What the hub said of one envelope. `status` as in HTTP; `stamp` when it was accepted now or before."""

    bid: str
    status: int
    reason: str = ""
    stamp: bytes = field(default=b"", repr=False)
    last: tuple[int, str] | None = None
    """With `gap`: sequence and hash of the device's last envelope that the hub holds in the stream."""


class HubClient:
    """A hub as one of its participants sees it. Methods raise `Problem`; `busy` when the hub cannot be reached."""

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._credentials = credentials
        self._clock = clock
        self._ahead = 0.0
        self._sleep = sleep
        self._session = requests.Session()
        self._session.trust_env = False
        self._token = ("", 0.0)

    def close(self) -> None:
        """Let go of connections."""
        self._session.close()

    # --- the hub itself ---------------------------------------------------------------------------------------

    def hub(self) -> dict[str, Any]:
        """Domain, public key, keys of its peers, time and limits of the hub."""
        body = self._json("GET", "/v1/hub", auth=False)
        self._ahead = body["now"] - self._clock()
        return body

    @understood
    def peer_keys(self) -> dict[str, bytes]:
        """The stamp keys of the hubs that this one knows, by domain."""
        return {str(domain): unb64(key, 32) for domain, key in self.hub()["peers"].items()}

    @property
    def time(self) -> float:
        """The hub's time as last heard, by which it judges what is signed; the own clock until it was asked."""
        return self._clock() + self._ahead

    def enrol(self, frames: Sequence[bytes], registration: bytes, admission: str = "") -> None:
        """Create an account: its first statements and the registration of its first device."""
        body: dict[str, Any] = {"frames": [b64(frame) for frame in frames], "client": b64(registration)}
        if admission:
            body["admission"] = admission
        self._json("POST", "/v1/accounts", json=body, auth=False)

    def register(self, registration: bytes) -> None:
        """Register a further device's token key."""
        self._json("POST", "/v1/clients", json={"frame": b64(registration)}, auth=False)

    # --- chains -----------------------------------------------------------------------------------------------

    def post(
        self, written: Sequence[Written], wraps: Mapping[str, bytes] | None = None, fetch: bytes = b"", token: str = ""
    ) -> None:
        """Append statements, all or nothing. `wraps` (all that shall count) and `fetch` (SHA-256 of the fetch token)
        go with a vault.

        `token`: of a recovery, in place of the device's own.
        """
        statements = [{"frame": b64(w.frame)} | ({"blob": b64(w.blob)} if w.blob is not None else {}) for w in written]
        body: dict[str, Any] = {"statements": statements}
        if wraps:
            body["wraps"] = {name: b64(wrap) for name, wrap in wraps.items()}
        if fetch:
            body["fetch"] = b64(fetch)
        self._json("POST", "/v1/statements", json=body, token=token)

    @understood
    def chain(
        self, kind: str, acc: str, oth: str = "", *, after: int = -1, fingerprint: str = "", token: str = ""
    ) -> list[bytes]:
        """The frames of a chain behind a position. `fingerprint`: from a card, at first contact."""
        path = f"/v1/chains/{kind}/{acc}" + (f"/{oth}" if oth else "")
        params = {"after": str(after)} | ({"fp": fingerprint} if fingerprint else {})
        return [unb64(frame) for frame in self._json("GET", path, params=params, token=token)["frames"]]

    @understood
    def cited(self, acc: str, fingerprint: str = "", token: str = "") -> dict[str, list[bytes]]:
        """The whole chains of those whom an account's chain relies on, by their names: delegates who signed in it."""
        params = {"fp": fingerprint} if fingerprint else {}
        body = self._json("GET", f"/v1/chains/acct/{acc}", params=params, token=token)
        return {name: [unb64(frame) for frame in frames] for name, frames in body.get("cited", {}).items()}

    @understood
    def heads(self, nonce: str, chains: Sequence[tuple[str, str, str]]) -> list[bytes]:
        """Where chains (kind, account, other; at most 250) end: a frame of each home hub that answers the nonce."""
        body = {"nonce": nonce, "chains": [list(chain) for chain in chains]}
        return [unb64(frame) for frame in self._json("POST", "/v1/heads", json=body)["frames"]]

    @understood
    def sets(self, acc: str) -> list[str]:
        """The sets of a patient, for her side."""
        return [str(name) for name in self._json("GET", f"/v1/sets/{acc}")["sets"]]

    @understood
    def counterparts(self, acc: str) -> list[str]:
        """With whom a patient has relations, for her side."""
        pairs = self._json("GET", f"/v1/relations/{acc}")["relations"]
        return [str(oth) for owner, oth in pairs if owner == acc]

    @understood
    def bundle(self, acc: str, lst: str) -> bytes:
        """A bundle by its hash."""
        return self._call("GET", f"/v1/bundles/{acc}/{lst}").content

    @understood
    def vault(self, acc: str, token: str = "") -> tuple[int, bytes, dict[str, bytes]]:
        """Version, ciphertext and wraps of the vault; `token` of a sign-in or recovery instead of the device's own."""
        body = self._json("GET", f"/v1/vault/{acc}", token=token)
        return body["ver"], unb64(body["ciphertext"]), {name: unb64(wrap) for name, wrap in body["wraps"].items()}

    # --- people -----------------------------------------------------------------------------------------------

    def set_sign_in(self, key: bytes) -> None:
        """Let the passphrase's sign-in key fetch the sealed vault."""
        self._json("PUT", "/v1/sign-in", json={"key": b64(key)})

    @understood
    def sign_in(self, account: str, key: bytes) -> str:
        """A short token for the sealed vault, by the passphrase's sign-in key."""
        body = self._json("POST", "/v1/sign-in", json={"account": account, "key": b64(key)}, auth=False)
        return str(body["access_token"])

    @understood
    def recover(self, account: str, fetch_token: bytes) -> str:
        """A short token for the sealed vault, by the recovery sheet."""
        body = {"account": account, "token": b64(fetch_token)}
        return str(self._json("POST", "/v1/recover", json=body, auth=False)["access_token"])

    # --- two devices while one is added -----------------------------------------------------------------------

    def put_reply(self, place: str, sealed: bytes) -> None:
        """What the account's device says first; `conflict` where another was quicker."""
        self._json("PUT", f"/v1/pairings/{place}/reply", json={"sealed": b64(sealed)})

    def put_reveal(self, place: str, sealed: bytes) -> None:
        """What the new device answers."""
        self._json("PUT", f"/v1/pairings/{place}/reveal", json={"sealed": b64(sealed)}, auth=False)

    @understood
    def pairing(self, place: str) -> tuple[bytes | None, bytes | None]:
        """Reply and reveal at a place: nothing before the reply, and nothing after the end."""
        words = self._json("GET", f"/v1/pairings/{place}", auth=False)
        reply, reveal = (unb64(words[name]) if name in words else None for name in ("reply", "reveal"))
        return reply, reveal

    def end_pairing(self, place: str) -> None:
        """The account's device is done."""
        self._json("DELETE", f"/v1/pairings/{place}")

    # --- envelopes and the feed -------------------------------------------------------------------------------

    @understood
    def deposit(self, frames: Sequence[bytes]) -> list[Deposited]:
        """Deposit a batch of envelopes (at most 100 and 8 MiB); an answer for each, in order."""
        data = b"".join(len(frame).to_bytes(4, "little") + frame for frame in frames)
        headers = {"Content-Type": "application/octet-stream"}
        body = self._json("POST", "/v1/envelopes", data=data, headers=headers)
        return [
            Deposited(
                bid=str(r["bid"]),
                status=int(r["status"]),
                reason=str(r.get("reason", "")),
                stamp=unb64(r["stamp"]) if "stamp" in r else b"",
                last=(int(r["seq"]), str(r["hash"])) if "seq" in r else None,
            )
            for r in body["results"]
        ]

    def put_object(self, stream: str, bid: str, body: Callable[[], Iterable[bytes]]) -> None:
        """Put the object that the envelope `bid` will name. `body()` gives it anew for each try, with its length."""
        headers = {"Content-Type": "application/octet-stream"}
        self._call("PUT", f"/v1/objects/{stream}/{bid}", data=body, headers=headers)

    def object(self, acc: str, stream: str, bid: str) -> bytes:
        """The sealed object that an envelope names."""
        with self._call("GET", f"/v1/objects/{acc}/{stream}/{bid}", stream=True) as response:
            data = bytearray()
            try:
                for piece in response.iter_content(PIECE_BYTES):
                    data += piece
                    if len(data) > MAX_SEALED_OBJECT:
                        raise Problem("busy", "the hub's answer is larger than any object")
            except requests.RequestException:
                raise Problem("busy", "the hub's answer broke off; nothing is lost, try again later") from None
        return bytes(data)

    @understood
    def feed(self, after: str = "", *, wait: int = 0, only: str = "", purpose: str = "") -> dict[str, Any]:
        """The next page of the caller's feed: `events`, `next`, `permits`. `wait`: seconds to wait for news, ≤ 25."""
        params = {"wait": str(wait)} | ({"purpose": purpose} if purpose else {})
        params |= {"after": after} if after else {}
        params |= {"only": only} if only else {}
        page = self._json("GET", "/v1/feed", params=params)
        return {"events": list(page["events"]), "next": str(page["next"]), "permits": dict(page["permits"])}

    @understood
    def declare(self, frame: bytes) -> int:
        """Declare an emergency; returns the Unix second until which what it names is open."""
        return int(self._json("POST", "/v1/emergencies", json={"frame": b64(frame)})["until"])

    # --- messages, directory, log -----------------------------------------------------------------------------

    def message(self, to: str, sealed: bytes, fingerprint: str = "") -> None:
        """Send a sealed message; to a person without a relation only with the fingerprint of her card."""
        body = {"to": to, "frame": b64(sealed)} | ({"fp": fingerprint} if fingerprint else {})
        self._json("POST", "/v1/messages", json=body)

    @understood
    def directory(self, query: str = "") -> list[dict[str, Any]]:
        """Organisations known to the hub."""
        body = self._json("GET", "/v1/directory", params={"q": query})
        return list(body["organisations"])

    @understood
    def organisations(self) -> list[dict[str, Any]]:
        """All organisations known to the hub, page by page."""
        found: list[dict[str, Any]] = []
        params = {"after": ""}
        while True:
            body = self._json("GET", "/v1/directory", params=params)
            found += list(body["organisations"])
            if not body["next"]:
                return found
            params = {"after": str(body["next"])}

    @understood
    def log(self, acc: str, after: int = 0) -> tuple[list[dict[str, Any]], bytes]:
        """A patient's access log behind an entry, a page of it, and its head, which the hub signs."""
        body = self._json("GET", f"/v1/log/{acc}", params={"after": str(after)})
        return list(body["entries"]), unb64(body["head"])

    def object_to(self, entry: int, sealed: bytes) -> None:
        """Say against an entry of the own log that it was not right: a sealed message to whom it is about."""
        self._json("POST", "/v1/objections", json={"entry": entry, "frame": b64(sealed)})

    def report_reads(self, reports: Sequence[Mapping[str, Any]]) -> None:
        """Report what was read in the house: `[{acc, at, purpose, sealed}]`."""
        self._json("POST", "/v1/reads", json={"reports": list(reports)})

    def health_links(self) -> list[dict[str, Any]]:
        """The account's SMART Health Links, the newest first."""
        return list(self._json("GET", "/v1/health-links").get("links", []))

    def change_health_link(self, method: str, name: str, **body: Any) -> None:
        """Make (PUT), extend (PATCH) or revoke (DELETE) a link."""
        self._json(method, f"/v1/health-links/{name}", **({"json": body} if body else {}))

    # --- transport --------------------------------------------------------------------------------------------

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        response = self._call(method, path, **options)
        try:
            body = response.json() if response.content else {}
        except ValueError:
            raise Problem("busy", "the hub's answer is not JSON") from None
        if not isinstance(body, dict):
            raise Problem("busy", "the hub's answer is not an object")
        return body

    def _call(self, method: str, path: str, *, auth: bool = True, token: str = "", **options: Any) -> requests.Response:
        """One request, repeated with growing pauses while the hub is unreachable or busy: all calls are idempotent."""
        headers = dict(options.pop("headers", {}))
        for attempt in range(RETRIES + 1):
            if auth:
                headers["Authorization"] = f"Bearer {token or self.access_token()}"
            try:
                response = self._session.request(
                    method, self.url + path, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False,
                    **options | ({"data": options["data"]()} if callable(options.get("data")) else {}),
                )  # fmt: skip
            except requests.RequestException:
                response = None
            if response is not None and response.status_code < 400:
                return response
            if response is not None and response.status_code not in (429, 503):
                if response.status_code == 401 and not token:
                    self._token = ("", 0.0)  # it may be the token that the hub no longer knows
                raise _problem(response)
            if attempt < RETRIES:
                self._sleep(0.1 * 4**attempt)
        if response is not None:
            raise _problem(response)
        raise Problem("busy", f"the hub at {self.url} cannot be reached; nothing is lost, try again later")

    @understood
    def access_token(self) -> str:
        """The token that all calls carry: asked for when there is none, or the last one soon ends."""
        token, until = self._token
        if self._clock() < until - 30:
            return token
        if self._credentials is None:
            raise Problem("unauthenticated", "this call needs an account at the hub")
        body = self._json("POST", "/oauth/token", auth=False, data=self._token_request(self._credentials))
        self._token = (body["access_token"], self._clock() + body["expires_in"])
        return str(body["access_token"])

    def _token_request(self, credentials: Credentials) -> dict[str, str]:
        """SMART Backend Services: https://hl7.org/fhir/smart-app-launch/backend-services.html#step-3-access-token"""
        endpoint = self.hub()["token_endpoint"]
        now = int(self.time)
        secret = credentials.token_key
        key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64(secret.public), "d": b64(bytes(secret))})
        claims = {
            "iss": credentials.client_id, "sub": credentials.client_id, "aud": endpoint,
            "exp": now + 240, "iat": now, "jti": new_id(),
        }  # fmt: skip
        header = {"alg": "Ed25519", "typ": "JWT", "kid": credentials.device}
        return {
            "grant_type": "client_credentials",
            "scope": "system/*.rs",
            "client_assertion_type": ASSERTION,
            "client_assertion": jwt.encode(header, claims, key, algorithms=["Ed25519"]),
        }


def _problem(response: requests.Response) -> Problem:
    try:
        # An error of OAuth (RFC 6749, 5.2) says its status only in the first line.
        body = {"status": response.status_code} | response.json()
        return Problem.from_details({"detail": SHUT_OUT} | body if body.get("error") == "invalid_client" else body)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Problem("busy", f"the hub answered {response.status_code} without saying why")
