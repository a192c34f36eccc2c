"""Vectors of adding a device: what is shown, what the two tell each other, and the digits."""

from typing import Any

from consent import canonical, pairing, primitives
from consent.identifiers import Card, account
from consent.keys import BoxKey, SigningKey
from consent.pairing import Invitation, Reply, Reveal
from consent.primitives import b64
from tests.vectors.basics import PATIENT, PRACTICE
from tests.vectors.making import OK, Source, broken


class Pairings:
    """Makes the file `pairing`."""

    def __init__(self, source: Source) -> None:
        self.vectors: list[dict[str, Any]] = []
        self.sign, self.box = SigningKey(source.draw(32)), BoxKey(source.draw(32))
        self.old_sign, self.old_box = SigningKey(source.draw(32)), BoxKey(source.draw(32))
        self.reveal = pairing.new_reveal("d" + "a" * 16, "Mobil – groß")
        self.invitation = pairing.invite("hub-a.example.org", self.sign, self.box, self.reveal)
        self.reply = Reply.of(Card(account(PATIENT), "b" * 31 + "a"), self.old_sign.public, self.old_box.public)

    def add(self, name: str, what: str, given: dict[str, Any], expect: Any = OK) -> None:
        """One vector."""
        self.vectors.append({"name": name, "what": what, **given, "expect": expect})

    def make(self) -> None:
        """All vectors."""
        self._invitations()
        self._replies()
        self._reveals()
        self._digits()

    def _invitations(self) -> None:
        one = self.invitation
        shown = str(one)
        parts = {
            "domain": one.domain, "sign": b64(one.sign), "box": b64(one.box), "commitment": b64(one.commitment),
            "place": one.place,
        }  # fmt: skip
        good = [
            ("as shown", shown), ("lower case", shown.lower()), ("broken into lines", shown[:40] + "\r\n" + shown[40:]),
            ("spaces around", f" {shown}\t"),
        ]  # fmt: skip
        for name, text in good:
            self.add(f"invitation {name}", "invitation", {"text": text, **parts})
        bad = [
            ("nothing", ""), ("a card", str(self.reply.card)), ("another scheme", shown.replace("OBHUT", "OTHER")),
            ("no domain", shown.replace("HUB-A.EXAMPLE.ORG", "")), ("domain of one label", shown.replace("EXAMPLE.", "")
             .replace("HUB-A.ORG", "HUB")), ("no slash", shown.replace("/", "")), ("two slashes", shown + "/"),
            ("cut", shown[:-1]), ("longer", shown + "A"), ("unused bits set", shown[:-1] + "7"),
            ("a letter that is none of base32", shown[:-9] + "1" + shown[-8:]),
            ("kelvin sign", shown.replace("K", "\u212a")), ("dot above", shown + "\u0307"),
        ]  # fmt: skip
        for name, text in bad:
            self.add(f"invitation {name}", "invitation", {"text": text}, broken("fields"))

    def _word(self, what: str, value: object, *, to: bytes | None = None) -> bytes:
        return primitives.seal_box(primitives.pad(canonical.dump(value)), to or self._reader(what).public)  # type: ignore[arg-type]

    def _reader(self, what: str) -> BoxKey:
        return self.box if what == "reply" else self.old_box

    def _sealed(self, what: str) -> bytes:
        return self.reply.seal(self.invitation) if what == "reply" else self.reveal.seal(self.reply)

    def _told(self, what: str) -> dict[str, Any]:
        reader = self._reader(what)
        return canonical.parse(primitives.unpad(reader.open(self._sealed(what))))

    def _both(self, what: str) -> None:
        """What is the same of both words: only for whom it is for, closed, of one version."""
        told = self._told(what)
        shared = {"box": b64(bytes(self._reader(what))), "invitation": str(self.invitation)}

        def refuse(name: str, sealed: bytes, reason: str) -> None:
            self.add(f"{what} {name}", what, {"sealed": b64(sealed), **shared}, broken(reason))

        good = self._sealed(what)
        refuse("for somebody else", self._word(what, told, to=self.sign.public), "seal")
        refuse("with a bit changed", good[:-1] + bytes([good[-1] ^ 1]), "seal")
        refuse("cut", good[:-1], "seal")
        refuse("empty", b"", "seal")
        refuse("too large", good + bytes(pairing.MAX_WORD), "limits")
        refuse("not padded", primitives.seal_box(canonical.dump(told), self._reader(what).public), "padding")
        spaced = canonical.dump(told).replace(b",", b", ")
        refuse("not canonical", primitives.seal_box(primitives.pad(spaced), self._reader(what).public), "canon")
        refuse("version 2", self._word(what, told | {"v": 2}), "fields")
        refuse("a field more", self._word(what, told | {"extra": 0}), "fields")
        for name in told:
            refuse(f"without {name}", self._word(what, {k: v for k, v in told.items() if k != name}), "fields")
            refuse(f"another kind of {name}", self._word(what, told | {name: []}), "fields")
        refuse("nonce of 31 bytes", self._word(what, told | {"nonce": b64(bytes(31))}), "fields")

    def _replies(self) -> None:
        one = self.reply
        told = self._told("reply")
        given = {"sealed": b64(self._sealed("reply")), "box": b64(bytes(self.box)), "card": str(one.card)}
        given |= {"sign": b64(one.sign), "old_box": b64(one.box), "nonce": b64(one.nonce)}
        self.add("reply", "reply", given)
        self._both("reply")
        for name, card in (("upper case", str(one.card).upper()), ("no card", "obhut:"), ("space", f"{one.card} ")):
            sealed = self._word("reply", told | {"card": card})
            self.add(f"reply with a card: {name}", "reply", {"sealed": b64(sealed), "box": b64(bytes(self.box))},
                     broken("fields"))  # fmt: skip

    def _reveals(self) -> None:
        one, told = self.reveal, self._told("reveal")
        shared = {"box": b64(bytes(self.old_box)), "invitation": str(self.invitation)}
        parts = {"device": one.device, "nonce": b64(one.nonce)}

        def add(name: str, value: dict[str, Any], expect: Any = OK, **more: Any) -> None:
            self.add(name, "reveal", {"sealed": b64(self._word("reveal", value)), **shared, **more}, expect)

        add("reveal", told, **parts, label=one.label)
        add("reveal without a label", told | {"label": ""}, **parts, label="")
        add("reveal of a label that is no UTF-8", told | {"label": b64(b"a\xff")}, **parts, label="a\ufffd")
        add("reveal of 120 bytes of label", told | {"label": b64(b"x" * 120)}, **parts, label="x" * 120)
        add("reveal of 121 bytes of label", told | {"label": b64(b"x" * 121)}, broken("fields"))
        self._both("reveal")
        add("reveal of another nonce", told | {"nonce": b64(bytes(32))}, broken("commitment"))
        add("reveal of another device", told | {"dev": "d" + "b" * 16}, broken("commitment"))
        other = pairing.invite("hub-a.example.org", self.old_sign, self.box, self.reveal)
        sealed = b64(self._sealed("reveal"))
        domain, sign, box, kept = other.domain, self.sign.public, self.box.public, self.invitation.commitment
        swapped = {
            "another signing key": Invitation(domain, other.sign, box, kept),
            "another box key": Invitation(domain, sign, self.old_box.public, kept),
            "another commitment": Invitation(domain, sign, box, bytes(32)),
        }  # fmt: skip
        for name, invitation in swapped.items():
            given = {"sealed": sealed, "box": b64(bytes(self.old_box)), "invitation": str(invitation)}
            self.add(f"reveal to an invitation with {name}", "reveal", given, broken("commitment"))

    def _digits(self) -> None:
        """Any part that differs gives other digits."""
        card = Card(account(PRACTICE), "b" * 31 + "a")
        base = {"invitation": self.invitation, "reply": self.reply, "reveal": self.reveal}
        reply, other = self.reply, self.old_box.public[::-1]
        changed: dict[str, dict[str, Any]] = {
            "as said": {},
            "label does not count": {"reveal": Reveal(self.reveal.device, self.reveal.nonce, "other")},
            "nonce of the new device": {"reveal": Reveal(self.reveal.device, bytes(32))},
            "name of the new device": {"reveal": Reveal("d" + "b" * 16, self.reveal.nonce)},
            "signing key of the new device": {
                "invitation": Invitation("hub-a.example.org", other, self.box.public, self.invitation.commitment)
            },
            "box key of the new device": {
                "invitation": Invitation("hub-a.example.org", self.sign.public, other, self.invitation.commitment)
            },
            "account": {"reply": Reply(card, reply.sign, reply.box, reply.nonce)},
            "signing key of the old device": {"reply": Reply(reply.card, other, reply.box, reply.nonce)},
            "box key of the old device": {"reply": Reply(reply.card, reply.sign, other, reply.nonce)},
            "nonce of the old device": {"reply": Reply(reply.card, reply.sign, reply.box, bytes(32))},
        }
        for name, change in changed.items():
            said = base | change
            invitation, answer, reveal = said["invitation"], said["reply"], said["reveal"]
            given = {
                "invitation": str(invitation), "card": str(answer.card), "sign": b64(answer.sign),
                "old_box": b64(answer.box), "nonce": b64(answer.nonce), "device": reveal.device,
                "revealed": b64(reveal.nonce), "digits": pairing.digits(invitation, answer, reveal),
            }  # fmt: skip
            self.add(f"digits: {name}", "digits", given)


def vectors(source: Source) -> list[dict[str, Any]]:
    """The file `pairing`."""
    made = Pairings(source)
    made.make()
    return made.vectors
