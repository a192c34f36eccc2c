"""The inbox: feed → chains and seeds → open → index; and what stops being allowed is gone before anything new is shown.

Each page is taken in this order, so that a crash repeats work and never skips it: chains and seeds into the keystore,
withdrawals out of the store, then resources and the cursor in one transaction.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from connectors.chain_store import ChainName, ChainStore
from connectors.gateway import audit
from connectors.gateway.confirmation import Confirmation
from connectors.gateway.consents import NOTHING, Consents
from connectors.gateway.granted import Granted
from connectors.gateway.keystore import Keystore
from connectors.gateway.objects import Objects
from connectors.gateway.own_entry import OwnEntry
from connectors.gateway.records import Deletion, Item, Newer, Source, Taken, read_resource
from connectors.gateway.reporting import report_reads
from connectors.gateway.store import Store
from connectors.hub_client import HubClient
from connectors.hub_keys import HubKeys
from connectors.local_database import transaction
from consent import envelope as envelopes
from consent import finer_rules, identifiers
from consent.opening import Opened, Reader, open_bundle, open_envelope
from consent.primitives import Rejected, stale, unb64
from consent.relations import Bundle, Grant, RelationState, check_permit
from consent.statements import parse_permit
from fhir_profiles.problems import Problem

WAIT_SECONDS = 2
"""So long the feed is waited for; so often, at the latest, what was written is sent and reads are reported."""
PAUSE_SECONDS = 2.0
CURSOR = "feed-cursor"
KEPT_BYTES = 8 * 1024 * 1024
"""So much of what was opened is held before it goes into the store."""

log = logging.getLogger("obhut.gateway")


class Inbox:
    """Follows a reader's feed. `run` until told to stop; `take_page` for one page.

    The reader is an organisation, or a person: she reads all of her own record, whoever wrote it, and what others
    granted her. `hub`, `chains`: shared with a client that is there already. `only`: the kinds of events asked for.
    """

    def __init__(
        self,
        keystore: Keystore,
        store: Store,
        hub_url: str = "",
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        *,
        hub: HubClient | None = None,
        chains: ChainStore | None = None,
        only: str = "",
    ) -> None:
        self.keystore = keystore
        self.store = store
        self.me = keystore.keyring.account
        self.clock = clock
        self._sleep = sleep
        self._only = only
        self.hub = hub or HubClient(hub_url or keystore.keyring.hub, keystore.keyring.credentials, clock=clock)
        self.chains = chains or ChainStore(keystore.db, self.hub)
        self.consents = Consents(keystore)
        self.hub_keys = HubKeys(keystore.db, keystore.keyring, self.hub)
        self.confirmation = Confirmation(keystore, self.chains, self.hub_keys, store, self._heads, clock)
        self.granted = Granted(keystore, store, self.chains, self.consents, clock)
        self._objects = Objects(keystore, clock)
        self._house = not identifiers.account(self.me).is_person
        self._entry = OwnEntry(store, self.me, clock)

    def run(
        self, stopped: Callable[[], bool], then: Callable[[], object] = lambda: None,
        first: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        """Follow the feed, and do something else besides, between its pages; and what does not wait for them `first`.

        A hub that cannot be reached is asked again; what is not confirmed in time is not shown.
        """
        wait = 0
        while not stopped():
            try:
                self.audit()
                first()
                wait = 0 if self.take_page(wait) else WAIT_SECONDS
                self.report_reads()
                then()
            except (Problem, Rejected) as failed:
                reason = failed.code if isinstance(failed, Problem) else failed.reason
                log.warning("the hub could not be followed", extra={"reason": reason})
                self.granted.refresh()
                self._sleep(PAUSE_SECONDS)
                wait = 0

    @property
    def patients(self) -> list[str]:
        """The patients with whom there is a relation; not the reader herself."""
        return [acc for acc, oth in self.chains.relations if oth == self.me and acc != self.me]

    # --- one page -----------------------------------------------------------------------------------------------

    def take_page(self, wait: int = 0) -> int:
        """Take the next page of the feed in; returns the number of events. Raises `Problem`."""
        if self._house:
            self._entry.refresh(self.hub)
        page = self.hub.feed(self.store.state(CURSOR) or "", wait=wait, only=self._only)
        changed = self._take_statements(page["events"])
        met = self._keep_permits(page["permits"])
        self.granted.refresh(changed)  # what was taken back goes, though what was given may not be to be had now
        for patient in changed:
            self._fetch_seeds(patient)
        self.granted.refresh(changed)
        moved = self._confirm(changed)
        taken = Taken()
        for bid, event in self.keystore.deferred({*changed, *met, *moved}, self._objects.due()):
            self._take_envelope(event, taken, bid)
        for event in page["events"]:
            if event["type"] == "envelope":
                self._take_envelope(event, taken)
        self._keep(taken, {CURSOR: page["next"]})
        return len(page["events"])

    def take_opened(self, patient: str) -> None:
        """Begin with what a declared emergency has opened of a patient: chains and seeds; the feed brings the rest."""
        self.granted.refresh([patient])
        self._fetch_seeds(patient)
        self._confirm([patient])
        self.granted.refresh([patient])

    def _take_envelope(self, event: Mapping[str, Any], taken: Taken, waited: str = "") -> None:
        """Open an envelope; `waited`: its id, where it had been kept aside."""
        opened = self._open(event)
        if opened is None:
            return
        taken.items += opened
        taken.size += sum(len(item.body) for item in opened if isinstance(item, Item))
        if waited:
            taken.arrived.append(waited)
        if taken.size > KEPT_BYTES:
            self._keep(taken, {})

    def _keep(self, taken: Taken, state: Mapping[str, str]) -> None:
        """Put into the store what was opened; each envelope counts once, however often it comes."""
        self.store.put_many(taken.items, state)
        self.keystore.arrived(taken.arrived)
        taken.items, taken.arrived, taken.size = [], [], 0

    def _confirm(self, changed: Iterable[str]) -> set[str]:
        """Ask the home hubs for the heads that are due; returns the patients for whom that opens something."""
        patients = self.granted.patients
        moved = self.confirmation.turn(patients, [patient for patient in changed if patient in patients])
        for patient in moved:
            self._fetch_seeds(patient)
        self.granted.refresh(moved)
        return moved

    def _heads(self, nonce: str, chains: Sequence[ChainName]) -> list[bytes]:
        return self.hub.heads(nonce, chains)

    def catch_up(self) -> None:
        """Take pages until the feed has nothing more."""
        while self.take_page():
            pass

    def _take_statements(self, events: Iterable[Mapping[str, Any]]) -> list[str]:
        """Chains, bundles and messages of a page; returns the patients whose chains changed."""
        changed: dict[str, None] = {}
        for event in events:
            if event["type"] == "statement":
                if self._take_link(event["kind"], event["acc"], event["oth"], event["frame"]):
                    changed[event["acc"]] = None
            elif event["type"] == "declare":
                changed[event["acc"]] = None  # from now on the own hub gives out what was opened
            elif event["type"] == "message":
                row = (event["id"], event["from"], unb64(event["frame"]))
                self.keystore.db.execute("INSERT OR IGNORE INTO messages VALUES (?, ?, ?)", row)
        return list(changed)

    def _take_link(self, kind: str, acc: str, oth: str, frame: str) -> bool:
        """Take one link in. One that does not hold puts its chain in doubt: it is not confirmed any more."""
        try:
            self.chains.take(kind, acc, oth, [unb64(frame)])
        except (Problem, Rejected) as failed:
            if isinstance(failed, Problem) and failed.code != "not-found":
                raise
            reason = failed.code if isinstance(failed, Problem) else failed.reason
            log.error("a chain does not hold", extra={"reason": reason, "kind": kind})
            self.keystore.doubt(kind, acc, oth, int(self.clock()))
            return False
        return True

    def _keep_permits(self, permits: Mapping[str, str]) -> set[str]:
        """Keep the first permit of a set that the patient's side has signed; returns the patients with a new one."""
        patients = set()
        for set_id, text in permits.items():
            try:
                permit = parse_permit(unb64(text))
                if any(seq > self._last_link(name) for name, (seq, _) in permit.cite.items()):
                    for name in permit.cite:
                        self.chains.refresh("acct", name)
                check_permit(permit, permit.acc, set_id, self.chains.accounts)
            except Rejected as refused:
                log.error("a permit does not hold", extra={"reason": refused.reason, "kind": refused.kind})
                continue
            row = (permit.acc, set_id, permit.aut, permit.frame.raw)
            if self.keystore.db.execute("INSERT OR IGNORE INTO permits VALUES (?, ?, ?, ?)", row).rowcount:
                patients.add(permit.acc)
        return patients

    def _last_link(self, account: str) -> int:
        known = self.chains.accounts.get(account)
        return -1 if known is None else known.last

    # --- what is granted ----------------------------------------------------------------------------------------

    def _fetch_seeds(self, patient: str) -> None:
        """Fetch the chains of what live grants cover, and open their bundles that were not opened yet, oldest first."""
        relation = self.chains.relations.get((patient, self.me))
        if relation is None:
            return
        grants = self.granted.grants(patient)
        for set_id in {set_id for grant in grants for set_id in grant.cover}:
            if (patient, set_id) not in self.chains.sets:
                self._fetch_set(patient, set_id)
        opened = self.keystore.opened(patient)
        bundles = [(bundle, grant) for grant in grants for bundle in grant.bundles if bundle.hash not in opened]
        if any(bundle.link.body["rk"] not in self.keystore.reading_keys for bundle, _ in bundles):
            self.keystore.learn_reading_keys()
        for bundle, grant in sorted(bundles, key=lambda pair: pair[0].link.seq):
            self._open_bundle(relation, grant, bundle)

    def _fetch_set(self, patient: str, set_id: str) -> None:
        try:
            self.chains.refresh("set", patient, set_id)
        except Problem as problem:
            if problem.code != "not-found":
                raise  # else the grant has ended at the hub, and its end is still to come here
        except Rejected as refused:
            log.error("a chain does not hold", extra={"reason": refused.reason, "kind": "set"})
            self.keystore.doubt("set", patient, set_id, int(self.clock()))

    def _open_bundle(self, relation: RelationState, grant: Grant, bundle: Bundle) -> None:
        try:
            blob = self.hub.bundle(relation.acc, bundle.hash)
            opened = open_bundle(bundle, blob, relation, self.keystore.reading_keys)
        except Rejected as refused:
            log.error("a bundle does not open", extra={"reason": refused.reason, "kind": refused.kind})
            return
        except Problem as problem:
            if problem.code != "not-found":
                raise
            return  # the grant has ended at the hub, and its end is still to come here
        masks = {set_id: mask for set_id, (_, mask) in grant.cover.items()}
        consent, rules = opened.consent, opened.rules
        try:
            if rules is not None:
                finer_rules.read(rules)
        except Rejected:
            log.error("a grant has finer rules that nothing here can keep to", extra={"kind": "grant"})
            consent, rules = NOTHING, None
        with transaction(self.keystore.db):
            if opened.salt:
                self.consents.keep(relation.acc, bundle.link.body["consent"], consent, rules)
            self.keystore.keep_seeds(relation.acc, bundle.hash, opened.seeds, masks)

    # --- envelopes ----------------------------------------------------------------------------------------------

    def _open(self, event: Mapping[str, Any]) -> list[Item | Deletion] | None:
        """The resources of one envelope; None for one that waits for chains, seeds, a Consent. A broken one is told."""
        try:
            opened = self._try(event)
        except Rejected as refused:
            if refused.kind == "broken":
                log.error("an envelope does not hold", extra={"reason": refused.reason, "kind": refused.kind})
                return []
            if event["acc"] != self.me and not self.granted.grants(event["acc"]):
                return []  # a new grant would bring it again
            bid = envelopes.parse(unb64(event["frame"])).bid
            self.keystore.defer(bid, event)
            if refused.reason == "object":
                self._objects.ask_later(bid)
            return None
        envelope = opened.envelope
        here = (envelope.aut, envelope.dev, envelope.str, envelope.seq)
        newer = self.keystore.newer(*here)
        self.keystore.db.execute("INSERT OR IGNORE INTO sequences VALUES (?, ?, ?, ?, ?)", (*here, envelope.hash))
        if opened.deletes:
            self._take_back(event["acc"], envelope)
        if opened.quarantined:
            log.error("resources of another subject or category", extra={"count": len(opened.quarantined)})
        if opened.missing:
            log.warning("an earlier envelope has not arrived", extra={"kind": "missing"})
        return self._items(event, opened, newer)

    def _take_back(self, patient: str, deletion: envelopes.Envelope) -> None:
        """What still waits under the handle of a deletion, and was written before it, is not waited for any more."""
        for bid, event in self.keystore.deferred([patient]):
            waiting = envelopes.parse(unb64(event["frame"]))
            same = (waiting.str, waiting.aut, waiting.dev, waiting.hd)
            if same == (deletion.str, deletion.aut, deletion.dev, deletion.hd) and waiting.seq < deletion.seq:
                self.keystore.arrived([bid])

    def _items(self, event: Mapping[str, Any], opened: Opened, newer: Newer | None) -> list[Item | Deletion]:
        """What an opened envelope holds; of each resource it is said which grants with finer rules permit it."""
        envelope, patient = opened.envelope, event["acc"]
        source = Source(
            owner=patient, set=opened.set, stream=envelope.str, index=opened.index, epoch=envelope.ep,
            author=envelope.aut, bid=envelope.hash, handle=envelope.hd, newer=newer,
            at=envelopes.parse_stamp(unb64(event["stamp"])).at,
            own=self._house and envelope.aut == self.me,
        )  # fmt: skip
        if opened.deletes:
            return [Deletion(source)]
        if self.me in (envelope.aut, patient):
            return [Item(body, resource, source) for body, resource in opened.resources]
        covering = self._covering(patient, opened.set)
        return [
            Item(body, resource, source, self.consents.permitting(patient, covering, resource, envelope.aut))
            for body, resource in opened.resources
        ]

    def _covering(self, patient: str, set_id: str) -> list[Grant]:
        return [grant for grant in self.granted.grants(patient) if set_id in grant.cover]

    def _try(self, event: Mapping[str, Any]) -> Opened:
        patient, set_id = event["acc"], event["set"]
        frame, stamp = unb64(event["frame"]), unb64(event["stamp"])
        now = int(self.clock())
        try:
            opened = open_envelope(frame, stamp, self._permit(patient, set_id), self._reader(patient), now)
        except Rejected as refused:
            if refused.kind != "stale":
                raise
            self._refresh(patient, set_id)
            opened = open_envelope(frame, stamp, self._permit(patient, set_id), self._reader(patient), now)
        if not all(self.consents.holds(patient, grant) for grant in self._covering(patient, set_id)):
            raise stale("consent")
        return opened

    def _refresh(self, patient: str, set_id: str) -> None:
        """Fetch the chains that an envelope's stamp speaks of. Raises `Rejected(stale)` where the hub hides them."""
        try:
            self.chains.refresh("acct", patient)
            self.chains.refresh("set", patient, set_id)
            author = parse_permit(self._permit(patient, set_id)).aut
            if author != patient:
                self.chains.refresh("acct", author)
        except Problem as problem:
            if problem.code != "not-found":
                raise
            raise stale() from None

    def _permit(self, patient: str, set_id: str) -> bytes:
        query = 'SELECT frame FROM permits WHERE patient = ? AND "set" = ?'
        row = self.keystore.db.execute(query, (patient, set_id)).fetchone()
        if row is None:
            raise Rejected("stale", "permit")
        return bytes(row[0])

    def _reader(self, patient: str) -> Reader:
        pins = dict(self.keystore.db.execute('SELECT "set", author FROM permits WHERE patient = ?', (patient,)))
        return Reader(
            patient=patient,
            hub_key=self.hub_keys.key(identifiers.account(patient).domain),
            accounts=self.chains.accounts,
            sets={set_id: state for (acc, set_id), state in self.chains.sets.items() if acc == patient},
            relation=None if patient == self.me else self._relation(patient),
            confirmed=self.confirmation.confirmed(patient),
            seed=lambda set_id, epoch, index: self.keystore.seed(patient, set_id, epoch, index),
            known=self.keystore.known,
            category_of=lambda set_id, index: self.keystore.category(patient, set_id, index),
            check=read_resource,
            pins=pins,
            object=lambda envelope: self._objects.fetch(self.hub, patient, envelope),
        )

    def _relation(self, patient: str) -> RelationState:
        return self.chains.relations.get((patient, self.me), RelationState(patient, self.me))

    def audit(self) -> None:
        """Bring the house's audit up to date."""
        if self._house:
            audit.take(self.store, self.me, int(self.clock()))

    def report_reads(self) -> int:
        """Tell patients who in the house read what, once its audit has it; returns how many reads were told."""
        self.audit()
        return report_reads(self.store.database, self.keystore, self.chains, self.hub, int(self.clock()))
