/** What was handed to whom, what a grant covers, when an epoch may no longer be trusted (PROTOCOL.md 2.6, 4). */

import { type AccountState, citedAt } from "./accounts.ts";
import type { Accounts } from "./chains.ts";
import { broken, equal } from "./primitives.ts";
import { within } from "./purposes.ts";
import { type Grant, type Handed, handed as rowsOf, type RelationState } from "./relations.ts";
import { rangeDigest, type SetState } from "./streams.ts";

export type Sets = ReadonlyMap<string, SetState>;
export type Relations = ReadonlyMap<string, RelationState>;

/** What a `Record` is made of. */
export type Chains = {
  readonly account: AccountState;
  readonly sets: Sets;
  readonly relations: Relations;
  readonly accounts: Accounts;
};

/** All chains of one patient, and the account chains of those who occur in them, the patient's own included. */
export class Record implements Chains {
  readonly account: AccountState;
  readonly sets: Sets;
  readonly relations: Relations;
  readonly accounts: Accounts;

  constructor({ account, ...rest }: Partial<Chains> & Pick<Chains, "account">) {
    const { sets = new Map(), relations = new Map(), accounts = new Map() } = rest;
    this.account = account;
    this.sets = sets;
    this.relations = relations;
    this.accounts = accounts;
  }

  /** The same with some chains replaced. */
  with(changed: Partial<Chains>): Record {
    return new Record({ ...this, ...changed });
  }

  /** All live grants of the patient, with the relation each stands in. */
  liveGrants(time: number): (readonly [relation: RelationState, grant: Grant])[] {
    const all = [...this.relations.values()];
    return all.flatMap((relation) => relation.live(time).map((grant) => [relation, grant] as const));
  }

  /** The account that was permitted to write into a set, if one was. */
  author(set: string): string | null {
    return [...this.relations.values()].find((relation) => relation.permits.has(set))?.oth ?? null;
  }

  /** A set by its id. Throws `Rejected(broken, unknown)`. */
  set(set: string): SetState {
    return known(this.sets.get(set));
  }

  /** The relation with a counterpart. Throws `Rejected(broken, unknown)`. */
  relation(oth: string): RelationState {
    return known(this.relations.get(oth));
  }

  /** Somebody's account, the patient's own included. Throws `Rejected(broken, unknown)`. */
  of(name: string): AccountState {
    return name === this.account.acc ? this.account : known(this.accounts.get(name));
  }
}

function known<T>(found: T | undefined): T {
  if (found === undefined) throw broken("unknown");
  return found;
}

/** An epoch, started or about to be: what it is, and what its maker had seen of the patient's account. */
export type Moment = {
  readonly set: SetState;
  readonly number: number;
  readonly digest: Uint8Array;
  readonly accountSeq: number;
  readonly iat: number;
};

/** A started epoch of a set, by default the current one. */
export function started(set: SetState, acc: string, number = set.current): Moment {
  const { digest, link } = set.epoch(number);
  return { set, number, digest, accountSeq: citedAt(link.cite, acc), iat: link.iat };
}

/** Whether a `has` row contains the epoch `number` with this digest. */
export function holds(row: Handed, set: SetState, number: number, digest: Uint8Array): boolean {
  if (row.set !== set.oth || number < row.first || row.last < number) return false;
  if (row.first === row.last) return row.digest === rangeDigest([digest]);
  if (row.last > set.current || !equal(set.epoch(number).digest, digest)) return false;
  return row.digest === rangeDigest(set.digests(row.first, row.last));
}

/** Whether the counterpart was given the seeds of an epoch for at least these bits. */
export function handed(grant: Grant, set: SetState, number: number, digest: Uint8Array, mask: number): boolean {
  return rowsOf(grant).some((row) => (mask & ~row.mask) === 0 && holds(row, set, number, digest));
}

/**
 * Every digest is that of the stream chain; ranges are of started epochs, or the next one alone.
 *
 * Throws `Rejected(broken, has)`.
 */
export function checkRows(rows: readonly Handed[], sets: Sets): void {
  for (const { set, first, last, digest } of rows) {
    const state = sets.get(set);
    if (state === undefined) throw broken("has");
    const isStarted = last <= state.current;
    if (isStarted && digest !== rangeDigest(state.digests(first, last))) throw broken("has");
    if (!isStarted && (first !== last || last !== state.current + 1)) throw broken("has");
  }
}

/** The (set, epoch) pairs that a grant covers and whose seeds its counterpart was not given yet. */
export function missing(grant: Grant, sets: Sets): (readonly [set: string, epoch: number])[] {
  return [...grant.cover].flatMap(([set, { from, mask }]) => {
    const state = sets.get(set);
    if (state === undefined) throw broken("has");
    const due = state.epochs.slice(from - 1).filter((one) => !handed(grant, state, one.number, one.digest, mask));
    return due.map((epoch) => [set, epoch.number] as const);
  });
}

/** Whether somebody who may not read from now on could hold seeds of this epoch. */
export function tainted(record: Record, moment: Moment, time: number): boolean {
  return handedTooFar(record, moment, time) || seenByLostDevice(record, moment, time);
}

function handedTooFar(record: Record, { set, number, digest }: Moment, time: number): boolean {
  return [...record.relations.values()].some((relation) => {
    const covered = bits(relation.live(time), set.oth, number);
    const bad = record.accounts.get(relation.oth)?.badKeys ?? new Set();
    const rows = [...relation.grants.values()].flatMap(rowsOf);
    return rows.some((row) => ((row.mask & ~covered) !== 0 || bad.has(row.rk)) && holds(row, set, number, digest));
  });
}

/** The bits of a set that any of these grants covers at an epoch. */
export function bits(grants: readonly Grant[], set: string, epoch: number): number {
  const covers = grants.map((grant) => grant.cover.get(set));
  return covers.reduce((found, one) => found | (one !== undefined && one.from <= epoch ? one.mask : 0), 0);
}

function seenByLostDevice({ account, accounts }: Record, { accountSeq, iat }: Moment, time: number): boolean {
  if (account.losses.some((loss) => loss.seq > accountSeq)) return true;
  return account.delegates.some(({ to, scope, since, until, end }) => {
    // A removed one is among the losses; what was made after its end it never saw.
    if (scope !== "full" || until !== null || iat >= end) return false;
    const appointed = account.links[since]?.iat ?? 0;
    const losses = accounts.get(to)?.losses ?? [];
    return end <= time || losses.some((loss) => loss.client && loss.iat > iat && loss.iat >= appointed);
  });
}

/** What a counterpart asks for: one stream of a set, by index, in one epoch. */
export type Asked = {
  readonly set: string;
  readonly index: number;
  readonly epoch: number;
  readonly purpose: string;
};

/**
 * The id of a grant by which the counterpart is released this stream and epoch now, or null (PROTOCOL.md 4.3).
 *
 * `declared`: grants for emergencies that were declared within their span.
 */
export function covers(
  relation: RelationState,
  { set, index, epoch, purpose }: Asked,
  time: number,
  declared: ReadonlySet<string> = new Set(),
): string | null {
  const found = relation.live(time).find((grant) => {
    const { nb, purpose: granted, em } = grant.rules.body;
    const isCovered = ((bits([grant], set, epoch) >>> index) & 1) === 1;
    return isCovered && nb <= time && within(purpose, granted) && (em.length === 0 || declared.has(grant.gid));
  });
  return found?.gid ?? null;
}
