"""What a delegate of the scope `manage` writes, and how a delegate is named."""

from typing import Any

from consent import identifiers, rules, statements, steps
from consent import vault as vaults
from consent.primitives import b64, label_hash, random_bytes
from consent.sealing import seal_bundle
from consent.steps import Written
from consent.streams import range_digest
from consent.vault import Vault
from tests.consent.readers import hold, reader
from tests.consent.world import Client, Identity


def appoint(client: Client, who: Identity, scope: str, until: int) -> None:
    """Name a delegate in the patient's account chain."""
    client.hub.know(who)
    body = {"to": who.account, "fp": who.state.fingerprint, "scope": scope, "nb": 0, "until": until}
    client.post(client.account("delegate", body))


def saved_by(who: Identity, client: Client, vault: Vault) -> Written:
    """The vault's next version as a full delegate writes it: with the root compartment as it lies at the hub."""
    record, (version, sealed) = client.hub.record, client.hub.vault
    made = vaults.seal(rules.compartments(sealed)[0], vault, record.account.acc, version + 1, client.root.key)
    frame = statements.sign(
        who.sign, kind="acct", acc=record.account.acc, oth="", head=record.account.head, typ="vault", by=who.signer.by,
        iat=max(client.now, record.account.links[-1].iat), cite={who.account: who.state.links[-1].position},
        body={"ver": version + 1, "hash": rules.blob_hash(made)},
    )  # fmt: skip
    return Written(frame, made)


def pass_on(client: Client, delegate: Identity, own: str, to: Identity, *, grow: int = 0, **changes: Any) -> Written:
    """A grant that a delegate makes of what it holds itself under the grant `own`."""
    record = client.hub.record
    mine = record.relations[delegate.account].grants[own]
    seeds, category_of = hold(client.hub, delegate), reader(client.hub, delegate).category_of
    relation = record.relations[to.account]
    place, prev = relation.links[-1].position
    gid = changes.pop("gid", None) or identifiers.new_id()
    rk = record.accounts[to.account].reading_key()
    has, packed = [], []
    for set_id, (first, mask) in sorted(mine.cover.items()):
        state = record.sets[set_id]
        has.append([set_id, first, state.current, mask, range_digest(state.digests(first, state.current))])
        for epoch in range(first, state.current + 1):
            mine_only = [i for s, e, i in seeds if (s, e) == (set_id, epoch) and mask >> i & 1]
            order = sorted(mine_only, key=lambda i, s=set_id: category_of(s, i))
            packed.append(
                identifiers.binary_id(set_id) + epoch.to_bytes(4, "little")
                + b"".join(bytes([i]) + seeds[set_id, epoch, i] for i in order)
            )  # fmt: skip
    salt, consent = random_bytes(16), b'{"resourceType":"Consent"}'
    sealed = seal_bundle(relation.id, (place + 1, prev), gid, rk, packed, salt + consent, None)
    body = {
        "gid": gid, "consent": b64(label_hash("obhut-consent", salt, consent)), "purpose": ["TREAT"], "nb": 0,
        "until": mine.until, "grow": grow, "em": [], "req": "",
        "cover": [[s, *mine.cover[s]] for s in sorted(mine.cover)], "rk": rk, "key": sealed.key,
        "lst": rules.blob_hash(sealed.blob), "has": has,
    } | changes  # fmt: skip
    frame = statements.sign(
        delegate.sign, kind="rel", acc=record.account.acc, oth=to.account, head=relation.head, iat=client.now,
        typ="grant", by=delegate.signer.by, cite=steps.cite(record, delegate.account, to.account), body=body,
    )  # fmt: skip
    return Written(frame, sealed.blob)
