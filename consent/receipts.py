"""Receipts: what a patient consented to, as a document that anybody can check offline (ISO/IEC TS 27560).

A receipt is a FHIR Bundle of the signed Consent, a Provenance that carries the signed statement, the fields of ISO/IEC
TS 27560, and a proof: the chains by which all of it follows from the fingerprint on the patient's card. `verify`
replays the chains and makes the receipt anew from its proof: what differs anywhere is not proven and is refused.

It shows what its chains hold: the patient's devices and delegates up to then, and when she granted this counterpart
anything. What else she granted to it is not in it, and of other counterparts there is nothing.
https://hl7.org/fhir/R4/provenance.html, https://w3id.org/dpv/guides/consent-27560
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from consent import accounts, identifiers, relations, words
from consent.accounts import AccountState, by_device
from consent.categories import NAMES
from consent.dates import ZONE
from consent.fhir_consent import Agreement, agreement
from consent.grants import Record
from consent.identifiers import Card
from consent.primitives import Rejected, b64, broken, stale, unb64
from consent.relations import Grant, RelationState
from consent.statements import Position, Statement, parse_permit
from consent.steps import salted
from consent.template import template
from consent.vault import Terms
from fhir_profiles import bundles, resources
from fhir_profiles.bundles import Entry
from fhir_profiles.problems import Problem

SCHEMA = "ISO/IEC TS 27560:2023"
PROOF, RECORD = "proof", "record"
BASIS = "consent"
_SIGNATURE = {
    "system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.7", "display": "Consent Signature",
}  # fmt: skip
_AUTHOR = {"system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type", "code": "author"}


@dataclass(frozen=True)
class Receipt:
    """What a receipt proves: terms, statement, and what became of the grant by the end of the chain that it carries.

    `card`: what the patient's card says, if this is hers; `signed`: the statement that names this Consent; `head`: the
    chain's last statement, up to which everything of this relation is known.
    """

    card: Card
    counterpart: str
    terms: Agreement
    grant: Grant = field(repr=False)
    signed: Statement = field(repr=False)
    head: Statement = field(repr=False)
    consent: bytes = field(repr=False)
    events: tuple[tuple[int, str, str], ...]

    @property
    def gid(self) -> str:
        """The grant's id."""
        return self.grant.gid

    @property
    def ended(self) -> int | None:
        """The Unix second at which the grant was ended, if it was by the head."""
        return self.events[-1][0] if self.grant.ended else None

    @property
    def replaced(self) -> bool:
        """Whether another Consent has taken the place of this one under the same grant."""
        return bool(self.grant.rules.body["consent"] != self.signed.body["consent"])

    @property
    def mark(self) -> str:
        """One line by which a paper is held against a receipt: card, counterpart, and the statement's position."""
        return f"obhut-receipt:{self.card.account}#{self.card.fingerprint}/{self.counterpart}/" + "/".join(
            map(str, self.signed.position)
        )


# --- making -------------------------------------------------------------------------------------------------------


def make(record: Record, counterpart: str, gid: str, terms: Terms) -> bytes:
    """The receipt of a grant by its terms: the Consent that the patient signed. Returns the FHIR Bundle.

    Raises `Problem(not-found)` for terms that no statement of the grant names.
    """
    relation = record.relations[counterpart]
    if not _naming(relation, gid, terms.salt, terms.consent):
        raise Problem("not-found", "no statement of this grant names this Consent")
    proof = {
        "v": 1,
        "patient": record.account.acc,
        "counterpart": counterpart,
        "grant": gid,
        "consent": b64(terms.consent),
        "salt": b64(terms.salt),
        "accounts": {name: [b64(raw) for raw in frames] for name, frames in _accounts(record, relation).items()},
        "relation": [b64(raw) for raw in relation.frames],
    }
    return _bundle(proof, _proven(proof))


def _accounts(record: Record, relation: RelationState) -> dict[str, list[bytes]]:
    """The account chains that the relation's statements cite, each as far as it is cited."""
    needed: dict[str, int] = {}
    waiting = [cite for link in relation.links for cite in _cited(link)]
    while waiting:
        name, seq = waiting.pop()
        state = record.account if name == record.account.acc else record.accounts[name]
        fresh = state.links[needed.get(name, -1) + 1 : seq + 1]
        needed[name] = max(seq, needed.get(name, -1))
        waiting += [cite for link in fresh for cite in _cited(link)]
    every = {record.account.acc: record.account, **record.accounts}
    return {name: every[name].frames[: seq + 1] for name, seq in sorted(needed.items())}


