"""Vectors of relation chains: one with every type, and each fault of each type."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from consent import frames, identifiers, relations, statements, steps
from consent.keys import BoxKey, SigningKey
from consent.primitives import b64, unb64
from tests.consent.verdicts import relation_summary
from tests.consent.world import DAY, START, organisation
from tests.vectors.chains import (
    OTHER_HASH,
    OTHER_ID,
    STRANGER,
    Chains,
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
    with_header,
)
from tests.vectors.making import OK, Source, broken, stale
from tests.vectors.stream_chain import Story

PERMIT, FIELDS, HAS = broken("permit"), broken("fields"), broken("has")


class Relation(Story):
    """The patient's relation with a hospital that reads and writes: every type, four different signers."""

    def __init__(self) -> None:
        super().__init__()
        self.house = organisation("klinik")
        home, second = self.client, replace(self.client, me=self.second)
        home.meet(self.house)
        self.set = home.permit(self.house)
        self.gid = home.grant(self.house, [1, 2, 8])
        second.load()
        second.turn()
        home.load()
        home.grant(self.house, [1], gid=self.gid)
        self._emergency()
        record, oth = home.hub.record, self.house.account
        home.post(steps.unpermit(record, oth, self.set, self.full.signer, START + 30))
        home.post(steps.end(home.hub.record, oth, self.gid, self.manage.signer, START + 40))

    def _emergency(self) -> None:
        """A grant that asks for a declaration."""
        home = self.client
        self.em = identifiers.new_id()
        terms = replace(home.vault.terms[self.gid], grow=False, purposes=("BTG", "ETREAT"))
        home.save(home.vault.with_terms(self.em, terms))
        written = steps.grant(home.hub.record, home.vault, self.em, terms, home.me.signer, START + 20)
        raw = resigned(written.frame, home.me.sign, body(em=[3600, "224571005", "309343006"]))
        home.post(replace(written, frame=raw))

    @property
    def links(self) -> list[bytes]:
        """The relation's frames."""
        return self.client.hub.record.relations[self.house.account].frames

    def key(self, number: int) -> SigningKey:
        """The key that signed a link."""
        dev = header(self.links[number])["by"][1]
        return next(w.sign for w in (self.client.me, self.second, self.full, self.manage) if w.device == dev)

    def first(self, typ: str) -> int:
        """The first link of a type."""
        return next(i for i, raw in enumerate(self.links) if header(raw)["typ"] == typ)

    def all_accounts(self) -> Chains:
        """The chains that the relation's chain cites."""
        return {self.house.account: self.house.frames} | self.accounts()


