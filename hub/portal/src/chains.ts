/**
 * Replay: from the links of a chain to what holds, one pure function for hub, gateway and client (PROTOCOL.md 2).
 *
 * A state is never changed once it was given out; `extend` gives the next one. What an account chain said at an earlier
 * position can still be asked, because statements elsewhere cite positions.
 */

import type { AccountState } from "./accounts.ts";
import { broken, type Kind, Rejected, stale } from "./primitives.ts";
import type { Position } from "./shapes.ts";
import { chainId, type ChainKind, type Citations, FIRST, parse, position, type StatementOf } from "./statements.ts";

export type Accounts = ReadonlyMap<string, AccountState>;

/** A link that does not hold. `state` is the state before it: usable for what was already held, nothing newer. */
export class BadLink extends Rejected {
  readonly state: Chain<ChainKind>;

  constructor(kind: Kind, reason: string, state: Chain<ChainKind>) {
    super(kind, reason);
    this.state = state;
  }
}

/** What all chains have: whose they are, their links, and the positions they cited last. */
export abstract class Chain<K extends ChainKind> {
  readonly acc: string;
  readonly oth: string;
  links: StatementOf<K>[] = [];
  cited = new Map<string, number>();
  closed = false;

  abstract get kind(): K;

  constructor(acc: string, oth = "") {
    this.acc = acc;
    this.oth = oth;
  }

  /** The last position, or null for an empty chain. */
  get head(): Position | null {
    const last = this.links.at(-1);
    return last === undefined ? null : position(last);
  }

  /** The chain's name. */
  get id(): string {
    return chainId(this.kind, this.acc, this.oth);
  }

  /** All frames, as signed. */
  get frames(): Uint8Array[] {
    return this.links.map((link) => link.frame.raw);
  }

  /** Read a frame and check that it is the next link here, before anybody's rights are asked. */
  place(raw: Uint8Array): StatementOf<K> {
    const st = parse(raw);
    const last = this.links.at(-1);
    if (st.kind !== this.kind || st.acc !== this.acc || st.oth !== this.oth) throw broken("chain");
    if (st.seq !== this.links.length) throw broken("seq");
    if (st.prev !== (last?.hash ?? this.id)) throw broken("prev");
    if (last !== undefined && st.iat < last.iat) throw broken("time");
    if ((st.typ === FIRST[this.kind]) !== (st.seq === 0)) throw broken("order");
    if (this.closed) throw broken("closed");
    return st as StatementOf<K>;
  }

  /** Check the citations: known here, exactly the required ones, never backwards. */
  follow(st: StatementOf<K>, required: ReadonlySet<string>, accounts: Accounts): void {
    checkCitations(st.cite, accounts);
    if (!sameNames(st.cite, required)) throw broken("cite");
    for (const [name, [seq]] of st.cite) {
      if (seq < (this.cited.get(name) ?? 0)) throw broken("cite-back");
    }
  }

  /** Take a checked link in. */
  append(st: StatementOf<K>): void {
    this.links.push(st);
    for (const [name, [seq]] of st.cite) this.cited.set(name, seq);
  }

  /** A copy that can be extended without changing this one. */
  fork(): this {
    const twin = Object.assign(Object.create(Object.getPrototypeOf(this)), this);
    for (const [name, value] of Object.entries(twin)) {
      if (Array.isArray(value)) twin[name] = [...value];
      else if (value instanceof Map) twin[name] = new Map(value);
      else if (value instanceof Set) twin[name] = new Set(value);
    }
    return twin;
  }
}

/** Whether exactly these accounts are cited. */
export function sameNames(cite: Citations, required: ReadonlySet<string>): boolean {
  return cite.size === required.size && [...cite.keys()].every((name) => required.has(name));
}

/** Every cited position is in the verifier's copy (else `stale`), with that hash (else `fork`). */
export function checkCitations(cite: Citations, accounts: Accounts): void {
  const places = [...cite].map(([name, [seq, hash]]) => ({ link: accounts.get(name)?.links[seq], hash }));
  if (places.some(({ link }) => link === undefined)) throw stale();
  if (places.some(({ link, hash }) => link?.hash !== hash)) throw broken("fork");
}

/** The newer of two copies of one chain. Throws `Rejected(broken, rollback)` where they differ or `seen` is shorter. */
export function advance<C extends Chain<ChainKind>>(known: C | null, seen: C): C {
  const last = known?.links.at(-1);
  if (last !== undefined && seen.links[last.seq]?.hash !== last.hash) throw broken("rollback");
  return seen;
}

/** Apply frame after frame. Throws `BadLink` with the state before the first that does not hold. */
export function replayInto<C extends Chain<ChainKind>>(
  empty: () => C,
  frames: readonly Uint8Array[],
  step: (state: C, raw: Uint8Array) => void,
): C {
  const state = empty();
  for (const [place, raw] of frames.entries()) {
    try {
      step(state, raw);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      // What a refused link may have begun to change is left behind.
      throw new BadLink(error.kind, error.reason, replayInto(empty, frames.slice(0, place), step));
    }
  }
  return state;
}
