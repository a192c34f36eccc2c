// How a vector is run by the portal's twin, in Node.js and in a browser: the twin of `verdicts.py`, function by
// function. A function returns when the vector holds, and throws `Rejected` or a plain error.

import * as consent from "../../hub/static/portal/consent.js";

const { accounts, canonical, identifiers, keys, primitives } = consent;
const { lockout, relations, sealing, sets, statements, streams, vault } = consent;
const { b64, keyedHash, labelHash, unb64 } = primitives;

/** `ok`, the kind and reason of the refusal, or that it failed. */
export function verdict(run) {
  try {
    run();
  } catch (error) {
    if (error instanceof primitives.Rejected) return { kind: error.kind, reason: error.reason };
    return { failed: `${error}` };
  }
  return "ok";
}

/** The verdicts on all vectors of a file, in their order. */
export function verdicts(file) {
  const run = RUN[file.kind];
  if (run === undefined) return file.vectors.map(() => ({ failed: `no way of running ${file.kind}` }));
  return file.vectors.map((vector) => verdict(() => run(vector, file)));
}

export function same(found, expected) {
  if (dumped(found) !== dumped(expected)) throw new Error(`found ${dumped(found)}, expected ${dumped(expected)}`);
}

function dumped(value) {
  const isObject = (v) => v && typeof v === "object" && !Array.isArray(v);
  return JSON.stringify(value, (_, v) => (isObject(v) ? Object.fromEntries(Object.entries(v).sort()) : v));
}

/** Lists in the order in which Python sorts them: member by member. */
function ordered(lists) {
  const before = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const memberwise = (a, b) => a.reduce((found, x, i) => found || before(x, b[i]), 0);
  return [...lists].sort((a, b) => (Array.isArray(a) ? memberwise(a, b) : before(a, b)));
}

function frames(shared, names) {
  return names.map((name) => unb64(shared.frames[name]));
}

function labelHashes(vector) {
  const parts = vector.parts.map((part) => part.s ?? part.i ?? unb64(part.b));
  const key = unb64(vector.key);
  const hash = key.length ? keyedHash(key, vector.label, ...parts) : labelHash(vector.label, ...parts);
  same(b64(hash), vector.hash);
}

function canonicals(vector) {
  same(b64(canonical.dump(canonical.parse(unb64(vector.bytes)))), vector.bytes);
}

function paddings(vector) {
  if (vector.what === "padme") {
    same(primitives.padme(vector.length), vector.size);
  } else {
    const plain = primitives.unpad(unb64(vector.padded));
    same(b64(plain), vector.plaintext);
    same(b64(primitives.pad(plain)), vector.padded);
  }
}

const NAMES = {
  account(vector) {
    const found = identifiers.account(vector.text);
    same([found.local, found.domain, found.isPerson], [vector.local, vector.domain, vector.person]);
    same(String(found), vector.text);
  },
  card(vector) {
    const card = identifiers.card(vector.text);
    same([String(card.account), card.fingerprint], [vector.account, vector.fingerprint]);
  },
  fingerprint: (vector) => primitives.unb32(vector.text, identifiers.FINGERPRINT_BYTES),
  domain: (vector) => identifiers.domain(vector.text),
  device: (vector) => identifiers.device(vector.text),
  id: (vector) => identifiers.binaryId(vector.text),
};

function names(vector) {
  NAMES[vector.type](vector);
}

const setKey = (v) => new sets.SetKey(unb64(v.set_key));
const master = (v) => new sets.Master(unb64(v.master));

function recovery(v) {
  const code = new keys.RecoveryCode(unb64(v.secret));
  same(keys.RecoveryCode.parse(code.text()).text(), code.text());
  return {
    code: code.text(),
    public: b64(code.signingKey.public),
    wrap_key: b64(code.wrapKey),
    fetch_token: b64(code.fetchToken),
  };
}

