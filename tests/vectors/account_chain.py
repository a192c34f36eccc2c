"""Vectors of account chains: one chain with every type, and each fault of each link."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from consent import accounts, frames, statements
from consent.accounts import AccountState
from consent.keys import BoxKey, RecoveryCode, SigningKey
from consent.primitives import b64
from tests.consent.verdicts import account_summary as summary
from tests.consent.world import DAY, START, Identity, organisation, person
from tests.vectors.chains import File, Header, body, field_faults, form_faults, header, link_faults, put, resigned
from tests.vectors.making import OK, Source, broken, stale


@dataclass
class Story:
    """A patient whose chain uses every type, beside her two delegates, who are told apart by scope."""

    me: Identity
    full: Identity
    manage: Identity
    frames: list[bytes] = field(default_factory=list)
    signed: list[tuple[str, SigningKey]] = field(default_factory=list)
    """For each link its name and the key that signed it."""

    @property
    def others(self) -> dict[str, list[bytes]]:
        """The chains that hers cites."""
        return {one.account: one.frames for one in (self.full, self.manage)}

    def state(self) -> AccountState:
        """Replayed."""
        known = {name: accounts.replay(links, name) for name, links in self.others.items()}
        return accounts.replay(self.frames, self.me.account, accounts=known)

    def add(
        self, name: str, typ: str, content: dict[str, Any], at: int, by: tuple[str, ...] = ("root",),
        key: SigningKey | None = None, cite: Identity | None = None,
    ) -> None:  # fmt: skip
        """The next link."""
        used = key or self.me.root
        place = {} if cite is None else {cite.account: cite.state.links[-1].position}
        head = self.state().head if self.frames else None
        self.frames.append(statements.sign(
            used, kind="acct", acc=self.me.account, head=head, iat=at, typ=typ, by=by, cite=place, body=content
        ))  # fmt: skip
        self.state()
        self.signed.append((name, used))


def delegation(to: Identity, scope: str, nb: int = 0, until: int = START + 400 * DAY) -> dict[str, Any]:
    """The body of a `delegate`."""
    return {"to": to.account, "fp": to.state.fingerprint, "scope": scope, "nb": nb, "until": until}


def story() -> Story:
    """Every type of an account chain, in an order that life could have."""
    me, full, manage = person(), person(), person()
    tale = Story(me, full, manage)
    body_of_create = header(me.frames[0])["body"]
    tale.add("create", "create", body_of_create, START)
    tale.add("device", "device", me.device_body("client"), START)
    tale.add("reading", "reading", header(me.frames[2])["body"], START)
    tale.add("vault by a client", "vault", {"ver": 1, "hash": b64(b"v" * 32)}, START + 5, me.signer.by, me.sign)
    writer = me.other_device()
    tale.add("device, a writer", "device", writer.device_body("writer"), START + 10)
    tale.add("delegate, full", "delegate", delegation(full, "full"), START + 20)
    tale.add("delegate, manage", "delegate", delegation(manage, "manage", until=START + 30 * DAY), START + 30)
    by, key = full.signer.by, full.sign
    tale.add("vault by a full delegate", "vault", {"ver": 2, "hash": b64(b"w" * 32)}, START + 40, by, key, full)
    tale.add("reading, the old one bad", "reading", {"key": b64(BoxKey.generate().public), "bad": 1}, START + 50)
    tale.add("undevice", "undevice", {"dev": writer.device}, START + 60)
    by, key = manage.signer.by, manage.sign
    tale.add("undelegate by the delegate", "undelegate", {"to": manage.account}, START + 70, by, key, manage)
    tale.add("undelegate by root", "undelegate", {"to": full.account}, START + 80)
    code = RecoveryCode.generate()
    tale.add("recovery", "recovery", {"key": b64(code.signing_key.public)}, START + 8 * DAY)
    new = person()
    content = {"root": b64(new.root.public), "recovery": b64(new.recovery.signing_key.public)}
    tale.add("root by the sheet", "root", content, START + 20 * DAY, ("recovery",), code.signing_key)
    tale.add("device after recovery", "device", new.device_body("client"), START + 20 * DAY, key=new.root)
    tale.add("close", "close", {}, START + 21 * DAY, key=new.root)
    return tale


def vectors(_: Source) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The file `account-chain`."""
    tale = story()
    file = File(("acct", tale.me.account, ""), accounts=tale.others)
    fp = tale.state().fingerprint
    states = [summary(state) for state in _states(tale)]
    file.add("good: every type", tale.frames, fingerprint=fp, states=states)
    told: set[str] = set()
    for count, (name, key) in enumerate(tale.signed, 1):
        links = tale.frames[:count]
        typ = header(links[-1])["typ"]
        first = [form_faults(links[-1], key), field_faults(links[-1])] if typ not in told else []
        told.add(typ)
        for faults in (*first, link_faults(links, key)):
            for fault, reason, raw in faults:
                file.add(f"{name}: {fault} ({reason})", [*links[:-1], raw], broken(reason))
        if count < len(tale.signed):
            content = put(seq=len(tale.frames), prev=b64(frames.frame_hash(tale.frames[-1])), iat=START + 22 * DAY)
            if count > 1:
                raw = resigned(links[-1], key, content)
                file.add(f"{name}: after close", [*tale.frames, raw], broken("closed"))
    _types(file, tale, fp)
    _recovery(file)
    _limits(file)
    return file.made


