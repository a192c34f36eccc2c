/**
 * Signed messages outside the chains: requests, refusals, read reports, objections to an entry of the log and their
 * answers, and the registration of a client's key.
 *
 * What one party has to say to another is signed by the sender's device, names its receiver, and is sealed to the
 * receiver's reading key (PROTOCOL.md 5.3): a sealed box of the padded frame.
 */

import type { AccountState } from "./accounts.ts";
import * as frames from "./frames.ts";
import type { Frame } from "./frames.ts";
import type { BoxKey, SigningKey } from "./keys.ts";
import * as primitives from "./primitives.ts";
import { b64, broken, randomBytes, Rejected, unb64 } from "./primitives.ts";
import { accountName, choice, deviceName, digest, type Fields, id16, number } from "./shapes.ts";
import { require, shape, text } from "./shapes.ts";

const LABELS = {
  request: "obhut-request",
  refusal: "obhut-refusal",
  read: "obhut-read",
  review: "obhut-review",
  objection: "obhut-objection",
  answer: "obhut-answer",
} as const;
export type Type = keyof typeof LABELS;
export const TYPES = Object.keys(LABELS) as Type[];
export const MAX_AGE_SECONDS = 90 * 24 * 3600;
export const MAX_SEALED = 64 * 1024;
const CLOCK_SECONDS = 600;

/** One party's word to another. `content` is what it carries, for example a FHIR Consent. */
export class Message {
  readonly typ: Type;
  readonly sender: string;
  readonly to: string;
  readonly rnd: string;
  readonly at: number;
  readonly dev: string;
  readonly content: Uint8Array;
  readonly frame: Frame;

  constructor(frame: Frame) {
    const header = frame.header as { from: string; to: string; rnd: string; at: number; dev: string };
    this.typ = frame.header["typ"] as Type;
    this.sender = header.from;
    this.to = header.to;
    this.rnd = header.rnd;
    this.at = header.at;
    this.dev = header.dev;
    this.content = unb64(frame.header["content"]);
    this.frame = frame;
  }

  /** What an answer names (`req` of a grant). */
  get hash(): string {
    return b64(this.frame.hash);
  }

  /**
   * Check sender, receiver and age. Throws `Rejected(broken, …)` with `to`, `time`, `signer` or `signature`.
   *
   * The device must be the sender's at the head of the chain; where the home hub says in which second the message
   * `came`, then: what a device said while it was one stays said.
   */
  verify(sender: AccountState, to: string, now: number, came?: number): void {
    if (this.to !== to || this.sender !== sender.acc) throw broken("to");
    if (this.at < now - MAX_AGE_SECONDS || this.at > now + CLOCK_SECONDS) throw broken("time");
    const device = came === undefined ? sender.device(this.dev) : sender.deviceIn(this.dev, came);
    this.frame.verify(LABELS[this.typ], device.sign);
  }
}

const MESSAGE: Fields = {
  v: number,
  typ: choice(...TYPES),
  from: accountName,
  to: accountName,
  rnd: id16,
  at: number,
  dev: deviceName,
  content: text,
};

/** What a sender says. `content` at most about 24 KiB. */
export type Draft = {
  readonly typ: Type;
  readonly sender: string;
  readonly dev: string;
  readonly to: string;
  readonly at: number;
  readonly content: Uint8Array;
};

/** Sign a message. Returns the frame; it still has to be sealed. */
export function write(key: SigningKey, { typ, sender, dev, to, at, content }: Draft): Uint8Array {
  const header = { v: 1, typ, from: sender, to, rnd: b64(randomBytes(16)), at, dev, content: b64(content) };
  const raw = frames.sign(header, LABELS[typ], key);
  read(raw);
  return raw;
}

/** Read a message's frame. Throws `Rejected(broken, …)`. */
export function read(raw: Uint8Array): Message {
  const frame = frames.parse(raw);
  shape(frame.header, MESSAGE);
  require(frame.header["v"] === 1);
  return new Message(frame);
}

/** Seal a message's frame to the receiver's reading key (base64url). */
export function seal(raw: Uint8Array, readingKey: string): Uint8Array {
  return primitives.sealBox(primitives.pad(raw), unb64(readingKey, 32));
}

/** Open a sealed message with one of the receiver's reading keys. Throws `not-for-you` where none fits. */
export function unseal(sealed: Uint8Array, keys: ReadonlyMap<string, BoxKey>): Message {
  if (sealed.length > MAX_SEALED) throw broken("limits");
  for (const key of keys.values()) {
    const padded = opened(sealed, key);
    if (padded !== null) return read(primitives.unpad(padded));
  }
  throw new Rejected("not-for-you", "key");
}

function opened(sealed: Uint8Array, key: BoxKey): Uint8Array | null {
  try {
    return key.open(sealed);
  } catch (error) {
    if (error instanceof Rejected) return null;
    throw error;
  }
}

// --- the key a device signs its access tokens with ----------------------------------------------------------------

const CLIENT: Fields = {
  v: number,
  typ: choice("client"),
  acc: accountName,
  dev: deviceName,
  key: digest,
  at: number,
};

/** A device tells the hub the Ed25519 key of its `private_key_jwt`; separate from the one that signs statements. */
export class ClientRegistration {
  readonly acc: string;
  readonly dev: string;
  readonly key: Uint8Array;
  readonly at: number;
  readonly frame: Frame;

  constructor(frame: Frame) {
    const { acc, dev, at } = frame.header as { acc: string; dev: string; at: number };
    this.acc = acc;
    this.dev = dev;
    this.key = unb64(frame.header["key"], 32);
    this.at = at;
    this.frame = frame;
  }

  /** Check that the account's device signed this within ten minutes. Throws `Rejected(broken, …)`. */
  verify(account: AccountState, now: number): void {
    if (this.acc !== account.acc) throw broken("signer");
    if (Math.abs(this.at - now) > CLOCK_SECONDS) throw broken("clock");
    this.frame.verify("obhut-client", account.device(this.dev).sign);
  }
}

/** What a device registers; `tokenKey` is the public Ed25519 key for tokens. */
export type Registration = {
  readonly acc: string;
  readonly dev: string;
  readonly tokenKey: Uint8Array;
  readonly at: number;
};

/** Make a client registration. */
export function register(key: SigningKey, { acc, dev, tokenKey, at }: Registration): Uint8Array {
  return frames.sign({ v: 1, typ: "client", acc, dev, key: b64(tokenKey), at }, "obhut-client", key);
}

/** Read a client registration. Throws `Rejected(broken, …)`. */
export function readRegistration(raw: Uint8Array): ClientRegistration {
  const frame = frames.parse(raw);
  shape(frame.header, CLIENT);
  require(frame.header["v"] === 1);
  return new ClientRegistration(frame);
}