const DERIVE = {
  "signing-key": (v) => b64(new keys.SigningKey(unb64(v.seed)).public),
  "box-key": (v) => b64(new keys.BoxKey(unb64(v.secret)).public),
  "fingerprint": (v) => identifiers.fingerprint(v.account, unb64(v.root)),
  "chain-id": (v) => statements.chainId(v.chain, v.acc, v.oth),
  "stream-ids": (v) => setKey(v).ids,
  "order": (v) => setKey(v).order,
  "mask": (v) => setKey(v).mask(new Set(v.categories)),
  "stream-seeds": (v) => Array.from({ length: 32 }, (_, i) => b64(master(v).seed(i))),
  "stream-keys": (v) => master(v).publics.map((pk) => b64(pk)),
  "epoch-digest": (v) => b64(streams.epochDigest(v.set, v.ep, v.pks.map((pk) => unb64(pk)))),
  "range-digest": (v) => streams.rangeDigest(v.digests.map((digest) => unb64(digest))),
  "recovery": recovery,
  "handle": (v) => sealing.handle(v.stream, v.resource, unb64(v.key)),
  "bundle-context": (v) => b64(sealing.bundleContext(v.cid, v.seq, v.prev, v.gid, v.rk)),
  "commitment": (v) => b64(sealing.commitment(unb64(v.context), unb64(v.key))),
};

function derivations(vector) {
  same(DERIVE[vector.what](vector), vector.result);
}

// --- chains -------------------------------------------------------------------------------------------------------

/** Account states already replayed, by all their bytes: many vectors share them. */
const replayed = new Map();

function account(acc, links, others) {
  const name = JSON.stringify([acc, links, [...others]]);
  if (!replayed.has(name)) {
    const known = new Map([...others].map(([other, theirs]) => [other, account(other, theirs, new Map())]));
    replayed.set(name, accounts.replay(links.map((raw) => unb64(raw)), acc, null, known));
  }
  return replayed.get(name);
}

/** Replay account chains, given as base64url; each may cite those that stand before it. */
export function accountsOf(named) {
  const before = new Map();
  const known = new Map();
  for (const [acc, links] of Object.entries(named)) {
    known.set(acc, account(acc, links, before));
    before.set(acc, links);
  }
  return known;
}

function knownAccounts(shared, given) {
  const named = typeof given === "string" ? shared.accounts[given] : given;
  const pooled = Object.entries(named).map(([acc, links]) => [acc, links.map((name) => shared.frames[name])]);
  return accountsOf(Object.fromEntries(pooled));
}

const until = (position) => position ?? -1;

const SUMMARY = {
  acct: (state) => ({
    seq: state.last,
    hash: state.head[1],
    closed: Number(state.closed),
    fp: state.fingerprint,
    class: state.cls,
    root: b64(state.root),
    recovery: b64(state.recoveries.at(-1)[1]),
    reading: state.readingKey(),
    bad: ordered(state.badKeys),
    vault: state.vault,
    devices: ordered([...state.devices.values()].map((d) => [d.name, d.role, d.since, until(d.until)])),
    delegates: state.delegates.map((d) => [d.to, d.scope, d.nb, d.end, d.since, until(d.until)]),
    losses: state.losses.map((loss) => [loss.seq, loss.iat, Number(loss.client)]),
  }),
  set: (state) => ({
    seq: state.links.length - 1,
    hash: state.head[1],
    closed: Number(state.closed),
    ids: [...state.ids.keys()].slice(0, 2),
    epochs: state.epochs.map((e) => [e.number, b64(e.digest), e.suite, e.grace]),
  }),
  rel: (state) => ({
    seq: state.links.length - 1,
    hash: state.head[1],
    fp: state.fingerprint,
    permits: ordered(state.permits.keys()),
    unpermitted: ordered(state.unpermitted),
    grants: ordered([...state.grants.values()].map(grantSummary)),
  }),
};

