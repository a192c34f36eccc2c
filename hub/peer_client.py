"""The only HTTP client of another hub: each request signed, each answer parsed and never trusted."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests
from urllib3.exceptions import HTTPError

from consent.keys import SigningKey
from consent.objects import MAX_SEALED_OBJECT
from consent.primitives import Rejected, unb64
from fhir_profiles.problems import Problem
from hub import signatures
from hub.context import Hub
from hub.peers import Peer
from hub.store.chains import ChainName

MAX_SECOND = 2**35
"""A peer that tells a time beyond this tells none."""
TIMEOUT_SECONDS = 30
ANSWER_SECONDS, LEAST_RATE = 60.0, 16 * 1024
"""So long an answer may take, and one second more for so many bytes: a slow line is served, a drip is not."""
PIECE_BYTES = 64 * 1024
_TO_THIS_HUB = ("unauthenticated", "too-many", "internal")
MAX_ANSWER = max(MAX_SEALED_OBJECT, 64 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer answered."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)


class PeerClient:
    """A peer as this hub (`domain`, `key`) calls it. One thread uses it. `clock` gives Unix seconds."""

    def __init__(self, peer: Peer, domain: str, key: SigningKey, clock: Callable[[], float]) -> None:
        self.peer = peer
        self._domain = domain
        self._key = key
        self._clock = clock
        self._ahead = 0
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        """Let go of connections."""
        self._session.close()

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A request with a JSON body. Raises `Problem`: what the peer said, or `busy` where it cannot be reached."""
        return self._json("POST", path, orjson.dumps(body), "application/json")

    def post_bytes(self, path: str, body: bytes) -> dict[str, Any]:
        """A request with a binary body. Raises `Problem` as `post`."""
        return self._json("POST", path, body, "application/octet-stream")

    def put_bytes(self, path: str, body: bytes) -> dict[str, Any]:
        """A request that keeps something there. Raises `Problem` as `post`."""
        return self._json("PUT", path, body, "application/octet-stream")

    def get(self, path: str) -> dict[str, Any]:
        """A request without a body. Raises `Problem` as `post`."""
        return self._json("GET", path, b"", "")

    def get_part(self, path: str) -> Answer:
        """A part of something larger (RFC 9110, 15.3.7). Raises `Problem` as `post`."""
        answer = self._answer("GET", path, b"", "")
        if answer.status != 206:
            raise unreachable()
        return answer

    def _json(self, method: str, path: str, body: bytes, media_type: str) -> dict[str, Any]:
        answer = self._answer(method, path, body, media_type)
        try:
            value = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            raise unreachable() from None
        if answer.status != 200 or not isinstance(value, dict):
            raise unreachable()
        return value

    def _answer(self, method: str, path: str, body: bytes, media_type: str) -> Answer:
        answer = self._signed(method, path, body, media_type)
        if answer.status == 401 and self._learns_time(answer.content):
            answer = self._signed(method, path, body, media_type)
        if answer.status < 400:
            return answer
        raise _problem(answer.content)

    def _signed(self, method: str, path: str, body: bytes, media_type: str) -> Answer:
        headers = {"Accept-Encoding": "identity"} | ({"Content-Type": media_type} if body else {})
        request = self._session.prepare_request(requests.Request(method, self.peer.url + path, headers, data=body))
        now = int(self._clock()) + self._ahead
        message = signatures.Message(method, str(request.url), request.headers)
        signatures.sign(self._key, self._domain, self.peer.domain, message, body, now)
        until = time.monotonic() + ANSWER_SECONDS
        try:
            with self._session.send(request, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True) as response:
                return Answer(response.status_code, response.headers, _content(response, until))
        except (requests.RequestException, HTTPError, OSError):  # the body is read past what requests wraps
            raise unreachable() from None

    def _learns_time(self, content: bytes) -> bool:
        """Whether the peer refused the clock: it is asked again by its own."""
        try:
            problem = orjson.loads(content)
            if problem["reason"] != "clock":
                return False
            now = int(problem["now"])
            if not 0 <= now < MAX_SECOND:
                return False
            self._ahead = now - int(self._clock())
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, OverflowError):
            return False
        return True


def _content(response: requests.Response, until: float) -> bytes:
    """The body, which is not too large and does not come too slowly: somebody waits for it. Raises `Problem(busy)`."""
    content = bytearray()
    while piece := response.raw.read1(PIECE_BYTES, decode_content=False):
        content += piece
        if len(content) > MAX_ANSWER or time.monotonic() > until + len(content) / LEAST_RATE:
            raise unreachable()
    return bytes(content)


def _problem(content: bytes) -> Problem:
    """What a peer said; `busy` where that is not understood, or is said to this hub and not to who asked here."""
    try:
        problem = Problem.from_details(orjson.loads(content))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return unreachable()
    if problem.code in _TO_THIS_HUB:
        return unreachable(str(problem.extra.get("reason", problem.code)))
    return problem


def clients(home: Hub) -> Callable[[str], PeerClient]:
    """The clients of a hub's peers, each made when it is first asked for. One thread uses them."""
    made: dict[str, PeerClient] = {}

    def client(domain: str) -> PeerClient:
        if domain not in made:
            made[domain] = PeerClient(home.peers[domain], home.config.domain, home.peer_key, home.clock)
        return made[domain]

    return client


def unreachable(reason: str = "unreachable") -> Problem:
    """A hub does not answer, or in a way that is not understood; `reason` is for the operator's log."""
    return Problem("busy", "The other hub cannot be reached now; try again soon.", retry_after=2, reason=reason)


def heads(
    peers: Mapping[str, Peer], own: str, key: SigningKey, clock: Callable[[], float], domain: str, asker: str,
    nonce: str, chains: Sequence[ChainName],
) -> bytes | None:  # fmt: skip
    """A peer's frame of where chains of its accounts end, for an account here; None where it does not answer."""
    if domain not in peers:
        return None
    client = PeerClient(peers[domain], own, key, clock)
    try:
        said = client.post("/v1/peer/heads", {"asker": asker, "nonce": nonce, "chains": chains})
        return unb64(str(said["frame"]))
    except (Problem, Rejected, KeyError):
        return None
    finally:
        client.close()
