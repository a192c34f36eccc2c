"""What is granted now: the streams that may be shown or written into, and the purge of what no longer may be shown."""

from collections.abc import Callable, Collection, Iterable, Mapping

from connectors.chain_store import ChainStore
from connectors.gateway import audit, emergency
from connectors.gateway.consents import Consents
from connectors.gateway.destinations import places
from connectors.gateway.emergency import Opened
from connectors.gateway.keystore import Keystore
from connectors.gateway.records import Live
from connectors.gateway.store import Store
from consent import identifiers
from consent.purposes import BREAK_THE_GLASS
from consent.relations import NO_END, Grant

OWN_PURPOSE = "PATRQT"
"""For what a person reads her own record: code of v3-ActReason, "patient requested"."""


class Granted:
    """What patients grant the keystore's account, by the chains held here. `clock` gives Unix seconds."""

    def __init__(
        self, keystore: Keystore, store: Store, chains: ChainStore, consents: Consents, clock: Callable[[], float]
    ) -> None:
        self._keystore = keystore
        self._consents = consents
        self._store = store
        self._chains = chains
        self._clock = clock
        self._me = keystore.keyring.account
        self._house = not identifiers.account(self._me).is_person
        self._turns = {acc: 0 for acc, oth in chains.relations if oth == self._me and acc != self._me}
        """When of each patient something begins or ends; at first everybody is looked at."""

    @property
    def patients(self) -> Collection[str]:
        """Who grants something now, or from a later moment on."""
        return self._turns.keys()

    def grants(self, patient: str) -> list[Grant]:
        """Her grants that have not ended; one for emergencies only while it is open. None of a closed account."""
        relation = self._chains.relations.get((patient, self._me))
        if relation is None or self._chains.accounts[patient].closed:
            return []
        now = int(self._clock())
        live = relation.live(now)
        if not any(grant.emergency for grant in live):
            return live
        opened = {one.gid for one in self._opened(patient, now)}
        return [grant for grant in live if not grant.emergency or grant.gid in opened]

    def _opened(self, patient: str, now: int) -> list[Opened]:
        return emergency.opened(self._store.database, patient, now)

    def refresh(self, patients: Iterable[str] = ()) -> None:
        """Tell the store what of these patients may be shown from now on, and of those whose grants begin or end now.

        And where the house may write. What may not be shown is purged, but for what the house wrote or took over.
        """
        now = int(self._clock())
        for patient in {*patients, *(patient for patient, turn in self._turns.items() if turn <= now)}:
            if patient == self._me:
                self._store.set_live(patient, self._own_streams())
                self._store.confirm([patient], 0, NO_END)
            else:
                self._refresh(patient, now)

    def _own_streams(self) -> list[Live]:
        """All streams of the reader's own record: nobody else's word is needed for them."""
        purposes = frozenset({OWN_PURPOSE})
        return [
            Live(stream, 1, NO_END, purposes)
            for (acc, _), state in self._chains.sets.items()
            if acc == self._me
            for stream in state.ids
        ]

    def _refresh(self, patient: str, now: int) -> None:
        covered: dict[tuple[str, int], str] = {}
        live: list[Live] = []
        grants = self.grants(patient)
        opened = self._opened(patient, now) if any(grant.emergency for grant in grants) else []
        for grant in grants:
            if grant.begins > now:
                continue
            terms = self._consents.terms(patient, grant)
            rules = grant.gid if terms.rules is not None else ""
            for set_id, (first, mask) in grant.cover.items():
                state = self._chains.sets.get((patient, set_id))
                for stream, index in state.ids.items() if state else ():
                    if mask >> index & 1:
                        covered[set_id, index] = stream
                        category = self._keystore.category(patient, set_id, index)
                        if category is not None and category in terms.categories:
                            live += [Live(stream, first, *how, category) for how in _shown(grant, opened, rules)]
        self._set_live(patient, live, grants)
        self._store.set_destinations(patient, places(self._chains, self._keystore, patient, now))
        self._purge(patient, covered)
        self._note(patient, {grant.gid for grant in grants}, now)
        self._turns.pop(patient, None)
        if grants:
            moments = [moment for g in grants for moment in (g.begins, g.until)]
            moments += [one.until for one in opened]
            self._turns[patient] = min(moment for moment in moments if moment > now)
        else:
            self._keystore.forget(patient)

    def _note(self, patient: str, live: Collection[str], now: int) -> None:
        """Tell the house's audit which consents count; not those for emergencies, of which nobody is told here."""
        relation = self._chains.relations.get((patient, self._me))
        if relation is not None and self._house:
            known = [grant for grant in relation.grants.values() if not grant.emergency]
            begun = [one for one in known if one.gid in live and one.begins <= now]
            counting = [one for one in begun if self._consents.terms(patient, one).categories]
            audit.decided(
                self._store, self._me, patient, counting, [one for one in known if one.gid not in live], now
            )  # fmt: skip

    def _set_live(self, patient: str, live: list[Live], grants: Iterable[Grant]) -> None:
        """Tell the store what may be shown. What finer rules permit is decided anew where it was by other ones."""
        named = {one.rules for one in live if one.rules}
        decided = self._store.decided(patient)
        by_name = {grant.gid: self._consents.terms(patient, grant) for grant in grants if grant.gid in named}
        due = {gid: terms for gid, terms in by_name.items() if decided.get(gid) != terms.name}
        self._store.undecide(decided.keys() - named | due.keys() & decided.keys())
        self._store.set_live(patient, live)
        for gid, terms in due.items():
            streams = {one.stream for one in live if one.rules == gid}
            self._store.decide(patient, streams, gid, terms.name, terms.permit, terms.readers)

    def _purge(self, patient: str, covered: Mapping[tuple[str, int], str]) -> None:
        gone = {(set_id, index) for set_id, _, index in self._keystore.held(patient)} - covered.keys()
        if gone:
            streams = [
                stream
                for set_id in {set_id for set_id, _ in gone}
                if (state := self._chains.sets.get((patient, set_id)))
                for stream, index in state.ids.items()
                if (set_id, index) in gone
            ]
            self._store.purge(patient, streams, keep_author=self._me)
            self._keystore.purge(patient, gone)


def _shown(grant: Grant, opened: Iterable[Opened], rules: str) -> list[tuple[int, frozenset[str], str, str]]:
    """Until when what a grant covers may be shown, for what, by which rules, to whom: in an emergency its declarer."""
    if not grant.emergency:
        return [(grant.until, frozenset(grant.purposes), rules, "")]
    mine = [one for one in opened if one.gid == grant.gid]
    return [(min(one.until, grant.until), frozenset({BREAK_THE_GLASS}), rules, one.person) for one in mine]
