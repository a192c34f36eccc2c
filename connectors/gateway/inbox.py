"""The inbox: feed → chains and seeds → open → index; and what stops being allowed is gone before anything new is shown.

Each page is taken in this order, so that a crash repeats work and never skips it: chains and seeds into the keystore,
withdrawals out of the store, then resources and the cursor in one transaction.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from connectors.chain_store import ChainStore
from connectors.gateway.access import forget_reports, pending_reports
from connectors.gateway.consents import Consents, permitted
from connectors.gateway.keystore import Keystore
from connectors.gateway.records import Deletion, Item, Live, Source
from connectors.gateway.store import Store
from connectors.hub_client import HubClient
from connectors.local_database import transaction
from consent import envelope as envelopes
from consent import messages
from consent.opening import Opened, Reader, open_bundle, open_envelope
from consent.primitives import Rejected, b64, broken, unb64
from consent.relations import Grant
from consent.statements import STREAMS, parse_permit
from fhir_profiles import resources
from fhir_profiles.problems import Problem

WAIT_SECONDS = 25
PAUSE_SECONDS = 2.0
CURSOR = "feed-cursor"
CONFIRMED = "feed-confirmed"
"""When the hub was last asked and had nothing more: so fresh is what may be shown."""

log = logging.getLogger("obhut.gateway")


class Inbox:
    """Follows the organisation's feed. `run` until told to stop; `take_page` for one page."""

    def __init__(
        self,
        keystore: Keystore,
        store: Store,
        hub_url: str = "",
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.keystore = keystore
        self.store = store
        self.me = keystore.keyring.account
        self.clock = clock
        self._sleep = sleep
        self.hub = HubClient(hub_url or keystore.keyring.hub, keystore.keyring.credentials, clock=clock)
        self.chains = ChainStore(keystore.db, self.hub)
        self.consents = Consents(keystore)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Follow the feed. A hub that cannot be reached is asked again; what is not confirmed in time is not shown."""
        while not stopped():
            try:
                self.catch_up()
                self.report_reads()
                self.take_page(WAIT_SECONDS)
            except Problem as problem:
                log.warning("the hub could not be followed", extra={"problem": problem.code})
                self.refresh_live(self.patients)
                self._sleep(PAUSE_SECONDS)

    @property
    def patients(self) -> list[str]:
        """The patients with whom there is a relation."""
        return [acc for acc, oth in self.chains.relations if oth == self.me]

    # --- one page -----------------------------------------------------------------------------------------------

    def take_page(self, wait: int = 0) -> int:
        """Take the next page of the feed in; returns the number of events. Raises `Problem`."""
        asked = int(self.clock())
        page = self.hub.feed(self.store.state(CURSOR) or "", wait=wait)
        self._keep_permits(page["permits"])
        changed = self._take_statements(page["events"])
        self.refresh_live(changed or self.patients)
        sealed = [event for event in page["events"] if event["type"] == "envelope"]
        items = [item for event in self._deferred(changed) + sealed for item in self._open(event)]
        self.store.put_many(items, {CURSOR: page["next"]})
        if not page["events"]:
            self.store.set_state(CONFIRMED, str(asked))
            self.store.confirm(self.patients, asked)
        return len(page["events"])

    def catch_up(self) -> None:
        """Take pages until the feed has nothing more."""
        while self.take_page():
            pass

    def _take_statements(self, events: Iterable[Mapping[str, Any]]) -> list[str]:
        """Chains, bundles and messages of a page; returns the patients whose chains changed."""
        changed: dict[str, None] = {}
        for event in events:
            if event["type"] == "statement":
                try:
                    self.chains.take(event["kind"], event["acc"], event["oth"], [unb64(event["frame"])])
                except Rejected as refused:
                    log.error("a chain does not hold", extra={"reason": refused.reason, "kind": refused.kind})
                    continue
                changed[event["acc"]] = None
            elif event["type"] == "message":
                row = (event["id"], event["from"], unb64(event["frame"]))
                self.keystore.db.execute("INSERT OR IGNORE INTO messages VALUES (?, ?, ?)", row)
        for patient in changed:
            self._fetch_seeds(patient)
        return list(changed)

    def _keep_permits(self, permits: Mapping[str, str]) -> None:
        for set_id, text in permits.items():
            permit = parse_permit(unb64(text))
            row = (permit.acc, set_id, permit.aut, permit.frame.raw)
            self.keystore.db.execute("INSERT OR IGNORE INTO permits VALUES (?, ?, ?, ?)", row)

    # --- what may be shown --------------------------------------------------------------------------------------

    def _grants(self, patient: str) -> list[Grant]:
        relation = self.chains.relations.get((patient, self.me))
        now = int(self.clock())
        return [] if relation is None else [g for g in relation.live(now) if not g.emergency]

    def _fetch_seeds(self, patient: str) -> None:
        """Open every bundle of a live grant from which covered seeds are not held yet; fetch the chains of its sets."""
        relation = self.chains.relations.get((patient, self.me))
        if relation is None:
            return
        held = self.keystore.held(patient)
        for grant in self._grants(patient):
            masks = {set_id: mask for set_id, (_, mask) in grant.cover.items()}
            for set_id in masks:
                if (patient, set_id) not in self.chains.sets:
                    self.chains.refresh("set", patient, set_id)
            for bundle in grant.bundles:
                wanted = (
                    (row.set, epoch, index)
                    for row in bundle.rows
                    for epoch in range(row.first, row.last + 1)
                    for index in range(STREAMS)
                    if row.mask & masks.get(row.set, 0) & 1 << index
                )
                if all(key in held for key in wanted):
                    continue
                try:
                    blob = self.hub.bundle(patient, bundle.hash)
                    opened = open_bundle(bundle, blob, relation, self.keystore.reading_keys)
                except Rejected as refused:
                    log.error("a bundle does not open", extra={"reason": refused.reason, "kind": refused.kind})
                    continue
                if opened.salt:
                    self.consents.keep(patient, grant.gid, opened.consent)
                self.keystore.keep_seeds(patient, opened.seeds, masks)

    def refresh_live(self, patients: Iterable[str]) -> None:
        """Tell the store what may be shown from now on; purge what may not, except what this house wrote itself."""
        now, confirmed = int(self.clock()), int(self.store.state(CONFIRMED) or 0)
        for patient in patients:
            covered: dict[tuple[str, int], str] = {}
            live: list[Live] = []
            for grant in self._grants(patient):
                if grant.rules.body["nb"] > now:
                    continue
                for set_id, (first, mask) in grant.cover.items():
                    state = self.chains.sets.get((patient, set_id))
                    for stream, index in state.ids.items() if state else ():
                        if mask >> index & 1:
                            covered[set_id, index] = stream
                            live.append(Live(stream, first, grant.until, frozenset(grant.purposes), confirmed))
            self._set_live(patient, live, covered)

    def _set_live(self, patient: str, live: list[Live], covered: Mapping[tuple[str, int], str]) -> None:
        held = {(set_id, index) for set_id, _, index in self.keystore.held(patient)}
        gone = held - covered.keys()
        self.store.set_live(patient, live)
        if gone:
            streams = [
                stream
                for set_id in {set_id for set_id, _ in gone}
                for stream, index in self.chains.sets[patient, set_id].ids.items()
                if (set_id, index) in gone
            ]
            self.store.purge(patient, streams, keep_author=self.me)
            self.keystore.purge(patient, gone)

    # --- envelopes ----------------------------------------------------------------------------------------------

    def _deferred(self, patients: Iterable[str]) -> list[dict[str, Any]]:
        """Envelopes that waited for chains or seeds which have come now."""
        waiting = []
        for patient in patients:
            rows = self.keystore.db.execute("SELECT bid, event FROM deferred WHERE patient = ?", (patient,)).fetchall()
            for bid, event in rows:
                waiting.append(json.loads(event))
                self.keystore.db.execute("DELETE FROM deferred WHERE bid = ?", (bid,))
        return waiting

    def _open(self, event: Mapping[str, Any]) -> list[Item | Deletion]:
        """The resources of one envelope. One that waits for chains or seeds is kept aside; a broken one is told."""
        try:
            opened = self._try(event)
        except Rejected as refused:
            if refused.kind == "broken":
                log.error("an envelope does not hold", extra={"reason": refused.reason, "kind": refused.kind})
            else:
                self._defer(event)
            return []
        envelope = opened.envelope
        row = (envelope.aut, envelope.dev, envelope.str, envelope.seq, envelope.hash)
        self.keystore.db.execute("INSERT OR IGNORE INTO sequences VALUES (?, ?, ?, ?, ?)", row)
        if opened.quarantined:
            log.error("resources of another subject or category", extra={"count": len(opened.quarantined)})
        if opened.missing:
            log.warning("an earlier envelope has not arrived", extra={"kind": "missing"})
        return self._items(event["acc"], opened)

    def _items(self, patient: str, opened: Opened) -> list[Item | Deletion]:
        """What of an opened envelope the Consents permit, decided resource by resource."""
        envelope = opened.envelope
        source = Source(
            owner=patient, set=opened.set, stream=envelope.str, index=opened.index, epoch=envelope.ep,
            author=envelope.aut, bid=envelope.bid, handle=envelope.hd,
        )  # fmt: skip
        if opened.deletes:
            return [Deletion(source)]
        if envelope.aut == self.me:
            return [Item(body, resource, source) for body, resource in opened.resources]
        covering = [grant for grant in self._grants(patient) if opened.set in grant.cover]
        deciders = self.consents.deciders(patient, covering, int(self.clock()))
        allowed = [pair for pair in opened.resources if permitted(pair[1], envelope.aut, deciders)]
        if len(allowed) < len(opened.resources):
            log.warning("resources that the Consent does not permit", extra={"count": len(opened.resources)})
        return [Item(body, resource, source) for body, resource in allowed] or [Deletion(source)]

    def _try(self, event: Mapping[str, Any]) -> Opened:
        patient, set_id = event["acc"], event["set"]
        frame, stamp = unb64(event["frame"]), unb64(event["stamp"])
        now = int(self.clock())
        try:
            return open_envelope(frame, stamp, self._permit(patient, set_id), self._reader(patient), now)
        except Rejected as refused:
            if refused.kind != "stale":
                raise
        self._refresh(patient, set_id)
        return open_envelope(frame, stamp, self._permit(patient, set_id), self._reader(patient), now)

    def _refresh(self, patient: str, set_id: str) -> None:
        """Fetch the chains that an envelope's stamp speaks of."""
        self.chains.refresh("acct", patient)
        self.chains.refresh("set", patient, set_id)
        author = parse_permit(self._permit(patient, set_id)).aut
        if author != patient:
            self.chains.refresh("acct", author)

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
            hub_key=self.keystore.keyring.hub_key,
            accounts=self.chains.accounts,
            sets={set_id: state for (acc, set_id), state in self.chains.sets.items() if acc == patient},
            relation=self.chains.relations.get((patient, self.me)),
            confirmed=True,
            seed=lambda set_id, epoch, index: self.keystore.seed(patient, set_id, epoch, index),
            known=self._known,
            category_of=lambda set_id, index: self.keystore.category(patient, set_id, index),
            check=read_resource,
            pins=pins,
        )

    def _known(self, author: str, device: str, stream: str, seq: int) -> str | None:
        query = "SELECT hash FROM sequences WHERE author = ? AND device = ? AND stream = ? AND seq = ?"
        row = self.keystore.db.execute(query, (author, device, stream, seq)).fetchone()
        return None if row is None else str(row[0])

    def _defer(self, event: Mapping[str, Any]) -> None:
        row = (envelopes.parse(unb64(event["frame"])).bid, event["acc"], json.dumps(event).encode())
        with transaction(self.keystore.db):
            self.keystore.db.execute("INSERT OR REPLACE INTO deferred VALUES (?, ?, ?)", row)

    # --- what the patient is told -------------------------------------------------------------------------------

    def report_reads(self) -> int:
        """Tell patients who in the house read what: sealed to each, so that the hub learns purpose and time only."""
        waiting = pending_reports(self.store.database)
        reports = []
        for report in waiting:
            detail = {
                "person": report.person, "role": report.role, "purpose": report.purpose, "at": report.at,
                "what": report.what, "number": report.number,
            }  # fmt: skip
            key = self.chains.account(report.patient).reading_key()
            keys = self.keystore.keyring
            frame = messages.write(
                keys.sign, typ="read", sender=self.me, dev=keys.device, to=report.patient, at=int(self.clock()),
                content=json.dumps(detail, ensure_ascii=False).encode(),
            )  # fmt: skip
            sealed = b64(messages.seal(frame, key))
            reports.append({"acc": report.patient, "at": report.at, "purpose": report.purpose, "sealed": sealed})
        if reports:
            self.hub.report_reads(reports)
            forget_reports(self.store.database, [report.id for report in waiting])
        return len(reports)


def read_resource(line: bytes) -> dict[str, Any]:
    """Parse and check one resource as R4. Raises `Rejected(broken, fhir)`."""
    try:
        resource = resources.parse(line)
        resources.check(resource)
    except Problem:
        raise broken("fhir") from None
    return resource
