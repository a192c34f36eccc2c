/**
 * What has been brought in already, so that the same export or a newer one doubles nothing.
 *
 * Marks must be written in the same transaction in which their batch is queued; then an import that is cut off anywhere
 * and started again loses nothing and doubles nothing. What the patient deletes is marked, too, so that no later import
 * brings it back; what it said stays known, so that something else of the same moment is not taken for it.
 */

import { digest } from "./blake2b.ts";

/**
 * What `key` names was queued with `content`, out of an export made at `at`, in seconds since 1970.
 *
 * Both are the hexadecimal digits of what the Python importer keeps: 16 bytes, and of content one more, a sign before
 * them, where it was deleted.
 */
export type Mark = { readonly key: string; readonly content: string; readonly at: number };

const DIGITS = 32;
const TAKEN_BACK = "2d";
const MADE_BY_IMPORT = /^[0-9a-f]{32}$/;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What a mark keeps of a resource, or of several: a hash. The resource's own name, `key`, is no part. */
export function content(resource: Uint8Array, key = ""): string {
  const nameless = key === "" ? resource : encoder.encode(decoder.decode(resource).replaceAll(key, ""));
  return digest(nameless, "obhut-mark");
}

/** Whether what the mark names was taken back. */
export function isDeletion(mark: Mark): boolean {
  return mark.content.length !== DIGITS;
}

/** The content of a mark, also of what was deleted. */
export function saidOf(mark: Mark): string {
  return mark.content.slice(-DIGITS);
}

/** The mark of a resource that was taken back, by its id and its JSON; none where no import gives such ids. */
export function deletions(id: string, resource: Uint8Array): Mark[] {
  return MADE_BY_IMPORT.test(id) ? [{ key: id, content: TAKEN_BACK + content(resource, id), at: 0 }] : [];
}

/** What the importer reads. */
export type Ledger = {
  /** The marks known of these keys. */
  seen(keys: readonly string[]): Promise<ReadonlyMap<string, Mark>>;
};

/** Forgets with the page: for a preview, and for tests. */
export class MemoryLedger implements Ledger {
  readonly #marks = new Map<string, Mark>();

  async seen(keys: readonly string[]): Promise<ReadonlyMap<string, Mark>> {
    const found = keys.map((key) => this.#marks.get(key)).filter((mark) => mark !== undefined);
    return new Map(found.map((mark) => [mark.key, mark]));
  }

  /** Remember marks; a newer one of the same key takes the place of the older. */
  add(marks: Iterable<Mark>): void {
    for (const mark of marks) this.#marks.set(mark.key, mark);
  }
}
