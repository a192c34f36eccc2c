"""Cases too large or too odd for a vector: each must be refused for its reason, or hold ("ok")."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace

from consent import accounts, chains, envelope, frames, grants, owed, rules, statements, steps, streams
from consent.keys import SigningKey
from consent.primitives import b64, random_bytes
from consent.sets import Master, SetKey
from consent.streams import SetState
from consent.vault import Candidate, Vault
from tests.consent import world
from tests.consent.world import START, Client


@dataclass(frozen=True)
class Case:
    """One thing that is refused. `module` tells whose refusal it is."""

    module: str
    name: str
    reason: str
    run: Callable[[], object]


@cache
def home() -> Client:
    """A patient with four sets and a grant; never changed by a case."""
    client = world.client()
    client.grant(world.organisation("klinik"), [1])
    return client


def _great_vault() -> object:
    client = home()
    blob = bytes(rules.MAX_BUNDLE + 1)
    body = {"ver": client.hub.record.account.vault[0] + 1, "hash": rules.blob_hash(blob)}
    written = client.account("vault", body, client.me.signer.by, client.me.sign)
    return rules.admit(client.hub.record, written.frame, blob, START)


def _many_sets() -> object:
    client = home()
    record = client.hub.record
    some = next(iter(record.sets.values()))
    many = {f"{number}": replace(some, ids={}) for number in range(rules.MAX_SETS)}
    set_id = b64(random_bytes(16))
    vault = client.vault.with_set(set_id, SetKey(random_bytes(32)), Master(random_bytes(32)))
    full = replace(record, sets=many)
    return rules.admit(full, steps.begin(full, vault, set_id, client.me.signer, START).frame, None, START)


def _klinik() -> tuple[str, str]:
    """Counterpart and id of the grant."""
    (relation,) = (one for one in home().hub.record.relations.values() if one.grants)
    return relation.oth, next(iter(relation.grants))


def _first() -> str:
    return min(home().hub.record.sets)


def _over(vault: Vault, changes: dict[str, bool], *, all_: bool = False) -> None:
    """After an emergency all open sets get candidates whose keys are here, but not the first where it was changed."""
    record = home().hub.record
    sets = dict(record.sets)
    sets[_first()] = sets[_first()].fork()
    vars(sets[_first()]).update(changes)
    step = owed.owed_after(replace(record, sets=sets), vault, [(*_klinik(), START + 10**6)])
    changed = bool(changes) or vault is not home().vault
    assert step is not None
    assert set(step.sets) == sets.keys() - ({_first()} if changed and not all_ else set())


def _none_over(oth: str, gid: str) -> None:
    assert owed.owed_after(home().hub.record, home().vault, [(oth, gid, START + 10**6)]) is None


def _without_a_set() -> Vault:
    vault = home().vault
    return replace(vault, sets={name: key for name, key in vault.sets.items() if name != _first()})


def _with_a_used_up() -> Vault:
    current = home().hub.record.sets[_first()].current
    return home().vault.with_candidate(_first(), Candidate(current, Master(random_bytes(32)), 0, START))


def _many_epochs() -> object:
    client = home()
    set_id, state = next(iter(client.hub.record.sets.items()))
    number = streams.MAX_EPOCHS + 1
    full = state.fork()
    full.epochs = full.epochs * streams.MAX_EPOCHS
    body = {"ep": number, "pks": [b64(pk) for pk in Master(random_bytes(32)).publics], "suite": "HS1", "grace": 0}
    record = client.hub.record
    raw = statements.sign(
        client.me.sign, kind="set", acc=state.acc, oth=set_id, head=state.head, iat=START, typ="epoch",
        by=client.me.signer.by, cite=steps.cite(record), body=body,
    )  # fmt: skip
    return streams.extend(full, raw, record.accounts)


def _shorter() -> object:
    account = home().hub.record.account
    return chains.advance(account, accounts.replay(account.frames[:-1], account.acc))


def _forked() -> object:
    client = home()
    account = client.hub.record.account
    start = accounts.replay(account.frames[:3], account.acc)
    other = replace(client, hub=world.Hub(client.me))
    other.hub.record = replace(other.hub.record, account=start)
    raw = other.account("reading", {"key": b64(random_bytes(32)), "bad": 0}).frame
    return chains.advance(accounts.replay(account.frames[:4], account.acc), accounts.extend(start, raw))


def _narrowings() -> object:
    """Whatever an amendment takes back narrows; what it adds, or leaves, does not."""
    base = {"until": 10, "begins": 5, "purposes": ("A", "B"), "emergency": [60], "cover": {"set": (2, 0b11)}}

    def grant(**changes: object) -> object:
        return SimpleNamespace(**{**base, **changes})

    less = (
        {"until": 9}, {"begins": 6}, {"purposes": ("A",)}, {"emergency": [30]}, {"cover": {"set": (2, 0b01)}},
        {"cover": {"set": (3, 0b11)}}, {"cover": {}},
    )  # fmt: skip
    more = (
        {}, {"until": 11}, {"begins": 4}, {"purposes": ("A", "B", "C")}, {"emergency": []},
        {"cover": {"set": (1, 0b111)}},
    )  # fmt: skip
    for change in less:
        assert grants.narrows(grant(), grant(**change)), change
    for change in more:
        assert not grants.narrows(grant(), grant(**change)), change
    return None


def _no_device() -> object:
    return home().hub.record.account.device_in("d" + "a" * 16, START)


CASES = [
    Case("rules", "a vault of more than 8 MiB", "limits", _great_vault),
    Case("rules", "a 257th open set", "limits", _many_sets),
    Case("streams", "a 4,097th epoch", "limits", _many_epochs),
    Case("streams", "the head of an empty chain", "seq", lambda: streams.position(SetState("a", "b"))),
    Case("streams", "epoch 0", "epoch", lambda: next(iter(home().hub.record.sets.values())).epoch(0)),
    Case("streams", "an epoch not started", "epoch", lambda: next(iter(home().hub.record.sets.values())).epoch(2)),
    Case("chains", "a copy shorter than one seen before", "rollback", _shorter),
    Case("chains", "a copy that differs from one seen before", "rollback", _forked),
    Case("envelope", "a frame of more than a mebibyte",
    "limits", lambda: envelope.parse(bytes(envelope.MAX_FRAME + 1))),
    Case("frames", "a statement of more than 32 KiB", "limits", lambda: frames.parse(bytes(frames.MAX_HEADER + 73))),
    Case("frames", "a header of more than 32 KiB, signed", "limits",
         lambda: frames.sign({"a": "x" * frames.MAX_HEADER}, "obhut-permit", SigningKey(bytes(32)))),
    Case("accounts", "a device that never was, in a second", "signer", _no_device),
    Case("grants", "what narrows and what does not", "ok", _narrowings),
    Case("owed", "a grant with an unknown counterpart", "unknown", lambda: owed.grant_of(home().hub.record, "x", "y")),
    Case("owed", "an emergency that is over", "ok", lambda: _over(home().vault, {})),
    Case("owed", "an emergency, and a set that is closed", "ok", lambda: _over(home().vault, {"closed": True})),
    Case("owed", "an emergency, and a set of which the keys are lost", "ok", lambda: _over(_without_a_set(), {})),
    Case("owed", "an emergency, and a used-up candidate", "ok", lambda: _over(_with_a_used_up(), {}, all_=True)),
    Case("owed", "an emergency of nobody known", "ok", lambda: _none_over("x", "y")),
    Case("owed", "an emergency by no grant known", "ok", lambda: _none_over(_klinik()[0], "y")),
    Case("owed", "an unknown grant", "unknown",
         lambda: owed.grant_of(home().hub.record, next(iter(home().hub.record.relations)), "y")),
]  # fmt: skip
