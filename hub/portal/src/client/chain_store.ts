/**
 * The copies of chains that this device holds: replayed when they come, never going back, fetched where one is missing.
 *
 * The twin of `connectors/chain_store.py`.
 */

import * as accounts from "../accounts.ts";
import { AccountState } from "../accounts.ts";
import type { Chain } from "../chains.ts";
import { Record } from "../grants.ts";
import { broken, equal, Rejected, stale } from "../primitives.ts";
import * as relations from "../relations.ts";
import { RelationState } from "../relations.ts";
import type { Position } from "../shapes.ts";
import { type ChainKind, parse } from "../statements.ts";
import * as streams from "../streams.ts";
import { SetState } from "../streams.ts";
import type { Hub } from "./api.ts";
import type { Database, LinkRow } from "./database.ts";
import { Problem } from "../problems.ts";

type Name = Omit<LinkRow, "seq" | "frame">;

export class ChainStore {
  readonly accounts = new Map<string, AccountState>();
  /** By account and set. */
  readonly #sets = new Map<string, SetState>();
  /** By account and counterpart. */
  readonly #relations = new Map<string, RelationState>();
  readonly #db: Database;
  readonly #hub: Hub;

  private constructor(db: Database, hub: Hub) {
    this.#db = db;
    this.#hub = hub;
  }

  /** All chains that the database holds, replayed. */
  static async open(db: Database, hub: Hub): Promise<ChainStore> {
    const store = new ChainStore(db, hub);
    await store.catchUp();
    return store;
  }

  /** Replay what the database holds and this page does not: all at first, later what another tab kept. */
  async catchUp(): Promise<void> {
    let waiting = (await this.#db.getAll("chains")).filter((row) => row.seq >= this.#length(row));
    while (waiting.length > 0) {
      const left = this.#replay(waiting);
      if (left.length === waiting.length) throw stale();
      waiting = left;
    }
  }

  /** Apply links; returns those of chains that cite an account which has to be replayed further first. */
  #replay(rows: readonly LinkRow[]): LinkRow[] {
    const stuck = new Set<string>();
    return rows.filter((row) => {
      const chain = `${row.kind} ${row.acc} ${row.oth}`;
      try {
        if (stuck.has(chain)) return true;
        this.#apply(row);
        return false;
      } catch (error) {
        if (!(error instanceof Rejected) || error.kind !== "stale") throw error;
        stuck.add(chain);
        return true;
      }
    });
  }

  // --- what is held -----------------------------------------------------------------------------------------------

