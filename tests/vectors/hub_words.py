"""Vectors of what a hub vouches for when it is asked: notes to peers and heads of chains."""

from typing import Any

from consent import envelope, frames, heads
from consent.keys import SigningKey
from consent.primitives import b64
from consent.statements import chain_id
from tests.vectors.chains import OTHER_HASH, OTHER_ID, header, put, resigned
from tests.vectors.making import OK, Source, broken
from tests.vectors.post import Letter, Post, observation

HUB, OTHER_HUB = "hub-a.example.org", "hub-b.example.org"
GATEWAY = f"klinik@{OTHER_HUB}"
AT = 1_800_000_000


class HubWords:
    """Makes the file `heads`."""

    def __init__(self, source: Source) -> None:
        self.vectors: list[dict[str, Any]] = []
        self.key, self.other = SigningKey(source.draw(32)), SigningKey(source.draw(32))
        self.nonce = b64(source.draw(16))
        self.places = {b64(source.draw(32)): (seq, b64(source.draw(32))) for seq in (0, 7, 300)}
        self.to = {"note": OTHER_HUB, "heads": GATEWAY}
        asked = {"hub": HUB, "nonce": self.nonce, "at": AT}
        self.frames = {
            "note": heads.note(self.key, to=OTHER_HUB, cur=4711, **asked),
            "heads": heads.sign(self.key, to=GATEWAY, heads=self.places.items(), **asked),
        }

    def add(self, name: str, what: str, raw: bytes, expect: Any = OK, **told: Any) -> None:
        """One vector: a frame, the key it must be signed by, and the question it must answer."""
        asked = {"hub": HUB, "to": self.to[what], "nonce": self.nonce}
        vector = {"name": name, "what": what, "frame": b64(raw), "key": b64(self.key.public), **asked, "expect": expect}
        self.vectors.append(vector | told)

    def signed(self, what: str, label: str = "", key: SigningKey | None = None, **fields: Any) -> bytes:
        """The frame with other fields, signed anew."""
        return resigned(self.frames[what], key or self.key, put(**fields), label or f"obhut-{what}")

    def rows(self) -> list[list[Any]]:
        """The heads, as in the frame."""
        return [list(row) for row in header(self.frames["heads"])["heads"]]

    def make(self) -> None:
        """All vectors."""
        self.add("note", "note", self.frames["note"], cur=4711, at=AT)
        self.add("heads of three chains", "heads", self.frames["heads"], heads=self.rows(), at=AT)
        self.add("heads of no chain", "heads", self.signed("heads", heads=[]), heads=[], at=AT)
        many = [[chain_id("acct", f"a{n}@{HUB}", ""), n, OTHER_HASH] for n in range(251)]
        most = sorted(many[:250])
        self.add("heads of 250 chains", "heads", self.signed("heads", heads=most), heads=most, at=AT)
        self.add("heads of 251 chains", "heads", self.signed("heads", heads=sorted(many)), broken("limits"))
        for what in ("note", "heads"):
            self._common(what)
        self._unsigned()
        self._rows()
        self._confusion()

    def _common(self, what: str) -> None:
        """What is the same of both: who answers whom, and which question."""

        def refuse(name: str, raw: bytes, reason: str) -> None:
            self.add(f"{what}: {name}", what, raw, broken(reason))

        refuse("of another hub", self.signed(what, hub=OTHER_HUB), "hub")
        other_to = {"note": "hub-c.example.org", "heads": f"praxis@{OTHER_HUB}"}[what]
        refuse("for another asker", self.signed(what, to=other_to), "to")
        refuse("of an earlier question", self.signed(what, nonce=OTHER_ID), "nonce")
        refuse("signed by another key", self.signed(what, key=self.other), "signature")
        refuse("two faults: hub + asker", self.signed(what, hub=OTHER_HUB, to=other_to), "hub")
        refuse("two faults: asker + nonce", self.signed(what, to=other_to, nonce=OTHER_ID), "to")
        refuse("two faults: nonce + key", self.signed(what, nonce=OTHER_ID, key=self.other), "nonce")
        refuse("version 2", self.signed(what, v=2), "fields")
        refuse("a field more", self.signed(what, extra=0), "fields")
        for name in header(self.frames[what]):
            raw = resigned(self.frames[what], self.key, lambda value, n=name: value.pop(n), f"obhut-{what}")
            refuse(f"without {name}", raw, "fields")
        refuse("hub is no domain", self.signed(what, hub="localhost"), "fields")
        refuse("asker is no name", self.signed(what, to="Hub_B"), "fields")
        refuse("nonce too short", self.signed(what, nonce=b64(bytes(15))), "fields")
        refuse("time is a text", self.signed(what, at=str(AT)), "fields")
        refuse("a byte more", self.frames[what] + b"\0", "frame")
        refuse("another magic", b"HSE1" + self.frames[what][4:], "frame")

    def _unsigned(self) -> None:
        """What is told is altered, and not signed anew."""
        first, *rest = self.rows()
        for what, fields in (
            ("note", {"cur": 4712}),
            ("note", {"at": AT + 1}),
            ("heads", {"at": AT + 1}),
            ("heads", {"heads": [[first[0], first[1] + 1, first[2]], *rest]}),
            ("heads", {"heads": [[first[0], first[1], OTHER_HASH], *rest]}),
            ("heads", {"heads": rest}),
        ):
            raw = self.signed(what, **fields)
            raw = raw[:-64] + self.frames[what][-64:]
            told = "one left out" if fields.get("heads") == rest else ", ".join(fields)
            self.add(f"{what}: {told} altered ({len(self.vectors)})", what, raw, broken("signature"))

    def _rows(self) -> None:
        first, second, third = self.rows()
        for name, rows in {
            "not sorted": [second, first, third],
            "one chain twice": [first, first],
            "one chain with two heads": [first, [first[0], first[1] + 1, first[2]]],
            "name of a chain too short": [[OTHER_ID, 1, OTHER_HASH]],
            "hash too short": [[first[0], 1, OTHER_ID]],
            "a column more": [[*first, 0]],
            "a column less": [first[:2]],
        }.items():
            self.add(f"heads: {name}", "heads", self.signed("heads", heads=rows), broken("fields"))

    def _confusion(self) -> None:
        """What the same key signs for another purpose."""
        for what, other in (("note", "heads"), ("heads", "note")):
            self.add(f"{what} read as {other}", other, self.frames[what], broken("fields"))
            self.add(
                f"{what} under the label of {other}", what, self.signed(what, f"obhut-{other}"), broken("signature")
            )
            label = self.signed(what, "obhut-stamp")
            self.add(f"{what} under the label of stamps", what, label, broken("signature"))
        post = Post()
        letter = Letter(post, [observation(post.home, 3)], {})
        stamp = letter.stamped(letter.frame())
        envelope.parse_stamp(stamp)
        named = frames.parse(stamp).header["hub"]
        for what in ("note", "heads"):
            self.add(f"a stamp as {what}", what, stamp, broken("fields"), key=b64(post.home.hub.key.public), hub=named)


def vectors(source: Source) -> list[dict[str, Any]]:
    """The file `heads`."""
    made = HubWords(source)
    made.make()
    return made.vectors