def _states(tale: Story) -> list[AccountState]:
    known = {name: accounts.replay(links, name) for name, links in tale.others.items()}
    return [accounts.replay(tale.frames[:n], tale.me.account, accounts=known) for n in range(1, len(tale.frames) + 1)]


def _types(file: File, tale: Story, fp: str) -> None:
    """Faults of single types, each at the place where the type is first used."""
    place = {name: number for number, (name, _) in enumerate(tale.signed)}
    me, full, manage = tale.me, tale.full, tale.manage

    def fault(
        name: str, at: str, change: Callable[[Header], object], expect: Any, key: SigningKey | None = None,
        **more: Any,
    ) -> None:  # fmt: skip
        number = place[at]
        raw = resigned(tale.frames[number], key or tale.signed[number][1], change)
        file.add(f"{at}: {name}", [*tale.frames[:number], raw], expect, **more)

    file.add("create: fits the card", tale.frames[:1], fingerprint=fp)
    file.add("create: another card", tale.frames[:1], broken("fingerprint"), fingerprint=full.state.fingerprint)
    root, sign, box = (b64(key.public) for key in (me.root, me.sign, me.box))
    fault("class of an organisation", "create", body(**{"class": "org"}), broken("class"))
    fault("one key twice", "create", body(recovery=root), broken("key-reuse"))
    fault("first link is a device", "create", put(typ="device", body=me.device_body("client")), broken("order"))
    for name, change in {
        "name used": {"dev": me.device}, "signing key used": {"sign": sign}, "box key used": {"box": box},
        "root key as signing key": {"sign": root}, "signing key as box key": {"box": sign},
        "reading key as box key": {"box": header(tale.frames[2])["body"]["key"]},
        "recovery key as signing key": {"sign": header(tale.frames[0])["body"]["recovery"]},
    }.items():  # fmt: skip
        fault(name, "device, a writer", body(**change), broken("key-reuse"))
    fault("one key for both", "device", body(box=sign), broken("key-reuse"))
    fault("role unknown", "device", body(role="owner"), broken("fields"))
    fault("signed by a device", "device, a writer", put(by=list(me.signer.by)), broken("signer"), me.sign)
    fault("no such device", "undevice", body(dev="d" + "z" * 16), broken("unknown"))
    fault("key used", "reading, the old one bad", body(key=box), broken("key-reuse"))
    fault("bad is 2", "reading, the old one bad", body(bad=2), broken("fields"))
    fault("to herself", "delegate, full", body(to=me.account), broken("class"))
    fault("to an organisation", "delegate, full", body(to="praxis@hub-a.example.org"), broken("class"))
    fault("the same again", "delegate, manage", body(to=full.account), broken("delegate"))
    fault("scope unknown", "delegate, full", body(scope="all"), broken("fields"))
    fault("version again", "vault by a full delegate", body(ver=1), broken("version"))
    fault("version skipped", "vault by a full delegate", body(ver=3), broken("version"))
    fault("first version is 0", "vault by a client", body(ver=0), broken("version"))
    fault("signed by root", "vault by a client", put(by=["root"]), broken("signer"), me.root)
    by_manage = put(by=list(manage.signer.by), cite={manage.account: list(manage.state.links[-1].position)})
    fault("by a delegate manage", "vault by a full delegate", by_manage, broken("delegate"), manage.sign)
    fault("cites nobody", "vault by a full delegate", put(cite={}), broken("cite"))
    own = {me.account: [3, b64(frames.frame_hash(tale.frames[3]))]}
    fault("cites its own account", "undevice", put(cite=own), stale())
    both = {one.account: list(one.state.links[-1].position) for one in (full, manage)}
    fault("cites one more", "vault by a full delegate", put(cite=both), broken("cite"))
    ahead = put(cite={full.account: [9, b64(bytes(32))]})
    fault("cites a position to come", "vault by a full delegate", ahead, stale())
    fault(
        "cites another hash", "vault by a full delegate", put(cite={full.account: [2, b64(bytes(32))]}), broken("fork")
    )
    fault("resigns for another", "undelegate by the delegate", body(to=full.account), broken("signer"))
    fault("present no more", "undelegate by root", body(to=manage.account), broken("unknown"))
    fault("within seven days of the first", "recovery", put(iat=START + 7 * DAY - 1), broken("time"))
    fault("key used", "recovery", body(key=root), broken("key-reuse"))
    fault("signed by root", "root by the sheet", put(by=["root"]), broken("signer"), me.root)
    fault("old root again", "root by the sheet", body(root=root), broken("key-reuse"))
    fault("signed by the old root", "device after recovery", put(), broken("signature"), me.root)
    _after(file, tale)


