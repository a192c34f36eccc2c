/** Opening: the only door to plaintext. Checks in a fixed order; plaintext, or one `Rejected` (PROTOCOL.md 3.4). */

import type { AccountState } from "./accounts.ts";
import * as canonical from "./canonical.ts";
import { category } from "./categories.ts";
import type { Accounts } from "./chains.ts";
import * as envelopes from "./envelope.ts";
import { context, DELETE, Envelope, OBJECT, type Stamp } from "./envelope.ts";
import { account as parseAccount } from "./identifiers.ts";
import type { BoxKey } from "./keys.ts";
import { CHUNK_BYTES, MAX_OBJECT, objectHash, sealedSize } from "./objects.ts";
import * as primitives from "./primitives.ts";
import { ascii, b64, broken, concat, equal, labelHash, NONCE_BYTES, readLe32, Rejected } from "./primitives.ts";
import { stale, STREAM_CHUNK_OVERHEAD, STREAM_HEADER_BYTES, unb64, utf8Text } from "./primitives.ts";
import { type Bundle, checkPermit, type Handed, type RelationState } from "./relations.ts";
import { blobHash } from "./rules.ts";
import { bundleContext, commitment } from "./sealing.ts";
import { blob, digest, type Fields, MASK_BITS, number, require, shape } from "./shapes.ts";
import { parsePermit, type SignedPermit } from "./statements.ts";
import { type SetState, SUITES } from "./streams.ts";

export type Resource = { readonly [name: string]: unknown };

export const RECORD_BYTES = 16 + 4 + MASK_BITS * 33;

/**
 * What a reader holds, all verified before: chains, seeds, and how far it has read.
 *
 * `relation`: its own with the patient, or null for the patient's own client. `confirmed`: the relation's head was
 * confirmed in time. `seed(set, epoch, index)` and `known(author, device, stream, seq)` (an envelope's hash) look up
 * what is held; `pins` keeps the first author seen of each set. `categoryOf(set, index)`: from the reader's bundle.
 * `check` reads and checks one resource; throws `Rejected(broken, fhir)`. `object(envelope)` gets the sealed object
 * that an envelope names, or undefined while it cannot be had. `permits`, where there is one, keeps by its bytes what was
 * checked of a permit against these `accounts`: a set has one, and thousands of envelopes.
 */
export type Reader = {
  readonly patient: string;
  readonly hubKey: Uint8Array;
  readonly accounts: Accounts;
  readonly sets: ReadonlyMap<string, SetState>;
  readonly relation: RelationState | null;
  readonly confirmed: boolean;
  readonly seed: (set: string, epoch: number, index: number) => Uint8Array | undefined;
  readonly known: (author: string, device: string, stream: string, seq: number) => string | undefined;
  readonly categoryOf: (set: string, index: number) => number | undefined;
  readonly check: (line: Uint8Array) => Resource;
  readonly pins: Map<string, string>;
  readonly object?: (envelope: Envelope) => Uint8Array | undefined;
  readonly permits?: WeakMap<Uint8Array, SignedPermit>;
};

/** A resource: verbatim, and its parsed form. */
export type Line = { readonly raw: Uint8Array; readonly resource: Resource };

/**
 * Plaintext of an envelope.
 *
 * `quarantined`: resources of another subject or category, never to be shown; `missing`: earlier envelopes of this
 * device and stream have not arrived; `deletes`: the envelope takes back what its handle names.
 */
export type Opened = {
  readonly envelope: Envelope;
  readonly stamp: Stamp;
  readonly set: string;
  readonly index: number;
  readonly resources: readonly Line[];
  readonly quarantined: readonly Line[];
  readonly missing: boolean;
  readonly deletes: boolean;
};

/**
 * Open an envelope as released by a hub: a frame, or one that is taken apart already. Throws `Rejected`; the order of
 * checks is that of PROTOCOL.md 3.4.
 */
export function openEnvelope(
  frame: Uint8Array | Envelope,
  stampRaw: Uint8Array,
  permitRaw: Uint8Array,
  reader: Reader,
  now: number,
): Opened {
  const envelope = frame instanceof Envelope ? frame : envelopes.parse(frame);
  const stamp = envelopes.parseStamp(stampRaw);
  const { state, index } = place(envelope, stamp, reader);
  checkGrant(envelope, state.oth, index, reader, now);
  checkAuthor(permitRaw, envelope, state.oth, reader);
  const author = checkStamp(stamp, envelope, state, reader);
  const device = author.device(envelope.header.dev, stamp.aut[0]);
  if (!["client", "writer", "gateway"].includes(device.role)) throw broken("device");
  envelope.verify(device.sign);
  checkEpoch(envelope, stamp, state);
  const missing = checkSequence(envelope, reader);
  const lines = decrypt(envelope, state, index, reader);
  const { resources, quarantined } = sort(lines, state.oth, index, reader);
  const deletes = envelope.header.cty === DELETE;
  return { envelope, stamp, set: state.oth, index, resources, quarantined, missing, deletes };
}

