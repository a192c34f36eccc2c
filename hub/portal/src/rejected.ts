/** The one error of everything that is checked here. It needs no libsodium, so that pages without keys have it, too. */

export type Kind = "broken" | "not-for-you" | "stale";

/**
 * What was offered does not count.
 *
 * `kind` tells what to do: `broken` (never acceptable), `not-for-you` (somebody else's), `stale` (fetch newer chains
 * and try again). `reason` is one word of `PROTOCOL.md`; neither carries content.
 */
export class Rejected extends Error {
  readonly kind: Kind;
  readonly reason: string;

  constructor(kind: Kind, reason: string) {
    super(`${kind}: ${reason}`);
    this.name = "Rejected";
    this.kind = kind;
    this.reason = reason;
  }
}

/** A `Rejected` of the kind `broken`. */
export function broken(reason: string): Rejected {
  return new Rejected("broken", reason);
}

/** A `Rejected` of the kind `stale`. */
export function stale(reason = "stale"): Rejected {
  return new Rejected("stale", reason);
}
