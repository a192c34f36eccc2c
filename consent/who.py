"""Who can see what, and why, at any moment: told from the patient's chains, which only ever grow.

`stretches` reads a relation chain as stretches of time, each with the rules that held in it. `who` asks them for one
moment, past or present; a moment to come is told as it would be if nothing were signed until then. The keys of the
sets tell which categories a grant opened, whoever made it and whatever else was lost.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from consent.accounts import by_device
from consent.fhir_consent import agreement
from consent.finer_rules import leaves_out, only_since, readers_of
from consent.grants import Record
from consent.primitives import unb64
from consent.purposes import within
from consent.readers import ANY, Readers
from consent.relations import RelationState
from consent.sets import CATEGORIES, SetKey
from consent.statements import Statement
from consent.steps import consent_hash
from consent.vault import Terms, Vault
from fhir_profiles import resources

Reason = Literal["granted", "emergency", "not-yet", "withdrawn", "expired", "narrowed", "closed", "never"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one grant allowed from the Unix second `start` to before `stop`; `ended`: why it stops.

    `cover`: set → (from, mask). `own`: it gives an author its own writing.
    """

    oth: str
    rules: Statement = field(repr=False)
    start: int
    stop: int
    ended: Reason
    cover: Mapping[str, tuple[int, int]] = field(repr=False)
    own: bool

    @property
    def gid(self) -> str:
        """The grant's id."""
        return str(self.rules.body["gid"])

    @property
    def purposes(self) -> tuple[str, ...]:
        """v3-ActReason codes."""
        return tuple(self.rules.body["purpose"])

    @property
    def emergency(self) -> bool:
        """Whether it opens in a declared emergency only."""
        return bool(self.rules.body["em"])

    @property
    def until(self) -> int:
        """The Unix second at which it was to end by itself."""
        return int(self.rules.body["until"])

    def holds(self, at: int) -> bool:
        """Whether it allowed anything at this second."""
        return self.start <= at < self.stop

    def reaches(self, set_id: str, index: int, epoch: int) -> bool:
        """Whether a stream in an epoch is among what it covers."""
        first, mask = self.cover.get(set_id, (0, 0))
        return bool(mask >> index & 1) and first <= epoch


@dataclass(frozen=True, slots=True)
class Access:
    """The answer for one counterpart and one category, by one grant. Times in Unix seconds, 0 where nothing ever was.

    `visible`, and why (`reason`). `since`: from when without a break; `until`: when it ends or ended. `earlier`: what
    was there before the grant is seen, too. `gid`, `by`: which grant, and who signed it; `consent`: the id of its FHIR
    Consent. `own`: only what the counterpart wrote itself, to which no Consent belongs. `finer`: whether finer rules
    leave out some of it; None where another party made the grant and its rules are not held here. `readers`: who alone
    may read of the counterpart, where not all may. `desk`: where it was signed on paper, the desk that recorded it.
    """

    counterpart: str
    category: int
    visible: bool
    reason: Reason
    since: int = 0
    until: int = 0
    purposes: tuple[str, ...] = ()
    gid: str = ""
    by: str = ""
    consent: str = ""
    earlier: bool = True
    own: bool = False
    finer: bool | None = False
    readers: Readers | None = None
    desk: str = ""


# --- the chain as stretches of time -------------------------------------------------------------------------------


def stretches(record: Record, relation: RelationState) -> list[Stretch]:
    """All that was ever granted to one counterpart, in the order of the statements."""
    closed = record.account.links[-1].iat if record.account.closed else None
    found: list[Stretch] = []
    following: dict[str, Statement] = {}
    for link in reversed(relation.links):
        if link.typ == "grant":
            found.append(_stretch(record, link, following.get(link.body["gid"]), closed))
        if link.typ in ("grant", "end"):
            following[link.body["gid"]] = link
    return found[::-1]


def _stretch(record: Record, link: Statement, following: Statement | None, closed: int | None) -> Stretch:
    body = link.body
    cover = {row[0]: (row[1], row[2]) for row in body["cover"]}
    ends: list[tuple[int, Reason]] = [(body["until"], "expired")]
    if following is not None:
        ends.append((following.iat, "withdrawn" if following.typ == "end" else "narrowed"))
    if closed is not None:
        ends.append((closed, "closed"))
    stop, ended = min(ends)
    own = bool(cover) and all(record.author(set_id) == link.oth for set_id in cover)
    return Stretch(link.oth, link, max(link.iat, body["nb"]), stop, ended, cover, own)


def categories(stretch: Stretch, sets: Mapping[str, SetKey]) -> frozenset[int]:
    """The categories that it opened, told by its masks."""
    known = (sets[set_id].granted(mask) for set_id, (_, mask) in stretch.cover.items() if set_id in sets)
    return frozenset().union(*known)


# --- the answer ---------------------------------------------------------------------------------------------------


