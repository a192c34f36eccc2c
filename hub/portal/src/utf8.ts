/** Text as bytes, and back. */

import { broken } from "./rejected.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The UTF-8 bytes of a string. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Decode UTF-8, strictly: a byte order mark stays a character. Throws `Rejected(broken, reason)`. */
export function utf8Text(data: Uint8Array, reason: string): string {
  try {
    return decoder.decode(data);
  } catch {
    throw broken(reason);
  }
}
