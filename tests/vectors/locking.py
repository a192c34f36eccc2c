"""Vectors of who must not have the key of the vault's key compartment any more."""

from dataclasses import replace
from typing import Any

from consent import lockout
from tests.consent import world
from tests.consent.delegation import appoint
from tests.consent.world import DAY, START, Client, Identity
from tests.vectors.making import Source
from tests.vectors.records import Records


class Locking:
    """Makes the file `lockout`: a patient and two whom she named, at several moments."""

    def __init__(self) -> None:
        self.file = Records()
        self.home, self.one, self.other = world.client(), world.person(), world.person()

    def add(self, name: str, shared: list[Identity], now: int, home: Client | None = None) -> None:
        """What holds of those to whom the key was handed."""
        home = home or self.home
        record, vault, names = home.hub.record, home.vault, [who.account for who in shared]
        left = lockout.left_behind(record, vault, names, now)
        self.file.add(
            name, record=self.file.record(record), vault=self.file.vault(vault), shared=names, now=now,
            must=lockout.must_change(record, names, now), holders=lockout.holders(record, names, now),
            left=[[name, grant.gid] for name, grant in left],
            candidates=sorted(lockout.fresh(record, vault, now).candidates),
        )  # fmt: skip

    def lose(self, who: Identity, at: int) -> None:
        """A device of somebody is gone."""
        lost = who.other_device()
        who.add("device", lost.device_body("client"), at)
        who.add("undevice", {"dev": lost.device}, at)
        self.home.hub.know(who)

    def make(self) -> None:
        """All vectors."""
        home, one, other = self.home, self.one, self.other
        self.add("nobody has it", [], START)
        self.add("who was never named", [one], START)
        self.lose(other, START)
        home.now = START + 1
        end = START + 30 * DAY
        appoint(home, one, "full", end)
        appoint(home, other, "full", end)
        gid = home.grant(one, range(16), until=end, purposes=lockout.PURPOSES)
        home.grant(one, [1], until=end)
        home.grant(one, [2], until=end - 1, purposes=lockout.PURPOSES)
        self.add("both may have it", [one, other], START + 2)
        self.add("the last second", [one, other], end - 1)
        self.add("the time is over", [one, other], end)
        seen = home.vault.terms[gid]
        bare = replace(home, vault=home.vault.with_terms(gid, replace(seen, consent=b"")))
        self.add("what came with it has no Consent", [one], end - 1, bare)
        home.post(home.account("undelegate", {"to": one.account}))
        self.add("one of them is dismissed", [one, other], START + 2)
        self.add("who was dismissed does not have it", [other], START + 2)
        appoint(home, one, "manage", end)
        self.add("named again, to manage", [one], START + 2)
        home.now = START + DAY
        self.lose(other, home.now)
        self.add("a lost device of one who stays", [other], home.now)
        home.root = replace(home.root, shared=(other.account,))
        home.now += 1
        home.lock_out()
        self.add("after the key was changed", [other], home.now)
        self.lose(other, home.now + 1)
        self.add("one more is lost", [other], home.now + 1)


def vectors(_: Source) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The file `lockout`."""
    made = Locking()
    made.make()
    return made.file.made