function place(envelope: Envelope, stamp: Stamp, reader: Reader): { state: SetState; index: number } {
  for (const state of reader.sets.values()) {
    const index = state.ids.get(envelope.header.str);
    if (index !== undefined && state.acc === reader.patient) {
      if (stamp.set[0] >= state.links.length) throw stale();
      const least = state.epoch(state.currentAt(stamp.set[0])).suite;
      if (SUITES.indexOf(envelope.header.suite) < SUITES.indexOf(least)) throw broken("suite");
      return { state, index };
    }
  }
  throw broken("stream");
}

function checkGrant(envelope: Envelope, setId: string, index: number, reader: Reader, now: number): void {
  if (reader.relation === null) return;
  const covers = reader.relation.live(now).some((grant) => {
    const covered = grant.cover.get(setId);
    return covered !== undefined && ((covered.mask >>> index) & 1) === 1 && covered.from <= envelope.header.ep;
  });
  if (!covers) throw new Rejected("not-for-you", "grant");
  if (!reader.confirmed) throw stale("unconfirmed");
}

function checkAuthor(raw: Uint8Array, envelope: Envelope, setId: string, reader: Reader): void {
  const checked = reader.permits?.get(raw);
  const permit = checked ?? parsePermit(raw);
  const pinned = reader.pins.get(setId) ?? permit.aut;
  if (permit.aut !== envelope.header.aut || pinned !== permit.aut) throw broken("permit");
  if (!reader.accounts.has(permit.aut)) throw stale();
  if (checked?.set !== setId) checkPermit(permit, reader.patient, setId, reader.accounts);
  reader.permits?.set(raw, permit);
  reader.pins.set(setId, permit.aut);
}

function checkStamp(stamp: Stamp, envelope: Envelope, state: SetState, reader: Reader): AccountState {
  stamp.verify(reader.hubKey, envelope);
  if (stamp.hub !== parseAccount(reader.patient).domain) throw broken("stamp");
  const author = reader.accounts.get(envelope.header.aut);
  if (author === undefined) throw stale();
  const places = [
    { links: author.links, position: stamp.aut },
    { links: state.links, position: stamp.set },
  ];
  for (const { links, position } of places) {
    const [seq, hash] = position;
    const link = links[seq];
    if (link === undefined) throw stale();
    if (link.hash !== hash) throw broken("fork");
  }
  return author;
}

function checkEpoch(envelope: Envelope, stamp: Stamp, state: SetState): void {
  const { ep } = envelope.header;
  const current = state.currentAt(stamp.set[0]);
  if (ep === current) return;
  const { link, grace } = state.epoch(current);
  if (ep !== current - 1 || stamp.at >= link.iat + grace) throw broken("epoch");
}

/** Whether earlier envelopes of this device and stream have not arrived. */
function checkSequence(envelope: Envelope, reader: Reader): boolean {
  const { aut, dev, str, seq, prev } = envelope.header;
  const same = reader.known(aut, dev, str, seq);
  if (same !== undefined && same !== envelope.hash) throw broken("sequence");
  if (seq === 1) return false;
  const before = reader.known(aut, dev, str, seq - 1);
  if (before !== undefined && before !== prev) throw broken("sequence");
  return before === undefined;
}

function decrypt(envelope: Envelope, state: SetState, index: number, reader: Reader): Uint8Array[] {
  const { header, headerBytes, ciphertext } = envelope;
  const expected = state.epoch(header.ep).publics[index];
  const seed = reader.seed(state.oth, header.ep, index);
  if (seed === undefined || expected === undefined || !equal(publicOf(seed), expected)) {
    throw new Rejected("not-for-you", "seed");
  }
  const opened = primitives.openBox(unb64(header.wk, 112), seed, expected);
  const ctx = context(reader.patient, header);
  const key = opened.slice(0, 32);
  if (!equal(opened.slice(32), ctx)) throw broken("context");
  if (!equal(commitment(ctx, key), unb64(header.kc, 32))) throw broken("commitment");
  const data = concat(ascii("hse1-aad"), headerBytes);
  const inside = primitives.unpad(primitives.decrypt(key, unb64(header.nc, 24), data, ciphertext));
  const plaintext = header.cty === OBJECT ? fetchObject(inside, envelope, ctx, reader) : inside;
  const lines = plaintext.length ? split(plaintext) : [];
  if (lines.length !== header.n) throw broken("count");
  return lines;
}