def _cited(link: Statement) -> list[tuple[str, int]]:
    cites: list[Mapping[str, Position]] = [link.cite]
    if link.typ == "permit":
        cites.append(parse_permit(unb64(link.body["prm"])).cite)
    return [(name, seq) for cite in cites for name, (seq, _) in cite.items()]


def _bundle(proof: Mapping[str, Any], receipt: Receipt) -> bytes:
    name = unb64(receipt.gid, 16).hex()
    parts = [
        receipt.consent,
        resources.dump(_provenance(receipt, name)),
        resources.dump(_binary(f"{name}-{RECORD}", fields(receipt))),
        resources.dump(_binary(f"{name}-{PROOF}", proof)),
    ]
    return bundles.collection(Entry(None, part) for part in parts)


def _provenance(receipt: Receipt, name: str) -> dict[str, Any]:
    account, _ = by_device(receipt.signed.by)
    patient = {"reference": f"Patient/{receipt.card.account.local}"}
    signer = patient if account == receipt.terms.patient else {"display": account}
    behalf = {} if account == receipt.terms.patient else {"onBehalfOf": patient}
    when = datetime.fromtimestamp(receipt.signed.iat, UTC).isoformat().replace("+00:00", "Z")
    return {
        "resourceType": "Provenance",
        "id": f"{name}-provenance",
        "target": [{"reference": f"Consent/{name}"}],
        "recorded": when,
        "agent": [{"type": {"coding": [_AUTHOR]}, "who": signer} | behalf],
        "entity": [{"role": "source", "what": {"reference": f"Binary/{name}-{PROOF}"}}],
        "signature": [
            {
                "type": [_SIGNATURE],
                "when": when,
                "who": signer,
                "targetFormat": "application/fhir+json",
                "sigFormat": "application/octet-stream",
                "data": base64.b64encode(receipt.signed.raw).decode(),
            }
        ],
    }


def _binary(name: str, value: Any) -> dict[str, Any]:
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return {
        "resourceType": "Binary", "id": name, "contentType": "application/json",
        "data": base64.b64encode(data).decode(),
    }  # fmt: skip


def fields(receipt: Receipt) -> dict[str, Any]:
    """The fields of ISO/IEC TS 27560: header, processing, parties, events.

    In codes only: they must come out the same in every later version, so that a receipt stays provable. The words that
    were shown are in the Consent.
    """
    terms = receipt.terms
    return {
        "schema_version": SCHEMA,
        "record_id": unb64(receipt.gid, 16).hex(),
        "receipt_id": receipt.signed.hash,
        "pii_principal_id": terms.patient,
        "pii_processing": {
            "privacy_notice": terms.policy or None,
            "language": terms.language or None,
            "purposes": [{"purpose_type": code, "lawful_basis": BASIS} for code in terms.purposes],
            "pii_information": [
                {
                    "pii_type": NAMES[index],
                    "special_pii_category": True,
                    "sensitive_pii_category": index in words.SENSITIVE,
                }
                for index in sorted(terms.categories)
            ],
            "pii_controllers": [terms.counterpart],
            "collection_method": _collected(receipt),
            "processing_method": "reading what was opened, end-to-end encrypted on its way",
            "storage_locations": [f"sealed: hub {receipt.card.account.domain}", f"opened: {terms.counterpart}"],
            "retention_period": terms.end or None,
            "withdrawal_effect": _effect(terms),
            "recipient_third_parties": [],
            "withdrawal_method": f"obhut patient withdraw --to {terms.counterpart} --grant {receipt.gid}",
            "privacy_rights": ["access", "rectification", "erasure", "restriction", "portability", "withdrawal"],
        },
        "party_identification": [
            {"party_id": terms.patient, "party_role": "PII principal"},
            {"party_id": terms.counterpart, "party_role": "PII controller"},
        ],
        "events": [
            {"event_time": _time(at), "event_type": "explicit", "event_state": state, "entity_id": by}
            for at, state, by in receipt.events
        ],
        "validity_duration": terms.end or None,
        "known_until": _time(receipt.head.iat),
    }


def _collected(receipt: Receipt) -> str:
    terms, (account, _) = receipt.terms, by_device(receipt.signed.by)
    signed = "signed by a device of the PII principal"
    if account != terms.patient:
        signed = f"signed by a device of {account}, who acts for the PII principal"
    return f"recorded from paper by {terms.paper.desk} ({terms.paper.scan}), {signed}" if terms.paper else signed


def _effect(terms: Agreement) -> str:
    try:
        return template(terms.policy).withdrawn if terms.policy else "delete"
    except Problem:
        return "delete"


def _time(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).astimezone(ZONE).isoformat()