  /** All chains of one patient that are held here. Throws `Problem(not-found)` where there is none. */
  record(acc: string): Record {
    const account = this.accounts.get(acc);
    if (account === undefined) throw new Problem("not-found", "nothing is held of this account");
    const [sets, relations] = [ofPatient(this.#sets, acc), ofPatient(this.#relations, acc)];
    return new Record({ account, sets, relations, accounts: this.accounts });
  }

  /** An account's chain, fetched if it is not held yet. Throws `Problem`; `Rejected` for a wrong fingerprint. */
  async account(name: string, fingerprint = ""): Promise<AccountState> {
    if (!this.accounts.has(name)) await this.refresh("acct", name, "", fingerprint);
    const found = this.accounts.get(name);
    if (found === undefined) throw stale();
    if (fingerprint && found.fingerprint !== fingerprint) throw broken("fingerprint");
    return found;
  }

  /** Where a chain ends, or `null` where none of it is held. */
  head(kind: ChainKind, acc: string, oth: string): Position | null {
    return this.#held({ kind, acc, oth })?.head ?? null;
  }

  /** What patients have with an account, that account itself left out. */
  relationsWith(oth: string): RelationState[] {
    return [...this.#relations.values()].filter((state) => state.oth === oth && state.acc !== oth);
  }

  /** An account's chain, read on where a device of it is not known here yet: nobody announces it. Throws as `account`. */
  async accountWith(name: string, device: string): Promise<AccountState> {
    if (!(await this.account(name)).devices.has(device)) await this.refresh("acct", name);
    return this.account(name);
  }

  // --- what comes -------------------------------------------------------------------------------------------------

  /** Fetch the links behind the head that is held. */
  async refresh(kind: ChainKind, acc: string, oth = "", fingerprint = ""): Promise<void> {
    const after = this.#length({ kind, acc, oth }) - 1;
    for (const frame of await this.#hub.chain(kind, acc, oth, { after, fingerprint })) {
      await this.#keep({ kind, acc, oth, seq: parse(frame).seq, frame }, fingerprint);
    }
  }

  /** Ask for the whole chain: what is held must be its beginning. Throws `Rejected(broken, rollback)` otherwise. */
  async recheck(kind: ChainKind, acc: string, oth = "", fingerprint = ""): Promise<void> {
    const length = this.#length({ kind, acc, oth }); // what comes while the hub answers is not in the answer
    const frames = await this.#hub.chain(kind, acc, oth, { fingerprint });
    if (frames.length < length) throw broken("rollback");
    await this.take(kind, acc, oth, frames);
  }

  /** Verify and keep links. Links already held must be the same bytes. Throws `Rejected`. */
  async take(kind: ChainKind, acc: string, oth: string, frames: readonly Uint8Array[]): Promise<void> {
    for (const frame of frames) {
      const { seq } = parse(frame);
      if (seq > this.#length({ kind, acc, oth })) await this.refresh(kind, acc, oth);
      await this.#keep({ kind, acc, oth, seq, frame });
    }
  }

  async #keep(row: LinkRow, fingerprint = ""): Promise<void> {
    const kept = await this.#db.get("chains", [row.kind, row.acc, row.oth, row.seq]);
    if (kept !== undefined && row.seq >= this.#length(row)) await this.catchUp();
    if (this.#holds(row)) return;
    await this.#append(row, fingerprint);
    await this.#db.put("chains", row);
  }

  /** Whether this page has replayed a link. Throws `Rejected(broken, rollback)` for another in its place. */
  #holds(row: LinkRow): boolean {
    const held = this.#held(row)?.links[row.seq];
    if (held !== undefined && !equal(held.frame.raw, row.frame)) throw broken("rollback");
    return held !== undefined;
  }

  async #append(row: LinkRow, fingerprint: string): Promise<void> {
    try {
      this.#apply(row, fingerprint);
    } catch (error) {
      if (!(error instanceof Rejected) || error.kind !== "stale") throw error;
      for (const name of parse(row.frame).cite.keys()) await this.#refreshCited(name, row.acc, fingerprint);
      if (!this.#holds(row)) this.#apply(row, fingerprint); // another tab may have been faster
    }
  }

  /** Of an account that the hub shows only beside the chain that relies on it: as it stands there. */
  async #refreshCited(name: string, by: string, fingerprint: string): Promise<void> {
    try {
      await this.refresh("acct", name);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "not-found") throw error;
      await this.take("acct", name, "", (await this.#hub.cited(by, fingerprint)).get(name) ?? []);
    }
  }

  #apply({ kind, acc, oth, frame }: LinkRow, fingerprint = ""): void {
    const name = `${acc} ${oth}`;
    if (kind === "acct") {
      const state = this.accounts.get(acc) ?? new AccountState(acc);
      this.accounts.set(acc, accounts.extend(state, frame, this.accounts, fingerprint || null));
    } else if (kind === "set") {
      const state = this.#sets.get(name) ?? new SetState(acc, oth);
      this.#sets.set(name, streams.extend(state, frame, this.accounts));
    } else {
      const state = this.#relations.get(name) ?? new RelationState(acc, oth);
      this.#relations.set(name, relations.extend(state, frame, this.accounts));
    }
  }

  /** How many links of a chain this page has replayed. */
  #length(chain: Name): number {
    return this.#held(chain)?.links.length ?? 0;
  }

  #held({ kind, acc, oth }: Name): Chain<ChainKind> | undefined {
    const name = `${acc} ${oth}`;
    const held: { readonly [kind in ChainKind]: Chain<ChainKind> | undefined } = {
      acct: this.accounts.get(acc),
      set: this.#sets.get(name),
      rel: this.#relations.get(name),
    };
    return held[kind];
  }
}

/** Of all chains those of one patient, by the other party. */
function ofPatient<C extends Chain<ChainKind>>(all: ReadonlyMap<string, C>, acc: string): ReadonlyMap<string, C> {
  const own = [...all.values()].filter((state) => state.acc === acc);
  return new Map(own.map((state) => [state.oth, state]));
}
