"""Vectors of declared emergencies: one that opens, and everything that must not."""

from typing import Any

from consent import declarations, steps
from consent.identifiers import new_id
from consent.keys import BoxKey, SigningKey
from consent.primitives import b64, pad, seal_box, unb64
from tests.consent.world import DAY, START, client, organisation
from tests.vectors.chains import OTHER_ID, STRANGER, header, put, resigned
from tests.vectors.making import OK, Pool, Source, broken, not_for_you

LABEL = "obhut-declare"
PERSON, REASON = "Dr. Eva Nöt", '{"code":"unconscious","text":"bewusstlos"}'


class Declaring:
    """Makes the file `declaration`: an emergency department, its devices, and grants of several kinds."""

    def __init__(self, source: Source) -> None:
        self.pool, self.vectors = Pool(), list[dict[str, Any]]()
        self.home, self.house, self.ward = client(), organisation("er"), organisation("ward")
        self.desk, self.gone = self.house.other_device(), self.house.other_device()
        self.house.add("device", self.desk.device_body("service"), START)
        self.house.add("device", self.gone.device_body("gateway"), START)
        self.house.add("undevice", {"dev": self.gone.device}, START + 20)
        self.stranger = SigningKey(source.draw(32))
        em = {"purposes": ("BTG", "ETREAT"), "emergency": (1800, "nurse-ed", "physician")}
        self.gid, self.ended = (self.home.grant(self.house, [1], **em) for _ in range(2))
        self.later = self.home.grant(self.house, [1], nb=START + DAY, **em)
        self.ordinary = self.home.grant(self.house, [1])
        self.elsewhere = self.home.grant(self.ward, [1], **em)
        end = steps.end(self.home.hub.record, self.house.account, self.ended, self.home.me.signer, self.home.now)
        self.home.post(end)
        self.frame = declarations.write(
            self.house.sign, acc=self.home.me.account, sender=self.house.account, gid=self.gid, person=PERSON,
            role="physician", reason=REASON, rnd=new_id(), at=START, reading_key=self.reading,
        )  # fmt: skip

    @property
    def reading(self) -> str:
        """The patient's reading key."""
        return self.home.me.state.reading_key()

    def add(self, name: str, raw: bytes, expect: Any = OK, house: Any = None, **told: Any) -> None:
        """One vector, brought by a house (by default the emergency department) at `START`."""
        caller, me = house or self.house, self.home.me
        record = self.home.hub.record
        links = {self.house.account: self.house.frames, self.ward.account: self.ward.frames}
        accounts = {me.account: record.account.frames} | links
        self.vectors.append(
            {
                "name": name, "chain": ["rel", me.account, caller.account],
                "frames": self.pool.all(record.relations[caller.account].frames),
                "accounts": {acc: self.pool.all(frames) for acc, frames in accounts.items()},
                "frame": b64(raw), "caller": caller.account, "now": START, "came": None,
                "keys": [b64(bytes(key)) for key in me.reading.values()], "gid": self.gid, "person": PERSON,
                "reason": REASON, "expect": expect,
            } | told
        )  # fmt: skip

    def signed(self, key: SigningKey | None = None, label: str = LABEL, **fields: Any) -> bytes:
        """The frame with other fields, signed anew."""
        return resigned(self.frame, key or self.house.sign, put(**fields), label)

    def make(self) -> None:
        """All vectors."""
        self.add("physician", self.frame)
        self.add("nurse", self.signed(role="nurse-ed"))
        self.add("ten minutes early", self.signed(at=START + 600))
        self.add("ten minutes late", self.signed(at=START - 600))
        self.add("by a gateway that was one when it came", self.signed(self.gone.sign), came=START + 10)
        self._signers()
        self._grants()
        self._form()
        self._sealed()

    def _signers(self) -> None:
        """Who brings it, when, and who signed."""
        self.add("brought by another house", self.frame, broken("signer"), self.ward)
        self.add("by a gateway that is none any more", self.signed(self.gone.sign), broken("signature"))
        self.add(
            "by a gateway that was none any more", self.signed(self.gone.sign), broken("signature"), came=START + 21
        )
        self.add("by a device of another role", self.signed(self.desk.sign), broken("signature"))
        self.add("by a stranger", self.signed(self.stranger), broken("signature"))
        self.add("by another house's gateway", self.signed(self.ward.sign), broken("signature"))
        self.add("too early", self.signed(at=START + 601), broken("clock"))
        self.add("too late", self.signed(at=START - 601), broken("clock"))
        self.add("two faults: house + time", self.signed(at=START - 601), broken("signer"), self.ward)
        self.add("two faults: time + key", self.signed(self.stranger, at=START - 601), broken("clock"))
        for label in ("obhut-request", "obhut-permit", "obhut-sig-rel"):
            self.add(f"under the label {label}", self.signed(label=label), broken("signature"))

    def _grants(self) -> None:
        """What it names."""
        for name, reason, fields in (
            ("no grant", "unknown", {"gid": OTHER_ID}),
            ("another house's grant", "unknown", {"gid": self.elsewhere}),
            ("another patient", "unknown", {"acc": STRANGER}),
            ("a grant that ended", "ended", {"gid": self.ended}),
            ("a grant to come", "time", {"gid": self.later}),
            ("an ordinary grant", "emergency", {"gid": self.ordinary}),
            ("a role that she did not name", "role", {"role": "paramedic"}),
            ("no role", "role", {"role": ""}),
            ("the span as a role", "role", {"role": "1800"}),
            ("two faults: ordinary grant + role", "emergency", {"gid": self.ordinary, "role": "cook"}),
            ("two faults: another patient + role", "unknown", {"acc": STRANGER, "role": "cook"}),
        ):
            self.add(name, self.signed(**fields), broken(reason))

    def _form(self) -> None:
        for name in header(self.frame):
            raw = resigned(self.frame, self.house.sign, lambda value, n=name: value.pop(n), LABEL)
            self.add(f"without {name}", raw, broken("fields"))
        for name, fields in {
            "version 2": {"v": 2}, "a field more": {"dev": self.house.device}, "another type": {"typ": "read"},
            "no patient": {"acc": "somebody"}, "no house": {"from": "somewhere"},
            "grant too short": {"gid": b64(bytes(15))}, "number too short": {"rnd": b64(bytes(15))},
            "time is a text": {"at": str(START)}, "role is a number": {"role": 1},
            "person in clear": {"person": "Dr. Eva"}, "reason in clear": {"reason": "shock!"},
        }.items():  # fmt: skip
            self.add(name, self.signed(**fields), broken("fields"))
        for name, fields in {
            "role": {"role": "nurse-ed"},
            "grant": {"gid": self.ordinary},
            "time": {"at": START + 1},
        }.items():
            raw = self.signed(**fields)
            self.add(f"{name} altered, not signed anew", raw[:-64] + self.frame[-64:], broken("signature"))
        self.add("a byte more", self.frame + b"\0", broken("frame"))
        self.add("another magic", b"HSE1" + self.frame[4:], broken("frame"))

    def _sealed(self) -> None:
        """What only the patient reads."""
        other = b64(BoxKey(unb64(OTHER_ID) * 2).public)
        own = unb64(self.reading, 32)
        for name in ("person", "reason"):
            self.add(
                f"{name} sealed to another key",
                self.signed(**{name: b64(seal_box(pad(b"x"), unb64(other, 32)))}), not_for_you("key"),
            )  # fmt: skip
            self.add(f"{name} not padded", self.signed(**{name: b64(seal_box(b"x", own))}), broken("padding"))
            raw = self.signed(**{name: b64(seal_box(pad(b"\xff"), own))})
            self.add(f"{name} is no UTF-8", raw, broken("fields"))
            self.add(f"{name} is nothing", self.signed(**{name: ""}), not_for_you("key"))


def vectors(source: Source) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The file `declaration`."""
    made = Declaring(source)
    made.make()
    return made.vectors, {"frames": made.pool.table}
