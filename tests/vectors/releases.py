"""Vectors of the check before every release: which grant, if any, lets a counterpart have a stream."""

from dataclasses import replace
from typing import Any

from consent import grants, identifiers, steps
from consent.vault import Terms
from tests.consent.world import DAY, START, Identity, client, organisation
from tests.vectors.chains import OTHER_ID, body, resigned
from tests.vectors.making import Source
from tests.vectors.records import Records


def vectors(_: Source) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The file `release`."""
    home, house = client(), organisation("klinik")
    home.turn()
    file = Records()
    terms = replace(_terms(house), purposes=("CAREMGT", "TREAT"), nb=START + 100, until=START + DAY)
    gid, em = identifiers.new_id(), identifiers.new_id()
    home.meet(house)
    home.save(home.vault.with_terms(gid, terms).with_terms(em, terms))
    set_id, other = sorted(home.vault.sets)[:2]
    key = home.vault.sets[set_id]
    cover = {set_id: (2, key.mask(frozenset([1])))}
    home.post(steps.grant(home.hub.record, home.vault, gid, terms, home.me.signer, START, cover))
    cover = {set_id: (2, key.mask(frozenset([8])))}
    written = steps.grant(home.hub.record, home.vault, em, terms, home.me.signer, START, cover)
    home.post(replace(written, frame=resigned(written.frame, home.me.sign, body(em=[3600, "arzt"]))))
    lab, vitals = key.index(8), key.index(1)

    def add(
        name: str, index: int, *, where: str = set_id, epoch: int = 2, purpose: str = "TREAT", now: int = START + 100,
        declared: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        record = home.hub.record
        relation = record.relations[house.account]
        found = grants.covers(relation, where, index, epoch, purpose, now, frozenset(declared))
        file.add(
            name, record=file.record(record), reader=house.account, set=where, index=index, epoch=epoch,
            purpose=purpose, now=now, declared=list(declared), grant=found,
        )  # fmt: skip
        expected = {"gid": gid, "em": em}.get(name.partition(":")[0])
        if found != expected:
            raise ValueError(f"{name}: {found}")

    add("gid: granted", vitals)
    add("not yet", vitals, now=START + 99)
    add("gid: last second", vitals, now=START + DAY - 1)
    add("over", vitals, now=START + DAY)
    add("gid: a later epoch", vitals, epoch=3)
    add("an earlier epoch", vitals, epoch=1)
    add("a stand-in of what is granted", key.index(1, 1))
    add("gid: a stand-in of what is withheld", key.index(5, 1))
    add("what is withheld", key.index(5))
    add("another set", vitals, where=other)
    add("an unknown set", vitals, where=OTHER_ID)
    add("gid: another granted purpose", vitals, purpose="CAREMGT")
    add("gid: a purpose below", vitals, purpose="COC")
    add("a purpose above", vitals, purpose="HOPERAT")
    add("another purpose", vitals, purpose="HRESCH")
    add("no purpose", vitals, purpose="")
    add("emergency, not declared", lab)
    add("em: emergency, declared", lab, declared=(em,))
    add("emergency, another declared", lab, declared=(gid,))
    add("gid: nothing declared and nothing needed", vitals, declared=(em,))
    home.post(steps.end(home.hub.record, house.account, gid, home.me.signer, START))
    add("withdrawn", vitals)
    return file.made


def _terms(house: Identity) -> Terms:
    consent = b'{"resourceType":"Consent"}'
    return Terms(house.account, frozenset([1]), True, False, ("TREAT",), 0, START + DAY, consent, bytes(16))
