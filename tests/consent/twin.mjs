// The portal's twin under test: a line with questions in, a line with answers out, as long as the session lasts.
//
// A question is `[what, arguments]`; an answer `{"ok": value}`, `{"kind", "reason"}` of the refusal, or `{"failed"}`.
// The same questions are answered by Python in `twin.py`, function by function. Binary is base64url.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import * as consent from "../../hub/static/portal/consent.js";
import { answerWith } from "./answering.mjs";
import { answers as client } from "./twin_client.mjs";
import { answers as consents } from "./twin_consents.mjs";
import { accountsOf, KINDS, readerOf, replay, summary, verdicts } from "./verdicts.mjs";

const { accounts, canonical, categories, chains, envelope, identifiers, keys, log, messages, opening } = consent;
const { primitives, relations, sealing, sets, statements, streams, vault } = consent;
const { b64, unb64 } = primitives;

const kept = new Map();
const worlds = new Map();

function cite(citations) {
  return Object.fromEntries(citations);
}

function all(texts) {
  return texts.map((text) => unb64(text));
}

function logEntry({ sealed, ...rest }) {
  return { ...rest, sealed: unb64(sealed) };
}

function openedBundle(relation, seq, blob, secrets) {
  const bundles = [...relation.grants.values()].flatMap((grant) => grant.bundles);
  const reading = new Map(all(secrets).map((secret) => [b64(primitives.boxPublic(secret)), new keys.BoxKey(secret)]));
  const found = bundles.find((bundle) => bundle.link.seq === seq);
  const opened = opening.openBundle(found, unb64(blob), relation, reading);
  const seeds = opened.seeds.map((s) => [s.set, s.epoch, [...s.byIndex].map(([index, seed]) => [index, b64(seed)])]);
  return { salt: b64(opened.salt), consent: b64(opened.consent), rules: opened.rules, seeds };
}

const READ = {
  statement(raw) {
    const { kind, acc, oth, seq, prev, iat, typ, by, cite: cited, body, hash } = statements.parse(raw);
    return { kind, acc, oth, seq, prev, iat, typ, by, cite: cite(cited), body, hash };
  },
  permit(raw) {
    const { acc, aut, fp, set, iat, by, cite: cited } = statements.parsePermit(raw);
    return { acc, aut, fp, set, iat, by, cite: cite(cited) };
  },
  envelope(raw) {
    const found = envelope.parse(raw);
    return { ...found.header, hash: found.hash, signature: b64(found.signature), ciphertext: b64(found.ciphertext) };
  },
  stamp(raw) {
    const { hub, bid, fh, at, aut, set, rel } = envelope.parseStamp(raw);
    return { hub, bid, fh, at, aut, set, rel };
  },
  message(raw) {
    const { typ, sender, to, rnd, at, dev, content, hash } = messages.read(raw);
    return { typ, sender, to, rnd, at, dev, content: b64(content), hash };
  },
  registration(raw) {
    const { acc, dev, key, at } = messages.readRegistration(raw);
    return { acc, dev, key: b64(key), at };
  },
  canonical: (raw) => b64(canonical.dump(canonical.parse(raw))),
};

const NAME = {
  account: (text) => String(identifiers.account(text)),
  card: (text) => String(identifiers.card(text)),
  domain: identifiers.domain,
  device: identifiers.device,
  id: (text) => b64(identifiers.binaryId(text)),
  code: (text) => keys.RecoveryCode.parse(text).text(),
  invitation: (text) => String(consent.pairing.Invitation.parse(text)),
  fingerprint: (text) => b64(primitives.unb32(text, identifiers.FINGERPRINT_BYTES)),
};