# --- checking -----------------------------------------------------------------------------------------------------


def verify(receipt: bytes, card: Card | None = None) -> Receipt:
    """Check a receipt whole, offline: every signature, the chains, the Consent's salted hash, every word in it.

    `card`: the patient's, as she shows it; without it the caller must compare `Receipt.card` with hers. Raises
    `Problem`: `invalid` for what is no receipt, `refused` where its words differ from what is proven; `Rejected` for
    what does not hold: `fingerprint` for another card's, `signature` and the other words of the protocol for a chain.
    """
    try:
        given = resources.parse(receipt, max_bytes=len(receipt))
    except Problem:
        raise _no_receipt() from None
    proof = _proof(given)
    try:
        proven = _proven(proof)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _differs() from error
    if card is not None and proven.card != card:
        raise broken("fingerprint")
    again = _bundle(proof, proven)
    if resources.parse(again, max_bytes=len(again)) != given:
        raise _differs()
    return proven


def _proof(given: Mapping[str, Any]) -> dict[str, Any]:
    entries = given.get("entry") if given.get("resourceType") == "Bundle" else None
    for entry in entries if isinstance(entries, list) else []:
        resource = entry.get("resource", {}) if isinstance(entry, Mapping) else {}
        if resource.get("resourceType") == "Binary" and str(resource.get("id", "")).endswith(f"-{PROOF}"):
            try:
                value = json.loads(base64.b64decode(str(resource.get("data", "")), validate=True))
            except (ValueError, RecursionError):
                break
            if isinstance(value, dict):
                return value
    raise _no_receipt()


def _differs() -> Problem:
    detail = "this receipt does not hold: it says something else than what was signed"
    return Problem("refused", detail, reason="receipt")


def _no_receipt() -> Problem:
    return Problem("invalid", "this is no receipt: it is a FHIR Bundle that `obhut patient receipt` writes")


def _proven(proof: Mapping[str, Any]) -> Receipt:
    """Replay the chains of a proof. Raises `Rejected`, and what malformed JSON raises."""
    patient, counterpart, gid = proof["patient"], proof["counterpart"], proof["grant"]
    known = _replayed({name: [unb64(raw) for raw in frames] for name, frames in proof["accounts"].items()})
    relation = relations.replay([unb64(raw) for raw in proof["relation"]], patient, counterpart, known)
    consent, salt = unb64(proof["consent"]), unb64(proof["salt"], 16)
    naming = _naming(relation, gid, salt, consent)
    if not naming:
        raise _differs()
    resource = resources.parse(consent)
    resources.check(resource)
    terms = agreement(resource)
    if (terms.patient, terms.counterpart, resource["id"]) != (patient, counterpart, unb64(gid, 16).hex()):
        raise _differs()
    card = Card(identifiers.account(patient), known[patient].fingerprint)
    head = relation.links[-1]
    return Receipt(
        card, counterpart, terms, relation.grants[gid], naming[0], head, consent, tuple(_events(relation, gid))
    )


def _replayed(frames: Mapping[str, list[bytes]]) -> dict[str, AccountState]:
    """The account chains; a link that cites another account waits until that one has been replayed so far."""
    known: dict[str, AccountState] = {}
    left = {name: list(chain) for name, chain in frames.items()}
    while left:
        moved = False
        for name, chain in list(left.items()):
            try:
                known[name] = accounts.extend(known.get(name, AccountState(name)), chain[0], known)
            except Rejected as refused:
                if refused.kind != "stale":
                    raise
                continue
            moved = True
            del chain[0]
            if not chain:
                del left[name]
        if not moved:
            raise stale()
    return known


def _naming(relation: RelationState, gid: str, salt: bytes, consent: bytes) -> list[Statement]:
    """The statements of a grant that name this Consent; the first of them is the one that it was signed by."""
    named = salted(salt, consent)
    grants = (link for link in relation.links if link.typ == "grant" and link.body["gid"] == gid)
    return [link for link in grants if link.body["consent"] == named]


def _events(relation: RelationState, gid: str) -> list[tuple[int, str, str]]:
    """When, what and by whom: given, changed, withdrawn. What only hands out further keys is no event."""
    found: list[tuple[int, str, str]] = []
    consent = ""
    for link in relation.links:
        if link.typ in ("grant", "end") and link.body["gid"] == gid:
            if link.typ == "end":
                found.append((link.iat, "withdrawn", by_device(link.by)[0]))
            elif link.body["consent"] != consent:
                found.append((link.iat, "changed" if consent else "given", by_device(link.by)[0]))
                consent = link.body["consent"]
    return found