function grantSummary(g) {
  const { until: end, grow } = g.rules.body;
  return [g.gid, g.began, g.rules.seq, Number(g.ended), end, grow, g.cover.size, relations.handed(g).length];
}

/** What holds after a chain, in a form that two programs can compare. */
export function summary(kind, state) {
  return SUMMARY[kind](state);
}

/** Replay a chain of any kind. */
export function replay(kind, acc, oth, links, known, fingerprint = null) {
  if (kind === "acct") return accounts.replay(links, acc, fingerprint, known);
  return (kind === "set" ? streams : relations).replay(links, acc, oth, known);
}

function chains(vector, shared) {
  const [kind, acc, oth] = vector.chain;
  const links = frames(shared, vector.frames);
  const known = knownAccounts(shared, vector.accounts);
  const run = (part) => replay(kind, acc, oth, part, known, vector.fingerprint);
  try {
    run(links);
  } catch (error) {
    if (error instanceof consent.chains.BadLink) same(error.state.links.length, links.length - 1);
    throw error;
  }
  for (const [i, expected] of (vector.states ?? []).entries()) {
    same(summary(kind, run(links.slice(0, i + 1))), expected);
  }
}

function bundles(vector, shared) {
  const [, acc, oth] = vector.chain;
  const known = knownAccounts(shared, vector.accounts);
  const relation = relations.replay(frames(shared, vector.frames), acc, oth, known);
  const all = [...relation.grants.values()].flatMap((grant) => grant.bundles);
  const bundle = all.find((one) => one.link.seq === vector.link);
  const reading = vector.keys.map((secret) => new keys.BoxKey(unb64(secret)));
  const [blob] = frames(shared, [vector.blob]);
  const byPublic = new Map(reading.map((key) => [b64(key.public), key]));
  const opened = consent.opening.openBundle(bundle, blob, relation, byPublic);
  same([b64(opened.salt), b64(opened.consent)], [vector.salt, vector.consent]);
  same(opened.rules, vector.rules ? JSON.parse(vector.rules) : null);
  const kept = opened.seeds.map((seeds) => {
    const state = streams.replay(frames(shared, vector.sets[seeds.set]), acc, seeds.set, known);
    return consent.opening.goodSeeds(seeds, state).length;
  });
  same(kept.reduce((sum, count) => sum + count, 0), vector.kept);
  const first = () => [...opened.seeds[0].byIndex].map(([index, seed]) => [index, b64(seed)]);
  if (vector.first) same(first(), vector.first);
}

// --- envelopes ----------------------------------------------------------------------------------------------------

/** Reads a resource as far as a program without HL7's tables can: `plain_check` of `readers.py`. */
export function plainCheck(line) {
  let value;
  try {
    value = JSON.parse(primitives.utf8Text(line, "fhir"));
  } catch {
    throw primitives.broken("fhir");
  }
  if (typeof value?.resourceType !== "string") throw primitives.broken("fhir");
  return value;
}

/** A reader as a vector gives it: `reader` names one of the file's, `change` what is different for this vector. */
export function readerOf(vector, shared) {
  const given = { ...shared.readers[vector.reader], ...vector.change };
  const known = knownAccounts(shared, given.accounts);
  const chain = (kind, oth, links) => replay(kind, given.patient, oth, frames(shared, links), known);
  const table = (rows) => new Map(rows.map((row) => [row.slice(0, -1).join(" "), row.at(-1)]));
  const [seeds, stored, categories] = [table(given.seeds), table(given.known), table(given.categories)];
  return {
    patient: given.patient,
    hubKey: unb64(given.hub_key),
    accounts: known,
    sets: new Map(Object.entries(given.sets).map(([set, links]) => [set, chain("set", set, links)])),
    relation: given.relation ? chain("rel", ...given.relation) : null,
    confirmed: Boolean(given.confirmed),
    seed: (...where) => (seeds.has(where.join(" ")) ? unb64(seeds.get(where.join(" "))) : undefined),
    known: (...where) => stored.get(where.join(" ")),
    categoryOf: (...where) => categories.get(where.join(" ")),
    check: plainCheck,
    pins: new Map(Object.entries(given.pins)),
  };
}

