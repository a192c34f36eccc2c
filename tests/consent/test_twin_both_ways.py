"""What one language seals the other opens: envelopes, bundles, the vault, wraps, messages; and both sign alike."""

from dataclasses import replace

from consent import messages, opening, rules, statements, vault
from consent.keys import BoxKey
from consent.primitives import b64, label_hash, unb64
from consent.steps import Written
from tests.consent.readers import read
from tests.consent.scenes import opens, scene, signer_of
from tests.consent.twin import agree
from tests.consent.world import DAY

CONSENT = b'{"resourceType":"Consent"}'


def test_what_the_twin_seals_is_stamped_and_opened_here(twin):
    """An envelope from TypeScript passes the hub's checks and opens in both languages."""
    made = scene()
    hub, author = made.patient.hub, made.author
    template = hub.envelopes[made.bids[0]][0]
    state = hub.record.sets[made.set_id]
    seq, prev = hub.last(author.account, author.device, template.str)
    lines = made.lines("aus TypeScript – ü", 3)
    sealed = twin.make(
        "seal", lines=[b64(line) for line in lines], patient=made.patient.me.account, stream=template.str,
        epoch=state.current, key=b64(state.epoch(state.current).publics[state.ids[template.str]]),
        account=author.account, device=author.device, seed=b64(bytes(author.sign)),
        place={"bid": b64(bytes(16)), "seq": seq + 1, "prev": prev, "at": made.now, "hd": b64(bytes(16))},
    )  # fmt: skip
    hub.deposit(unb64(sealed), author.state, made.now)
    opened = read(hub, made.reader, b64(bytes(16)), made.now)
    assert [line for line, _ in opened.resources] == lines
    agree(
        twin,
        [("world", {"name": "sealed", "shared": made.shared("sealed")}), opens(made, b64(bytes(16)), world="sealed")],
    )


def test_lines_that_cannot_be_told_apart_are_not_sealed(twin):
    """A resource over several lines, or an empty one, is refused before anything is signed."""
    for line in (b"", b"{}\n{}"):
        arguments = {
            "lines": [b64(line)], "patient": "", "stream": "", "epoch": 1, "key": "", "account": "", "device": "",
            "seed": b64(bytes(32)), "place": {"bid": "", "seq": 1, "prev": "", "at": 0},
        }  # fmt: skip
        assert twin.ask([("seal", arguments)]) == [{"kind": "broken", "reason": "count"}]


def test_bundles_open_to_the_same_seeds(twin, ended):
    """Every bundle that Python sealed opens in both, with the right key and whole, or is refused alike."""
    hub, reader = ended.patient.hub, ended.reader
    secrets = [b64(bytes(key)) for key in reader.reading.values()]
    relation = hub.record.relations[reader.account]
    for grant in relation.grants.values():
        for bundle in grant.bundles:
            blob = hub.blobs[bundle.hash]
            asked = {"world": "ended", "seq": bundle.link.seq, "secrets": secrets}
            found = agree(twin, [("bundle", asked | {"blob": b64(one)}) for one in (blob, blob[:-1], blob[1:], b"")])
            assert ["ok" in answer for answer in found] == [True, False, False, False]
            agree(twin, [("bundle", asked | {"blob": b64(blob), "secrets": other}) for other in ([], [b64(bytes(32))])])


