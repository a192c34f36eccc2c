"""Chains of other hubs' accounts: verified link by link, kept byte for byte, told to those here who read them.

The statements are signed by their accounts, so the hub that gave them need not be believed; only the joint rules are
its word (PROTOCOL.md 2.1 to 2.5).
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeVar

from consent import rules, statements
from consent.chains import Chain
from consent.grants import Record
from consent.primitives import Rejected, broken, unb64
from consent.statements import Position, Statement, parse_permit
from fhir_profiles.problems import Problem
from hub import declarations, organisations, uncovered
from hub.context import Hub
from hub.declarations import Opened
from hub.observability import say
from hub.peer_client import PeerClient, unreachable
from hub.statements import Offer, keep
from hub.store import chains as store
from hub.store import directory, peers
from hub.store.chains import ChainName
from hub.store.database import Tx, domain_of
from hub.store.directory import Organisation

MAX_FETCHES = 64
"""So many chains are fetched for one batch of links; no honest one needs nearly as many."""

T = TypeVar("T")


class Lacking(Exception):  # noqa: N818 - it is no fault: what is lacking is fetched
    """What `by` builds on is not held here, or not so far: `chain`."""

    def __init__(self, chain: ChainName, by: ChainName) -> None:
        super().__init__()
        self.chain, self.by = chain, by


@dataclass(frozen=True, slots=True)
class Link:
    """A link as another hub gives it. `organisation`: the directory's entry of one that is at home there."""

    statement: Statement
    blob: bytes | None = field(default=None, repr=False)
    organisation: Organisation | None = None

    @property
    def chain(self) -> ChainName:
        """The chain to which it belongs."""
        return self.statement.kind, self.statement.acc, self.statement.oth


def understood(read: Callable[[], T]) -> T:
    """An answer in which something is missing or of another shape counts as none. Raises `Problem(busy)`."""
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError, Rejected):
        raise unreachable() from None


def read_link(event: Any) -> Link:
    """A link from an answer. Raises what `understood` turns into `busy`."""
    blob = unb64(event["blob"]) if "blob" in event else None
    statement = statements.parse(unb64(event["frame"]))
    return Link(statement, blob, organisations.told(statement.acc, event.get("organisation")))


