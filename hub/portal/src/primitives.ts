/**
 * Primitives of libsodium as Obhut uses them, and Padmé; the only module that imports it.
 *
 * Whatever a library call throws becomes one `Rejected`. There is no verification that answers with a boolean: a
 * function returns what was asked for, or it throws. The twin of `consent/primitives.py`.
 */

import sodium from "libsodium-wrappers-sumo";
import { broken } from "./rejected.ts";
import { utf8 } from "./utf8.ts";

export { broken, type Kind, Rejected, stale } from "./rejected.ts";
export { utf8, utf8Text } from "./utf8.ts";

await sodium.ready;

export const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
export const SEAL_BYTES = sodium.crypto_box_SEALBYTES;
export const NONCE_BYTES = sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
export const TAG_BYTES = sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES;
export const STREAM_HEADER_BYTES = sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES;
export const STREAM_CHUNK_OVERHEAD = sodium.crypto_secretstream_xchacha20poly1305_ABYTES;

// --- bytes --------------------------------------------------------------------------------------------------------

/** The bytes of an ASCII string. Throws a `RangeError` for any other: labels and names are ASCII by their grammar. */
export function ascii(text: string): Uint8Array {
  const bytes = utf8(text);
  if (bytes.length !== text.length) throw new RangeError("not ASCII");
  return bytes;
}

/** Byte strings one after the other. */
export function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** An integer as 4 bytes little-endian. */
export function le32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** An integer below 2^53 as 8 bytes little-endian. */
export function le64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  putLe64(bytes, 0, value);
  return bytes;
}

function putLe64(bytes: Uint8Array, at: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError("not an integer of the protocol");
  let rest = value;
  for (let i = at; i < at + 8; i += 1) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

/** Read 4 bytes little-endian at `at`. */
export function readLe32(data: Uint8Array, at: number): number {
  return new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(at, true);
}

/** Order byte strings of one length as `memcmp` does. Not in constant time. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

/** Compare in constant time. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i += 1) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

function guarded<T>(reason: string, call: () => T): T {
  try {
    return call();
  } catch {
    throw broken(reason);
  }
}

// --- hashes -------------------------------------------------------------------------------------------------------

export type Part = string | number | Uint8Array;

/**
 * L(label, parts): BLAKE2b-256 over length-prefixed parts (PROTOCOL.md 1.1). Returns 32 bytes.
 *
 * Strings enter as ASCII, integers as 8 bytes little-endian, bytes raw.
 */
export function labelHash(label: string, ...parts: Part[]): Uint8Array {
  return sodium.crypto_generichash(32, prefixed(label, parts), null);
}

/** L(label, parts; key): the same, keyed. */
export function keyedHash(key: Uint8Array, label: string, ...parts: Part[]): Uint8Array {
  return sodium.crypto_generichash(32, prefixed(label, parts), key);
}

function prefixed(label: string, parts: Part[]): Uint8Array {
  const raw = [label, ...parts].map((part) => (typeof part === "string" ? ascii(part) : part));
  const whole = new Uint8Array(raw.reduce<number>((size, part) => size + 8 + (typeof part === "number" ? 8 : part.length), 0));
  let at = 0;
  for (const part of raw) {
    const size = typeof part === "number" ? 8 : part.length;
    putLe64(whole, at, size);
    if (typeof part === "number") putLe64(whole, at + 8, part);
    else whole.set(part, at + 8);
    at += 8 + size;
  }
  return whole;
}

/** BLAKE2b-256 of `data`, unkeyed and unlabelled: only ever a part of a labelled hash. */
export function blake2b(data: Uint8Array): Uint8Array {
  return sodium.crypto_generichash(32, data, null);
}

// --- text forms of bytes ------------------------------------------------------------------------------------------

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const decoder = new TextDecoder();

/** base64url without padding. By arithmetic and not by a table: what is written may be a secret, and a cache remembers. */
export function b64(data: Uint8Array): string {
  const written = new Uint8Array(Math.ceil((data.length * 4) / 3));
  let at = 0;
  for (let i = 0; i < data.length; i += 3) {
    const [a = 0, b = 0, c = 0] = [data[i], data[i + 1], data[i + 2]];
    written[at++] = letter(a >> 2);
    written[at++] = letter(((a & 3) << 4) | (b >> 4));
    written[at++] = letter(((b & 15) << 2) | (c >> 6)); // what is beyond the end is not kept
    written[at++] = letter(c & 63);
  }
  return decoder.decode(written);
}

/** The letter of six bits: A-Z, a-z, 0-9, "-", "_". */
function letter(x: number): number {
  return x + 65 + (((25 - x) >> 8) & 6) - (((51 - x) >> 8) & 75) - (((61 - x) >> 8) & 13) + (((62 - x) >> 8) & 49);
}

/** The six bits of a letter below 128, or -1. */
function bitsOf(x: number): number {
  const capital = (((64 - x) & (x - 91)) >> 8) & (x - 64);
  const small = (((96 - x) & (x - 123)) >> 8) & (x - 70);
  const digit = (((47 - x) & (x - 58)) >> 8) & (x + 5);
  return capital + small + digit + ((((44 - x) & (x - 46)) >> 8) & 63) + ((((94 - x) & (x - 96)) >> 8) & 64) - 1;
}

/**
 * Decode base64url without padding, strictly: only the one spelling of a value counts.
 *
 * Throws `Rejected(broken, fields)` for another spelling, or another length than `size`.
 */
export function unb64(text: unknown, size?: number): Uint8Array {
  if (typeof text !== "string" || text.length % 4 === 1) throw broken("fields");
  const data = new Uint8Array(Math.floor((text.length * 3) / 4));
  if (size !== undefined && data.length !== size) throw broken("fields");
  let [at, rest, wrong] = [0, 0, 0];
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    const bits = bitsOf(code & 127);
    wrong |= bits | -(code >> 7);
    rest = (rest << 6) | (bits & 63);
    if (i % 4 !== 0) data[at++] = rest >> (6 - 2 * (i % 4));
    rest &= 63;
  }
  // What is left over of the last letter is nothing.
  const left = text.length % 4 === 2 ? rest & 15 : text.length % 4 === 3 ? rest & 3 : 0;
  if (wrong < 0 || left !== 0) throw broken("fields");
  return data;
}