function openings(vector, shared) {
  const [raw, stamp, permit] = frames(shared, [vector.frame, vector.stamp, vector.permit]);
  const reader = readerOf(vector, shared);
  if (vector.object) reader.object = () => frames(shared, [vector.object])[0];
  const opened = consent.opening.openEnvelope(raw, stamp, permit, reader, vector.now);
  same(opened.resources.map((line) => b64(line.raw)), vector.lines);
  same(opened.quarantined.map((line) => b64(line.raw)), vector.quarantined);
  same(opened.missing, Boolean(vector.missing));
  same(reader.categoryOf(opened.set, opened.index), vector.category);
}

// --- all chains of a patient ---------------------------------------------------------------------------------------

/** Records already replayed, by file and name. */
const records = new WeakMap();

/** The record that a vector names, replayed once. */
export function recordOf(name, shared) {
  if (!records.has(shared)) records.set(shared, new Map());
  const known = records.get(shared);
  if (!known.has(name)) known.set(name, record(shared.records[name], shared));
  return known.get(name);
}

function record({ acc, account: own, accounts: others, sets: chains, relations: all }, shared) {
  const known = knownAccounts(shared, { ...others, [acc]: own });
  const states = (kind, named) =>
    new Map(Object.entries(named).map(([oth, links]) => [oth, replay(kind, acc, oth, frames(shared, links), known)]));
  const found = { account: known.get(acc), sets: states("set", chains), relations: states("rel", all) };
  return new consent.grants.Record({ ...found, accounts: known });
}

function jointRules(vector, shared) {
  const [raw, blob = null] = frames(shared, [vector.statement, ...(vector.blob === undefined ? [] : [vector.blob])]);
  consent.rules.admit(recordOf(vector.record, shared), raw, blob, vector.now);
}

function releases(vector, shared) {
  const relation = recordOf(vector.record, shared).relations.get(vector.reader);
  same(consent.grants.covers(relation, vector, vector.now, new Set(vector.declared)), vector.grant);
}

function owings(vector, shared) {
  const vault = vaultOf(shared.vaults[vector.vault]);
  same(stepValue(consent.owed.owed(recordOf(vector.record, shared), vault, vector.now)), vector.step);
}

/** A vault from the JSON that it seals. */
export function vaultOf(value) {
  return consent.vault.Vault.load(primitives.utf8(JSON.stringify(value)));
}

/** A step as JSON: its name and its fields. */
export function stepValue(step) {
  return step && Object.values(step);
}

// --- what a hub vouches for ------------------------------------------------------------------------------------------

function hubWords(vector) {
  const { hub, to, nonce } = vector;
  if (vector.what === "note") {
    const note = consent.heads.parseNote(unb64(vector.frame));
    note.verify(unb64(vector.key), { hub, to, nonce });
    same([note.cur, note.at], [vector.cur, vector.at]);
  } else {
    const told = consent.heads.parse(unb64(vector.frame));
    told.verify(unb64(vector.key), { hub, to, nonce });
    same([...told.heads].map(([name, place]) => [name, ...place]), vector.heads);
    same(told.at, vector.at);
  }
}

// --- emergencies -----------------------------------------------------------------------------------------------------

function declared(vector, shared) {
  const [, acc, oth] = vector.chain;
  const known = knownAccounts(shared, vector.accounts);
  const relation = relations.replay(frames(shared, vector.frames), acc, oth, known);
  const word = consent.declarations.read(unb64(vector.frame));
  word.verify(known.get(vector.caller), vector.now, vector.came ?? undefined);
  same(word.opens(relation, vector.now).gid, vector.gid);
  const reading = vector.keys.map((secret) => new keys.BoxKey(unb64(secret)));
  const told = word.tell(new Map(reading.map((key) => [b64(key.public), key])));
  same([told.person, told.reason], [vector.person, vector.reason]);
}

