"""What the patient's side writes: each function gives the frames (and bundles) of one step, signed, never sent here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from consent import owed as owing
from consent import statements
from consent.grants import Record, handed
from consent.identifiers import new_id
from consent.keys import SigningKey
from consent.primitives import b64, label_hash, random_bytes
from consent.relations import Grant, Handed, RelationState
from consent.rules import blob_hash
from consent.sealing import pack, records, seal_bundle
from consent.sets import CATEGORIES, Master, SetKey
from consent.statements import Position
from consent.streams import SUITES, SetState, position, range_digest
from consent.vault import Candidate, Terms, Vault

Held = Callable[[str, int, int], Sequence[tuple[int, bytes]]]

EVERYTHING = frozenset(range(CATEGORIES))
BLOCK = 4
"""Sets are made in blocks ahead of need: a spare set makes a new author readable without touching any grant."""


@dataclass(frozen=True)
class Signer:
    """A client of the patient or of a delegate."""

    account: str
    device: str
    key: SigningKey

    @property
    def by(self) -> tuple[str, str]:
        """As it stands in a statement."""
        return self.account, self.device


@dataclass(frozen=True)
class Written:
    """A statement to send, with the bundle that goes beside it."""

    frame: bytes
    blob: bytes | None = None


def cite(record: Record, *names: str) -> dict[str, Position]:
    """The present heads of the patient's account and of these accounts."""
    known = {**record.accounts, record.account.acc: record.account}
    return {name: position(known[name]) for name in {record.account.acc, *names}}


def iat(record_iat: int, now: int) -> int:
    """The later of one's own time and the head's."""
    return max(record_iat, now)


# --- sets ---------------------------------------------------------------------------------------------------------


def new_sets(vault: Vault, count: int = BLOCK) -> Vault:
    """The vault with `count` fresh sets; `owed` then starts their chains."""
    for _ in range(count):
        vault = vault.with_set(new_id(), SetKey(random_bytes(32)), Master(random_bytes(32)))
    return vault


def begin(record: Record, vault: Vault, set_id: str, signer: Signer, now: int) -> Written:
    """The `start` of a set's stream chain."""
    master = vault.candidates[set_id].master
    body = {
        "ep": 1, "ids": vault.sets[set_id].ids, "pks": [b64(pk) for pk in master.publics], "suite": SUITES[0],
        "grace": 0,
    }  # fmt: skip
    return _set(record, SetState(record.account.acc, set_id), "start", body, signer, now)


def start_epoch(record: Record, vault: Vault, set_id: str, signer: Signer, now: int, grace: int = 0) -> Written:
    """The `epoch` that makes a candidate the current epoch. `grace` in seconds: 0 after a withdrawal."""
    candidate, state = vault.candidates[set_id], record.sets[set_id]
    body = {
        "ep": candidate.epoch, "pks": [b64(pk) for pk in candidate.master.publics], "suite": state.epochs[-1].suite,
        "grace": grace,
    }  # fmt: skip
    return _set(record, state, "epoch", body, signer, now)


def close_set(record: Record, set_id: str, signer: Signer, now: int) -> Written:
    """The `close` of a set's stream chain."""
    return _set(record, record.sets[set_id], "close", {}, signer, now)


def prepare(record: Record, vault: Vault, set_ids: Sequence[str], now: int) -> Vault:
    """The vault with a fresh candidate for the next epoch of these sets."""
    for set_id in set_ids:
        epoch = record.sets[set_id].current + 1 if set_id in record.sets else 1
        vault = vault.with_candidate(set_id, Candidate(epoch, Master(random_bytes(32)), record.account.last, now))
    return vault


def _set(record: Record, state: SetState, typ: str, body: Mapping[str, object], signer: Signer, now: int) -> Written:
    last = state.links[-1].iat if state.links else 0
    frame = statements.sign(
        signer.key, kind="set", acc=record.account.acc, oth=state.oth, head=state.head, iat=iat(last, now), typ=typ,
        by=signer.by, cite=cite(record, signer.account), body=body,
    )  # fmt: skip
    return Written(frame)


# --- relations ----------------------------------------------------------------------------------------------------


def _relation(
    record: Record, oth: str, typ: str, body: Mapping[str, object], signer: Signer, now: int, *cited: str
) -> bytes:
    state = record.relations.get(oth, RelationState(record.account.acc, oth))
    last = state.links[-1].iat if state.links else 0
    return statements.sign(
        signer.key, kind="rel", acc=record.account.acc, oth=oth, head=state.head, iat=iat(last, now), typ=typ,
        by=signer.by, cite=cite(record, signer.account, *cited), body=body,
    )  # fmt: skip


