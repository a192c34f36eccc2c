/**
 * What is still to be done: one pure function of the chains and the vault (PROTOCOL.md 2.7).
 *
 * Whoever has the vault and the chains computes the same next step, so any client resumes whatever another one, or it
 * itself before a crash, left half done. `steps.ts` turns a step into what is to be written.
 */

import { handed, holds, type Moment, type Record, started, tainted } from "./grants.ts";
import { broken } from "./primitives.ts";
import type { Grant, RelationState } from "./relations.ts";
import { SetState } from "./streams.ts";
import type { Candidate, Vault } from "./vault.ts";

/** Start the stream chain of a set that the vault knows and the hub does not. */
export type Begin = { readonly step: "begin"; readonly set: string };
/** Close a set whose author may no longer write. */
export type CloseSet = { readonly step: "close"; readonly set: string };
/** Forget candidates whose epoch number is used up. */
export type Drop = { readonly step: "drop"; readonly sets: readonly string[] };
/** Put a candidate for the next epoch of these sets into the vault. */
export type Prepare = { readonly step: "prepare"; readonly sets: readonly string[] };
/** Amend a growing grant so that it covers these sets too. */
export type Extend = {
  readonly step: "extend";
  readonly oth: string;
  readonly gid: string;
  readonly sets: readonly string[];
};
/** Hand the seeds of these candidates to a grant's counterpart. */
export type HandOut = {
  readonly step: "hand-out";
  readonly oth: string;
  readonly gid: string;
  readonly sets: readonly string[];
};
/** Start the epoch that everybody who may read already holds. */
export type StartEpoch = { readonly step: "start-epoch"; readonly set: string };

export type Step = Begin | CloseSet | Drop | Prepare | Extend | HandOut | StartEpoch;

/** The next step, or null. A client runs it until empty at start, after each change, and when an `until` passes. */
export function owed(record: Record, vault: Vault, now: number): Step | null {
  return (
    begin(record, vault, now) ??
    close(record) ??
    prepare(record, vault, now) ??
    extend(record, vault, now) ??
    handOut(record, vault, now) ??
    start(record, vault) ??
    drop(vault)
  );
}

/** Counterpart, grant and end (Unix seconds) of an emergency that is over. */
export type Ended = readonly [oth: string, gid: string, until: number];

/**
 * Fresh candidates where emergencies are over: what the house was handed until then opens nothing that comes after.
 *
 * Keys that are handed out later the hub keeps until the next declaration, so that they need no other ones
 * (PROTOCOL.md 5.13).
 */
export function owedAfter(record: Record, vault: Vault, ended: Iterable<Ended>): Prepare | null {
  const known = [...ended].flatMap(([oth, gid, until]) => {
    const grant = record.relations.get(oth)?.grants.get(gid);
    return grant === undefined ? [] : [{ grant, until }];
  });
  const open = [...record.sets.values()].filter((state) => !state.closed && vault.sets.has(state.oth));
  const due = open.filter((state) => {
    const candidate = vault.candidates.get(state.oth);
    const isNext = candidate !== undefined && candidate.epoch > state.current;
    const moment = isNext ? candidateMoment(record, state.oth, candidate) : started(state, record.account.acc);
    return known.some(({ grant, until }) => given(grant, moment, until));
  });
  return preparing(due.map((state) => state.oth));
}

/** Whether keys of an epoch were in a bundle that was there before a second. */
function given(grant: Grant, { set, number, digest }: Moment, until: number): boolean {
  const rows = grant.bundles.filter((bundle) => bundle.link.iat < until).flatMap((bundle) => bundle.rows);
  return rows.some((row) => holds(row, set, number, digest));
}

/** The candidates that can still become the next epoch of their sets; the others only wait to be dropped. */
export function usable(record: Record, vault: Vault): Map<string, Candidate> {
  return new Map(
    [...vault.candidates].filter(([set, { epoch }]) => !record.set(set).closed && epoch > record.set(set).current),
  );
}

