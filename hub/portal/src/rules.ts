/** Of the joint rules (PROTOCOL.md 2.6) what a reader needs too: the name of what travels beside a statement. */

import { b64, labelHash } from "./primitives.ts";

/** The hash by which a statement names the bundle or vault beside it. */
export function blobHash(blob: Uint8Array): string {
  return b64(labelHash("obhut-blob", blob));
}