def open_relation(record: Record, oth: str, met: str, signer: Signer, now: int) -> Written:
    """The first link with a counterpart; `met`: `card`, `request` or `directory`."""
    body = {"fp": record.accounts[oth].fingerprint, "met": met}
    return Written(_relation(record, oth, "open", body, signer, now, oth))


def permit(record: Record, oth: str, set_id: str, signer: Signer, now: int) -> Written:
    """Let `oth` write into a set."""
    frame = statements.permit(
        signer.key, acc=record.account.acc, aut=oth, fp=record.accounts[oth].fingerprint, set_id=set_id, iat=now,
        by=signer.by, cite=cite(record, signer.account),
    )  # fmt: skip
    return Written(_relation(record, oth, "permit", {"set": set_id, "prm": b64(frame)}, signer, now))


def unpermit(record: Record, oth: str, set_id: str, signer: Signer, now: int) -> Written:
    """End a permit."""
    return Written(_relation(record, oth, "unpermit", {"set": set_id}, signer, now))


def end(record: Record, oth: str, gid: str, signer: Signer, now: int) -> Written:
    """Withdraw a grant."""
    return Written(_relation(record, oth, "end", {"gid": gid}, signer, now))


def whole_cover(record: Record, vault: Vault, terms: Terms) -> dict[str, tuple[int, int]]:
    """The cover of a new grant: every set of the patient but the counterpart's own, closed ones too if whole."""
    cover = {}
    for set_id, state in record.sets.items():
        if record.author(set_id) == terms.oth or (state.closed and not terms.whole):
            continue
        cover[set_id] = (1 if terms.whole else state.current, vault.sets[set_id].mask(terms.categories))
    return cover


def grant(
    record: Record, vault: Vault, gid: str, terms: Terms, signer: Signer, now: int,
    cover: dict[str, tuple[int, int]] | None = None,
) -> Written:  # fmt: skip
    """A new grant or an amendment by the terms (which the vault already holds), with all seeds it owes.

    `cover`: set → (from, mask); by default what `whole_cover` says.
    """
    relation = record.relations[terms.oth]
    known = relation.grants.get(gid)
    cover = whole_cover(record, vault, terms) if cover is None else cover
    rows = _rows(record, known, cover)
    packed = _packed(record, vault, rows)
    return _with_bundle(record, relation, "grant", gid, terms, rows, packed, _rules(terms, cover), signer, now)


def hand_on(
    record: Record, held: Held, gid: str, terms: Terms, cover: dict[str, tuple[int, int]], signer: Signer, now: int
) -> Written:
    """A new grant by a delegate of the scope `manage`: of streams whose seeds it was handed itself (PROTOCOL.md 5.12).

    `held(set, epoch, mask)`: index and seed of each bit, in the order of categories.
    """
    rows = _rows(record, None, cover)
    packed = [
        pack(row.set, epoch, held(row.set, epoch, row.mask)) for row in rows for epoch in range(row.first, row.last + 1)
    ]
    relation = record.relations[terms.oth]
    return _with_bundle(record, relation, "grant", gid, terms, rows, packed, _rules(terms, cover), signer, now)


def _rules(terms: Terms, cover: Mapping[str, tuple[int, int]]) -> dict[str, object]:
    return {
        "consent": consent_hash(terms), "purpose": sorted(terms.purposes),
        "nb": terms.nb, "until": terms.until, "grow": int(terms.grow), "em": list(terms.emergency),
        "req": terms.request,
        "cover": [[set_id, *cover[set_id]] for set_id in sorted(cover)],
    }  # fmt: skip


def own_grant(record: Record, vault: Vault, gid: str, set_id: str, terms: Terms, signer: Signer, now: int) -> Written:
    """The author's grant of its own set: how it learns which index is which category. The terms grant everything."""
    return grant(record, vault, gid, terms, signer, now, {set_id: (1, vault.sets[set_id].mask(EVERYTHING))})


def extend(record: Record, vault: Vault, step: owing.Extend, signer: Signer, now: int) -> Written:
    """A growing grant amended to cover more sets. Its rules stay those of its newest link, whoever wrote that."""
    relation, known = owing.grant_of(record, step.oth, step.gid)
    rules = known.rules.body
    cover = dict(known.cover)
    whole = all(first == 1 for first, _ in known.cover.values())
    categories = granted(vault, known)
    for set_id in step.sets:
        cover[set_id] = (1 if whole else record.sets[set_id].current, vault.sets[set_id].mask(categories))
    body: dict[str, object] = {
        **{name: rules[name] for name in ("consent", "purpose", "nb", "until", "grow", "em", "req")},
        "cover": [[set_id, *cover[set_id]] for set_id in sorted(cover)],
    }  # fmt: skip
    terms = vault.terms.get(step.gid)
    same = terms is not None and consent_hash(terms) == rules["consent"]
    rows = _rows(record, known, cover)
    packed = _packed(record, vault, rows)
    carried = terms if same else None
    return _with_bundle(record, relation, "grant", step.gid, carried, rows, packed, body, signer, now)