/** Public keys by the seeds of which they were made: there are few, and each opens many envelopes. */
const publics = new WeakMap<Uint8Array, Uint8Array>();

function publicOf(seed: Uint8Array): Uint8Array {
  let found = publics.get(seed);
  if (found === undefined) publics.set(seed, (found = primitives.boxPublic(seed)));
  return found;
}

function fetchObject(inside: Uint8Array, envelope: Envelope, ctx: Uint8Array, reader: Reader): Uint8Array {
  const named = readReference(inside);
  const sealed = reader.object?.(envelope);
  if (sealed === undefined) throw stale("object");
  return openObject(sealed, named, ctx);
}

/** What an envelope says of its object: its key, the bytes of its plaintext, the hash of the sealed object. */
export type Reference = { readonly key: Uint8Array; readonly size: number; readonly hash: string };

const REFERENCE: Fields = { v: number, key: blob(32), size: number, hash: digest };

/** Read what stands in an envelope in place of resources. Throws `Rejected`: `canon`, `fields` or `limits`. */
export function readReference(raw: Uint8Array): Reference {
  const value = canonical.parse(raw);
  shape(value, REFERENCE);
  const { v, key, size, hash } = value as { v: number; key: string; size: number; hash: string };
  require(v === 1 && size >= 1);
  if (size > MAX_OBJECT) throw broken("limits");
  return { key: unb64(key, 32), size, hash };
}

/**
 * The plaintext of an object; `ctx` is the context of its envelope (PROTOCOL.md 3.5).
 *
 * Throws `Rejected(broken, …)`: `size`, `hash`, then of each chunk `aead` and `tag`, then `padding` and `size`.
 */
export function openObject(sealed: Uint8Array, named: Reference, ctx: Uint8Array): Uint8Array {
  if (sealed.length !== sealedSize(named.size)) throw broken("size");
  if (objectHash(sealed) !== named.hash) throw broken("hash");
  const state = primitives.resumeStream(named.key, sealed.slice(0, STREAM_HEADER_BYTES));
  const step = CHUNK_BYTES + STREAM_CHUNK_OVERHEAD;
  const chunks: Uint8Array[] = [];
  for (let start = STREAM_HEADER_BYTES; start < sealed.length; start += step) {
    const end = start + step;
    chunks.push(primitives.openChunk(state, ctx, sealed.slice(start, end), end >= sealed.length));
  }
  const plaintext = primitives.unpad(concat(...chunks));
  if (plaintext.length !== named.size) throw broken("size");
  return plaintext;
}

function split(plaintext: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = plaintext.indexOf(10); end >= 0; end = plaintext.indexOf(10, start)) {
    lines.push(plaintext.slice(start, end));
    start = end + 1;
  }
  return [...lines, plaintext.slice(start)];
}

function sort(lines: readonly Uint8Array[], setId: string, index: number, reader: Reader) {
  const expected = reader.categoryOf(setId, index);
  const { local } = parseAccount(reader.patient);
  const resources: Line[] = [];
  const quarantined: Line[] = [];
  for (const raw of lines) {
    const resource = reader.check(raw);
    const fits = concerns(resource, local) && category(resource) === expected;
    (fits ? resources : quarantined).push({ raw, resource });
  }
  return { resources, quarantined };
}

/** Where R4 says whom a resource is about. */
const SUBJECTS = ["subject", "patient", "beneficiary", "for", "individual", "candidate"];

/** Whether a resource is about the patient, or about nobody in particular (a Device, an Organization). */
export function isAbout(resource: Resource, patient: string): boolean {
  return concerns(resource, parseAccount(patient).local);
}

function concerns(resource: Resource, name: string): boolean {
  if (resource["resourceType"] === "Patient") return resource["id"] === name;
  const element = SUBJECTS.find((each) => Object.hasOwn(resource, each));
  const subject = element === undefined ? undefined : resource[element];
  if (subject === undefined || subject === null) return true;
  return typeof subject === "object" && "reference" in subject && subject.reference === `Patient/${name}`;
}

