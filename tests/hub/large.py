"""What is too large for an envelope, as its author sends it and a reader asks for it."""

from typing import Any

from consent import sealing
from consent.objects import object_hash
from consent.primitives import b64, random_bytes
from tests.consent.world import Identity
from tests.hub.people import LINE, VITALS, Patient, Town


class Big:
    """An object and the envelope that names it, as an author would send them next."""

    def __init__(
        self, patient: Patient, author: Identity, set_id: str, plaintext: bytes = LINE * 60_000, category: int = VITALS
    ) -> None:
        to = sealing.Destination(patient.me.account, patient.stream(set_id, category), 1, self._key(patient, set_id))
        by = sealing.Author(author.account, author.device, author.sign)
        seq, prev = patient.hub.last(author.account, author.device, to.stream) or (0, "")
        self.stream, self.bid, self.acc = to.stream, b64(random_bytes(16)), patient.me.account
        key = sealing.object_key(to, by, self.bid, seq + 1)
        self.sealed = b"".join(sealing.seal_object([plaintext], len(plaintext), key))
        self.hash = object_hash([self.sealed], len(self.sealed))
        place = {"bid": self.bid, "seq": seq + 1, "prev": prev, "at": patient.now}
        self.frame = sealing.seal_reference(key, len(plaintext), self.hash, 1, to, by, **place)

    @staticmethod
    def _key(patient: Patient, set_id: str) -> bytes:
        state = patient.hub.record.sets[set_id]
        return state.epoch(state.current).publics[0]

    def put(self, town: Town, who: Identity, **other: Any) -> Any:
        """Send the object; `other`: what of it is different."""
        put = {"stream": self.stream, "bid": self.bid, "data": self.sealed, "type": "application/octet-stream"} | other
        path = f"/v1/objects/{put['stream']}/{put['bid']}"
        return town.call("PUT", path, who, data=put["data"], content_type=put["type"])

    def get(self, town: Town, who: Identity, **other: Any) -> Any:
        """Fetch the object."""
        got = {"acc": self.acc, "stream": self.stream, "bid": self.bid} | other
        query = {"purpose": other["purpose"]} if "purpose" in other else {}
        return town.get(f"/v1/objects/{got['acc']}/{got['stream']}/{got['bid']}", who, **query)


def result_of(answer: Any) -> tuple[int, str]:
    """What became of the one envelope of a deposit: its status, and why."""
    (result,) = answer.json["results"]
    return result["status"], result.get("reason", "")
