/**
 * The frame that statements, permits, stamps and messages share: its signature, made and checked (PROTOCOL.md 2.1).
 *
 *     frame = magic ‖ LE32 |H| ‖ H ‖ signature(64)        H = canonical JSON, sent and stored verbatim
 */

import * as canonical from "./canonical.ts";
import type { SigningKey } from "./keys.ts";
import * as primitives from "./primitives.ts";
import { ascii, broken, concat, equal, labelHash, le32, readLe32, Rejected, SIGNATURE_BYTES } from "./primitives.ts";

export const MAGIC = ascii("OBS1");
export const MAX_HEADER = 32 * 1024;

/** A parsed frame: its header as a value and verbatim, its signature, and all its bytes. */
export class Frame {
  readonly header: canonical.Members;
  readonly headerBytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly raw: Uint8Array;

  constructor(header: canonical.Members, headerBytes: Uint8Array, signature: Uint8Array, raw: Uint8Array) {
    this.header = header;
    this.headerBytes = headerBytes;
    this.signature = signature;
    this.raw = raw;
  }

  /** `L("obhut-st", frame)`: the signature is inside. */
  get hash(): Uint8Array {
    return frameHash(this.raw);
  }

  /** Check the signature under a label; one of the keys must have made it. Throws `Rejected(broken, signature)`. */
  verify(label: string, ...publics: Uint8Array[]): void {
    const digest = labelHash(label, this.headerBytes);
    for (const key of publics) {
      try {
        primitives.verify(key, digest, this.signature);
        return;
      } catch (error) {
        if (!(error instanceof Rejected)) throw error;
      }
    }
    throw broken("signature");
  }
}

/** The hash that links frames and pins positions. */
export function frameHash(raw: Uint8Array): Uint8Array {
  return labelHash("obhut-st", raw);
}

/** Take a frame apart. Throws `Rejected` with `limits`, `frame` or `canon`, in this order. */
export function parse(raw: Uint8Array): Frame {
  if (raw.length > MAX_HEADER + 8 + SIGNATURE_BYTES) throw broken("limits");
  if (raw.length < 8 + SIGNATURE_BYTES || !equal(raw.slice(0, 4), MAGIC)) throw broken("frame");
  const length = readLe32(raw, 4);
  if (length > MAX_HEADER) throw broken("limits");
  if (raw.length !== 8 + length + SIGNATURE_BYTES) throw broken("frame");
  const header = raw.slice(8, 8 + length);
  return new Frame(canonical.parse(header), header, raw.slice(8 + length), raw);
}

/** Make a frame. Throws `Rejected` with `limits` or `canon` where the header cannot be carried. */
export function sign(header: object, label: string, key: SigningKey): Uint8Array {
  const headerBytes = canonical.dump(header);
  if (headerBytes.length > MAX_HEADER) throw broken("limits");
  const signature = key.sign(labelHash(label, headerBytes));
  return concat(MAGIC, le32(headerBytes.length), headerBytes, signature);
}