@dataclass
class Replicas:
    """Other hubs' chains, as one thread brings them up to date here. `clients` gives a peer's client."""

    hub: Hub
    clients: Callable[[str], PeerClient]
    _underway: set[ChainName] = field(default_factory=set)

    def fetch(self, chain: ChainName, source: str, fingerprint: str = "") -> None:
        """Bring a chain up to date from its home hub, or from `source` where that hub is not known here.

        A hub that is known is the only one asked: another could give a forged account under its name.
        Raises `Problem`: `not-found` or `busy`, as that hub says.
        """
        source = domain_of(chain[1]) if domain_of(chain[1]) in self.hub.peers else source
        for _ in range(MAX_FETCHES):
            if not self._fetch_some(chain, source, fingerprint):
                return

    def _fetch_some(self, chain: ChainName, source: str, fingerprint: str) -> bool:
        """Ask for the links behind what is held, and take as many as come at once; whether there are more."""
        kind, acc, oth = chain
        with self.hub.db.read() as conn:
            held = chain_of(self.hub.chains(conn).record(acc), chain)
        last = len(held.links) - 1 if held is not None else -1
        path = f"/v1/peer/chains/{kind}/{acc}" + (f"/{oth}" if oth else "")
        query = f"?after={max(last - 1, -1)}" + (f"&fp={fingerprint}" if fingerprint else "")
        answer = self.clients(source).get(path + query)
        links, more = understood(lambda: ([read_link(event) for event in answer["links"]], bool(answer["more"])))
        if any(link.chain != chain for link in links):
            raise unreachable()
        if last >= 0 and not links:
            self._doubt(chain, "rollback")
        self.take(links, source, anew=True, more=more)
        return more

    def take(self, links: Iterable[Link], source: str, *, anew: bool = False, more: bool = False) -> None:
        """Verify and keep links in their order, each account's in one transaction; doubt a chain that does not hold.

        `anew`: they follow what is held, or begin with its last link, so that the chain may be believed again, once
        there are no `more` of them.
        Raises `Problem(busy)` where the hub that gave them cannot be reached for what they build on.
        """
        for acc, group in groupby(links, key=lambda link: link.statement.acc):
            if self._may_give(source, acc):
                mine = list(group)
                self._take(acc, mine, source, anew=anew, more=more)
                self._complete(acc, mine, source)
            else:
                say(logging.ERROR, event="a hub gives what is not its own", kind="statement", peer=source)

    def _may_give(self, source: str, acc: str) -> bool:
        """A hub gives what is at home there, or at a hub that is not known here; never what is at home here."""
        home = domain_of(acc)
        return home == source or home not in (self.hub.config.domain, *self.hub.peers)

    def _take(self, acc: str, links: Sequence[Link], source: str, *, anew: bool, more: bool) -> None:
        fetched: set[ChainName] = set()
        while True:
            try:
                with self.hub.db.write(acc) as tx:
                    _Keeper(self.hub, tx, source).take(acc, links, anew=anew, more=more)
            except Lacking as lacking:
                if lacking.chain in fetched or len(fetched) >= MAX_FETCHES:
                    self._doubt(lacking.by, "stale")
                    links = [link for link in links if link.chain != lacking.by]
                    continue
                fetched.add(lacking.chain)
                self.fetch_lacking(lacking.chain, source)
            else:
                return

    def _complete(self, acc: str, links: Sequence[Link], source: str) -> None:
        """Fetch the chains that accounts here read or write by from now on, as far as none of them is held yet."""
        wanted: dict[ChainName, None] = {}
        for st in (link.statement for link in links):
            if st.kind == "rel" and domain_of(st.oth) == self.hub.config.domain:
                sets = [row[0] for row in st.body["cover"]] if st.typ == "grant" else [st.body.get("set", "")]
                wanted |= {("set", acc, set_id): None for set_id in sets if set_id}
            elif st.typ == "delegate" and domain_of(st.body["to"]) == self.hub.config.domain:
                wanted |= dict.fromkeys(self._all_chains(acc, source))
        with self.hub.db.read() as conn:
            held = store.heads_of(conn, wanted)
        for chain in wanted:
            if chain not in held:
                self.fetch_lacking(chain, source)

    def _all_chains(self, acc: str, source: str) -> list[ChainName]:
        """The set and relation chains of a patient: who acts for her sees all of them."""
        answer = self.clients(source).get(f"/v1/peer/chains/of/{acc}")
        return understood(lambda: [(str(kind), acc, str(oth)) for kind, oth in answer["chains"]])

    def fetch_lacking(self, chain: ChainName, source: str, *, must: bool = False) -> None:
        """Fetch what something builds on; where another hub than `source` does not give it, go on without.

        `must`: wait for that hub too, because what builds on it could not be asked for again. Raises `Problem(busy)`.
        """
        if chain in self._underway:
            return
        self._underway.add(chain)
        try:
            self.fetch(chain, source)
        except Problem as problem:
            if problem.code == "busy" and (must or domain_of(chain[1]) == source):
                raise
            say(logging.WARNING, event="a chain cannot be fetched", kind=chain[0], code=problem.code)
        finally:
            self._underway.discard(chain)

    def take_declaration(self, opened: Opened, source: str) -> None:
        """Keep a declared emergency of a patient of the hub `source`. One that does not hold is not kept, and said.

        Raises `Problem(busy)` where the chain of who declared it is not held here and cannot be fetched.
        """
        declared = opened.declaration
        if domain_of(declared.acc) != source:
            say(logging.ERROR, event="a hub gives what is not its own", kind="declaration", peer=source)
            return
        with self.hub.db.read() as conn:
            held = store.heads_of(conn, [("acct", declared.sender, "")])
        if not held:
            self.fetch_lacking(("acct", declared.sender, ""), source)
        try:
            declarations.take(self.hub, opened)
        except Rejected as rejected:
            reason = rejected.reason
            say(logging.ERROR, event="a declaration does not hold", kind="declaration", reason=reason, peer=source)

    def recheck(self, source: str) -> None:
        """Ask a hub once more for its chains that are in doubt."""
        with self.hub.db.read() as conn:
            found = [chain for chain in peers.all_doubts(conn) if domain_of(chain[1]) == source]
        for chain in found:
            self.fetch_lacking(chain, source)

    def _doubt(self, chain: ChainName, reason: str) -> None:
        with self.hub.db.write(chain[1]) as tx:
            doubt(tx, chain, reason)


