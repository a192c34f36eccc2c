/** Sealing: resources into an envelope or an object, seeds into a bundle (PROTOCOL.md 3.1, 3.5 and 4.1). */

import * as canonical from "./canonical.ts";
import { type About, build, context, type Header, OBJECT, RESOURCES, SUITE } from "./envelope.ts";
import type { SigningKey } from "./keys.ts";
import { CHUNK_BYTES, objectHash } from "./objects.ts";
import * as primitives from "./primitives.ts";
import { ascii, b64, broken, concat, KEY_BYTES, keyedHash, labelHash, le32, NONCE_BYTES } from "./primitives.ts";
import { randomBytes, unb64, utf8 } from "./primitives.ts";
import type { Handed } from "./relations.ts";
import type { Master, SetKey } from "./sets.ts";
import type { Position } from "./shapes.ts";

/** Where an author writes: a stream of a patient, and the public key of its current epoch. */
export type Destination = {
  readonly patient: string;
  readonly stream: string;
  readonly epoch: number;
  readonly public: Uint8Array;
};

/** Who writes, and with which device. */
export type Author = { readonly account: string; readonly device: string; readonly key: SigningKey };

/** An envelope's place: `seq` from 1 for each author, device and stream; `prev` hash of the one before, empty at 1. */
export type Place = {
  readonly bid: string;
  readonly seq: number;
  readonly prev: string;
  /** Unix second of sealing, kept by the hour only. */
  readonly at: number;
  readonly hd?: string;
  readonly cty?: string;
};

const NEWLINE = ascii("\n");

/** `hd`: names what a later envelope replaces, without telling what it is. `name` e.g. `Observation/123`. */
export function handle(stream: string, name: string, handleKey: Uint8Array): string {
  return b64(keyedHash(handleKey, "obhut-handle", stream, utf8(name)).slice(0, 16));
}

/**
 * Seal resources (each one JSON line, verbatim) into an envelope. Returns the frame.
 *
 * Throws `Rejected(broken, count)` for a resource over several lines: its readers could not tell where it ends.
 */
export function seal(lines: readonly Uint8Array[], to: Destination, author: Author, place: Place): Uint8Array {
  if (lines.some((line) => line.length === 0 || line.includes(10))) throw broken("count");
  const plaintext = concat(...lines.flatMap((line, i) => (i ? [NEWLINE, line] : [line])));
  return sealPlaintext(plaintext, lines.length, place.cty ?? RESOURCES, to, author, place);
}

/** What the context of an envelope is made of, but for the patient. */
function aboutOf(to: Destination, author: Author, { bid, seq }: Pick<Place, "bid" | "seq">): About {
  return { suite: SUITE, str: to.stream, ep: to.epoch, aut: author.account, dev: author.device, bid, seq };
}

