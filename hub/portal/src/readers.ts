/**
 * Who within a house may read by a grant, and for which purposes below the granted ones: what the hub cannot check.
 *
 * A grant names purposes, and whoever reads for one of them or one below may read by it. Where a Consent takes away
 * again for a purpose below, or says something else of a role, the grant's finer rules carry a table: the purposes and
 * roles that are told apart, and the pairs of them that may read (PROTOCOL.md 4.4).
 */

import { isObject } from "./policy.ts";
import { broken } from "./primitives.ts";
import { known, purposesAbove } from "./purposes.ts";

/** The role of everybody whose role is not told apart. */
export const ANY = "";

/** A purpose and a role. */
export type Cell = readonly [purpose: string, role: string];

/** The table as it travels. */
export type PlainReaders = {
  readonly purposes: readonly string[];
  readonly roles: readonly string[];
  readonly admitted: readonly Cell[];
};

/**
 * Which pairs of a purpose and a role (or `ANY`) of those told apart may read.
 *
 * Who reads counts by the lowest of the purposes at or above her own, and by her role where it is told apart.
 */
export class Readers {
  readonly purposes: readonly string[];
  readonly roles: readonly string[];
  readonly #admitted: ReadonlySet<string>;

  constructor(purposes: Iterable<string>, roles: Iterable<string>, admitted: Iterable<Cell>) {
    this.purposes = [...new Set(purposes)].sort();
    this.roles = [...new Set(roles)].sort();
    this.#admitted = new Set([...admitted].map(key));
  }

  /** Whether somebody in this role may read for this purpose. */
  admits(purpose: string, role: string = ANY): boolean {
    const nearest = lowest(purpose, this.purposes);
    return nearest !== null && this.has([nearest, this.roles.includes(role) ? role : ANY]);
  }

  /** Whether the table says so of a pair that it tells apart. */
  has(cell: Cell): boolean {
    return this.#admitted.has(key(cell));
  }

  /** Those whom both admit. */
  both(other: Readers): Readers {
    const [purposes, roles] = [[...this.purposes, ...other.purposes], [...this.roles, ...other.roles]];
    const { cells } = new Readers(purposes, roles, []);
    return new Readers(purposes, roles, cells.filter((one) => this.admits(...one) && other.admits(...one))).simplest();
  }

  /** All pairs of what is told apart. */
  get cells(): Cell[] {
    return this.purposes.flatMap((purpose) => [ANY, ...this.roles].map((role): Cell => [purpose, role]));
  }

  /** Those of them that may read. */
  get admitted(): Cell[] {
    return this.cells.filter((cell) => this.has(cell));
  }

  /** The purposes below no other one of those told apart: a grant is for these. */
  get highest(): string[] {
    return this.purposes.filter((one) => lowest(one, this.purposes.filter((other) => other !== one)) === null);
  }

  /** Whether all who read for one of the highest purposes are admitted, so that the grant says it all. */
  get everybody(): boolean {
    return this.roles.length === 0 && this.highest.length === this.purposes.length && this.cells.every((one) => this.has(one));
  }

  /** The same, telling apart no more than is needed. */
  simplest(): Readers {
    const differ = (one: Cell, other: Cell) => this.has(one) !== this.has(other);
    const roles = this.roles.filter((role) => this.purposes.some((one) => differ([one, role], [one, ANY])));
    const kept: string[] = [];
    const depth = (one: string) => purposesAbove(one).size;
    for (const one of [...this.purposes].sort((a, b) => depth(a) - depth(b) || (a < b ? -1 : 1))) {
      const above = lowest(one, kept) ?? "";
      if ([ANY, ...roles].some((role) => differ([one, role], [above, role]))) kept.push(one);
    }
    return new Readers(kept, roles, new Readers(kept, roles, []).cells.filter((cell) => this.has(cell)));
  }

  /** As JSON. */
  plain(): PlainReaders {
    return { purposes: this.purposes, roles: this.roles, admitted: this.admitted };
  }
}

/** The table that finer rules carry. Throws `Rejected(broken, rules)` for anything else. */
export function read(value: unknown): Readers {
  if (!isObject(value) || Object.keys(value).sort().join() !== "admitted,purposes,roles") throw broken("rules");
  const [purposes, roles, admitted] = [words(value["purposes"]), words(value["roles"]), value["admitted"]];
  if (!Array.isArray(admitted) || !purposes.every(known)) throw broken("rules");
  const all = new Set(new Readers(purposes, roles, []).cells.map(key));
  const named = new Set(admitted.map((cell) => (isCell(cell) ? key(cell) : "")));
  if (named.size !== admitted.length || [...named].some((one) => !all.has(one))) throw broken("rules");
  return new Readers(purposes, roles, admitted as Cell[]);
}

function key(cell: Cell): string {
  return JSON.stringify(cell);
}

function isCell(value: unknown): value is Cell {
  return Array.isArray(value) && value.length === 2 && value.every((one) => typeof one === "string");
}

function words(value: unknown): string[] {
  if (!Array.isArray(value) || value.some((one) => typeof one !== "string" || one === ANY)) throw broken("rules");
  if (new Set(value).size !== value.length) throw broken("rules");
  return value as string[];
}

/** Of these purposes the lowest at or above one: above each is one at most, as in a tree. */
function lowest(purpose: string, among: readonly string[]): string | null {
  const above = purposesAbove(purpose);
  const found = among.filter((one) => above.has(one));
  return found.reduce<string | null>((low, one) => {
    return low === null || purposesAbove(one).size > purposesAbove(low).size ? one : low;
  }, null);
}
