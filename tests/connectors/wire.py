"""The small world's hub as a client of it sees the real one: chains, bundles, a feed, messages; no HTTP.

It tells what it is made to tell, so that tests can make it slow, forgetful or malicious.
"""

from connectors.hub_client import Deposited
from connectors.keyring import Keyring, write_private
from consent import heads, identifiers
from consent.envelope import parse as parse_envelope
from consent.frames import frame_hash
from consent.keys import SigningKey
from consent.primitives import Rejected, b64, random_bytes
from consent.rules import blob_hash
from consent.statements import chain_id, parse
from fhir_profiles.problems import Problem
from tests.consent import world


def nothing_here():
    return Problem("not-found", "There is nothing here for you.")


class Wire:
    """One patient's hub. `publish` puts what is new behind the end of the feed; `page_size` events make a page."""

    def __init__(self, patient: world.Client, *others: world.Identity):
        self.patient, self.hub = patient, patient.hub
        self.others = {other.account: other for other in others}
        self.events, self.page_size = [], 1000
        self.hidden, self.broken_bundles, self.posted, self.reports = set(), False, [], []
        self.answers = []
        self.objects, self.fetched = {}, 0
        self.told = {}
        self.questions, self.speaks = [], self.sign

    @property
    def time(self):
        """The hub's clock."""
        return self.patient.now

    def directory(self, query=""):
        """It knows nobody by name."""
        return []

    # --- the feed

    def publish(self):
        record = self.hub.record
        chains = [record.account, *record.sets.values(), *record.relations.values()]
        for chain in chains:
            key = (chain.KIND, chain.acc, chain.oth)
            for link in chain.links[self.told.get(key, 0) :]:
                self.tell(*key, link.raw)
            self.told[key] = len(chain.links)
        for bid in self.hub.order[self.told.get("envelopes", 0) :]:
            self.events.append(self.envelope(bid))
        self.told["envelopes"] = len(self.hub.order)

    def tell(self, kind, acc, oth, raw):
        self.events.append({"type": "statement", "kind": kind, "acc": acc, "oth": oth, "frame": b64(raw)})

    def envelope(self, bid):
        envelope, stamp = self.hub.envelopes[bid]
        set_id, _ = self.hub.place(envelope)
        return {
            "type": "envelope", "acc": self.patient.me.account, "set": set_id, "str": envelope.str,
            "frame": b64(envelope.raw), "stamp": b64(stamp),
        }  # fmt: skip

    def feed(self, after="", *, wait=0, only="", purpose="TREAT"):
        start = int(after or 0)
        page = self.events[start : start + self.page_size]
        wanted = only.split(",") if only else ["statement", "envelope", "message"]
        sets = {event["set"] for event in page if event["type"] == "envelope"}
        permits = {set_id: b64(world.permit_of(self.hub, set_id)) for set_id in sets}
        events = [event for event in page if event["type"] in wanted]
        return {"events": events, "next": str(start + len(page)), "permits": permits}

    # --- chains and what lies beside

    def chain(self, kind, acc, oth="", *, after=-1, fingerprint="", token=""):
        record = self.hub.record
        found = {"acct": record.accounts | {acc: record.account} if acc == record.account.acc else record.accounts}
        chain = (
            found["acct"].get(acc) if kind == "acct" else (record.sets if kind == "set" else record.relations).get(oth)
        )
        if chain is None or (kind, acc, oth) in self.hidden:
            raise nothing_here()
        return chain.frames[after + 1 :]

    def heads(self, nonce, chains):
        """As the home hub signs them; `speaks` stands in between and may say something else."""
        self.questions.append([*chains])
        told = []
        for kind, acc, oth in chains:
            try:
                frames = self.chain(kind, acc, oth)
            except Problem:
                continue
            told.append((chain_id(kind, acc, oth), (len(frames) - 1, b64(frame_hash(frames[-1])))))
        asker = next(iter(self.others))
        domain = identifiers.account(self.patient.me.account).domain
        word = {"hub": domain, "to": asker, "nonce": nonce, "at": self.patient.now, "heads": told}
        return self.speaks(word)

    def sign(self, word):
        """The frames that answer a question with these words."""
        return [heads.sign(self.hub.key, **word)]

    def bundle(self, acc, lst):
        return b"no bundle" if self.broken_bundles else self.hub.blobs[lst]

    def object(self, acc, stream, bid):
        self.fetched += 1
        if bid not in self.objects:
            raise nothing_here()
        if isinstance(self.objects[bid], Problem):
            raise self.objects[bid]
        return self.objects[bid]

    def vault(self, acc, token=""):
        return (*self.hub.vault, {})

    # --- what is written

    def post(self, written, wraps=None, fetch=b"", token=""):
        """All or nothing. Answers first what `answers` holds: an exception before the hub has looked at it."""
        if self.answers:
            raise self.answers.pop(0)
        before = self.hub.record, self.hub.vault
        for one in written:
            try:
                self.hub.post(one, self.patient.now)
            except Rejected as rejected:
                self.hub.record, self.hub.vault = before
                reason = "head" if rejected.reason in ("seq", "prev") else rejected.reason
                raise Problem("refused", "The protocol refuses this.", reason=reason) from None
            self.posted.append(parse(one.frame))

    def deposit(self, frames):
        """Envelopes of the counterparts, as the home hub takes or refuses them."""
        results = []
        for raw in frames:
            envelope = parse_envelope(raw)
            try:
                stamp = self.hub.deposit(raw, self.others[envelope.aut].state, self.patient.now)
                results.append(Deposited(envelope.bid, 201, "", stamp))
            except Rejected as refused:
                last = self.hub.last(envelope.aut, envelope.dev, envelope.str) or (0, "")
                gap = last if refused.reason == "gap" else None
                results.append(Deposited(envelope.bid, 409, refused.reason, last=gap))
        return results

    def report_reads(self, reports):
        if len(reports) > 100:
            raise Problem("invalid", "An array of at most 100 is expected in reports.")
        if self.answers:
            raise self.answers.pop(0)
        self.reports += reports


def keep_keys(directory, who: world.Identity, hub: world.Hub) -> Keyring:
    """The keys of an identity in a directory, as enrolment leaves them."""
    keys = Keyring(
        who.account, who.device, "http://127.0.0.1:1", hub.key.public, who.sign, who.box, SigningKey.generate(),
        random_bytes(32),
    )  # fmt: skip
    keys.save(directory)
    return keys


__all__ = ["Wire", "blob_hash", "keep_keys", "nothing_here", "write_private"]
