"""Vectors of stream chains: one with every type, and each fault of each link."""

from collections.abc import Callable
from typing import Any

from consent import frames, statements, steps, streams
from consent.keys import SigningKey
from consent.primitives import b64
from consent.sets import Master, SetKey
from consent.streams import MAX_GRACE_SECONDS
from tests.consent.verdicts import set_summary
from tests.consent.world import DAY, START, Client, Identity, client, person
from tests.vectors.chains import (
    File,
    Header,
    body,
    citation_faults,
    field_faults,
    form_faults,
    header,
    link_faults,
    put,
    resigned,
)
from tests.vectors.making import OK, Source, broken, stale


class Story:
    """A patient with two clients, a writer, a removed client and two delegates, and the chain of one set."""

    def __init__(self) -> None:
        self.client = client()
        me = self.client.me
        self.second, self.writer, self.gone = me.other_device(), me.other_device(), me.other_device()
        for device, role in ((self.second, "client"), (self.writer, "writer"), (self.gone, "client")):
            self.client.post(self.client.account("device", device.device_body(role)))
        self.full, self.manage, self.late = person(), person(), person()
        for who, scope, nb, until in (
            (self.full, "full", 0, START + 30 * DAY), (self.manage, "manage", 0, START + 30 * DAY),
            (self.late, "full", START + 20 * DAY, START + 30 * DAY),
        ):  # fmt: skip
            self.client.hub.know(who)
            content = {"to": who.account, "fp": who.state.fingerprint, "scope": scope, "nb": nb, "until": until}
            self.client.post(self.client.account("delegate", content))
        self.client.post(self.client.account("undevice", {"dev": self.gone.device}))

    def accounts(self) -> dict[str, list[bytes]]:
        """The chains that the set's chain cites, those cited by a later one first."""
        known = {who.account: who.frames for who in (self.full, self.manage, self.late)}
        return known | {self.client.me.account: self.client.hub.record.account.frames}

    def state(self, set_id: str) -> Any:
        """The set's state at the hub."""
        return self.client.hub.record.sets[set_id]


def material(source: Source) -> tuple[SetKey, list[Master]]:
    """Keys of one set."""
    return SetKey(source.draw(32)), [Master(source.draw(32)) for _ in range(4)]