/** A candidate as the epoch it would become. */
export function candidateMoment({ account, sets }: Record, set: string, candidate: Candidate): Moment {
  const { epoch, master, accountSeq, iat } = candidate;
  const state = sets.get(set) ?? new SetState(account.acc, set);
  return { set: state, number: epoch, digest: master.digest(set, epoch), accountSeq, iat };
}

function preparing(sets: readonly string[]): Prepare | null {
  return sets.length > 0 ? { step: "prepare", sets } : null;
}

/** A set whose first keys somebody else may have seen in the vault, before its chain began, gets others. */
function begin(record: Record, vault: Vault, now: number): Begin | Prepare | null {
  const set = [...vault.sets.keys()].find((one) => !record.sets.has(one));
  if (set === undefined) return null;
  const candidate = vault.candidates.get(set);
  const seen = candidate === undefined || tainted(record, candidateMoment(record, set, candidate), now);
  return seen ? preparing([set]) : { step: "begin", set };
}

function close(record: Record): CloseSet | null {
  const sets = [...record.relations.values()].flatMap((relation) => [...relation.unpermitted.keys()]);
  const set = sets.find((one) => !record.set(one).closed);
  return set === undefined ? null : { step: "close", set };
}

function prepare(record: Record, vault: Vault, now: number): Prepare | null {
  const candidates = usable(record, vault);
  const open = [...record.sets.values()].filter((state) => !state.closed && vault.sets.has(state.oth));
  const due = open.filter((state) => {
    const candidate = candidates.get(state.oth);
    const moment = candidate ? candidateMoment(record, state.oth, candidate) : started(state, record.account.acc);
    return tainted(record, moment, now);
  });
  return preparing(due.map((state) => state.oth));
}

function extend(record: Record, vault: Vault, now: number): Extend | null {
  for (const [{ oth }, { gid, cover, rules }] of record.liveGrants(now)) {
    if (!rules.body.grow || (cover.size === 0 && !vault.terms.has(gid))) continue;
    const open = [...record.sets.values()].filter((state) => !state.closed).map((state) => state.oth);
    const sets = open.filter((set) => !cover.has(set) && record.author(set) !== oth);
    if (sets.length > 0) return { step: "extend", oth, gid, sets };
  }
  return null;
}

function handOut(record: Record, vault: Vault, now: number): HandOut | null {
  const candidates = [...usable(record, vault)];
  for (const [{ oth }, grant] of record.liveGrants(now)) {
    const due = candidates.filter(([set, candidate]) => !has(record, grant, set, candidate));
    if (due.length > 0) return { step: "hand-out", oth, gid: grant.gid, sets: due.map(([set]) => set) };
  }
  return null;
}

function has(record: Record, grant: Grant, set: string, candidate: Candidate): boolean {
  const covered = grant.cover.get(set);
  if (covered === undefined || covered.from > candidate.epoch) return true;
  const moment = candidateMoment(record, set, candidate);
  return handed(grant, moment.set, moment.number, moment.digest, covered.mask);
}

function start(record: Record, vault: Vault): StartEpoch | null {
  const [set] = usable(record, vault).keys();
  return set === undefined ? null : { step: "start-epoch", set };
}

/** Last, so that a rotation of many sets writes the vault once at its end and not after each epoch. */
function drop(vault: Vault): Drop | null {
  return vault.candidates.size > 0 ? { step: "drop", sets: [...vault.candidates.keys()] } : null;
}

/** A grant and the relation it stands in. Throws `Rejected(broken, unknown)`. */
export function grantOf(record: Record, oth: string, gid: string): readonly [relation: RelationState, grant: Grant] {
  const relation = record.relation(oth);
  const grant = relation.grants.get(gid);
  if (grant === undefined) throw broken("unknown");
  return [relation, grant];
}
