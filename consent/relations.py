"""Relation chains: what one patient has with one counterpart: permits, grants, withdrawals (PROTOCOL.md 2.4)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from consent.accounts import AccountState, authority, by_device
from consent.canonical import MAX_INTEGER
from consent.chains import Chain, check_citations, replay_into
from consent.primitives import Rejected, broken, unb64
from consent.statements import Permit, Statement, parse_permit
from consent.streams import MAX_EPOCHS

MAX_GRANTS = 16
NO_END = MAX_INTEGER
"""The `until` of a grant that does not end by itself."""


@dataclass(frozen=True, slots=True)
class Handed:
    """One `has` row: the seeds of a set, of the epochs `first` … `last`, for the bits of `mask`, sealed to `rk`."""

    set: str
    first: int
    last: int
    mask: int
    digest: str
    rk: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle beside a `grant` or `keys` statement: where it stands and how it is opened."""

    link: Statement = field(repr=False)
    rows: tuple[Handed, ...]

    @property
    def hash(self) -> str:
        """`lst`: the hash of the bundle's bytes."""
        return str(self.link.body["lst"])


@dataclass(frozen=True, slots=True)
class Grant:
    """What the counterpart may open, by the newest rules under this id, and what has been handed out under it."""

    gid: str
    began: int
    rules: Statement = field(repr=False)
    cover: Mapping[str, tuple[int, int]] = field(repr=False)
    bundles: tuple[Bundle, ...] = field(repr=False)
    ended: bool = False

    @property
    def purposes(self) -> tuple[str, ...]:
        """v3-ActReason codes."""
        return tuple(self.rules.body["purpose"])

    @property
    def begins(self) -> int:
        """Unix second from which on anything is released by it."""
        return int(self.rules.body["nb"])

    @property
    def until(self) -> int:
        """Unix second at which it stops to hold."""
        return int(self.rules.body["until"])

    @property
    def grows(self) -> bool:
        """Whether it is meant to cover sets to come."""
        return bool(self.rules.body["grow"])

    @property
    def emergency(self) -> list[int | str]:
        """`[]`, or the span in seconds and the roles that may declare."""
        return list(self.rules.body["em"])

    @property
    def handed(self) -> tuple[Handed, ...]:
        """All rows handed out so far."""
        return tuple(row for bundle in self.bundles for row in bundle.rows)

    def live(self, time: int) -> bool:
        """Not ended and not expired; `begins` is asked at release."""
        return not self.ended and time < self.until

    def bits(self, set_id: str, epoch: int) -> int:
        """The mask of what it covers of a set in an epoch."""
        first, mask = self.cover.get(set_id, (0, 0))
        return mask if first <= epoch else 0

    def reaches(self, set_id: str, index: int, epoch: int) -> bool:
        """Whether a stream in an epoch is among what it covers."""
        return bool(self.bits(set_id, epoch) >> index & 1)


@dataclass
class RelationState(Chain):
    """The relation of the patient `acc` with the counterpart `oth`."""

    KIND: ClassVar[str] = "rel"

    fingerprint: str = ""
    permits: dict[str, Permit] = field(default_factory=dict, repr=False)
    unpermitted: dict[str, int] = field(default_factory=dict, repr=False)
    grants: dict[str, Grant] = field(default_factory=dict, repr=False)

    def live(self, time: int) -> list[Grant]:
        """The live grants."""
        return [grant for grant in self.grants.values() if grant.live(time)]

    def covered(self, set_id: str, epoch: int, time: int) -> int:
        """The mask of what the live grants cover of a set in an epoch."""
        found = 0
        for grant in self.live(time):
            found |= grant.bits(set_id, epoch)
        return found

    def permitted(self, set_id: str) -> bool:
        """Whether the counterpart may write into the set now."""
        return set_id in self.permits and set_id not in self.unpermitted


def replay(frames: Iterable[bytes], acc: str, oth: str, accounts: Mapping[str, AccountState]) -> RelationState:
    """The state of a relation chain. Raises `BadLink`."""
    return replay_into(lambda: RelationState(acc, oth), frames, lambda state, raw: _apply(state, raw, accounts))


def extend(state: RelationState, raw: bytes, accounts: Mapping[str, AccountState]) -> RelationState:
    """The state after one more link. Raises `Rejected`."""
    twin = state.fork()
    _apply(twin, raw, accounts)
    return twin