function sealPlaintext(
  plaintext: Uint8Array,
  n: number,
  cty: string,
  to: Destination,
  author: Author,
  place: Place,
): Uint8Array {
  const { prev, at, hd = "" } = place;
  const about = aboutOf(to, author, place);
  const ctx = context(to.patient, about);
  const key = randomBytes(KEY_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const header: Header = {
    ...about,
    v: 1,
    cty,
    prev,
    tb: at - (at % 3600),
    hd,
    n,
    wk: b64(primitives.sealBox(concat(key, ctx), to.public)),
    kc: b64(commitment(ctx, key)),
    nc: b64(nonce),
  };
  return build(header, primitives.encrypt(key, nonce, associated(header), primitives.pad(plaintext)), author.key);
}

/** `kc`: binds the ciphertext to one content key. */
export function commitment(ctx: Uint8Array, key: Uint8Array): Uint8Array {
  return keyedHash(key, "hse1-kc", ctx);
}

/** The associated data of an envelope's ciphertext: its whole header. */
export function associated(header: Header): Uint8Array {
  return concat(ascii("hse1-aad"), canonical.dump(header));
}

// --- objects ------------------------------------------------------------------------------------------------------

/** A sealed object, and the frame of the envelope that names it. */
export type SealedObject = { readonly object: Uint8Array; readonly frame: Uint8Array };

/** Seal resources over 1 MiB: the object that holds them, and its envelope. Throws as `seal`. */
export function sealAsObject(
  lines: readonly Uint8Array[],
  to: Destination,
  author: Author,
  place: Place,
): SealedObject {
  if (lines.some((line) => line.length === 0 || line.includes(10))) throw broken("count");
  const plaintext = concat(...lines.flatMap((line, i) => (i ? [NEWLINE, line] : [line])));
  const key = randomBytes(KEY_BYTES);
  const object = sealObject(plaintext, key, context(to.patient, aboutOf(to, author, place)));
  const reference = { v: 1, key: b64(key), size: plaintext.length, hash: objectHash(object) };
  return { object, frame: sealPlaintext(canonical.dump(reference), lines.length, OBJECT, to, author, place) };
}

/** Seal the plaintext of an object; `ctx` is the context of the envelope that will name it. */
export function sealObject(plaintext: Uint8Array, key: Uint8Array, ctx: Uint8Array): Uint8Array {
  const { state, header } = primitives.beginStream(key);
  const padded = primitives.pad(plaintext);
  const chunks = [header];
  for (let start = 0; start < padded.length; start += CHUNK_BYTES) {
    const end = start + CHUNK_BYTES;
    chunks.push(primitives.sealChunk(state, ctx, padded.slice(start, end), end >= padded.length));
  }
  return concat(...chunks);
}

// --- bundles ------------------------------------------------------------------------------------------------------

/** What binds a bundle to its relation, its place in the chain, its grant and its reading key. */
export function bundleContext(cid: string, seq: number, prev: string, gid: string, rk: string): Uint8Array {
  return labelHash("obhut-bundle-ctx", cid, seq, prev, gid, rk);
}

/** What a bundle carries: with a grant `consent` = salt ‖ FHIR Consent, and the finer rules (JSON). */
export type Content = {
  readonly records: readonly Uint8Array[];
  readonly consent?: Uint8Array;
  readonly rules?: unknown;
};

/** A bundle and the content key sealed to the counterpart's reading key. */
export type SealedBundle = { readonly blob: Uint8Array; readonly key: string };

/** Seal seeds for a counterpart. `place`: the sequence number and `prev` of the statement that carries the bundle. */
export function sealBundle(cid: string, place: Position, gid: string, rk: string, content: Content): SealedBundle {
  const { records, consent = new Uint8Array(), rules = null } = content;
  const finer = utf8(rules === null ? "" : JSON.stringify(rules));
  const plaintext = concat(le32(consent.length), consent, le32(finer.length), finer, ...records);
  const ctx = bundleContext(cid, ...place, gid, rk);
  const key = randomBytes(KEY_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const data = concat(ascii("obhut-bundle"), ctx);
  const ciphertext = primitives.encrypt(key, nonce, data, primitives.pad(plaintext));
  return { blob: concat(nonce, ciphertext), key: b64(primitives.sealBox(concat(key, ctx), unb64(rk, 32))) };
}

/** The seeds of one epoch for one counterpart: 548 bytes, whatever is granted. */
export function record(setId: string, epoch: number, setKey: SetKey, master: Master, mask: number): Uint8Array {
  const indices = setKey.indices(setKey.granted(mask));
  return pack(
    setId,
    epoch,
    indices.map((index) => [index, master.seed(index)] as const),
  );
}

/** The record of sixteen (index, seed), in the order of categories. */
export function pack(setId: string, epoch: number, seeds: readonly (readonly [index: number, seed: Uint8Array])[]) {
  const packed = seeds.flatMap(([index, seed]) => [Uint8Array.of(index), seed]);
  return concat(unb64(setId, 16), le32(epoch), ...packed);
}

/** The records of a bundle, in the order of `has`, epochs ascending. */
export function records(
  rows: readonly Pick<Handed, "set" | "first" | "last" | "mask">[],
  setKey: (set: string) => SetKey,
  master: (set: string, epoch: number) => Master,
): Uint8Array[] {
  const made: Uint8Array[] = [];
  for (const { set, first, last, mask } of rows) {
    for (let epoch = first; epoch <= last; epoch += 1) {
      made.push(record(set, epoch, setKey(set), master(set, epoch), mask));
    }
  }
  return made;
}