def _after(file: File, tale: Story) -> None:
    """Who may not sign any more: the removed delegate, the device before a recovery."""
    at = {name: number for number, (name, _) in enumerate(tale.signed)}

    def late(
        name: str, after: str, typ: str, content: dict[str, Any], who: Identity, cite: bool, expect: Any, time: int
    ) -> None:
        links = tale.frames[: at[after] + 1]
        raw = statements.sign(
            who.sign, kind="acct", acc=tale.me.account, head=(len(links) - 1, b64(frames.frame_hash(links[-1]))),
            iat=time, typ=typ, by=who.signer.by, cite={who.account: who.state.links[-1].position} if cite else {},
            body=content,
        )  # fmt: skip
        file.add(f"later: {name}", [*links, raw], expect)

    vault3, vault1 = ({"ver": ver, "hash": b64(b"x" * 32)} for ver in (3, 1))
    late(
        "vault by a removed delegate",
        "undelegate by root",
        "vault",
        vault3,
        tale.full,
        True,
        broken("delegate"),
        START + 90,
    )
    late(
        "vault by a delegate not yet named", "reading", "vault", vault1, tale.full, True, broken("delegate"), START + 90
    )
    late(
        "vault by a device before recovery",
        "device after recovery",
        "vault",
        vault3,
        tale.me,
        False,
        broken("signer"),
        START + 20 * DAY,
    )
    late(
        "resigning in time",
        "reading, the old one bad",
        "undelegate",
        {"to": tale.manage.account},
        tale.manage,
        True,
        OK,
        START + 30 * DAY - 1,
    )
    late(
        "resigning after the end",
        "reading, the old one bad",
        "undelegate",
        {"to": tale.manage.account},
        tale.manage,
        True,
        broken("delegate"),
        START + 30 * DAY,
    )
    wrong = Story(tale.me, tale.full, tale.manage, tale.frames[:5], tale.signed[:5])
    wrong.add("x", "delegate", delegation(tale.full, "full") | {"fp": tale.manage.state.fingerprint}, START + 20)
    raw = statements.sign(
        tale.full.sign, kind="acct", acc=tale.me.account, head=wrong.state().head, iat=START + 40, typ="vault",
        by=tale.full.signer.by, cite={tale.full.account: tale.full.state.links[-1].position},
        body={"ver": 2, "hash": b64(b"w" * 32)},
    )  # fmt: skip
    file.add("later: a delegate of another fingerprint", [*wrong.frames, raw], broken("delegate"))


