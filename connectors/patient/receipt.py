"""A receipt of a grant: the FHIR Bundle that proves it, and the same on paper."""

from connectors.patient.side import Side
from consent import receipts
from consent.who import terms_of
from fhir_profiles.problems import Problem


def receipt(client: Side, gid: str) -> bytes:
    """The receipt of what a grant's newest rules say, live or not, as a FHIR Bundle.

    Raises `Problem(not-found)` for an unknown grant, and `forbidden` for one that a delegate made: its Consent is not
    the patient's to show.
    """
    relation = next((one for one in client.record.relations.values() if gid in one.grants), None)
    if relation is None:
        raise Problem("not-found", "there is no such grant: `obhut patient who` lists those that there were")
    rules = relation.grants[gid].rules
    terms = terms_of(client.vault, rules)
    if terms is None or not terms.consent:
        detail = f"no Consent is held here for this grant, which {rules.by[0]} made: a receipt needs one"
        raise Problem("forbidden", detail)
    return receipts.make(client.record, relation.oth, gid, terms)
