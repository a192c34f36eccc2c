"""Two guardians who disagree: the narrower holds, until one of them says otherwise or the patient herself speaks.

What each guardian last decided for a counterpart stands in the vault, its word. What is granted is what all of them
grant together, as `consent.lineages` decides of the same records; by one grant for each counterpart, whose id follows
from both accounts. Pure, as `consent.owed`: any client signs what chains and vault say, whoever spoke last.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from itertools import count

from consent import finer_rules, steps
from consent.fhir_consent import Agreement, build, consent_id, last_moment
from consent.grants import Record
from consent.lockout import FULL
from consent.primitives import b64, label_hash, random_bytes
from consent.purposes import within
from consent.relations import Grant
from consent.steps import Signer, Written
from consent.vault import Terms, Vault, Word
from fhir_profiles import resources

GUARDIAN = "guardian"


@dataclass(frozen=True)
class Held:
    """What a guardian holds back from a counterpart, of what another one grants it. `refuses`: everything."""

    oth: str
    by: str
    categories: frozenset[int]
    refuses: bool


def guardians(record: Record, vault: Vault, now: int) -> frozenset[str]:
    """The accounts of the guardians who may act now with the keys of the vault."""
    live = (one for one in record.account.delegates if one.live(record.account.last, now) and one.scope == FULL)
    kinds = ((one.to, vault.mandates.get(one.to)) for one in live)
    return frozenset(name for name, named in kinds if named is not None and named.kind == GUARDIAN)


def counted(words: Mapping[str, Word], live: Collection[str]) -> dict[str, Word]:
    """The words that count: those of live guardians; where there is none, what was said last stays said."""
    own = {name: word for name, word in words.items() if name in live}
    last = max((word.at for word in words.values()), default=0)
    return own or {name: word for name, word in words.items() if word.at == last}


def together(words: Collection[Word], now: int) -> Terms | None:
    """What all of these permit; None where that is nothing. One word alone is taken as it is."""
    terms = [word.terms for word in words if word.terms is not None]
    if not terms or len(terms) < len(words):
        return None
    found = reduce(_narrower, terms)
    return found if found.categories and found.purposes and max(found.nb, now) < found.until else None


def _narrower(one: Terms, other: Terms) -> Terms:
    if _substance(one) == _substance(other):
        return one
    purposes = {p for p in one.purposes if within(p, other.purposes)}
    purposes |= {p for p in other.purposes if within(p, one.purposes)}
    return Terms(
        one.oth, one.categories & other.categories, one.whole and other.whole, one.grow and other.grow,
        tuple(sorted(purposes)), max(one.nb, other.nb), min(one.until, other.until), b"", b"",
        finer_rules.both(one.rules, other.rules),
    )  # fmt: skip


def _substance(terms: Terms) -> tuple[object, ...]:
    return terms.categories, terms.whole, terms.grow, terms.purposes, terms.nb, terms.until, terms.rules


def joint(record: Record, oth: str, now: int) -> tuple[str, Grant | None]:
    """The id of what guardians grant a counterpart, and the grant where it is live. After an end another id follows."""
    relation = record.relations.get(oth)
    for number in count():
        gid = b64(label_hash("obhut-guardians", record.account.acc, oth, number)[:16])
        known = relation.grants.get(gid) if relation is not None else None
        if known is None or known.live(now):
            return gid, known
    raise AssertionError("there is always another number")


def amend(record: Record, vault: Vault, signer: Signer, now: int) -> Vault | Written | None:
    """What to write next: the vault with fresh terms, a grant by terms that it holds, the end of one; or nothing."""
    live = guardians(record, vault, now)
    for oth in record.relations:
        gid, known = joint(record, oth, now)
        wanted = together(counted(vault.words.get(oth, {}), live).values(), now)
        kept = vault.terms.get(gid)
        if wanted is None:
            if known is not None:
                return steps.end(record, oth, gid, signer, now)
        elif kept is None or _substance(kept) != _substance(wanted):
            if known is not None and kept is not None:  # elder terms are proof of what was allowed
                vault = vault.with_terms(steps.consent_hash(kept), kept)
            return vault.with_terms(gid, _signed(record, gid, replace(wanted, hides=vault.hides_from(oth)), now))
        elif known is None or known.rules.body["consent"] != steps.consent_hash(kept):
            return steps.grant(record, vault, gid, kept, signer, now, _cover(record, vault, kept, known))
    return None


def _signed(record: Record, gid: str, terms: Terms, now: int) -> Terms:
    """With the Consent as it is signed, in the words of the only guardian who spoke, or of none."""
    if terms.consent:
        consent = resources.parse(terms.consent) | {"id": consent_id(gid)}
    else:
        start = datetime.fromtimestamp(terms.nb, UTC).isoformat() if terms.nb else ""
        end = last_moment(terms.until)
        agreed = Agreement(record.account.acc, terms.oth, terms.categories, terms.purposes, start, end)
        consent = build(agreed, consent_id(gid), datetime.fromtimestamp(now, UTC))
    return replace(terms, consent=resources.dump(consent), salt=random_bytes(16))


def _cover(record: Record, vault: Vault, terms: Terms, known: Grant | None) -> dict[str, tuple[int, int]]:
    """As of any grant; what began with an epoch already goes on from there."""
    cover = steps.whole_cover(record, vault, terms)
    if terms.whole or known is None:
        return cover
    begun = {set_id: first for set_id, (first, _) in known.cover.items() if first > 1}
    return {set_id: (begun.get(set_id, first), mask) for set_id, (first, mask) in cover.items()}


def held_back(record: Record, vault: Vault, now: int) -> Iterator[Held]:
    """Of what one guardian grants what another holds back, counterpart by counterpart."""
    live = guardians(record, vault, now)
    for oth, words in sorted(vault.words.items()):
        said = counted(words, live)
        for name, word in sorted(said.items()):
            others = [one.terms.categories for who, one in said.items() if who != name and one.terms is not None]
            own = word.terms.categories if word.terms is not None else frozenset[int]()
            if kept := frozenset[int]().union(*others) - own:
                yield Held(oth, name, kept, word.terms is None)