def vectors(source: Source) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The file `stream-chain`."""
    tale = Story()
    home: Client = tale.client
    me = home.me
    set_key, masters = material(source)
    set_id = b64(source.draw(16))
    links: list[bytes] = []
    signed: list[tuple[str, SigningKey]] = []

    def add(name: str, typ: str, content: dict[str, Any], who: Identity, at: int) -> None:
        head = (len(links) - 1, b64(frames.frame_hash(links[-1]))) if links else None
        links.append(statements.sign(
            who.sign, kind="set", acc=me.account, oth=set_id, head=head, iat=at, typ=typ, by=who.signer.by,
            cite=steps.cite(home.hub.record, who.account), body=content,
        ))  # fmt: skip
        signed.append((name, who.sign))

    pks = [[b64(pk) for pk in master.publics] for master in masters]
    add("start", "start", {"ep": 1, "ids": set_key.ids, "pks": pks[0], "suite": "HS1", "grace": 0}, me, START)
    routine = {"ep": 2, "pks": pks[1], "suite": "HS1", "grace": MAX_GRACE_SECONDS}
    add("epoch, routine", "epoch", routine, tale.second, START + 10)
    add("epoch by a delegate", "epoch", {"ep": 3, "pks": pks[2], "suite": "HS2", "grace": 0}, tale.full, START + 20)
    add("close", "close", {}, me, START + 30)

    file = File(("set", me.account, set_id), accounts=tale.accounts())
    states = [set_summary(state) for state in _states(tale, links, set_id)]
    file.add("good: every type", links, states=states)
    account = home.hub.record.account.frames
    for count, (name, key) in enumerate(signed, 1):
        part = links[:count]
        form = [form_faults(part[-1], key), field_faults(part[-1])] if name in ("start", "close") else []
        for faults in (*form, link_faults(part, key), citation_faults(part, key, account, me.account)):
            for fault, reason, raw in faults:
                expect = stale() if reason == "stale" else broken(reason)
                file.add(f"{name}: {fault} ({reason})", [*part[:-1], raw], expect)
    after = put(seq=4, prev=b64(frames.frame_hash(links[-1])), iat=START + 40)
    file.add("epoch after close", [*links, resigned(links[2], tale.full.sign, after)], broken("closed"))
    file.add("close after close", [*links, resigned(links[3], me.sign, after)], broken("closed"))
    _types(file, links, tale, pks)
    _signers(file, links, tale)
    return file.made


def _states(tale: Story, links: list[bytes], set_id: str) -> list[Any]:
    known = {**tale.client.hub.record.accounts}
    acc = tale.client.me.account
    return [streams.replay(links[:n], acc, set_id, known) for n in range(1, len(links) + 1)]


def _types(file: File, links: list[bytes], tale: Story, pks: list[list[str]]) -> None:
    me, second, full = tale.client.me.sign, tale.second.sign, tale.full.sign

    def fault(name: str, number: int, key: SigningKey, change: Callable[[Header], object], expect: Any) -> None:
        file.add(name, [*links[:number], resigned(links[number], key, change)], expect)

    ids = header(links[0])["body"]["ids"]
    fault("start: epoch 2", 0, me, body(ep=2), broken("epoch"))
    fault("start: epoch 0", 0, me, body(ep=0), broken("epoch"))
    fault("start: 31 ids", 0, me, body(ids=ids[:31]), broken("fields"))
    fault("start: 33 ids", 0, me, body(ids=[*ids, ids[0]]), broken("fields"))
    fault("start: an id twice", 0, me, body(ids=[*ids[:31], ids[0]]), broken("ids"))
    fault("start: an id too short", 0, me, body(ids=[*ids[:31], ids[0][:20]]), broken("fields"))
    fault("start: 31 keys", 0, me, body(pks=pks[0][:31]), broken("fields"))
    fault("start: a key twice", 0, me, body(pks=[*pks[0][:31], pks[0][0]]), broken("keys"))
    fault("start: grace", 0, me, body(grace=1), broken("grace"))
    fault("start: suite unknown", 0, me, body(suite="HS9"), broken("suite"))
    fault("start: suite HS2", 0, me, body(suite="HS2"), OK)
    fault("start: first link is an epoch", 0, me, put(typ="epoch", body=header(links[1])["body"]), broken("order"))
    fault("start: first link is a close", 0, me, put(typ="close", body={}), broken("order"))
    fault("epoch: the same number", 1, second, body(ep=1), broken("epoch"))
    fault("epoch: a number left out", 1, second, body(ep=3), broken("epoch"))
    fault("epoch: with ids", 1, second, body(ids=ids), broken("fields"))
    fault("epoch: a key twice", 1, second, body(pks=[*pks[1][:31], pks[1][0]]), broken("keys"))
    fault("epoch: a key of the epoch before", 1, second, body(pks=[*pks[1][:31], pks[0][7]]), broken("key-reuse"))
    fault("epoch: a key of an epoch long ago", 2, full, body(pks=[*pks[2][:31], pks[0][7]]), broken("key-reuse"))
    fault("epoch: grace too long", 1, second, body(grace=MAX_GRACE_SECONDS + 1), broken("grace"))
    fault("epoch: suite unknown", 1, second, body(suite="HS3"), broken("suite"))
    fault("epoch: suite empty", 1, second, body(suite=""), broken("suite"))
    lower = resigned(links[2], full, lambda h: None)
    content = {"ep": 4, "pks": pks[3], "suite": "HS1", "grace": 0}
    raw = resigned(links[2], full, put(seq=3, prev=b64(frames.frame_hash(lower)), body=content))
    file.add("epoch: suite lower than before", [*links[:2], lower, raw], broken("suite"))
    head = header(links[0]) | {"oth": "a set", "prev": statements.chain_id("set", tale.client.me.account, "a set")}
    raw = frames.sign(head, "obhut-sig-set", me)
    file.add("start: the set's name is no id", [raw], broken("fields"), chain=("set", tale.client.me.account, "a set"))


def _signers(file: File, links: list[bytes], tale: Story) -> None:
    """Who may not sign the second link, judged at the cited positions."""
    record = tale.client.hub.record
    me = tale.client.me.account

    def by(name: str, who: Identity, expect: Any, at: int = START + 10, cite: dict[str, Any] | None = None) -> None:
        places = {n: list(place) for n, place in (cite or steps.cite(record, who.account)).items()}
        raw = resigned(links[1], who.sign, put(by=list(who.signer.by), cite=places, iat=at))
        file.add(f"signer: {name}", [links[0], raw], expect)

    by("a second client", tale.second, OK)
    by("a writer", tale.writer, broken("signer"))
    by("a removed client", tale.gone, broken("signer"))
    by("a delegate full", tale.full, OK)
    by("a delegate full, last second", tale.full, OK, START + 30 * DAY - 1)
    by("a delegate full, after its end", tale.full, broken("delegate"), START + 30 * DAY)
    by("a delegate manage", tale.manage, broken("delegate"))
    by("a delegate before its time", tale.late, broken("delegate"))
    by("a delegate at its first second", tale.late, OK, START + 20 * DAY)
    by("a delegate, own account not cited", tale.full, broken("cite"), cite=steps.cite(record))
    both = steps.cite(record, tale.full.account, tale.manage.account)
    by("a delegate, one more cited", tale.full, broken("cite"), cite=both)
    early = {me: [0, record.account.links[0].hash]}
    raw = resigned(links[0], tale.client.me.sign, put(cite=early))
    file.add("signer: a client before it was one", [raw], broken("signer"))
    gone = {me: [record.account.last - 1, record.account.links[-2].hash]}
    raw = resigned(links[0], tale.gone.sign, put(cite=gone, by=list(tale.gone.signer.by)))
    file.add("signer: a removed client cites the time before", [raw], OK, "the home hub refuses it: signer-gone")
    short = {name: part[:2] if name == me else part for name, part in file.accounts.items()}
    file.add("verifier's copy of the account is short", links[:1], stale(), accounts=short)
    less = {name: part for name, part in file.accounts.items() if name != tale.full.account}
    file.add("verifier does not know the delegate", links[:3], stale(), accounts=less)