const answers = {
  ...consents,
  ...client,

  vectors: ({ path }) => verdicts(JSON.parse(readFileSync(path, "utf8"))),
  kinds: () => KINDS,

  read: ({ what, raw }) => READ[what](unb64(raw)),
  name: ({ what, text }) => NAME[what](text),
  unb64: ({ text }) => unb64(text).length,
  padme: ({ first, last }) => {
    const sizes = [];
    for (let length = first; length <= last; length += 1) sizes.push(primitives.padme(length));
    return b64(primitives.blake2b(primitives.utf8(sizes.join(" "))));
  },
  unpad: ({ padded }) => b64(primitives.unpad(unb64(padded))),
  verify: ({ key, digest, signature }) => primitives.verify(unb64(key), unb64(digest), unb64(signature)) ?? null,
  sign: ({ seed, digest }) => b64(new keys.SigningKey(unb64(seed)).sign(unb64(digest))),
  seal_box: ({ message, key }) => primitives.sealBox(unb64(message), unb64(key)).length,
  open_box: ({ sealed, secret }) => b64(primitives.openBox(unb64(sealed), unb64(secret))),
  box_public: ({ secret }) => b64(primitives.boxPublic(unb64(secret))),
  encrypt: ({ key, nonce, data, message }) =>
    b64(primitives.encrypt(unb64(key), unb64(nonce), unb64(data), unb64(message))),
  decrypt: ({ key, nonce, data, ciphertext }) =>
    b64(primitives.decrypt(unb64(key), unb64(nonce), unb64(data), unb64(ciphertext))),
  passphrase({ account, passphrase, memory }) {
    const derived = keys.PassphraseKeys.derive(account, passphrase, memory);
    return [b64(derived.signIn), b64(derived.wrapKey)];
  },
  category: ({ resource }) => categories.category(resource),
  names: () => [categories.NAMES, [...categories.BY_TYPE.keys()].sort()],
  about: ({ resource, patient }) => opening.isAbout(resource, patient),

  replay({ kind, acc, oth, frames, known }) {
    try {
      return summary(kind, replay(kind, acc, oth, all(frames), accountsOf(known)));
    } catch (error) {
      if (error instanceof chains.BadLink) return [error.kind, error.reason, error.state.links.length];
      throw error;
    }
  },

  chain({ name, kind, acc, oth, frames, known }) {
    const others = accountsOf(known);
    kept.set(name, { kind, state: replay(kind, acc, oth, all(frames), others), others });
    return null;
  },
  extend({ chain, raw }) {
    const { kind, state, others } = kept.get(chain);
    return summary(kind, { acct: accounts, set: streams, rel: relations }[kind].extend(state, unb64(raw), others));
  },

  // --- a reader's world -------------------------------------------------------------------------------------------

  world({ name, shared }) {
    worlds.set(name, readerOf({ reader: name, change: {} }, shared));
    return null;
  },
  open({ world, raw, stamp, permit, now, change }) {
    const reader = { ...worlds.get(world), ...change, pins: new Map(Object.entries(change?.pins ?? {})) };
    const opened = opening.openEnvelope(unb64(raw), unb64(stamp), unb64(permit), reader, now);
    const { set, index, resources, quarantined, missing, deletes } = opened;
    const lines = (some) => some.map((line) => b64(line.raw));
    return { set, index, resources: lines(resources), quarantined: lines(quarantined), missing, deletes };
  },
  bundle: ({ world, seq, blob, secrets }) => openedBundle(worlds.get(world).relation, seq, blob, secrets),
  open_after({ chain, raw, blob, secrets }) {
    const { state, others } = kept.get(chain);
    const after = relations.extend(state, unb64(raw), others);
    return openedBundle(after, after.links.length - 1, blob, secrets);
  },

  object: ({ sealed, reference, ctx }) =>
    b64(opening.openObject(unb64(sealed), opening.readReference(unb64(reference)), unb64(ctx))),

  // --- the access log ---------------------------------------------------------------------------------------------

  faults({ entries, heads }) {
    const found = log.faults(entries.map(logEntry), all(heads).map(log.parseHead));
    return found.map(({ first, last, kind }) => [first, last, kind]);
  },
  head({ raw, key, hub, acc }) {
    const found = log.parseHead(unb64(raw));
    found.verify(unb64(key), { hub, acc });
    return [found.seq, found.hash, found.at];
  },
  untold: ({ entries, frames }) =>
    log.untold(entries.map(logEntry), all(frames).map(statements.parse)).map((link) => link.hash),

  // --- what the twin makes ----------------------------------------------------------------------------------------

  seal({ lines, patient, stream, epoch, key, account, device, seed, place }) {
    const to = { patient, stream, epoch, public: unb64(key) };
    const author = { account, device, key: new keys.SigningKey(unb64(seed)) };
    return b64(sealing.seal(all(lines), to, author, place));
  },
  seal_as_object({ lines, patient, stream, epoch, key, account, device, seed, place }) {
    const to = { patient, stream, epoch, public: unb64(key) };
    const author = { account, device, key: new keys.SigningKey(unb64(seed)) };
    const { object, frame } = sealing.sealAsObject(all(lines), to, author, place);
    return { object: b64(object), frame: b64(frame) };
  },
  seal_bundle({ cid, place, gid, rk, rows, set_keys, masters, consent: salted, rules }) {
    const setKey = (set) => new sets.SetKey(unb64(set_keys[set]));
    const master = (set, epoch) => new sets.Master(unb64(masters[`${set} ${epoch}`]));
    const content = { records: sealing.records(rows, setKey, master), consent: unb64(salted), rules };
    const { blob, key } = sealing.sealBundle(cid, place, gid, rk, content);
    return { blob: b64(blob), key };
  },
  statement({ seed, draft }) {
    const cited = new Map(Object.entries(draft.cite ?? {}));
    return b64(statements.sign(new keys.SigningKey(unb64(seed)), { ...draft, cite: cited }));
  },
  permit({ seed, draft }) {
    const cited = new Map(Object.entries(draft.cite));
    return b64(statements.permit(new keys.SigningKey(unb64(seed)), { ...draft, cite: cited }));
  },
  reseal_vault({ sealed, account, version, key }) {
    const root = vault.unsealRoot(unb64(sealed), account, unb64(key));
    const found = vault.unseal(unb64(sealed), account, version, root.key);
    return b64(vault.seal(vault.sealRoot(root, account, unb64(key)), found, account, version + 1, root.key));
  },
  joint({ acc, oth, ended }) {
    const grants = new Map(ended.map((gid) => [gid, { ended: true, rules: { body: { until: 0 } }, until: 0 }]));
    return consent.guardians.joint({ account: { acc }, relations: new Map([[oth, { grants }]]) }, oth, 1)[0];
  },
  reseal_by_delegate({ sealed, account, version, key }) {
    const found = vault.unseal(unb64(sealed), account, version, unb64(key));
    return b64(vault.seal(vault.compartments(unb64(sealed))[0], found, account, version + 1, unb64(key)));
  },
  wrap: ({ key, account, device, box, name, wrap_key }) => [
    b64(vault.wrapForBox(unb64(key), account, device, unb64(box))),
    b64(vault.wrapForSecret(unb64(key), account, name, unb64(wrap_key))),
  ],
  unwrap_by_box: ({ wrap, account, device, secret }) =>
    b64(vault.unwrapByBox(unb64(wrap), account, device, new keys.BoxKey(unb64(secret)))),
  unwrap_by_secret: ({ wrap, account, name, wrap_key }) =>
    b64(vault.unwrapBySecret(unb64(wrap), account, name, unb64(wrap_key))),
  message({ seed, draft, reading }) {
    const raw = messages.write(new keys.SigningKey(unb64(seed)), { ...draft, content: unb64(draft.content) });
    return b64(messages.seal(raw, reading));
  },
  unseal_message({ sealed, secret, sender, frames, to, now, came }) {
    const key = new keys.BoxKey(unb64(secret));
    const found = messages.unseal(unb64(sealed), new Map([[b64(key.public), key]]));
    found.verify(accounts.replay(all(frames), sender), to, now, came);
    return [found.typ, found.sender, b64(found.content), found.hash];
  },
  register({ seed, acc, dev, key, at }) {
    return b64(messages.register(new keys.SigningKey(unb64(seed)), { acc, dev, tokenKey: unb64(key), at }));
  },
  verify_registration({ raw, frames, acc, now }) {
    messages.readRegistration(unb64(raw)).verify(accounts.replay(all(frames), acc), now);
    return null;
  },
};

const answer = answerWith(answers);

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(JSON.parse(line).map(answer))}\n`);
}