def doubt(tx: Tx, chain: ChainName, reason: str) -> None:
    """Nothing of the account is released until the chain holds again."""
    peers.put_doubt(tx, chain[0], chain[2], reason)
    say(logging.ERROR, event="a link does not hold", kind=chain[0], reason=reason, peer=domain_of(chain[1]))


def chain_of(record: Record, chain: ChainName) -> Chain | None:
    """A chain of a record, where it is held."""
    kind, _, oth = chain
    if kind == "acct":
        return record.account
    return record.sets.get(oth) if kind == "set" else record.relations.get(oth)


@dataclass
class _Keeper:
    """Links of one account that another hub gave, while the account's row is held."""

    hub: Hub
    tx: Tx
    source: str

    def take(self, acc: str, links: Sequence[Link], *, anew: bool, more: bool) -> None:
        """Keep what holds; doubt the chain of what does not. Raises `Lacking`."""
        names = {name for link in links for name in _cited(link.statement)}
        record = self.hub.chains(self.tx.conn).record(acc, names)
        chains = {link.chain for link in links}
        doubted = set() if anew else {chain for chain in peers.all_doubts(self.tx.conn, acc) if chain in chains}
        for kind, _, oth in chains if anew and not more else ():
            peers.drop_doubt(self.tx, kind, oth)
        for link in links:
            if link.chain not in doubted:
                try:
                    record = self._one(record, link)
                except Rejected as rejected:
                    doubted.add(link.chain)
                    doubt(self.tx, link.chain, rejected.reason)
        held = [chain for name in chains if (chain := chain_of(record, name)) is not None and chain.links]
        self.tx.then.append(lambda: self.hub.cache.put(*held))

    def _one(self, record: Record, link: Link) -> Record:
        """The chains with one more link, which is kept. Raises `Rejected`, `Lacking`."""
        st, chain = link.statement, chain_of(record, link.chain)
        length = len(chain.links) if chain is not None else 0
        if st.seq < length:
            assert chain is not None
            if chain.links[st.seq].raw != st.raw:
                raise broken("rollback")
            after = record
        else:
            if st.seq > length:
                raise Lacking(link.chain, link.chain)
            for name, (seq, _) in _builds_on(st).items():
                account = record.account if name == st.acc else record.accounts.get(name)
                if account is None or len(account.links) <= seq:
                    raise Lacking(("acct", name, ""), link.chain)
            after, _ = rules.extend(record, st.raw)
            self._keep(record, after, link)
        if link.organisation is not None and after.account.cls != "person" and domain_of(st.acc) == self.source:
            directory.put_organisation(self.tx, link.organisation, self.hub.now())
        return after

    def _keep(self, before: Record, after: Record, link: Link) -> None:
        st, blob = link.statement, link.blob
        if not self.tx.known:
            directory.create_account(self.tx, after.account.cls)
        if blob is not None and (
            "lst" not in st.body
            or rules.blob_hash(blob) != st.body["lst"]
            or store.bundle(self.tx.conn, st.acc, st.body["lst"])
        ):
            blob = None
        keep(self.hub, self.tx, before, after, Offer(st, blob), self.hub.now())
        if st.typ in ("grant", "end", "close"):
            uncovered.drop(self.tx, after, self.hub.now())


def _cited(st: Statement) -> Iterable[str]:
    """The accounts that a statement builds on, as far as it can be read: what cannot does not hold when it is kept."""
    try:
        return _builds_on(st)
    except Rejected:
        return st.cite


def _builds_on(st: Statement) -> dict[str, Position]:
    """The positions of accounts that must be held before a statement can be checked."""
    found = dict(st.cite)
    if st.typ == "permit":
        for name, place in parse_permit(unb64(st.body["prm"])).cite.items():
            found[name] = max(place, found.get(name, place))
    return found