def granted(vault: Vault, known: Grant) -> frozenset[int]:
    """The categories of a grant, told by what it covers; where that is nothing yet, by the vault's terms."""
    for set_id, (_, mask) in known.cover.items():
        return vault.sets[set_id].granted(mask)
    return vault.terms[known.gid].categories


def consent_hash(terms: Terms) -> str:
    """How a grant names the Consent of these terms."""
    return salted(terms.salt, terms.consent)


def salted(salt: bytes, consent: bytes) -> str:
    """How a grant names a Consent: salted, because the hub could guess it."""
    return b64(label_hash("obhut-consent", salt, consent))


def hand_out(record: Record, vault: Vault, step: owing.HandOut, signer: Signer, now: int) -> Written:
    """The seeds of candidates for one counterpart, before the epochs start."""
    relation, known = owing.grant_of(record, step.oth, step.gid)
    rows = []
    for set_id in sorted(step.sets):
        candidate = vault.candidates[set_id]
        digest = range_digest([candidate.master.digest(set_id, candidate.epoch)])
        rows.append(Handed(set_id, candidate.epoch, candidate.epoch, known.cover[set_id][1], digest, ""))
    packed = _packed(record, vault, rows)
    return _with_bundle(record, relation, "keys", step.gid, None, rows, packed, {}, signer, now)


def _rows(record: Record, known: Grant | None, cover: dict[str, tuple[int, int]]) -> list[Handed]:
    """What must still be handed out so that all started epochs of the cover are: whole ranges where nothing was."""
    rows = []
    for set_id in sorted(cover):
        first, mask = cover[set_id]
        state = record.sets[set_id]
        due = [
            epoch.number
            for epoch in state.epochs[first - 1 :]
            if known is None or not handed(known, state, epoch.number, epoch.digest, mask)
        ]
        while due:
            run = 1
            while run < len(due) and due[run] == due[0] + run:
                run += 1
            last = due[run - 1]
            rows.append(Handed(set_id, due[0], last, mask, range_digest(state.digests(due[0], last)), ""))
            due = due[run:]
    return rows


def _with_bundle(
    record: Record, relation: RelationState, typ: str, gid: str, terms: Terms | None, rows: list[Handed],
    packed: list[bytes], body: Mapping[str, object], signer: Signer, now: int,
) -> Written:  # fmt: skip
    rk = record.accounts[relation.oth].reading_key()
    place, prev = position(relation)
    carried = (terms.salt + terms.consent, terms.finer) if terms else (b"", None)
    sealed = seal_bundle(relation.id, (place + 1, prev), gid, rk, packed, *carried)
    carried_body = dict(body) | {
        "gid": gid, "rk": rk, "key": sealed.key, "lst": blob_hash(sealed.blob),
        "has": [[row.set, row.first, row.last, row.mask, row.digest] for row in rows],
    }  # fmt: skip
    return Written(_relation(record, relation.oth, typ, carried_body, signer, now, relation.oth), sealed.blob)


def _packed(record: Record, vault: Vault, rows: list[Handed]) -> list[bytes]:
    return records(rows, vault.sets, _masters(record, vault, rows))


def _masters(record: Record, vault: Vault, rows: list[Handed]) -> dict[tuple[str, int], Master]:
    found = {}
    for row in rows:
        state = record.sets[row.set]
        for epoch in range(row.first, row.last + 1):
            if epoch <= state.current:
                found[row.set, epoch] = vault.master(row.set, epoch, state.epoch(epoch).digest)
            else:
                found[row.set, epoch] = vault.candidates[row.set].master
    return found


# --- one step of `owed` -------------------------------------------------------------------------------------------


def perform(record: Record, vault: Vault, step: owing.Step, signer: Signer, now: int) -> Written | Vault:
    """What a step writes: a statement, or the vault's next content."""
    match step:
        case owing.Begin(set_id):
            return begin(record, vault, set_id, signer, now)
        case owing.CloseSet(set_id):
            return close_set(record, set_id, signer, now)
        case owing.Drop(set_ids):
            return vault.without_candidates(set_ids)
        case owing.Prepare(set_ids):
            return prepare(record, vault, set_ids, now)
        case owing.Extend():
            return extend(record, vault, step, signer, now)
        case owing.HandOut():
            return hand_out(record, vault, step, signer, now)
        case owing.StartEpoch(set_id):
            return start_epoch(record, vault, set_id, signer, now)
