/**
 * Adding a device: what the two devices show and tell each other, and the digits that a person compares.
 *
 * The new device shows an invitation, as a QR code or as text: its public keys, and a commitment to its name and nonce.
 * The device of the account replies with its own keys and nonce; only then the new one reveals what it committed to. So
 * neither side, nor whoever stands between them, can choose its part of the digits when it knows the other's
 * (PROTOCOL.md 5.2).
 */

import * as canonical from "./canonical.ts";
import * as identifiers from "./identifiers.ts";
import type { Card } from "./identifiers.ts";
import type { BoxKey, SigningKey } from "./keys.ts";
import * as primitives from "./primitives.ts";
import { b32, b64, broken, concat, equal, KEY_BYTES, labelHash, randomBytes, unb32, unb64 } from "./primitives.ts";
import { binaryText, deviceName, type Fields, key, number, require, shape, text } from "./shapes.ts";

const SCHEME = "obhut-device:";
const DIGITS = 12;
/** Bytes of a sealed reply or reveal. */
const MAX_WORD = 1024;
/** Bytes of what a device is called. */
const MAX_LABEL = 120;

/** What a new device shows: the domain of its hub, its public keys, and the commitment. */
export class Invitation {
  readonly domain: string;
  readonly sign: Uint8Array;
  readonly box: Uint8Array;
  readonly commitment: Uint8Array;

  constructor(domain: string, sign: Uint8Array, box: Uint8Array, commitment: Uint8Array) {
    this.domain = domain;
    this.sign = sign;
    this.box = box;
    this.commitment = commitment;
  }

  /** Read an invitation as scanned or pasted: case and white space do not count. Throws `Rejected(broken, fields)`. */
  static parse(given: string): Invitation {
    // Lower case would make a `k` of the Kelvin sign.
    if (!/^[\x00-\x7f]*$/.test(given)) throw broken("fields");
    const plain = identifiers.withoutSpaces(given).toLowerCase();
    const slash = plain.indexOf("/");
    if (!plain.startsWith(SCHEME) || slash < 0) throw broken("fields");
    const domain = plain.slice(SCHEME.length, slash);
    const raw = unb32(plain.slice(slash + 1), 3 * KEY_BYTES);
    const part = (place: number) => raw.slice(place * KEY_BYTES, (place + 1) * KEY_BYTES);
    return new Invitation(identifiers.domain(domain), part(0), part(1), part(2));
  }

  /** Upper case, which makes the smaller QR code; read in any case. */
  toString(): string {
    return `${SCHEME}${this.domain}/${b32(concat(this.sign, this.box, this.commitment))}`.toUpperCase();
  }

  /** The name under which the hub keeps what the two tell each other; who has not seen the invitation cannot. */
  get place(): string {
    return b64(labelHash("obhut-place", this.sign, this.box, this.commitment));
  }
}

/** What the device of the account says: whose it is, its public keys as in the account chain, its nonce. */
export type Reply = { readonly card: Card } & { readonly [field in "sign" | "box" | "nonce"]: Uint8Array };

/** What the new device committed to: its name in the account chain, its nonce; and what it may be called. */
export type Reveal = { readonly device: string; readonly nonce: Uint8Array; readonly label: string };

/** A reply with a fresh nonce. */
export function newReply(card: Card, sign: Uint8Array, box: Uint8Array): Reply {
  return { card, sign, box, nonce: randomBytes(KEY_BYTES) };
}

/** What a new device of this name commits to, with a fresh nonce. */
export function newReveal(device: string, label = ""): Reveal {
  return { device, nonce: randomBytes(KEY_BYTES), label };
}

/** What a new device with these keys shows. */
export function invite(domain: string, sign: SigningKey, box: BoxKey, reveal: Reveal): Invitation {
  return new Invitation(domain, sign.public, box.public, commitment(sign.public, box.public, reveal));
}

/** What binds a new device to its reveal before it has heard the reply. */
function commitment(sign: Uint8Array, box: Uint8Array, { device, nonce }: Reveal): Uint8Array {
  return labelHash("obhut-pair", sign, box, device, nonce);
}

/** The reply, for the new device alone. */
export function sealReply({ card, sign, box, nonce }: Reply, invitation: Invitation): Uint8Array {
  return seal({ v: 1, card: String(card), sign: b64(sign), box: b64(box), nonce: b64(nonce) }, invitation.box);
}

/** The reveal, for the device of the account alone. */
export function sealReveal({ device, nonce, label }: Reveal, reply: Reply): Uint8Array {
  return seal({ v: 1, dev: device, nonce: b64(nonce), label: b64(cut(label)) }, reply.box);
}

/** UTF-8 of at most so many bytes, no character in halves. */
function cut(label: string): Uint8Array {
  const whole = new Uint8Array(MAX_LABEL);
  return whole.slice(0, new TextEncoder().encodeInto(label, whole).written);
}

const REPLY: Fields = { v: number, card: text, sign: key, box: key, nonce: key };
const REVEAL: Fields = { v: number, dev: deviceName, nonce: key, label: binaryText };

/** Read the reply on the new device. Throws `Rejected(broken, …)`. */
export function openReply(sealed: Uint8Array, box: BoxKey): Reply {
  const value = open(sealed, box, REPLY);
  const card = identifiers.card(String(value["card"]));
  require(String(card) === value["card"]);
  return { card, sign: unb64(value["sign"]), box: unb64(value["box"]), nonce: unb64(value["nonce"]) };
}

/** Read the reveal on the device of the account. Throws `Rejected(broken, …)`; `commitment` where it was another. */
export function openReveal(sealed: Uint8Array, box: BoxKey, invitation: Invitation): Reveal {
  const value = open(sealed, box, REVEAL);
  const label = unb64(value["label"]);
  require(label.length <= MAX_LABEL);
  const read = new TextDecoder("utf-8", { ignoreBOM: true }).decode(label);
  const reveal = { device: String(value["dev"]), nonce: unb64(value["nonce"]), label: read };
  if (!equal(commitment(invitation.sign, invitation.box, reveal), invitation.commitment)) throw broken("commitment");
  return reveal;
}

/** The twelve digits that both devices show: of all keys, both names and both nonces. */
export function digits(invitation: Invitation, reply: Reply, reveal: Reveal): string {
  const mine = [invitation.sign, invitation.box, reveal.device, reveal.nonce] as const;
  const said = labelHash("obhut-sas", ...mine, reply.sign, reply.box, String(reply.card), reply.nonce);
  const number = new DataView(said.buffer, said.byteOffset).getBigUint64(0, true) % 10n ** BigInt(DIGITS);
  return String(number).padStart(DIGITS, "0");
}

function seal(value: object, box: Uint8Array): Uint8Array {
  return primitives.sealBox(primitives.pad(canonical.dump(value)), box);
}

function open(sealed: Uint8Array, box: BoxKey, fields: Fields): canonical.Members {
  if (sealed.length > MAX_WORD) throw broken("limits");
  const value = canonical.parse(primitives.unpad(box.open(sealed)));
  shape(value, fields);
  require(value["v"] === 1);
  return value;
}
