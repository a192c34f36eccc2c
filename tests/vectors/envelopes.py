"""Vectors of opening: every check of 3.4, every field of header and stamp, and which of two faults counts."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

from consent import canonical, envelope, primitives
from consent.keys import SigningKey
from consent.primitives import b64
from tests.consent.world import START, permit_of
from tests.vectors.chains import OTHER_HASH, OTHER_ID, STRANGER, put, resigned, with_header
from tests.vectors.making import OK, Pool, Source, broken, not_for_you, stale
from tests.vectors.post import GRACE, Letter, Post, observation

PERMIT = broken("permit")
Fault = Callable[[Letter], Letter]
Made = tuple[list[dict[str, Any]], dict[str, Any]]


class Opening:
    """Makes the file `opening`."""

    def __init__(self) -> None:
        self.post = Post()
        self.pool = Pool()
        self.readers = self.post.readers(self.pool)
        self.vectors: list[dict[str, Any]] = []
        self.line = observation(self.post.home, 3)

    @property
    def good(self) -> Letter:
        """What the author would send next."""
        return Letter(self.post, [self.line], {})

    def add(self, name: str, letter: Letter, expect: Any = OK, **more: Any) -> None:
        """One vector."""
        if expect == OK:
            lines = [b64(line) for line in letter.lines]
            more = {"lines": lines, "quarantined": [], "missing": 0, "category": letter.category} | more
        self.vectors.append(letter.vector(name, self.pool, expect, **more))

    # --- what opens -----------------------------------------------------------------------------------------------

    def opens(self) -> None:
        """What is good, and what is odd but no fault of the envelope."""
        post, good = self.post, self.good
        odd = observation(post.home, 4, subject={"reference": "Patient/" + STRANGER.split("@")[0]})
        lab = observation(post.home, 5, category=[{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory",
        }]}])  # fmt: skip
        device = b'{"resourceType":"Device","id":"7"}'
        self.add("opens: next of the sequence", good)
        self.add("opens: for the patient's own client", good.but(reader="patient"))
        self.add("opens: a writer's first", good.but(author=post.devices["writer"]))
        self.add("opens: a client's first", good.but(author=post.devices["client"]))
        self.add("opens: two resources", good.but(lines=[self.line, observation(post.home, 9)]))
        self.add("opens: about nobody in particular", good.but(lines=[device]))
        self.add("opens: 5000 bytes", good.but(lines=[observation(post.home, 9, note=[{"text": "x" * 5000}])]))
        self.add(
            "opens: decimals keep their digits", good.but(lines=[self.line[:-1] + b',"valueQuantity":{"value":1.500}}'])
        )
        self.add("quarantined: another subject", good.but(lines=[odd]), lines=[], quarantined=[b64(odd)])
        self.add("quarantined: another category", good.but(lines=[lab]), lines=[], quarantined=[b64(lab)])
        self.add(
            "quarantined: one of two", good.but(lines=[odd, self.line]), lines=[b64(self.line)], quarantined=[b64(odd)]
        )
        self.add("opens: deletion", good.but(lines=[], header={"cty": envelope.DELETE, "hd": OTHER_ID}))
        self.add("opens: with a handle", good.but(header={"hd": OTHER_ID}))
        gap = {"seq": 9, "prev": OTHER_HASH}
        self.add("opens: earlier ones are missing", good.but(header=gap), missing=1)
        again = self.post.home.hub.envelopes[post.first[0]]
        self.vectors.append({
            "name": "opens: what was stored before, under its old stamp", "reader": "klinik", "change": {},
            "frame": self.pool(again[0].raw), "stamp": self.pool(again[1]),
            "permit": self.pool(permit_of(post.home.hub, post.set)),
            "now": START + 200, "lines": [b64(observation(post.home, 0))], "quarantined": [], "missing": 0,
            "category": 1, "expect": OK,
        })  # fmt: skip
        old = {"header": {"ep": 1}, "stamp": {"at": START + 100 + GRACE - 1}}
        self.add("epoch: the one before, last second of its grace", good.but(**old))
        old["stamp"] = {"at": START + 100 + GRACE}
        self.add("epoch: the one before, grace over", good.but(**old), broken("epoch"))
        first = [0, post.state.links[0].hash]
        self.add(
            "epoch: the one before, stamped while it was current", good.but(header={"ep": 1}, stamp={"set": first})
        )
        self.add("epoch: not started at the stamp", good.but(stamp={"set": first}), broken("epoch"))
        self.add("epoch: not started at all", good.but(header={"ep": 3}), broken("epoch"))

    # --- one fault ------------------------------------------------------------------------------------------------

    def faults(self) -> dict[str, tuple[Any, Fault]]:
        """Faults that can be put together, in the order of checks: name → (expectation, what is changed)."""
        post = self.post
        author = post.author.account
        authors = post.home.hub.record.accounts[author]
        short = {"accounts": self.readers["klinik"]["accounts"] | {author: self.pool.all(authors.frames[:-1])}}
        other = SigningKey(bytes(32))
        first = post.home.hub.envelopes[post.first[0]][0]
        fork = [authors.last, OTHER_HASH]

        def header(**fields: Any) -> Fault:
            return lambda letter: letter.but(header=letter.header | fields)

        def stamp(**fields: Any) -> Fault:
            return lambda letter: letter.but(stamp=letter.stamp | fields)

        def change(**fields: Any) -> Fault:
            return lambda letter: letter.but(change=letter.change | fields)

        def letter_with(**fields: Any) -> Fault:
            return lambda letter: letter.but(**fields)

        permit = permit_of(post.home.hub, post.set)
        lifted = resigned(permit, other, put(), "obhut-permit")
        return {
            "header not canonical": (broken("canon"), letter_with(after=_loose)),
            "field missing": (broken("fields"), letter_with(after=_without_n)),
            "suite unknown": (broken("suite"), header(suite="HS7")),
            "stamp of another type": (broken("stamp"), stamp(typ="note")),
            "stream unknown": (broken("stream"), header(str=OTHER_ID)),
            "stream chain shorter than stamped": (stale(), stamp(set=[2, OTHER_HASH])),
            "no live grant": (not_for_you("grant"), letter_with(now=START + 91 * 86_400)),
            "head not confirmed": (stale("unconfirmed"), change(confirmed=0)),
            "pinned to another author": (broken("permit"), change(pins={post.set: STRANGER})),
            "permit not signed by the patient's side": (broken("permit"), letter_with(permit=lifted)),
            "stamp signed by another hub": (broken("stamp"), letter_with(stamp_key=other)),
            "stamp of another frame": (broken("stamp"), stamp(fh=OTHER_HASH)),
            "author's chain shorter than stamped": (stale(), change(**short)),
            "author's chain forked": (broken("fork"), stamp(aut=fork)),
            "device unknown": (broken("signer"), header(dev="d" + "z" * 16)),
            "signed by a stranger": (broken("signature"), letter_with(key=other)),
            "epoch long over": (
                broken("epoch"),
                lambda x: header(ep=1)(x).but(stamp=x.stamp | {"at": START + 2 * GRACE}),
            ),
            "other envelope of the same number": (broken("sequence"), header(seq=2, prev=first.hash)),
            "prev is not the one stored": (broken("sequence"), header(prev=OTHER_HASH)),
            "seed not held": (not_for_you("seed"), change(seeds=[])),
            "sealed to another key": (broken("seal"), letter_with(seal_to=post.reader.box.public)),
            "context of another patient": (broken("context"), letter_with(patient=STRANGER)),
            "commitment to another key": (broken("commitment"), letter_with(kc=b"k" * 32)),
            "ciphertext altered": (broken("aead"), letter_with(flip=True)),
            "not padded": (broken("padding"), letter_with(padded=b"x" * 256)),
            "one resource less than told": (broken("count"), header(n=2)),
            "no FHIR": (broken("fhir"), letter_with(lines=[b"[]"])),
        }

    def single(self) -> None:
        """Each fault alone, and each two that can go together."""
        faults = self.faults()
        for name, (expect, spoil) in faults.items():
            self.add(f"fault: {name}", spoil(self.good), expect)
        order = list(faults)
        for one, two in combinations(order, 2):
            near = order.index(two) - order.index(one) <= 2
            if near and frozenset((one, two)) not in _ALONE:
                expect = faults[one][0]
                self.add(f"two faults: {one} + {two}", faults[two][1](faults[one][1](self.good)), expect)

    def fields(self) -> None:
        """Every field of the header altered: not signed anew, and signed anew by the author."""
        post, good = self.post, self.good
        late = post.late.device
        altered: dict[str, tuple[Any, str, str]] = {
            "v": (2, "fields", "fields"), "suite": ("HS2", "suite", "suite"), "cty": ("text/plain", "fields", "fields"),
            "str": (post.stream(8), "signature", "seal"), "ep": (1, "signature", "seal"),
            "aut": (post.reader.account, "permit", "permit"), "dev": (late, "signature", "signature"),
            "bid": (OTHER_ID, "signature", "context"), "seq": (4, "signature", "context"),
            "prev": (OTHER_HASH, "signature", "sequence"), "tb": (START - START % 3600 + 3600, "signature", "aead"),
            "hd": (OTHER_ID, "signature", "aead"), "n": (2, "signature", "aead"),
            "wk": (b64(bytes(112)), "signature", "seal"), "kc": (OTHER_HASH, "signature", "commitment"),
            "nc": (b64(bytes(24)), "signature", "aead"),
        }  # fmt: skip
        for name, (value, unsigned, signed) in altered.items():
            raw_change = _altered({name: value})
            self.add(f"header: {name} altered", good.but(after=raw_change), broken(unsigned))
            self.add(f"header: {name} altered and signed anew", good.but(resealed={name: value}), broken(signed))
        for name in altered:
            self.add(f"header: {name} missing", good.but(after=_removed(name)), broken("fields"))
        for name, value in {
            "tb no full hour": {"tb": START - START % 3600 + 1}, "seq 0": {"seq": 0, "prev": ""}, "epoch 0": {"ep": 0},
            "first with prev": {"seq": 1}, "later without prev": {"prev": ""}, "no resources": {"n": 0},
            "deletion with resources": {"cty": envelope.DELETE, "hd": OTHER_ID, "n": 1},
            "deletion without handle": {"cty": envelope.DELETE, "n": 0}, "device no device": {"dev": "x"},
            "author no account": {"aut": "x"}, "handle too long": {"hd": OTHER_HASH}, "one field more": {"x": 1},
            "key of 111 bytes": {"wk": b64(bytes(111))}, "stream no id": {"str": "x"},
            "envelope no id": {"bid": OTHER_HASH},
        }.items():  # fmt: skip
            self.add(f"header: {name}", good.but(resealed=value), broken("fields"))
        self.add(
            "header: 8193 bytes",
            good.but(after=lambda raw: raw[:4] + (8193).to_bytes(4, "little") + raw[8:]),
            broken("limits"),
        )
        self.add("frame: other magic", good.but(after=lambda raw: b"HSE2" + raw[4:]), broken("frame"))
        self.add("frame: magic of a statement", good.but(after=lambda raw: b"OBS1" + raw[4:]), broken("frame"))
        self.add("frame: cut within the header", good.but(after=lambda raw: raw[:200]), broken("frame"))
        self.add("frame: nothing", good.but(after=lambda raw: b""), broken("frame"))
        self.add(
            "frame: no room for the tag",
            good.but(after=lambda raw: raw[: 8 + int.from_bytes(raw[4:8], "little") + 79]),
            broken("frame"),
        )
        self.add("frame: a byte short", good.but(after=lambda raw: raw[:-1]), broken("signature"))
        self.add("frame: a byte long", good.but(after=lambda raw: raw + b"\x00"), broken("signature"))
        self.add("frame: header length one less", good.but(after=_shorter), broken("canon"))
        self.add("frame: bit of the signature", good.but(after=_signature_bit), broken("signature"))
        self.add(
            "frame: bit of the ciphertext",
            good.but(after=lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])),
            broken("signature"),
        )

    def devices(self) -> None:
        """Which device of the author may write, at the stamped position."""
        post, good = self.post, self.good
        record = post.home.hub.record
        chain = record.accounts[post.author.account]
        before = [chain.last - 1, chain.links[-2].hash]
        gone_at = chain.devices[post.gone.device].until or 0
        self.add("device: a service", good.but(author=post.devices["service"]), broken("device"))
        self.add("device: removed", good.but(author=post.gone), broken("signer"))
        earlier = [gone_at - 1, chain.links[gone_at - 1].hash]
        self.add("device: removed later than the stamp", good.but(author=post.gone, stamp={"aut": earlier}))
        self.add("device: added", good.but(author=post.late))
        self.add(
            "device: added later than the stamp", good.but(author=post.late, stamp={"aut": before}), broken("signer")
        )
        self.add("device: of another account", good.but(header={"dev": post.reader.device}), broken("signer"))
        self.add("device: signed by another of the author", good.but(key=post.late.sign), broken("signature"))

    def stamps(self) -> None:
        """Every field of the stamp: signed by the hub over something else, or altered afterwards."""
        good, post = self.good, self.post
        chain = post.home.hub.record.accounts[post.author.account]
        for name, value, expect in (
            ("v", 2, broken("stamp")), ("typ", "note", broken("stamp")), ("hub", "hub-b.example.org", broken("stamp")),
            ("bid", OTHER_ID, broken("stamp")), ("fh", OTHER_HASH, broken("stamp")), ("at", START + 300, OK),
            ("aut", [chain.last, OTHER_HASH], broken("fork")), ("aut", [chain.last + 1, OTHER_HASH], stale()),
            ("set", [1, OTHER_HASH], broken("fork")), ("set", [7, OTHER_HASH], stale()), ("rel", OTHER_HASH, OK),
            ("aut", [1], broken("stamp")), ("set", [0, "x"], broken("stamp")),
        ):  # fmt: skip
            self.add(f"stamp: {name} = {str(value)[:20]}, by the hub", good.but(stamp={name: value}), expect)
        for name, value in (("at", START + 300), ("hub", "hub-b.example.org"), ("rel", OTHER_HASH)):
            letter = good
            raw = letter.frame()
            stamp = letter.stamped(raw)
            head = put(**{name: value})
            self._fixed(f"stamp: {name} altered", raw, with_header(stamp, head), broken("stamp"))
        raw = good.frame()
        self._fixed("stamp: nothing", raw, b"", broken("stamp"))
        self._fixed("stamp: cut", raw, good.stamped(raw)[:-1], broken("stamp"))
        self._fixed("stamp: of another envelope", raw, post.home.hub.envelopes[post.first[1]][1], broken("stamp"))
        self._fixed("stamp: a permit", raw, permit_of(post.home.hub, post.set), broken("stamp"))

    def _fixed(self, name: str, raw: bytes, stamp: bytes, expect: Any, permit: bytes = b"") -> None:
        self.vectors.append({
            "name": name, "reader": "klinik", "change": {}, "frame": self.pool(raw), "stamp": self.pool(stamp),
            "permit": self.pool(permit or permit_of(self.post.home.hub, self.post.set)), "now": START + 200,
            "expect": expect,
        })  # fmt: skip

    def permits(self) -> None:
        """The permit beside the envelope."""
        post, good = self.post, self.good
        me = post.home.me
        permit = permit_of(post.home.hub, post.set)

        def with_permit(name: str, raw: bytes, expect: Any = PERMIT) -> None:
            self.add(f"permit: {name}", good.but(permit=raw), expect)

        def remade(**fields: Any) -> bytes:
            return resigned(permit, me.sign, put(**fields), "obhut-permit")

        with_permit("pinned to this author", permit, OK)
        self.vectors[-1]["change"] = {"pins": {post.set: post.author.account}}
        with_permit("for another author", remade(aut=post.reader.account))
        with_permit("for another set", remade(set=OTHER_ID))
        with_permit("of another patient", remade(acc=STRANGER))
        with_permit("of another fingerprint", remade(fp="a" * 32))
        with_permit("signed as a statement", resigned(permit, me.sign, put(), "obhut-sig-rel"))
        with_permit("made again by the patient", remade(iat=START + 50), OK)
        with_permit("altered", permit[:-1] + bytes([permit[-1] ^ 1]))
        with_permit("nothing", b"")
        with_permit("cites what is to come", remade(cite={me.account: [999, OTHER_HASH]}), stale())
        with_permit("cites another hash", remade(cite={me.account: [1, OTHER_HASH]}), broken("fork"))
        known = self.readers["klinik"]["accounts"]
        less = {name: part for name, part in known.items() if name != post.author.account}
        self.add("permit: author's chain not known", good.but(change={"accounts": less}), stale())

    def grants(self) -> None:
        """What the reader was granted."""
        post, good = self.post, self.good
        record = post.home.hub.record
        links = self.pool.all(record.relations[post.reader.account].frames)
        oth = post.reader.account
        self.add(
            "grant: the relation just opened", good.but(change={"relation": [oth, links[:1]]}), not_for_you("grant")
        )
        withheld = observation(post.home, 6)
        self.add("grant: a category withheld", good.but(category=5, lines=[withheld]), not_for_you("grant"))
        self.add(
            "grant: a category withheld, for the patient's own client",
            good.but(category=5, reader="patient", lines=[withheld]), lines=[], quarantined=[b64(withheld)],
        )  # fmt: skip
        wrong = [[s, e, i, b64(bytes(32))] for s, e, i, _ in self.readers["klinik"]["seeds"]]
        self.add("seed: another than the chain names", good.but(change={"seeds": wrong}), not_for_you("seed"))
        first = [row for row in self.readers["klinik"]["seeds"] if row[1] == 1]
        self.add("seed: of the epoch before only", good.but(change={"seeds": first}), not_for_you("seed"))
        epoch = post.state.links[1]
        high = resigned(epoch.raw, post.home.me.sign, lambda h: h["body"].update(suite="HS2"))
        sets = {post.set: self.pool.all([post.state.frames[0], high])}
        self.add("suite: below what the chain demands", good.but(change={"sets": sets}), broken("suite"))
        self.add("stream chain not known", good.but(change={"sets": {}}), broken("stream"))

    def sealed(self) -> None:
        """What is sealed is not what it should be."""
        good, post = self.good, self.post
        first = post.home.hub.envelopes[post.first[0]][0]
        self.add("content: key of another envelope", good.but(resealed={"wk": b64(first.wk)}), broken("seal"))
        same = post.home.sealed(post.author, post.set, 1, [self.line])
        twin = envelope.parse(same)
        self.add(
            "content: key of another envelope of this epoch", good.but(resealed={"wk": b64(twin.wk)}), broken("context")
        )
        self.add(
            "content: padding longer than need be",
            good.but(padded=primitives.pad(self.line) + bytes(32)),
            broken("padding"),
        )
        self.add("content: empty line at the end", good.but(lines=[self.line, b""]), broken("fhir"))
        self.add("content: no resource at all", good.but(lines=[b""], header={"n": 1}), broken("count"))
        self.add("content: not JSON", good.but(lines=[b"{"]), broken("fhir"))
        self.add("content: type unknown", good.but(lines=[b'{"resourceType":"Nothing"}']), broken("fhir"))
        self.add(
            "content: deletion that carries something",
            good.but(header={"cty": envelope.DELETE, "hd": OTHER_ID, "n": 0}),
            broken("count"),
        )


_ALONE = {
    frozenset(pair)
    for pair in (
        ("header not canonical", "field missing"), ("suite unknown", "header not canonical"),
        ("stream unknown", "stream chain shorter than stamped"),
        ("other envelope of the same number", "prev is not the one stored"),
        ("author's chain shorter than stamped", "author's chain forked"), ("not padded", "no FHIR"),
        ("not padded", "one resource less than told"),
        ("epoch long over", "prev is not the one stored"),
    )
}  # fmt: skip


def _rebuilt(raw: bytes, head: bytes) -> bytes:
    length = int.from_bytes(raw[4:8], "little")
    return raw[:4] + len(head).to_bytes(4, "little") + head + raw[8 + length :]


def _head(raw: bytes) -> dict[str, Any]:
    return canonical.parse(raw[8 : 8 + int.from_bytes(raw[4:8], "little")])


def _loose(raw: bytes) -> bytes:
    return _rebuilt(raw, canonical.dump(_head(raw)) + b" ")


def _altered(fields: dict[str, Any]) -> Callable[[bytes], bytes]:
    return lambda raw: _rebuilt(raw, canonical.dump(_head(raw) | fields))


def _removed(name: str) -> Callable[[bytes], bytes]:
    return lambda raw: _rebuilt(raw, canonical.dump({k: v for k, v in _head(raw).items() if k != name}))


_without_n = _removed("n")


def _shorter(raw: bytes) -> bytes:
    return raw[:4] + (int.from_bytes(raw[4:8], "little") - 1).to_bytes(4, "little") + raw[8:]


def _signature_bit(raw: bytes) -> bytes:
    at = 8 + int.from_bytes(raw[4:8], "little")
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def opening(_: Source) -> Made:
    """The file `opening`."""
    made = Opening()
    made.opens()
    made.single()
    made.fields()
    made.devices()
    made.stamps()
    made.permits()
    made.grants()
    made.sealed()
    return made.vectors, {"frames": made.pool.table, "readers": made.readers}