def test_a_bundle_and_its_statement_from_the_twin_are_admitted_and_opened_here(twin):
    """A grant amended in TypeScript passes the joint rules; Python finds the same seeds in it."""
    made = scene()
    patient, reader, hub = made.patient, made.reader, made.patient.hub
    relation = hub.record.relations[reader.account]
    gid, grant = next(iter(relation.grants.items()))
    seq, prev = relation.head[0] + 1, relation.head[1]
    rk = relation.links[-1].body["rk"]
    rows = grant.bundles[-1].rows
    epochs = [hub.record.sets[row.set].epoch(number) for row in rows for number in range(row.first, row.last + 1)]
    masters = {f"{e.set} {e.number}": b64(patient.vault.master(e.set, e.number, e.digest).secret) for e in epochs}
    sealed = twin.make(
        "seal_bundle", cid=relation.id, place=[seq, prev], gid=gid, rk=rk,
        rows=[{"set": r.set, "first": r.first, "last": r.last, "mask": r.mask} for r in rows],
        set_keys={row.set: b64(patient.vault.sets[row.set].secret) for row in rows}, masters=masters,
        consent=b64(bytes(16) + CONSENT), rules={"deny": ["Ä", 1.5, None]},
    )  # fmt: skip
    body = grant.rules.body | {
        "rk": rk, "key": sealed["key"], "lst": rules.blob_hash(unb64(sealed["blob"])),
        "has": [[r.set, r.first, r.last, r.mask, r.digest] for r in rows],
        "consent": b64(label_hash("obhut-consent", bytes(16), CONSENT)),
    }  # fmt: skip
    draft = {
        "kind": "rel", "acc": patient.me.account, "oth": reader.account, "head": [seq - 1, prev], "typ": "grant",
        "iat": made.now, "by": [patient.me.account, patient.me.device], "cite": relation.links[-1].cite, "body": body,
    }  # fmt: skip
    frame = twin.make("statement", seed=b64(bytes(patient.me.sign)), draft=draft)
    hub.post(Written(unb64(frame), unb64(sealed["blob"])), made.now)
    after = hub.record.relations[reader.account]
    opened = opening.open_bundle(after.grants[gid].bundles[-1], unb64(sealed["blob"]), after, reader.reading)
    assert opened.rules == {"deny": ["Ä", 1.5, None]}
    assert opened.consent == CONSENT
    for seeds in opened.seeds:
        assert len(list(opening.good_seeds(seeds, hub.record.sets[seeds.set]))) == 16


def test_statements_and_permits_are_signed_to_the_same_bytes(twin, ended):
    """The same words and key give the same frame in both languages."""
    for kind, oth, raws in ended.chains():
        for raw in raws:
            link = statements.parse(raw)
            head = None if link.seq == 0 else [link.seq - 1, link.prev]
            draft = {
                "kind": kind, "acc": link.acc, "oth": oth, "head": head, "iat": link.iat, "typ": link.typ,
                "by": link.by, "cite": link.cite, "body": link.body,
            }  # fmt: skip
            assert twin.make("statement", seed=b64(bytes(signer_of(ended, raw))), draft=draft) == b64(raw)
    raw = unb64(ended.released(ended.bids[0])["permit"])
    permit = statements.parse_permit(raw)
    draft = {name: getattr(permit, name) for name in ("acc", "aut", "fp", "set", "iat", "by", "cite")}
    assert twin.make("permit", seed=b64(bytes(ended.patient.me.sign)), draft=draft) == b64(raw)


def test_the_vault_goes_both_ways(twin, played):
    """What Python sealed TypeScript reads and seals anew; Python finds the same vault, under the next version only.

    A delegate's does it with the key of one compartment, and leaves the other as it is.
    """
    key, account, patient = bytes(range(32)), played.patient.me.account, played.patient
    root = replace(patient.root, shared=("p-x@hub.example",))
    (gid, terms), *_ = patient.vault.terms.items()
    before = patient.vault.with_desk("d-1", "amt@hub.example").with_hides(["Observation/1"])
    before = before.with_terms(gid, replace(terms, hides=("Observation/1",)))
    before = replace(
        before, mandates={"p-x@hub.example": vault.Named("guardian", frozenset([14, 13]))},
        words={terms.oth: {"p-x@hub.example": vault.Word(8, terms), "p-y@hub.example": vault.Word(9, None)}},
    )  # fmt: skip
    sealed = vault.seal(vault.seal_root(root, account, key), before, account, 7, root.key)
    arguments = {"account": account, "version": 7, "key": b64(key)}
    again = unb64(twin.make("reseal_vault", sealed=b64(sealed), **arguments))
    assert vault.unseal_root(again, account, key).dump() == root.dump()
    assert vault.unseal(again, account, 8, root.key).dump() == before.dump()
    by_delegate = unb64(
        twin.make("reseal_by_delegate", sealed=b64(sealed), account=account, version=7, key=b64(root.key))
    )
    assert rules.compartments(by_delegate)[0] == rules.compartments(sealed)[0]
    assert vault.unseal(by_delegate, account, 8, root.key).dump() == before.dump()

    altered_vaults = [sealed[:-1], sealed[:4] + bytes([sealed[4] ^ 1]) + sealed[5:], sealed[:900]]
    found = twin.ask([("reseal_vault", arguments | {"sealed": b64(one)}) for one in altered_vaults])
    found += twin.ask([("reseal_vault", arguments | {"sealed": b64(sealed), "version": 8})])
    assert found == [{"kind": "broken", "reason": "aead"}] * 4
    short = twin.ask([("reseal_vault", arguments | {"sealed": b64(one)}) for one in (b"", b"abc", sealed[:30])])
    assert short == [{"kind": "broken", "reason": "vault"}] * 3


