/**
 * The joint rules of the home hub: what no chain can check alone (PROTOCOL.md 2.6).
 *
 * The client checks the same before it signs. A peer hub and a gateway cannot: they do not see all chains.
 */

import * as accounts from "./accounts.ts";
import { bits, checkRows, handed, missing, Record, started, tainted } from "./grants.ts";
import { b64, broken, labelHash, Rejected } from "./primitives.ts";
import * as relations from "./relations.ts";
import type { Grant } from "./relations.ts";
import { parse, type Statement, type StatementOf } from "./statements.ts";
import * as streams from "./streams.ts";

export const CLOCK_SECONDS = 600;
export const MAX_SETS = 256;
export const MAX_BUNDLE = 8 * 1024 * 1024;

/** The hash by which a statement names the bundle or vault beside it. */
export function blobHash(blob: Uint8Array): string {
  return b64(labelHash("obhut-blob", blob));
}

/**
 * The patient's chains after one more statement, if it holds and all joint rules do. Throws `Rejected`.
 *
 * `blob`: the bundle of a `grant` or `keys`, the ciphertext of a `vault`, else null. `now`: the hub's Unix second.
 */
export function admit(record: Record, raw: Uint8Array, blob: Uint8Array | null, now: number): Record {
  const [after, st] = extend(record, raw);
  checkSigner(record, st, now);
  if (st.kind === "acct") {
    checkBlob(st.typ === "vault" ? st.body.hash : null, blob);
  } else if (st.kind === "set") {
    checkBlob(null, blob);
    checkSet(after, st, now);
  } else {
    checkRelation(after, st, blob, now);
  }
  return after;
}

/** The patient's chains after one more statement, by what its chain alone can tell. Throws `Rejected`. */
export function extend(record: Record, raw: Uint8Array): readonly [after: Record, st: Statement] {
  const st = parse(raw);
  const { acc } = record.account;
  if (st.acc !== acc) throw broken("chain");
  if (st.kind === "acct") {
    const account = accounts.extend(record.account, raw, record.accounts);
    return [record.with({ account, accounts: new Map(record.accounts).set(acc, account) }), st];
  }
  const known = new Map(record.accounts).set(acc, record.account);
  if (st.kind === "set") {
    const set = streams.extend(record.sets.get(st.oth) ?? new streams.SetState(acc, st.oth), raw, known);
    return [record.with({ sets: new Map(record.sets).set(st.oth, set) }), st];
  }
  const before = record.relations.get(st.oth) ?? new relations.RelationState(acc, st.oth);
  const relation = relations.extend(before, raw, known);
  return [record.with({ relations: new Map(record.relations).set(st.oth, relation) }), st];
}

function checkSigner(record: Record, st: Statement, now: number): void {
  if (Math.abs(st.iat - now) > CLOCK_SECONDS) throw broken("clock");
  if (record.account.closed) throw broken("closed");
  if (st.by.length !== 2) return;
  const [name, dev] = st.by;
  try {
    record.of(name).client(dev);
    if (name !== st.acc) record.account.delegate(name, now);
  } catch (error) {
    throw error instanceof Rejected ? broken("signer-gone") : error;
  }
}

function checkBlob(expected: string | null, blob: Uint8Array | null): void {
  if ((expected === null) !== (blob === null)) throw broken("blob");
  if (blob === null) return;
  if (blobHash(blob) !== expected) throw broken("blob");
  if (blob.length > MAX_BUNDLE) throw broken("limits");
}

function checkSet(after: Record, st: StatementOf<"set">, now: number): void {
  const state = after.set(st.oth);
  if (st.typ === "start") {
    if ([...after.sets.values()].filter((set) => !set.closed).length > MAX_SETS) throw broken("limits");
    const taken = [...after.sets.values()].filter((set) => set !== state);
    if (taken.some((set) => [...state.ids.keys()].some((id) => set.ids.has(id)))) throw broken("ids");
  }
  if (st.typ !== "epoch") return;
  const epoch = state.epoch(state.current);
  for (const [, grant] of after.liveGrants(now)) {
    const { from, mask } = grant.cover.get(st.oth) ?? { from: epoch.number + 1, mask: 0 };
    if (from <= epoch.number && !handed(grant, state, epoch.number, epoch.digest, mask)) throw broken("owed-keys");
  }
  if (tainted(after, started(state, st.acc), now)) throw broken("tainted");
  // What is sealed late to an epoch that a stranger may hold must be sealed anew.
  if (epoch.grace && tainted(after, started(state, st.acc, epoch.number - 1), now)) throw broken("grace");
}

function checkRelation(after: Record, st: StatementOf<"rel">, blob: Uint8Array | null, now: number): void {
  if (st.typ === "grant" || st.typ === "keys") {
    if (st.body.rk !== after.of(st.oth).readingKey()) throw broken("stale-key");
    checkBlob(st.body.lst, blob);
    const grant = granted(after, st);
    checkRows(grant.bundles.at(-1)?.rows ?? [], after.sets);
    if (st.typ === "grant" && missing(grant, after.sets).length > 0) throw broken("owed-keys");
    if (st.by[0] !== st.acc) checkScope(after, st, grant, now);
  } else {
    checkBlob(null, blob);
    if (st.typ === "permit") checkPermit(after, st, now);
  }
}

/** The grant that a statement made or changed. */
function granted(after: Record, st: StatementOf<"rel", "grant" | "keys">): Grant {
  const found = after.relation(st.oth).grants.get(st.body.gid);
  if (found === undefined) throw broken("unknown");
  return found;
}

function checkPermit(after: Record, { acc, oth, body: { set } }: StatementOf<"rel", "permit">, now: number): void {
  const state = after.sets.get(set);
  if (state === undefined) throw broken("unknown");
  if (state.closed) throw broken("closed");
  const others = [...after.relations.values()].filter((relation) => relation.oth !== oth);
  if (others.some((relation) => relation.permits.has(set))) throw broken("set-taken");
  const growing = others.flatMap((relation) => relation.live(now)).filter((grant) => grant.rules.body.grow);
  if (growing.some((grant) => !grant.cover.has(set))) throw broken("owed-cover");
  const own = after.relation(oth).live(now);
  if (oth !== acc && !own.some((grant) => grant.cover.has(set))) throw broken("owed-own");
}

/** A delegate of the scope `manage` grants at most what live grants of its own cover, and no longer. */
function checkScope(after: Record, st: StatementOf<"rel", "grant" | "keys">, grant: Grant, now: number): void {
  const name = st.by[0];
  if (after.account.delegate(name, now).scope === "full") return;
  const own = after.relations.get(name)?.live(now) ?? [];
  if (!inside(grant, own)) throw broken("scope");
}

/** Whether each stream is covered as early by an own grant that ends no sooner, and grows if the given one does. */
function inside(given: Grant, own: readonly Grant[]): boolean {
  const { until, grow } = given.rules.body;
  const enough = own.filter(({ rules: { body } }) => until <= body.until && (body.grow || !grow));
  const isHeld = [...given.cover].every(([set, { from, mask }]) => (mask & ~bits(enough, set, from)) === 0);
  return enough.length > 0 && isHeld;
}