def who(record: Record, vault: Vault, at: int) -> list[Access]:
    """For each counterpart and category: what it could see at the Unix second `at`, by each grant; or why nothing."""
    found: list[Access] = []
    for oth, relation in sorted(record.relations.items()):
        if oth != record.account.acc:
            found += _of(stretches(record, relation), vault, oth, at)
    return found


def _of(all_: list[Stretch], vault: Vault, oth: str, at: int) -> Iterator[Access]:
    begun = [(one, categories(one, vault.sets)) for one in all_ if one.rules.iat <= at]
    held = [one for one, _ in begun if one.holds(at) and not one.own]
    finer = {one.gid: _finer(one, vault) for one in held}
    readers = {one.gid: _readers(one, vault) for one in held}
    desks = {one.gid: desk_of(vault, one.rules) for one in held}
    for category in range(CATEGORIES):
        of_it = [one for one, opens in begun if category in opens]
        now = [one for one in of_it if one.holds(at)]
        for one in now:
            reason: Reason = "emergency" if one.emergency else "granted"
            told = _access(one, of_it, category, reason, one.until)
            finer_, readers_ = finer.get(one.gid, False), readers.get(one.gid)
            yield replace(told, finer=finer_, readers=readers_, desk=desks.get(one.gid, ""))
        if all(one.own for one in now):
            yield _nothing([one for one in of_it if not one.own], oth, category, at)


def _finer(one: Stretch, vault: Vault) -> bool | None:
    terms = terms_of(vault, one.rules)
    if terms is None:
        return None
    return leaves_out(terms.finer) and not only_since(terms.finer)  # that is told by `earlier`


def _readers(one: Stretch, vault: Vault) -> Readers | None:
    terms = terms_of(vault, one.rules)
    return None if terms is None else readers_of(terms.finer)


def _nothing(of_it: list[Stretch], oth: str, category: int, at: int) -> Access:
    """Why a category is not visible: by what happened last to the grant that opened it, if one ever did."""
    if not of_it:
        return Access(oth, category, visible=False, reason="never")
    if coming := [one for one in of_it if at < one.start < one.stop]:
        one = min(coming, key=lambda stretch: stretch.start)
        return _access(one, of_it, category, "not-yet", one.until)
    one = max(of_it, key=lambda stretch: stretch.stop)
    return _access(one, of_it, category, one.ended, one.stop)


def _access(one: Stretch, of_it: list[Stretch], category: int, reason: Reason, until: int) -> Access:
    return Access(
        counterpart=one.oth,
        category=category,
        visible=reason == "granted",
        reason=reason,
        since=_since(one, of_it),
        until=until,
        purposes=one.purposes,
        gid=one.gid,
        by=by_device(one.rules.by)[0],
        consent="" if one.own else unb64(one.gid, 16).hex(),
        earlier=all(first == 1 for first, _ in one.cover.values()),
        own=one.own,
    )


def _since(one: Stretch, of_it: list[Stretch]) -> int:
    """From when the grant opened this category without a break."""
    since = one.start
    for earlier in reversed(of_it):
        if earlier.gid == one.gid and earlier.stop == since and earlier.start < since:
            since = earlier.start
    return since


def terms_of(vault: Vault, rules: Statement) -> Terms | None:
    """The terms that a `grant` statement was made by: the grant's own, or those that an amendment has replaced.

    None for what another party made, a delegate or a client that has lost them.
    """
    kept = (vault.terms.get(rules.body["gid"]), vault.terms.get(rules.body["consent"]))
    return next((one for one in kept if one is not None and consent_hash(one) == rules.body["consent"]), None)


def desk_of(vault: Vault, rules: Statement) -> str:
    """The account of the desk that recorded the Consent of a `grant` statement from paper; empty for any other."""
    terms = terms_of(vault, rules)
    consent = resources.parse(terms.consent) if terms and terms.consent else {}
    paper = agreement(consent).paper if "verification" in consent else None
    return paper.desk if paper else ""


def latest(record: Record) -> int:
    """The Unix second of the newest statement of any chain: later than every clock that signed one."""
    chains = [record.account, *record.relations.values(), *record.sets.values()]
    return max(chain.links[-1].iat for chain in chains if chain.links)


# --- asked for one thing ------------------------------------------------------------------------------------------


def allowed(
    found: Iterable[Access], counterpart: str, category: int, purpose: str, role: str | None = None
) -> Access | None:
    """The access by which a counterpart may see a category for a purpose; None where there is none.

    `role`: of who reads there; None: of anybody. Finer rules (`Access.finer`) may leave out some of it.
    """
    for one in found:
        if (one.counterpart, one.category, one.visible, one.own) != (counterpart, category, True, False):
            continue
        roles = [role] if role is not None else [ANY, *(one.readers.roles if one.readers else ())]
        admitted = one.readers is None or any(one.readers.admits(purpose, each) for each in roles)
        if within(purpose, one.purposes) and admitted:
            return one
    return None
