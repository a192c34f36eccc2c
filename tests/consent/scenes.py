"""A scene for the twin: one patient, an author, a reader, and everything that travelled between them, as data."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from consent import statements
from consent.keys import SigningKey
from consent.primitives import b64
from tests.consent.readers import hold, reader
from tests.consent.twin import Question
from tests.consent.world import DAY, Client, Identity, client, organisation, permit_of
from tests.vectors.making import fixed

LAB, VITALS, MENTAL = 8, 1, 13


@dataclass
class Scene:
    """The patient's client with its hub, an author who writes, a reader of some of it, and one from later on."""

    patient: Client
    author: Identity
    reader: Identity
    late: Identity
    set_id: str = ""
    bids: list[str] = field(default_factory=list)

    @property
    def now(self) -> int:
        """The patient's clock."""
        return self.patient.now

    def lines(self, text: str, count: int = 1) -> list[bytes]:
        """Laboratory values about the patient."""
        name = self.patient.me.account.partition("@")[0]
        subject = f'"subject":{{"reference":"Patient/{name}"}}'
        form = '{"resourceType":"Observation","id":"%s-%d",%s,"valueQuantity":{"value":1.50}}'
        return [(form % (text, number, subject)).encode() for number in range(count)]

    def shared(self, name: str, who: Identity | None = None) -> dict[str, Any]:
        """What the reader holds, under a name, as vectors give it; frames stand under their own spelling."""
        hub, holder = self.patient.hub, who or self.reader
        seen = reader(hub, holder)
        accounts = {name: _texts(state.frames) for name, state in hub.record.accounts.items()}
        sets = {set_id: _texts(state.frames) for set_id, state in hub.record.sets.items()}
        relation = _texts(hub.record.relations[holder.account].frames)
        given = {
            "patient": self.patient.me.account, "hub_key": b64(hub.key.public), "confirmed": 1, "pins": {},
            "accounts": accounts, "sets": sets, "relation": [holder.account, relation],
            "seeds": [[*where, b64(seed)] for where, seed in hold(hub, holder).items()],
            "known": [[e.aut, e.dev, e.str, e.seq, e.hash] for e, _ in hub.envelopes.values()],
            "categories": [
                [set_id, index, found]
                for set_id in hub.record.sets for index in range(32)
                if (found := seen.category_of(set_id, index)) is not None
            ],
        }  # fmt: skip
        texts = chain(*accounts.values(), *sets.values(), relation)
        return {"frames": {text: text for text in texts}, "readers": {name: given}}

    def released(self, bid: str) -> dict[str, str]:
        """An envelope with what travels beside it."""
        frame, stamp = self.patient.hub.envelopes[bid]
        return {"raw": b64(frame.raw), "stamp": b64(stamp), "permit": b64(permit_of(self.patient.hub, self.set_id))}

    def chains(self) -> Iterator[tuple[str, str, list[bytes]]]:
        """Kind, `oth` and frames of every chain of the patient."""
        record = self.patient.hub.record
        yield "acct", "", record.account.frames
        yield from (("set", set_id, state.frames) for set_id, state in record.sets.items())
        yield from (("rel", oth, state.frames) for oth, state in record.relations.items())


def scene() -> Scene:
    """A practice writes laboratory values and more, a hospital reads some; one rotation lies in between."""
    with fixed("the twin's scene"):
        made = Scene(client(), organisation("praxis-nord"), organisation("klinik-mitte"), organisation("pflege-sued"))
        patient = made.patient
        patient.meet(made.reader)
        gid = patient.grant(made.reader, {LAB, VITALS})
        made.set_id = patient.permit(made.author)
        _write(made, LAB, made.lines("a"))
        _write(made, LAB, made.lines("b", 3))
        _write(made, VITALS, made.lines("c"))
        _write(made, MENTAL, made.lines("d"))
        patient.now += DAY
        patient.grant(made.late, {LAB}, whole=False)
        _write(made, LAB, made.lines("e"))
        strangers = [b'{"resourceType":"Patient","id":"p-somebody-else"}', b'{"resourceType":"Device"}']
        _write(made, LAB, [*strangers, *made.lines("f")])
        _write(made, LAB, [], hd=b64(bytes(16)), cty="application/obhut-delete")
        patient.grant(made.reader, {LAB}, gid=gid)
        _write(made, LAB, made.lines("g"))
        patient.now += 60
    return made


def _write(made: Scene, category: int, lines: list[bytes], **changes: Any) -> None:
    raw = made.patient.sealed(made.author, made.set_id, category, lines, **changes)
    made.patient.hub.deposit(raw, made.author.state, made.now)
    made.bids.append(made.patient.hub.order[-1])


def _texts(frames: Iterable[bytes]) -> list[str]:
    return [b64(raw) for raw in frames]


def signer_of(made: Scene, raw: bytes) -> SigningKey:
    """The key that signed a statement of the scene."""
    return made.patient.me.root if statements.parse(raw).by == ("root",) else made.patient.me.sign


def opens(made: Scene, bid: str, now: int | None = None, **changed: Any) -> Question:
    """Open a released envelope, with something changed."""
    return "open", made.released(bid) | {"world": "reader", "now": now or made.now} | changed


def every_header(made: Scene) -> list[dict[str, Any]]:
    """The headers of all the patient's statements."""
    return [statements.parse(raw).frame.header for _, _, raws in made.chains() for raw in raws]
