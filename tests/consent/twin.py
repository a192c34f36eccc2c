"""The portal's twin as a process beside Python, and Python's answers to the same questions.

A question is `(what, arguments)`; an answer `{"ok": value}`, or kind and reason of the refusal. `twin.mjs` answers
under the same names, so that a test only has to ask both.
"""

import json
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consent import (
    accounts,
    canonical,
    categories,
    envelope,
    identifiers,
    keys,
    log,
    messages,
    opening,
    pairing,
    primitives,
    receipts,
    relations,
    statements,
    streams,
    vault,
)
from consent.accounts import AccountState
from consent.chains import BadLink
from consent.primitives import Rejected, b64, unb64
from fhir_profiles.problems import Problem
from tests.consent import twin_consents, verdicts

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "hub/static/portal/consent.js"

HUB_ONLY = {"deposit"}
"""Kinds of vectors for what a hub alone decides."""


def twin_vectors() -> list[Path]:
    """The files of vectors that the twin runs: all but the hub's."""
    paths = sorted((ROOT / "tests/vectors").glob("*.json"))
    return [path for path in paths if json.loads(path.read_text("ascii"))["kind"] not in HUB_ONLY]


Question = tuple[str, dict[str, Any]]


class Twin:
    """One Node.js process that answers as long as the session lasts."""

    def __init__(self, node: str) -> None:
        if not BUNDLE.exists():
            pytest.fail("The portal's bundle is not built: run `make install`.")
        program = Path(__file__).with_name("twin.mjs")
        self._process = subprocess.Popen(
            [node, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def ask(self, questions: Iterable[Question]) -> list[Any]:
        """The twin's answers, in order."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(list(questions)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the twin has ended; its standard error tells why"
        return json.loads(line)

    def make(self, what: str, **arguments: Any) -> Any:
        """What the twin makes of one question that it must not refuse."""
        (answer,) = self.ask([(what, arguments)])
        assert "ok" in answer, answer
        return answer["ok"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(timeout=30) == 0


def agree(twin: Twin, questions: Iterable[Question]) -> list[Any]:
    """Ask both, compare every answer, and give Python's."""
    asked = list(questions)
    mine = [answer(what, arguments) for what, arguments in asked]
    theirs = twin.ask(asked)
    assert len(theirs) == len(asked)
    different = [trio for trio in zip(asked, mine, theirs, strict=True) if trio[1] != trio[2]]
    assert not different, f"{len(different)} of {len(asked)} differ; (question, Python, twin): {different[0]}"
    return mine


def answer(what: str, arguments: dict[str, Any]) -> Any:
    """Python's answer, as JSON would carry it."""
    try:
        return json.loads(json.dumps({"ok": ANSWERS[what](**arguments)}))
    except Rejected as refused:
        return {"kind": refused.kind, "reason": refused.reason}
    except Problem as problem:
        return {"problem": problem.code, "detail": problem.detail, "expression": problem.expression}


def _fields(value: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _statement(raw: bytes) -> dict[str, Any]:
    names = ("kind", "acc", "oth", "seq", "prev", "iat", "typ", "by", "cite", "body", "hash")
    return _fields(statements.parse(raw), *names)


def _envelope(raw: bytes) -> dict[str, Any]:
    found = envelope.parse(raw)
    return canonical.parse(found.header_bytes) | {
        "hash": found.hash, "signature": b64(found.signature), "ciphertext": b64(found.ciphertext)
    }  # fmt: skip


def _message(raw: bytes) -> dict[str, Any]:
    found = messages.read(raw)
    return _fields(found, "typ", "sender", "to", "rnd", "at", "dev", "hash") | {"content": b64(found.content)}


def _registration(raw: bytes) -> dict[str, Any]:
    found = messages.read_registration(raw)
    return _fields(found, "acc", "dev", "at") | {"key": b64(found.key)}


READ: dict[str, Callable[[bytes], Any]] = {
    "statement": _statement,
    "permit": lambda raw: _fields(statements.parse_permit(raw), "acc", "aut", "fp", "set", "iat", "by", "cite"),
    "envelope": _envelope,
    "stamp": lambda raw: _fields(envelope.parse_stamp(raw), "hub", "bid", "fh", "at", "aut", "set", "rel"),
    "message": _message,
    "registration": _registration,
    "canonical": lambda raw: b64(canonical.dump(canonical.parse(raw))),
}

NAME: dict[str, Callable[[str], str]] = {
    "account": lambda text: str(identifiers.account(text)),
    "card": lambda text: str(identifiers.card(text)),
    "domain": identifiers.domain,
    "device": identifiers.device,
    "id": lambda text: b64(identifiers.binary_id(text)),
    "code": lambda text: str(keys.RecoveryCode.parse(text)),
    "fingerprint": lambda text: b64(primitives.unb32(text, identifiers.FINGERPRINT_BYTES)),
    "invitation": lambda text: str(pairing.Invitation.parse(text)),
}


def _padme(first: int, last: int) -> str:
    return b64(primitives.blake2b(" ".join(str(primitives.padme(n)) for n in range(first, last + 1)).encode()))


def _passphrase(account: str, passphrase: str, memory: int) -> list[str]:
    derived = keys.PassphraseKeys.derive(account, passphrase, memory)
    return [b64(derived.sign_in), b64(derived.wrap_key)]


def accounts_of(named: dict[str, list[str]]) -> dict[str, AccountState]:
    """Account chains given as base64url; each may cite those that stand before it."""
    pool = {raw: raw for links in named.values() for raw in links}
    return verdicts.known_accounts({"frames": pool}, named)


def replayed(kind: str, acc: str, oth: str, links: list[str], known: dict[str, AccountState]) -> Any:
    """The state of a chain of any kind, given as base64url."""
    raws = [unb64(raw) for raw in links]
    if kind == "acct":
        return accounts.replay(raws, acc, None, known)
    return (streams if kind == "set" else relations).replay(raws, acc, oth, known)


def _replay(kind: str, acc: str, oth: str, frames: list[str], known: dict[str, list[str]]) -> Any:
    try:
        state = replayed(kind, acc, oth, frames, accounts_of(known))
    except BadLink as refused:
        return [refused.kind, refused.reason, len(refused.state.links)]
    return SUMMARY[kind](state)


SUMMARY: dict[str, Callable[[Any], Any]] = {
    "acct": verdicts.account_summary, "set": verdicts.set_summary, "rel": verdicts.relation_summary
}  # fmt: skip


# --- a reader's world ---------------------------------------------------------------------------------------------

_worlds: dict[str, opening.Reader] = {}


def _world(name: str, shared: dict[str, Any]) -> None:
    """Keep a reader under a name, given as in the vectors of opening."""
    _worlds[name] = verdicts.reader_of({"reader": name, "change": {}}, shared)


_chains: dict[str, tuple[str, Any, dict[str, AccountState]]] = {}


def _chain(name: str, kind: str, acc: str, oth: str, frames: list[str], known: dict[str, list[str]]) -> None:
    """Keep a chain's state under a name, so that many last links can be tried."""
    others = accounts_of(known)
    _chains[name] = (kind, replayed(kind, acc, oth, frames, others), others)


def _extend(chain: str, raw: str) -> Any:
    kind, state, others = _chains[chain]
    if kind == "acct":
        return SUMMARY[kind](accounts.extend(state, unb64(raw), others))
    return SUMMARY[kind]((streams if kind == "set" else relations).extend(state, unb64(raw), others))


def _open(
    world: str, raw: str, stamp: str, permit: str, now: int, change: dict[str, Any] | None = None
) -> dict[str, Any]:
    reader = replace(_worlds[world], **{"pins": {}} | (change or {}))
    opened = opening.open_envelope(unb64(raw), unb64(stamp), unb64(permit), reader, now)
    return _fields(opened, "set", "index", "missing", "deletes") | {
        "resources": [b64(line) for line, _ in opened.resources],
        "quarantined": [b64(line) for line, _ in opened.quarantined],
    }


def _object(sealed: str, reference: str, ctx: str) -> str:
    return b64(opening.open_object(unb64(sealed), opening.read_reference(unb64(reference)), unb64(ctx)))


def _bundle(world: str, seq: int, blob: str, secrets: list[str]) -> dict[str, Any]:
    relation = _worlds[world].relation
    assert relation
    return _opened(relation, seq, blob, secrets)


def _open_after(chain: str, raw: str, blob: str, secrets: list[str]) -> dict[str, Any]:
    """The bundle beside one more statement at the end of a chain."""
    _, state, others = _chains[chain]
    after = relations.extend(state, unb64(raw), others)
    return _opened(after, after.links[-1].seq, blob, secrets)


def _opened(relation: relations.RelationState, seq: int, blob: str, secrets: list[str]) -> dict[str, Any]:
    found = next(b for grant in relation.grants.values() for b in grant.bundles if b.link.seq == seq)
    opened = opening.open_bundle(found, unb64(blob), relation, _box_keys(secrets))
    return {
        "salt": b64(opened.salt), "consent": b64(opened.consent), "rules": opened.rules,
        "seeds": [[s.set, s.epoch, [[index, b64(seed)] for index, seed in s.by_index.items()]] for s in opened.seeds],
    }  # fmt: skip


def _box_keys(secrets: list[str]) -> dict[str, keys.BoxKey]:
    return {b64(key.public): key for key in (keys.BoxKey(unb64(secret)) for secret in secrets)}


def _unseal_message(
    sealed: str, secret: str, sender: str, frames: list[str], to: str, now: int, came: int | None = None
) -> list[str]:
    found = messages.unseal(unb64(sealed), _box_keys([secret]))
    found.verify(replayed("acct", sender, "", frames, {}), to, now, came)
    return [found.typ, found.sender, b64(found.content), found.hash]


def _verify_registration(raw: str, frames: list[str], acc: str, now: int) -> None:
    messages.read_registration(unb64(raw)).verify(replayed("acct", acc, "", frames, {}), now)


def _unwrap_by_box(wrap: str, account: str, device: str, secret: str) -> str:
    return b64(vault.unwrap_by_box(unb64(wrap), account, device, keys.BoxKey(unb64(secret))))


def _unwrap_by_secret(wrap: str, account: str, name: str, wrap_key: str) -> str:
    return b64(vault.unwrap_by_secret(unb64(wrap), account, name, unb64(wrap_key)))


def _receipt(raw: str, card: str | None) -> dict[str, Any]:
    found = receipts.verify(unb64(raw), identifiers.card(card) if card else None)
    return {
        "mark": found.mark, "categories": sorted(found.terms.categories), "purposes": list(found.terms.purposes),
        "events": list(found.events), "ended": found.ended, "replaced": found.replaced, "head": found.head.hash,
    }  # fmt: skip


def _entries(given: list[dict[str, Any]]) -> list[log.Entry]:
    return [log.Entry(**{**one, "sealed": unb64(one["sealed"])}) for one in given]


def _faults(entries: list[dict[str, Any]], heads: list[str]) -> list[Any]:
    found = log.faults(_entries(entries), [log.parse_head(unb64(raw)) for raw in heads])
    return [[one.first, one.last, one.kind] for one in found]


def _head(raw: str, key: str, hub: str, acc: str) -> list[Any]:
    found = log.parse_head(unb64(raw))
    found.verify(unb64(key), hub=hub, acc=acc)
    return [found.seq, found.hash, found.at]


def _untold(entries: list[dict[str, Any]], frames: list[str]) -> list[str]:
    links = [statements.parse(unb64(raw)) for raw in frames]
    return [link.hash for link in log.untold(_entries(entries), links)]


ANSWERS: dict[str, Callable[..., Any]] = {
    "read": lambda what, raw: READ[what](unb64(raw)),
    "name": lambda what, text: NAME[what](text),
    "unb64": lambda text: len(unb64(text)),
    "padme": _padme,
    "unpad": lambda padded: b64(primitives.unpad(unb64(padded))),
    "verify": lambda key, digest, signature: primitives.verify(unb64(key), unb64(digest), unb64(signature)),
    "sign": lambda seed, digest: b64(keys.SigningKey(unb64(seed)).sign(unb64(digest))),
    "seal_box": lambda message, key: len(primitives.seal_box(unb64(message), unb64(key))),
    "open_box": lambda sealed, secret: b64(primitives.open_box(unb64(sealed), unb64(secret))),
    "box_public": lambda secret: b64(primitives.box_public(unb64(secret))),
    "encrypt": lambda **args: b64(primitives.encrypt(*(unb64(args[n]) for n in ("key", "nonce", "data", "message")))),
    "decrypt": lambda **args: b64(
        primitives.decrypt(*(unb64(args[n]) for n in ("key", "nonce", "data", "ciphertext")))
    ),
    "passphrase": _passphrase,
    "category": categories.category,
    "names": lambda: [categories.NAMES, sorted(categories.BY_TYPE)],
    "about": opening.is_about,
    "replay": _replay,
    "chain": _chain,
    "extend": _extend,
    "world": _world,
    "open": _open,
    "bundle": _bundle,
    "open_after": _open_after,
    "object": _object,
    "unseal_message": _unseal_message,
    "verify_registration": _verify_registration,
    "unwrap_by_box": _unwrap_by_box,
    "unwrap_by_secret": _unwrap_by_secret,
    "receipt": _receipt,
    "faults": _faults,
    "head": _head,
    "untold": _untold,
} | twin_consents.ANSWERS
