/**
 * The envelope HSE1: its header, its frame, and the home hub's stamp (PROTOCOL.md 3). Nothing here holds a secret.
 *
 *     "HSE1" ‖ LE32 h ‖ H(h ≤ 8192) ‖ signature(64) ‖ C
 */

import * as canonical from "./canonical.ts";
import * as frames from "./frames.ts";
import type { Frame } from "./frames.ts";
import type { SigningKey } from "./keys.ts";
import * as primitives from "./primitives.ts";
import { ascii, b64, blake2b, broken, concat, equal, labelHash, le32, readLe32 } from "./primitives.ts";
import { Rejected, SIGNATURE_BYTES, TAG_BYTES } from "./primitives.ts";
import { accountName, blob, type Check, choice, deviceName, digest, type Fields, hashOrEmpty } from "./shapes.ts";
import { id16, number, type Position, readPosition, require, shape, text } from "./shapes.ts";

export const MAGIC = ascii("HSE1");
export const MAX_HEADER = 8192;
export const MAX_FRAME = 1024 * 1024 + 16 * 1024;
export const SUITE = "HS1";
export const RESOURCES = "application/fhir+ndjson";
export const OBJECT = "application/obhut-object";
export const DELETE = "application/obhut-delete";

/** The fields that tell what an envelope is about. */
export type About = {
  readonly suite: string;
  readonly str: string;
  readonly ep: number;
  readonly aut: string;
  readonly dev: string;
  readonly bid: string;
  readonly seq: number;
};

/** The header as a value. */
export type Header = About & {
  readonly v: number;
  readonly cty: string;
  readonly prev: string;
  readonly tb: number;
  readonly hd: string;
  readonly n: number;
  readonly wk: string;
  readonly kc: string;
  readonly nc: string;
};

/** A sealed envelope as everybody may see it. */
export class Envelope {
  readonly header: Header;
  readonly headerBytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly raw: Uint8Array;
  #hash: string | undefined;

  constructor(header: Header, headerBytes: Uint8Array, signature: Uint8Array, ciphertext: Uint8Array, raw: Uint8Array) {
    this.header = header;
    this.headerBytes = headerBytes;
    this.signature = signature;
    this.ciphertext = ciphertext;
    this.raw = raw;
  }

  /** The frame's hash (base64url): what the next envelope's `prev` names. */
  get hash(): string {
    this.#hash ??= b64(frames.frameHash(this.raw));
    return this.#hash;
  }

  /** Check the device's signature over header and ciphertext. Throws `Rejected(broken, signature)`. */
  verify(publicKey: Uint8Array): void {
    primitives.verify(publicKey, signedDigest(this.headerBytes, this.ciphertext), this.signature);
  }
}

/** What the author's device signs. */
export function signedDigest(header: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return labelHash("hse1-sig", header, blake2b(ciphertext));
}

/** `ctx`: what an envelope is about. The patient is bound here and named nowhere in the header. */
export function context(patient: string, { suite, str, ep, aut, dev, bid, seq }: About): Uint8Array {
  return labelHash("hse1-ctx", suite, patient, str, ep, aut, dev, bid, seq);
}

const handle: Check = (value) => {
  if (value !== "") id16(value);
};

export const HEADER: Fields = {
  v: number,
  suite: text,
  cty: choice(RESOURCES, OBJECT, DELETE),
  str: id16,
  ep: number,
  aut: accountName,
  dev: deviceName,
  bid: id16,
  seq: number,
  prev: hashOrEmpty,
  tb: number,
  hd: handle,
  n: number,
  wk: blob(112),
  kc: blob(32),
  nc: blob(24),
};

/** Take an envelope apart. Throws `Rejected(broken, …)` with `limits`, `frame`, `canon`, `fields` or `suite`. */
export function parse(raw: Uint8Array): Envelope {
  if (raw.length > MAX_FRAME) throw broken("limits");
  if (raw.length < 8 + SIGNATURE_BYTES + TAG_BYTES || !equal(raw.slice(0, 4), MAGIC)) throw broken("frame");
  const length = readLe32(raw, 4);
  if (length > MAX_HEADER) throw broken("limits");
  const start = 8 + length;
  if (raw.length < start + SIGNATURE_BYTES + TAG_BYTES) throw broken("frame");
  const headerBytes = raw.slice(8, start);
  const value = canonical.parse(headerBytes);
  shape(value, HEADER);
  const header = value as unknown as Header;
  require(header.v === 1 && header.ep >= 1 && header.seq >= 1 && header.tb % 3600 === 0);
  require((header.prev === "") === (header.seq === 1));
  require(header.cty === DELETE ? header.n === 0 && header.hd !== "" : header.n >= 1);
  if (header.suite !== SUITE) throw broken("suite");
  const end = start + SIGNATURE_BYTES;
  return new Envelope(header, headerBytes, raw.slice(start, end), raw.slice(end), raw);
}

/** Put an envelope together and sign it. Returns the frame. */
export function build(header: Header, ciphertext: Uint8Array, key: SigningKey): Uint8Array {
  const headerBytes = canonical.dump(header);
  const signature = key.sign(signedDigest(headerBytes, ciphertext));
  const raw = concat(MAGIC, le32(headerBytes.length), headerBytes, signature, ciphertext);
  parse(raw);
  return raw;
}

// --- the home hub's word beside an envelope -----------------------------------------------------------------------

/** At the moment `at`, at these positions, permit, device and epoch were good. Signed by the home hub. */
export class Stamp {
  readonly hub: string;
  readonly bid: string;
  readonly fh: string;
  readonly at: number;
  readonly aut: Position;
  readonly set: Position;
  readonly rel: string;
  readonly frame: Frame;

  constructor(frame: Frame) {
    const { hub, bid, fh, at, rel } = frame.header as { hub: string; bid: string; fh: string; at: number; rel: string };
    this.hub = hub;
    this.bid = bid;
    this.fh = fh;
    this.at = at;
    this.aut = readPosition(frame.header["aut"]);
    this.set = readPosition(frame.header["set"]);
    this.rel = rel;
    this.frame = frame;
  }

  /** Check the hub's signature and that it speaks of this envelope. Throws `Rejected(broken, stamp)`. */
  verify(hubKey: Uint8Array, envelope: Envelope): void {
    orStamp(() => this.frame.verify("obhut-stamp", hubKey));
    if (this.bid !== envelope.header.bid || this.fh !== envelope.hash) throw broken("stamp");
  }
}

const STAMP: Fields = {
  v: number,
  typ: choice("stamp"),
  hub: text,
  bid: id16,
  fh: digest,
  at: number,
  aut: readPosition,
  set: readPosition,
  rel: digest,
};

/** `rel` of a stamp: opaque to other readers, checkable by the patient and the author. */
export function relationMark(relationHead: Position, setId: string): string {
  return b64(labelHash("obhut-relation", relationHead[0], relationHead[1], setId));
}

/** Read a stamp. Whatever is wrong with its form is `Rejected(broken, stamp)`. */
export function parseStamp(raw: Uint8Array): Stamp {
  return orStamp(() => {
    const frame = frames.parse(raw);
    shape(frame.header, STAMP);
    require(frame.header["v"] === 1);
    return new Stamp(frame);
  });
}

function orStamp<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw error instanceof Rejected ? broken("stamp") : error;
  }
}
