/**
 * Objects over 1 MiB, a secretstream: sizes, and the hash by which an envelope names its object (PROTOCOL.md 3.5).
 *
 * Nothing here holds a secret: sealing is `sealObject` of `sealing.ts`, opening `openObject` of `opening.ts`.
 */

import { b64, labelHash, padme, STREAM_CHUNK_OVERHEAD, STREAM_HEADER_BYTES } from "./primitives.ts";

/** Plaintext of every chunk but the last, which may hold less. */
export const CHUNK_BYTES = 64 * 1024;

/** Bytes of plaintext that an object still holds. */
export const MAX_OBJECT = 64 * 1024 * 1024 - 1;

/** Bytes of the sealed object of `size` bytes of plaintext. */
export function sealedSize(size: number): number {
  const padded = padme(size + 1);
  return STREAM_HEADER_BYTES + padded + Math.ceil(padded / CHUNK_BYTES) * STREAM_CHUNK_OVERHEAD;
}

/** `hash` of a sealed object, base64url. */
export function objectHash(sealed: Uint8Array): string {
  return b64(labelHash("obhut-object", sealed));
}