// --- bundles ------------------------------------------------------------------------------------------------------

/** The seeds of one epoch, as a bundle hands them out: index → seed, in the order of categories. */
export type Seeds = { readonly set: string; readonly epoch: number; readonly byIndex: ReadonlyMap<number, Uint8Array> };

/** Index → category, told by the order of the record. */
export function categories(seeds: Seeds): Map<number, number> {
  return new Map([...seeds.byIndex.keys()].map((index, place) => [index, place]));
}

/** What a bundle held. `consent` is the FHIR Consent without its salt, empty where the bundle carries none. */
export type OpenedBundle = {
  readonly salt: Uint8Array;
  readonly consent: Uint8Array;
  readonly rules: unknown;
  readonly seeds: readonly Seeds[];
};

/**
 * Open a bundle with the reading key it was sealed to, and check its records against `has` one to one.
 *
 * Throws `Rejected`: `not-for-you` without the key, else `broken` with `blob`, `seal`, `context`, `aead`, `padding`,
 * `record` or `consent`.
 */
export function openBundle(
  bundle: Bundle,
  blob: Uint8Array,
  relation: RelationState,
  keys: ReadonlyMap<string, BoxKey>,
): OpenedBundle {
  const { link, rows } = bundle;
  const { gid, rk, key, lst } = link.body;
  if (blobHash(blob) !== lst) throw broken("blob");
  const reading = keys.get(rk);
  if (reading === undefined) throw new Rejected("not-for-you", "key");
  const opened = reading.open(unb64(key, 112));
  const ctx = bundleContext(relation.id, link.seq, link.prev, gid, rk);
  if (!equal(opened.slice(32), ctx)) throw broken("context");
  const data = concat(ascii("obhut-bundle"), ctx);
  const padded = primitives.decrypt(opened.slice(0, 32), blob.slice(0, NONCE_BYTES), data, blob.slice(NONCE_BYTES));
  const found = readBundle(primitives.unpad(padded), rows);
  const named = "consent" in link.body ? link.body.consent : "";
  const carried = b64(labelHash("obhut-consent", found.salt, found.consent));
  if (found.salt.length > 0 && named !== carried) throw broken("consent");
  return found;
}

function readBundle(plaintext: Uint8Array, rows: readonly Handed[]): OpenedBundle {
  const [consent, afterConsent] = take(plaintext);
  const [finer, rest] = take(afterConsent);
  const count = rows.reduce((sum, row) => sum + row.last - row.first + 1, 0);
  if (rest.length !== RECORD_BYTES * count || (0 < consent.length && consent.length < 16)) throw broken("record");
  const rules = finer.length ? readRules(finer) : null;
  const seeds: Seeds[] = [];
  for (const { set, first, last, mask } of rows) {
    for (let epoch = first; epoch <= last; epoch += 1) {
      const start = RECORD_BYTES * seeds.length;
      seeds.push(readRecord(rest.slice(start, start + RECORD_BYTES), set, epoch, mask));
    }
  }
  return { salt: consent.slice(0, 16), consent: consent.slice(16), rules, seeds };
}

function readRules(finer: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Text(finer, "record"));
  } catch {
    throw broken("record");
  }
}

function take(data: Uint8Array): [Uint8Array, Uint8Array] {
  if (data.length < 4) throw broken("record");
  const end = 4 + readLe32(data, 0);
  if (data.length < end) throw broken("record");
  return [data.slice(4, end), data.slice(end)];
}

function readRecord(data: Uint8Array, set: string, epoch: number, mask: number): Seeds {
  if (!equal(data.slice(0, 16), unb64(set, 16)) || readLe32(data, 16) !== epoch) throw broken("record");
  const byIndex = new Map<number, Uint8Array>();
  for (let start = 20; start < RECORD_BYTES; start += 33) {
    const index = data[start] ?? 32;
    if (index > 31 || ((mask >>> index) & 1) === 0 || byIndex.has(index)) throw broken("record");
    byIndex.set(index, data.slice(start + 1, start + 33));
  }
  return { set, epoch, byIndex };
}

/** The (index, seed) pairs whose public keys are those of the started epoch. The rest is `bad-seed`: dropped. */
export function goodSeeds(seeds: Seeds, state: SetState): [index: number, seed: Uint8Array][] {
  const { publics } = state.epoch(seeds.epoch);
  return [...seeds.byIndex].filter(([index, seed]) => {
    const expected = publics[index];
    return expected !== undefined && equal(primitives.boxPublic(seed), expected);
  });
}
