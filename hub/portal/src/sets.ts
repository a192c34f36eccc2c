/**
 * Key material of a set: 32 streams, one in use and one stand-in for each category (PROTOCOL.md 2.3).
 *
 * Everything follows from `set_key` and, for each epoch, an independent `master`. Only the patient's vault has them.
 */

import { NAMES } from "./categories.ts";
import { b64, boxPublic, compare, keyedHash } from "./primitives.ts";
import { STREAMS } from "./shapes.ts";
import { epochDigest } from "./streams.ts";

export const CATEGORIES = NAMES.length;
export const IN_USE = 0;
export const STAND_IN = 1;

const INDICES = Array.from({ length: STREAMS }, (_, index) => index);

/** What names the streams of a set and orders them. */
export class SetKey {
  readonly #secret: Uint8Array;
  /** The 32 stream ids by index. */
  readonly ids: readonly string[];
  /** Index → (category, lane); lane 0 is in use, lane 1 its stand-in. */
  readonly order: readonly (readonly [category: number, lane: number])[];

  constructor(secret: Uint8Array) {
    this.#secret = secret;
    this.ids = INDICES.map((index) => b64(keyedHash(secret, "obhut-stream-id", index).slice(0, 16)));
    const pairs = NAMES.flatMap((_, category) => [[category, IN_USE] as const, [category, STAND_IN] as const]);
    this.order = pairs
      .map((pair) => ({ pair, place: keyedHash(secret, "obhut-order", ...pair) }))
      .sort((a, b) => compare(a.place, b.place))
      .map(({ pair }) => pair);
  }

  /** The secret. */
  bytes(): Uint8Array {
    return this.#secret;
  }

  /** The index of a category's stream. */
  index(category: number, lane = IN_USE): number {
    return this.order.findIndex(([c, l]) => c === category && l === lane);
  }

  /** One index a category, in the order of categories: in use where granted, the stand-in where withheld. */
  indices(granted: ReadonlySet<number>): number[] {
    return NAMES.map((_, category) => this.index(category, granted.has(category) ? IN_USE : STAND_IN));
  }

  /** The 16 of 32 bits of a grant of these categories. */
  mask(granted: ReadonlySet<number>): number {
    return this.indices(granted).reduce((bits, index) => bits + 2 ** index, 0);
  }

  /** The categories that a mask grants: whoever made it, and whatever the vault says of its terms. */
  granted(mask: number): Set<number> {
    const all = NAMES.map((_, category) => category);
    return new Set(all.filter((category) => ((mask >>> this.index(category)) & 1) === 1));
  }
}

/** The seeds of one epoch of a set. */
export class Master {
  readonly #secret: Uint8Array;
  #publics: readonly Uint8Array[] | null = null;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  /** The secret. */
  bytes(): Uint8Array {
    return this.#secret;
  }

  /** The seed of the stream at `index`: an X25519 secret key. */
  seed(index: number): Uint8Array {
    return keyedHash(this.#secret, "obhut-stream-seed", index);
  }

  /** The 32 public keys by index. */
  get publics(): readonly Uint8Array[] {
    this.#publics ??= INDICES.map((index) => boxPublic(this.seed(index)));
    return this.#publics;
  }

  /** `ed` of the epoch that this master makes. */
  digest(setId: string, epoch: number): Uint8Array {
    return epochDigest(setId, epoch, this.publics);
  }
}