/** An object from parts: a frame of the pool, `[frame, start, end]`, or bytes. */
function putTogether(parts, shared) {
  const found = parts.map((part) => {
    const [name, ...cut] = Array.isArray(part) ? part : [part];
    return unb64(shared.frames[name] ?? name).slice(...cut);
  });
  return primitives.concat(...found);
}

function objects(vector, shared) {
  const named = consent.opening.readReference(unb64(vector.reference));
  const sealed = putTogether(vector.sealed, shared);
  const plaintext = consent.opening.openObject(sealed, named, unb64(vector.ctx));
  same(plaintext.length, vector.size);
  same(plaintext.every((byte, place) => byte === place % 251), true);
}

function lockouts(vector, shared) {
  const record = recordOf(vector.record, shared);
  const held = vaultOf(shared.vaults[vector.vault]);
  same(lockout.mustChange(record, vector.shared, vector.now), vector.must);
  same(lockout.holders(record, vector.shared, vector.now), vector.holders);
  const left = lockout.leftBehind(record, held, vector.shared, vector.now);
  same(left.map(([name, grant]) => [name, grant.gid]), vector.left);
  same([...lockout.fresh(record, held, vector.now).candidates.keys()].sort(), vector.candidates);
}

function vaults({ part, sealed, account, version, key, content }) {
  const found =
    part === "root"
      ? vault.unsealRoot(unb64(sealed), account, unb64(key))
      : vault.unseal(unb64(sealed), account, version, unb64(key));
  same(JSON.parse(new TextDecoder().decode(found.dump())), content);
}

function pairings(vector) {
  const { pairing } = consent;
  const { Invitation } = pairing;
  const box = vector.box && new keys.BoxKey(unb64(vector.box));
  if (vector.what === "invitation") {
    const shown = Invitation.parse(vector.text);
    const { domain, place } = shown;
    same([domain, place, b64(shown.sign), b64(shown.box)], [vector.domain, vector.place, vector.sign, vector.box]);
    same(b64(shown.commitment), vector.commitment);
    same(String(Invitation.parse(String(shown))), String(shown));
  } else if (vector.what === "reply") {
    const { card, sign, box: old, nonce } = pairing.openReply(unb64(vector.sealed), box);
    same([String(card), b64(sign), b64(old), b64(nonce)], [vector.card, vector.sign, vector.old_box, vector.nonce]);
  } else if (vector.what === "reveal") {
    const found = pairing.openReveal(unb64(vector.sealed), box, Invitation.parse(vector.invitation));
    same([found.device, b64(found.nonce), found.label], [vector.device, vector.nonce, vector.label]);
  } else {
    const [sign, old, nonce] = [vector.sign, vector.old_box, vector.nonce].map((text) => unb64(text));
    const reply = { card: consent.identifiers.card(vector.card), sign, box: old, nonce };
    const reveal = { device: vector.device, nonce: unb64(vector.revealed), label: "" };
    same(pairing.digits(Invitation.parse(vector.invitation), reply, reveal), vector.digits);
  }
}

const RUN = {
  "label-hash": labelHashes,
  "canonical": canonicals,
  "padding": paddings,
  "identifiers": names,
  "derivation": derivations,
  "account-chain": chains,
  "stream-chain": chains,
  "relation-chain": chains,
  "bundle": bundles,
  "opening": openings,
  "heads": hubWords,
  "declaration": declared,
  "object": objects,
  "opening-object": openings,
  "vault": vaults,
  "lockout": lockouts,
  "pairing": pairings,
  "joint-rules": jointRules,
  "owed": owings,
  "release": releases,
};

/** The kinds of vectors that are run here. */
export const KINDS = Object.keys(RUN);