/** base64 with padding, as FHIR's base64Binary. */
export function base64(data: Uint8Array): string {
  return sodium.to_base64(data, sodium.base64_variants.ORIGINAL);
}

/** Decode base64 with padding. Throws `Rejected(broken, fields)`. */
export function unbase64(text: string): Uint8Array {
  return guarded("fields", () => sodium.from_base64(text, sodium.base64_variants.ORIGINAL));
}

/** Hexadecimal digits, lower case. */
export function hex(data: Uint8Array): string {
  return sodium.to_hex(data);
}

/** base32, lower case, without padding: what a person may have to read aloud. */
export function b32(data: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of data) {
    value = (value << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += BASE32[(value >>> (bits - 5)) & 31];
    value &= (1 << bits) - 1;
  }
  return bits ? text + BASE32[(value << (5 - bits)) & 31] : text;
}

/** Decode lower-case base32 without padding, strictly. Throws `Rejected(broken, fields)`. */
export function unb32(text: string, size: number): Uint8Array {
  const data = new Uint8Array(size);
  let length = 0;
  let bits = 0;
  let value = 0;
  for (const character of text) {
    value = (value << 5) | Math.max(BASE32.indexOf(character), 0);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      data[length++] = value >>> bits;
      value &= (1 << bits) - 1;
    }
  }
  if (length !== size || b32(data) !== text) throw broken("fields");
  return data;
}

// --- padding ------------------------------------------------------------------------------------------------------

/** The padded size for `length` bytes: 256, or Padmé on integers (PROTOCOL.md 1.1). */
export function padme(length: number): number {
  if (length <= 256) return 256;
  const exponent = bitLength(length) - 1;
  const step = 2 ** (exponent - bitLength(exponent));
  const above = length + step - 1;
  return above - (above % step);
}

// By digits: a logarithm in floating point is wrong beside powers of two.
function bitLength(value: number): number {
  return value.toString(2).length;
}

/** ISO 7816-4 padding to the Padmé size. */
export function pad(plaintext: Uint8Array): Uint8Array {
  const padded = new Uint8Array(padme(plaintext.length + 1));
  padded.set(plaintext);
  padded[plaintext.length] = 0x80;
  return padded;
}

/** Take the padding off; it must be exactly what `pad` writes, so that it is no covert channel. */
export function unpad(padded: Uint8Array): Uint8Array {
  let end = padded.length - 1;
  while (end >= 0 && padded[end] === 0) end -= 1;
  if (end < 0 || padded[end] !== 0x80 || padme(end + 1) !== padded.length) throw broken("padding");
  return padded.slice(0, end);
}

// --- keys and ciphers ---------------------------------------------------------------------------------------------

/** Random bytes of the operating system. */
export function randomBytes(count: number): Uint8Array {
  return sodium.randombytes_buf(count);
}