def check_permit(permit: Permit, acc: str, set_id: str, accounts: Mapping[str, AccountState]) -> None:
    """Check that the patient's side signed this permit for this set. Raises `stale`, `fork` or `permit`."""
    check_citations(permit.cite, accounts)
    try:
        if permit.acc != acc or permit.set != set_id or permit.cite.keys() != {acc, by_device(permit.by)[0]}:
            raise broken("permit")
        permit.frame.verify("obhut-permit", authority(permit.by, permit.cite, "permit", permit.iat, acc, accounts))
        author = accounts.get(permit.aut)
        if author is not None and author.fingerprint != permit.fp:
            raise broken("permit")
    except Rejected as refused:
        if refused.kind == "stale":
            raise
        raise broken("permit") from None


_CITES_OTHER = ("open", "grant", "keys")
_SELF = ("open", "permit")


def _apply(state: RelationState, raw: bytes, accounts: Mapping[str, AccountState]) -> None:
    st = state.place(raw)
    required = {st.acc, *(st.by[:1] if len(st.by) == 2 else ())}
    if st.typ in _CITES_OTHER:
        required.add(st.oth)
    state.follow(st, required, accounts)
    st.frame.verify("obhut-sig-rel", authority(st.by, st.cite, st.typ, st.iat, st.acc, accounts))
    if st.acc == st.oth and st.typ not in _SELF:
        raise broken("self")
    _RULES[st.typ](state, st, accounts)
    state.append(st)


def _open(state: RelationState, st: Statement, accounts: Mapping[str, AccountState]) -> None:
    if accounts[st.oth].fingerprint != st.body["fp"]:
        raise broken("fingerprint")
    state.fingerprint = st.body["fp"]


def _permit(state: RelationState, st: Statement, accounts: Mapping[str, AccountState]) -> None:
    permit = parse_permit(unb64(st.body["prm"]))
    if permit.aut != st.oth or permit.fp != state.fingerprint or st.body["set"] in state.permits:
        raise broken("permit")
    check_permit(permit, st.acc, st.body["set"], accounts)
    state.permits[permit.set] = permit


def _unpermit(state: RelationState, st: Statement, _: Mapping[str, AccountState]) -> None:
    if not state.permitted(st.body["set"]):
        raise broken("permit")
    state.unpermitted[st.body["set"]] = st.seq


def _bundle(st: Statement, cover: Mapping[str, tuple[int, int]], accounts: Mapping[str, AccountState]) -> Bundle:
    body = st.body
    if body["rk"] != accounts[st.oth].reading_key(st.cite[st.oth][0]):
        raise broken("reading-key")
    rows = tuple(Handed(row[0], row[1], row[2], row[3], row[4], body["rk"]) for row in body["has"])
    for row in rows:
        start, mask = cover.get(row.set, (0, 0))
        if row.mask != mask or not start <= row.first <= row.last <= MAX_EPOCHS:
            raise broken("has")
    return Bundle(st, rows)


def _grant(state: RelationState, st: Statement, accounts: Mapping[str, AccountState]) -> None:
    known = state.grants.get(st.body["gid"])
    if known is not None and known.ended:
        raise broken("ended")
    if (known is None or not known.live(st.iat)) and len(state.live(st.iat)) >= MAX_GRANTS:
        raise broken("limits")
    cover = {row[0]: (row[1], row[2]) for row in st.body["cover"]}
    bundle = _bundle(st, cover, accounts)
    if known is None:
        state.grants[st.body["gid"]] = Grant(st.body["gid"], st.seq, st, cover, (bundle,))
    else:
        state.grants[known.gid] = replace(known, rules=st, cover=cover, bundles=(*known.bundles, bundle))


def _keys(state: RelationState, st: Statement, accounts: Mapping[str, AccountState]) -> None:
    known = _present(state, st)
    if not known.live(st.iat):
        raise broken("ended")
    bundle = _bundle(st, known.cover, accounts)
    state.grants[known.gid] = replace(known, bundles=(*known.bundles, bundle))


def _end(state: RelationState, st: Statement, _: Mapping[str, AccountState]) -> None:
    known = _present(state, st)
    state.grants[known.gid] = replace(known, ended=True)


def _present(state: RelationState, st: Statement) -> Grant:
    known = state.grants.get(st.body["gid"])
    if known is None:
        raise broken("unknown")
    if known.ended:
        raise broken("ended")
    return known


_RULES = {
    "open": _open, "permit": _permit, "unpermit": _unpermit, "grant": _grant, "keys": _keys, "end": _end,
}  # fmt: skip