def test_wraps_of_the_vault_key_go_both_ways(twin):
    """A device, the sheet and the passphrase unwrap what the other language wrapped, and nothing else."""
    key, box, wrap_key = bytes(range(32)), BoxKey(bytes(range(1, 33))), bytes(range(2, 34))
    account, device = "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@x.de", "daaaaaaaaaaaaaaaa"
    theirs = twin.make(
        "wrap", key=b64(key), account=account, device=device, box=b64(box.public), name="sheet", wrap_key=b64(wrap_key)
    )
    ours = [
        vault.wrap_for_box(key, account, device, box.public),
        vault.wrap_for_secret(key, account, "sheet", wrap_key),
    ]
    for by_device, by_secret in (theirs, [b64(wrap) for wrap in ours]):
        device_asked = {"wrap": by_device, "account": account, "device": device, "secret": b64(bytes(box))}
        secret_asked = {"wrap": by_secret, "account": account, "name": "sheet", "wrap_key": b64(wrap_key)}
        good = [("unwrap_by_box", device_asked), ("unwrap_by_secret", secret_asked)]
        assert agree(twin, good) == [{"ok": b64(key)}] * 2
        bad = [
            ("unwrap_by_box", device_asked | c)
            for c in ({"device": "dbbbbbbbbbbbbbbbb"}, {"wrap": "AAAA"}, {"secret": b64(key)})
        ]
        bad += [
            ("unwrap_by_secret", secret_asked | c) for c in ({"name": "passphrase"}, {"wrap": "AAAA"}, {"wrap": ""})
        ]
        assert all("reason" in answer for answer in agree(twin, bad))


def test_messages_and_registrations_go_both_ways(twin, played):
    """A sealed request and a client's key from either language are read by both, to the right receiver and in time."""
    author, patient = played.author, played.patient.me
    (reading,) = patient.reading
    seed, chain = b64(bytes(author.sign)), [b64(raw) for raw in author.frames]
    draft = {"typ": "request", "sender": author.account, "dev": author.device, "to": patient.account, "at": played.now}
    content = b'{"resourceType":"Consent","status":"proposed"}'
    ours = messages.seal(messages.write(author.sign, content=content, **draft), reading)
    theirs = twin.make("message", seed=seed, draft=draft | {"content": b64(content)}, reading=reading)
    for sealed in (b64(ours), theirs):
        asked = {
            "sealed": sealed, "secret": b64(bytes(patient.reading[reading])), "sender": author.account, "frames": chain,
            "to": patient.account, "now": played.now,
        }  # fmt: skip
        changes = [
            {},
            {"to": author.account},
            {"now": played.now + 91 * DAY},
            {"now": played.now - 601},
            {"secret": seed},
            {"came": played.now},
            {"came": 0},
        ]
        found = agree(twin, [("unseal_message", asked | change) for change in changes])
        assert [answer.get("reason", "ok") for answer in found] == ["ok", "to", "time", "time", "key", "ok", "signer"]
    words = {"acc": author.account, "dev": author.device, "at": played.now}
    registered = [
        twin.make("register", seed=seed, key=b64(bytes(32)), **words),
        b64(messages.register(author.sign, token_key=bytes(32), **words)),
    ]
    assert registered[0] == registered[1]
    asked = {"raw": registered[0], "frames": chain, "acc": author.account, "now": played.now}
    found = agree(twin, [("verify_registration", asked | change) for change in ({}, {"now": played.now + 601})])
    assert found == [{"ok": None}, {"kind": "broken", "reason": "clock"}]