def vectors(_: Source) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The file `relation-chain`."""
    tale = Relation()
    me, links = tale.client.me, tale.links
    file = File(("rel", me.account, tale.house.account), accounts=tale.all_accounts())
    known = tale.client.hub.record.accounts
    states = [
        relation_summary(relations.replay(links[:n], me.account, tale.house.account, known))
        for n in range(1, len(links) + 1)
    ]
    file.add("good: every type", links, states=states)
    account = tale.client.hub.record.account.frames
    for typ in statements.BODIES["rel"]:
        number = tale.first(typ)
        part, key = links[: number + 1], tale.key(number)
        form = [] if typ in ("unpermit", "keys") else [form_faults(part[-1], key), field_faults(part[-1])]
        for faults in (*form, link_faults(part, key), citation_faults(part, key, account, me.account)):
            for fault, reason, raw in faults:
                expect = stale() if reason == "stale" else broken(reason)
                file.add(f"{typ}: {fault} ({reason})", [*part[:-1], raw], expect)
    make = Faults(file, tale)
    make.opening()
    make.permits()
    make.grants()
    make.handing_out()
    make.signers()
    _own(file, tale)
    _many(file, tale)
    return file.made


class Faults:
    """Faults of single types."""

    def __init__(self, file: File, tale: Relation) -> None:
        self.file, self.tale, self.links = file, tale, tale.links

    def at(
        self, name: str, typ: str, change: Callable[[Header], object], expect: Any, key: SigningKey | None = None
    ) -> None:
        """The first link of a type, altered and signed anew."""
        number = self.tale.first(typ)
        raw = resigned(self.links[number], key or self.tale.key(number), change)
        self.file.add(f"{typ}: {name}", [*self.links[:number], raw], expect)

    def opening(self) -> None:
        house = self.tale.house
        self.at("another fingerprint", "open", body(fp=self.tale.full.state.fingerprint), broken("fingerprint"))
        self.at("met otherwise", "open", body(met="chance"), broken("fields"))
        cite = header(self.links[0])["cite"]
        less = {name: place for name, place in cite.items() if name != house.account}
        self.at("does not cite the counterpart", "open", put(cite=less), broken("cite"))
        short = self.file.accounts | {house.account: house.frames[:1]}
        self.file.add("verifier's copy of the counterpart is short", self.links[:1], stale(), accounts=short)
        less = {name: part for name, part in self.file.accounts.items() if name != house.account}
        self.file.add("verifier does not know the counterpart", self.links[:1], stale(), accounts=less)

    def permits(self) -> None:
        tale, me = self.tale, self.tale.client.me
        number = tale.first("permit")
        content = header(self.links[number])["body"]
        inner = unb64(content["prm"])

        def frame(name: str, raw: bytes, expect: Any = PERMIT, **more: Any) -> None:
            self.at(f"the frame {name}", "permit", body(prm=b64(raw), **more), expect)

        def remade(key: SigningKey = me.sign, label: str = "obhut-permit", **changes: Any) -> bytes:
            return resigned(inner, key, put(**changes), label)

        other = sorted(s for s in tale.client.hub.record.sets if s != tale.set)[0]
        frame("for another author", remade(aut=STRANGER))
        frame("for another set", inner, set=other)
        frame("names another set", remade(set=other))
        frame("for another patient", remade(acc=STRANGER))
        frame("another fingerprint", remade(fp=tale.full.state.fingerprint))
        frame("signed as a statement", remade(label="obhut-sig-rel"))
        frame("signed by a stranger", remade(key=SigningKey(bytes(32))))
        frame("signed by a writer", remade(key=tale.writer.sign, by=list(tale.writer.signer.by)))
        frame("by root", remade(key=me.root, by=["root"]))
        frame("a field altered", with_header(inner, put(iat=START + 1)))
        frame("cut short", inner[:-1])
        frame("no frame", b"")
        frame("version 2", remade(v=2))
        frame("another type", remade(typ="stamp"))
        frame("cites too little", remade(cite={}))
        record = tale.client.hub.record
        manage = {name: list(place) for name, place in steps.cite(record, tale.manage.account).items()}
        frame("by a delegate manage", remade(key=tale.manage.sign, by=list(tale.manage.signer.by), cite=manage))
        full = {name: list(place) for name, place in steps.cite(record, tale.full.account).items()}
        frame("by a delegate full", remade(key=tale.full.sign, by=list(tale.full.signer.by), cite=full), OK)
        frame("cites what is to come", remade(cite={me.account: [999, OTHER_HASH]}), stale())
        frame("cites another hash", remade(cite={me.account: [1, OTHER_HASH]}), broken("fork"))
        head = put(seq=number + 1, prev=b64(frames.frame_hash(self.links[number])))
        again = resigned(self.links[number], me.sign, head)
        self.file.add("permit: the set again", [*self.links[: number + 1], again], broken("permit"))
        self.at("another set", "unpermit", body(set=other), broken("permit"))
        number = tale.first("unpermit")
        twice = put(seq=number + 1, prev=b64(frames.frame_hash(self.links[number])))
        newest = {name: list(place) for name, place in steps.cite(record).items()}
        for name, place, cite in (
            ("unpermit: again", number, header(self.links[number])["cite"]),
            ("permit: after its end", tale.first("permit"), newest),
        ):
            key, late = tale.key(place), put(iat=START + 50, cite=cite)
            raw = resigned(resigned(self.links[place], key, twice), key, late)
            self.file.add(name, [*self.links[: number + 1], raw], PERMIT)

    def grants(self) -> None:
        content = header(self.links[self.tale.first("grant")])["body"]
        ((set_id, _, mask),) = content["cover"]
        ((_, e1, e2, _, digest),) = content["has"]
        other_bits = mask ^ 0xFFFFFFFF
        low, high = mask & -mask, other_bits & -other_bits

        def cover(name: str, value: Any, expect: Any = FIELDS) -> None:
            self.at(f"cover: {name}", "grant", body(cover=value), expect)

        def has(name: str, value: Any, expect: Any = HAS) -> None:
            self.at(f"has: {name}", "grant", body(has=value), expect)

        def rest(name: str, expect: Any = FIELDS, **value: Any) -> None:
            self.at(name, "grant", body(**value), expect)

        cover("nothing, but seeds handed", [], broken("has"))
        cover("a set twice", [[set_id, 1, mask], [set_id, 1, mask]])
        cover("unsorted", [["z" * 21 + "w", 1, mask], [set_id, 1, mask]])
        cover("epoch 0", [[set_id, 0, mask]])
        cover("15 bits", [[set_id, 1, mask ^ low]])
        cover("17 bits", [[set_id, 1, mask | high]])
        cover("a bit beyond the 32", [[set_id, 1, mask ^ low | 1 << 32]])
        cover("other bits than handed", [[set_id, 1, other_bits]], broken("has"))
        cover("begins after what was handed", [[set_id, 2, mask]], broken("has"))
        cover("a row too short", [[set_id, 1]])
        cover("a row too long", [[set_id, 1, mask, 1]])
        cover("no id", [["x", 1, mask]])
        has("nothing", [], OK)
        has("a set not covered", [[OTHER_ID, e1, e2, mask, digest]])
        has("other bits", [[set_id, e1, e2, mask ^ low ^ high, digest]])
        has("before the cover", [[set_id, 0, e2, mask, digest]])
        has("backwards", [[set_id, 2, 1, mask, digest]])
        has("beyond all epochs", [[set_id, 1, 4097, mask, digest]])
        has("to the last epoch", [[set_id, 1, 4096, mask, digest]], OK)
        has("digest too long", [[set_id, e1, e2, mask, OTHER_HASH]], broken("fields"))
        rest("purposes empty", purpose=[])
        rest("purposes unsorted", purpose=["TREAT", "COC"])
        rest("purpose twice", purpose=["TREAT", "TREAT"])
        rest("purpose no text", purpose=[1])
        rest("grow is 2", grow=2)
        rest("emergency of no time", em=[0, "x"])
        rest("emergency of an hour and a second", em=[3601, "x"])
        rest("emergency without roles", em=[60])
        rest("emergency, roles unsorted", em=[60, "b", "a"])
        rest("request no hash", req="x")
        rest("request named", OK, req=OTHER_HASH)
        rest("consent no hash", consent="")
        rest("key of another size", key=OTHER_HASH)
        rest("grant id no id", gid="x")
        rest("time without end", broken("fields"), until="never")
        rest("already over", OK, until=0)
        rest("reading key unknown", broken("reading-key"), rk=OTHER_HASH)
        self._after_end()

    def _after_end(self) -> None:
        tale = self.tale
        end = len(self.links)
        head = {"seq": end, "prev": b64(frames.frame_hash(self.links[-1])), "iat": START + 50}
        keys = [
            i
            for i, raw in enumerate(self.links)
            if header(raw)["typ"] == "keys" and header(raw)["body"]["gid"] == tale.gid
        ]
        grants = [
            i
            for i, raw in enumerate(self.links)
            if header(raw)["typ"] == "grant" and header(raw)["body"]["gid"] == tale.gid
        ]
        record = tale.client.hub.record
        for name, number in (("keys", keys[-1]), ("grant", grants[-1]), ("end", end - 1)):
            who = tale.manage if name == "end" else tale.client.me
            cited = () if name == "end" else (tale.house.account,)
            cite = {n: list(p) for n, p in steps.cite(record, who.account, *cited).items()}
            raw = resigned(self.links[number], who.sign, put(**head, cite=cite, by=list(who.signer.by)))
            self.file.add(f"{name}: of a grant that ended", [*self.links, raw], broken("ended"))

    def handing_out(self) -> None:
        number = self.tale.first("keys")
        content = header(self.links[number])["body"]
        row = content["has"][0]
        self.at("unknown grant", "keys", body(gid=OTHER_ID), broken("unknown"))
        self.at("unknown grant", "end", body(gid=OTHER_ID), broken("unknown"))
        self.at("reading key unknown", "keys", body(rk=OTHER_HASH), broken("reading-key"))
        self.at("a set not covered", "keys", body(has=[[OTHER_ID, *row[1:]]]), broken("has"))
        self.at("other bits", "keys", body(has=[[*row[:3], row[3] ^ 0xFFFFFFFF, row[4]]]), broken("has"))
        self.at("rows twice", "keys", body(has=[row, row]), OK)
        until = header(self.links[self.tale.first("grant")])["body"]["until"]
        self.at("after the grant's end", "keys", put(iat=until), broken("ended"))
        self.at("last second of the grant", "keys", put(iat=until - 1), OK)
        house = self.tale.house
        new = BoxKey.generate()
        frame = statements.sign(
            house.root, kind="acct", acc=house.account, head=house.state.head, iat=START, typ="reading", by=("root",),
            body={"key": b64(new.public), "bad": 0},
        )  # fmt: skip
        longer = [*house.frames, frame]
        accounts = self.file.accounts | {house.account: longer}
        cite = header(self.links[number])["cite"] | {house.account: [3, b64(frames.frame_hash(frame))]}
        for name, change, expect in (
            ("the old reading key at the new position", put(cite=cite), broken("reading-key")),
            ("the old reading key at the old position", put(), OK),
        ):  # fmt: skip
            raw = resigned(self.links[number], self.tale.key(number), change)
            self.file.add(f"keys: {name}", [*self.links[:number], raw], expect, accounts=accounts)

    def signers(self) -> None:
        """Which type which signer may write."""
        tale, record = self.tale, self.tale.client.hub.record
        who = {"a second client": tale.second, "a writer": tale.writer, "a removed client": tale.gone,
               "a delegate full": tale.full, "a delegate manage": tale.manage,
               "a delegate before its time": tale.late}  # fmt: skip
        for typ in statements.BODIES["rel"]:
            cited = (tale.house.account,) if typ in ("open", "grant", "keys") else ()
            for name, signer in who.items():
                cite = {n: list(p) for n, p in steps.cite(record, signer.account, *cited).items()}
                allowed = name in ("a second client", "a delegate full")
                allowed |= name == "a delegate manage" and typ in ("grant", "keys", "end")
                reason = "signer" if name in ("a writer", "a removed client") else "delegate"
                change = put(by=list(signer.signer.by), cite=cite)
                self.at(f"signed by {name}", typ, change, OK if allowed else broken(reason), signer.sign)


def _own(file: File, tale: Relation) -> None:
    """The patient as author: a relation with herself that holds `open` and `permit` only."""
    home = tale.client
    home.post(steps.open_relation(home.hub.record, home.me.account, "card", home.me.signer, START + 50))
    home.permit(home.me)
    links = home.hub.record.relations[home.me.account].frames
    chain = ("rel", home.me.account, home.me.account)
    accounts = {name: part for name, part in tale.all_accounts().items() if name != tale.house.account}
    accounts[home.me.account] = home.hub.record.account.frames
    file.add("self: open and permit", links, accounts=accounts, chain=chain)
    head = put(
        seq=2, prev=b64(frames.frame_hash(links[1])), typ="unpermit", body={"set": header(links[1])["body"]["set"]}
    )
    raw = resigned(links[1], home.me.sign, head)
    file.add("self: unpermit", [*links, raw], broken("self"), accounts=accounts, chain=chain)
    head = put(seq=2, prev=b64(frames.frame_hash(links[1])), typ="end", body={"gid": OTHER_ID})
    raw = resigned(links[1], home.me.sign, head)
    file.add("self: end", [*links, raw], broken("self"), accounts=accounts, chain=chain)


def _many(file: File, tale: Relation) -> None:
    """Sixteen live grants are allowed, more are not."""
    me = tale.client.me
    start = tale.first("grant")
    links = list(tale.links[:1])
    rules = body(cover=[], has=[])

    def grant(number: int, at: int, until: int = START + DAY) -> bytes:
        def change(value: Header) -> None:
            rules(value)
            value["body"] |= {"gid": b64(bytes([number] * 16)), "until": until}
            value |= {"seq": len(links), "prev": b64(frames.frame_hash(links[-1])), "iat": at}

        return resigned(tale.links[start], me.sign, change)

    for number in range(16):
        links.append(grant(number, START))  # noqa: PERF401 - each follows the one before
    file.add("limits: sixteen grants", links)
    file.add("limits: seventeen grants", [*links, grant(16, START)], broken("limits"))
    file.add("limits: one changed", [*links, grant(3, START)])
    file.add("limits: seventeen, but all ended by time", [*links, grant(16, START + DAY, START + 2 * DAY)])
    links.append(grant(0, START, 1))
    links.append(grant(16, START))
    file.add("limits: one over by time, another made", links)
    links.append(grant(0, START))
    file.add("limits: one over by time comes back as the seventeenth", links, broken("limits"))