/** Ed25519 (public 32, secret 64 bytes) from a seed of 32 bytes. Throws `Rejected(broken, key)`. */
export function signingPair(seed: Uint8Array): { readonly public: Uint8Array; readonly secret: Uint8Array } {
  const pair = guarded("key", () => sodium.crypto_sign_seed_keypair(seed));
  return { public: pair.publicKey, secret: pair.privateKey };
}

/** A detached Ed25519 signature (64 bytes) over a labelled hash. */
export function sign(secret: Uint8Array, digest: Uint8Array): Uint8Array {
  return guarded("key", () => sodium.crypto_sign_detached(digest, secret));
}

/** Check a detached signature. Throws `Rejected(broken, signature)`. */
export function verify(publicKey: Uint8Array, digest: Uint8Array, signature: Uint8Array): void {
  if (!guarded("signature", () => sodium.crypto_sign_verify_detached(signature, digest, publicKey))) {
    throw broken("signature");
  }
}

/** The X25519 public key (32 bytes) of a secret key (32 bytes). Throws `Rejected(broken, key)`. */
export function boxPublic(secret: Uint8Array): Uint8Array {
  return guarded("key", () => sodium.crypto_scalarmult_base(secret));
}

/** SB(m, pk): a sealed box. Throws `Rejected(broken, key)` for a low-order key. */
export function sealBox(message: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return guarded("key", () => sodium.crypto_box_seal(message, publicKey));
}

/** Open a sealed box; `known`: the public key of `secret`, where it is at hand. Throws `Rejected(broken, seal)`. */
export function openBox(sealed: Uint8Array, secret: Uint8Array, known?: Uint8Array): Uint8Array {
  return guarded("seal", () => sodium.crypto_box_seal_open(sealed, known ?? boxPublic(secret), secret));
}

/** AE(k, n, ad, m): XChaCha20-Poly1305-IETF. Throws `Rejected(broken, key)` for a key or nonce of another size. */
export function encrypt(key: Uint8Array, nonce: Uint8Array, data: Uint8Array, message: Uint8Array): Uint8Array {
  return guarded("key", () => sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(message, data, null, nonce, key));
}

/** Open an AE. Throws `Rejected(broken, aead)`. */
export function decrypt(key: Uint8Array, nonce: Uint8Array, data: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return guarded("aead", () => sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, ciphertext, data, nonce, key));
}

// --- a long message, chunk by chunk -------------------------------------------------------------------------------

const FINAL = sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL;
const MESSAGE = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;

/** Where a secretstream stands; each chunk moves it on. */
export type Stream = ReturnType<typeof sodium.crypto_secretstream_xchacha20poly1305_init_pull>;

/** Start sealing chunks: the state, and the header that goes before them. */
export function beginStream(key: Uint8Array): { readonly state: Stream; readonly header: Uint8Array } {
  return guarded("key", () => sodium.crypto_secretstream_xchacha20poly1305_init_push(key));
}

/** Seal the next chunk, bound to `data`; the last one is marked as final. */
export function sealChunk(state: Stream, data: Uint8Array, chunk: Uint8Array, last: boolean): Uint8Array {
  return sodium.crypto_secretstream_xchacha20poly1305_push(state, chunk, data, last ? FINAL : MESSAGE);
}

/** Start opening chunks. Throws `Rejected(broken, aead)`. */
export function resumeStream(key: Uint8Array, header: Uint8Array): Stream {
  return guarded("aead", () => sodium.crypto_secretstream_xchacha20poly1305_init_pull(header, key));
}

/**
 * Open the next chunk. Throws `Rejected(broken, …)`: `aead`, or `tag` where it is final and not the last, or the last
 * and not final.
 */
export function openChunk(state: Stream, data: Uint8Array, sealed: Uint8Array, last: boolean): Uint8Array {
  const opened = guarded("aead", () => sodium.crypto_secretstream_xchacha20poly1305_pull(state, sealed, data));
  if (opened === false) throw broken("aead");
  if (opened.tag !== (last ? FINAL : MESSAGE)) throw broken("tag");
  return opened.message;
}

/** Argon2id v1.3: 32 bytes from a passphrase; `salt` 16 bytes, `memory` in bytes. Throws `Rejected(broken, memory)`. */
export function stretch(passphrase: string, salt: Uint8Array, operations: number, memory: number): Uint8Array {
  if (/\p{Cs}/u.test(passphrase)) throw broken("passphrase");
  const data = utf8(passphrase.normalize("NFKC"));
  const algorithm = sodium.crypto_pwhash_ALG_ARGON2ID13;
  return guarded("memory", () => sodium.crypto_pwhash(KEY_BYTES, data, salt, operations, memory, algorithm));
}
