/**
 * What is to be written: resources of one patient and category, or the deletion of what a handle names. The twin of
 * `connectors/entries.py`.
 */

import { MAX_OBJECT } from "../objects.ts";
import { Problem } from "../problems.ts";

/** Bytes of an entry's lines that still make one envelope; more make an object beside it. */
export const MAX_PLAINTEXT = 1024 * 1024 - 1;

/**
 * Resources, each one JSON line. `handle` names what a later entry replaces (`Observation/123`), or is empty. `deletes`:
 * no lines; what the handle names is taken back.
 */
export type Entry = {
  readonly patient: string;
  readonly category: number;
  readonly lines: readonly Uint8Array[];
  readonly handle: string;
  readonly deletes: boolean;
};

/** Bytes of the plaintext of lines. */
export function plaintextSize(lines: readonly Uint8Array[]): number {
  return Math.max(lines.reduce((size, line) => size + line.length + 1, 0) - 1, 0);
}

/** Throws `Problem` for what could never be sealed, and would keep back everything behind it. */
export function check({ lines, handle, deletes }: Entry): void {
  if (deletes) {
    if (lines.length > 0 || handle === "") throw new Problem("structure", "a deletion has a handle and no resource");
    return;
  }
  const whole = lines.every((line) => line.length > 0 && !line.includes(10));
  if (lines.length === 0 || !whole) throw new Problem("structure", "each resource is one line");
  if (plaintextSize(lines) > MAX_OBJECT) {
    throw new Problem("too-large", `what is written at once is at most ${MAX_OBJECT} bytes: split it`);
  }
}