def _recovery(file: File) -> None:
    """Two sheets, seven days."""
    me, thief = person(), person()
    chain = ("acct", me.account, "")
    changed = START + 30 * DAY
    me.add("recovery", {"key": b64(thief.recovery.signing_key.public)}, changed)

    def take(name: str, links: list[bytes], code: RecoveryCode, at: int, expect: Any = OK) -> bytes:
        new = person()
        content = {"root": b64(new.root.public), "recovery": b64(new.recovery.signing_key.public)}
        head = (len(links) - 1, b64(frames.frame_hash(links[-1])))
        raw = statements.sign(
            code.signing_key, kind="acct", acc=me.account, head=head, iat=at, typ="root", by=("recovery",), body=content
        )
        file.add(f"recovery: {name}", [*links, raw], expect, accounts={}, chain=chain)
        return raw

    before = me.frames[:3]
    take("the first sheet", before, me.recovery, START + DAY)
    take("a sheet to come", before, thief.recovery, START + DAY, broken("signature"))
    take("old sheet at 6 d 23 h", me.frames, me.recovery, changed + 7 * DAY - 3600)
    take("old sheet one second before 7 d", me.frames, me.recovery, changed + 7 * DAY - 1)
    take("old sheet at 7 d", me.frames, me.recovery, changed + 7 * DAY, broken("signature"))
    take("new sheet at once", me.frames, thief.recovery, changed)
    take("new sheet after 7 d", me.frames, thief.recovery, changed + 7 * DAY)
    raw = take("old sheet wins", me.frames, me.recovery, changed + DAY)
    links = [*me.frames, raw]
    take("the sheet before the last but one", links, me.recovery, changed + 2 * DAY, broken("signature"))
    take("the sheet before the last, within 7 d", links, thief.recovery, changed + 2 * DAY)
    take("the sheet before the last, at 7 d", links, thief.recovery, changed + 8 * DAY, broken("signature"))


def _limits(file: File) -> None:
    """More devices and delegates than there may be."""
    me = person()
    chain = ("acct", me.account, "")
    for _ in range(63):
        me.frames.append(_device(me, me.frames))
    file.add("limits: 64 devices", me.frames, accounts={}, chain=chain)
    file.add("limits: 65 devices", [*me.frames, _device(me, me.frames)], broken("limits"), accounts={}, chain=chain)
    other, some = person(), person()
    chain = ("acct", other.account, "")
    for number in range(16):
        account = f"p-{'abcdefghijklmnop'[number] * 25}a@hub-a.example.org"
        other.add("delegate", delegation(some, "manage") | {"to": account}, START)
    file.add("limits: 16 delegates", other.frames, accounts={}, chain=chain)
    content = delegation(some, "manage")
    raw = statements.sign(
        other.root, kind="acct", acc=other.account, head=other.state.head, iat=START, typ="delegate", by=("root",),
        body=content,
    )  # fmt: skip
    file.add("limits: 17 delegates", [*other.frames, raw], broken("limits"), accounts={}, chain=chain)
    house = organisation("klinik")
    raw = resigned(other.frames[3], house.root, put(
        acc=house.account, seq=3, prev=b64(frames.frame_hash(house.frames[-1]))
    ))  # fmt: skip
    chain = ("acct", house.account, "")
    file.add(
        "limits: an organisation has no delegates", [*house.frames, raw], broken("class"), accounts={}, chain=chain
    )


def _device(me: Identity, links: list[bytes]) -> bytes:
    head = (len(links) - 1, b64(frames.frame_hash(links[-1])))
    return statements.sign(
        me.root, kind="acct", acc=me.account, head=head, iat=START, typ="device", by=("root",),
        body=me.other_device().device_body("writer"),
    )  # fmt: skip
