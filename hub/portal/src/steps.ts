/** What the patient's side writes: each function gives the frames (and bundles) of one step, signed, never sent here. */

import { finer } from "./finer_rules.ts";
import { handed, type Record } from "./grants.ts";
import { newId } from "./identifiers.ts";
import type { SigningKey } from "./keys.ts";
import { type Extend, grantOf, type HandOut, type Step } from "./owed.ts";
import { b64, concat, labelHash, randomBytes, Rejected } from "./primitives.ts";
import { type Cover, type Grant, type Handed, RelationState } from "./relations.ts";
import { blobHash } from "./rules.ts";
import { pack, records, sealBundle } from "./sealing.ts";
import { CATEGORIES, Master, SetKey } from "./sets.ts";
import type { Position } from "./shapes.ts";
import * as statements from "./statements.ts";
import type { Bodies, BundleBody, GrantBody } from "./statements.ts";
import { position, rangeDigest, SetState, SUITES } from "./streams.ts";
import type { Terms, Vault } from "./vault.ts";

/** Index and seed of each bit of a mask, in the order of categories. */
export type Held = (set: string, epoch: number, mask: number) => readonly (readonly [index: number, seed: Uint8Array])[];

export const EVERYTHING: ReadonlySet<number> = new Set(Array.from({ length: CATEGORIES }, (_, category) => category));
/** Sets are made in blocks ahead of need: a spare set makes a new author readable without touching any grant. */
export const BLOCK = 4;

/** A client of the patient or of a delegate. */
export type Signer = { readonly account: string; readonly device: string; readonly key: SigningKey };

/** A statement to send, with the bundle that goes beside it. */
export type Written = { readonly frame: Uint8Array; readonly blob: Uint8Array | null };

/** The present heads of the patient's account and of these accounts. */
export function cite(record: Record, ...names: readonly string[]): Map<string, Position> {
  return new Map([record.account.acc, ...names].map((name) => [name, position(record.of(name))]));
}

/** What the vault or the record should have. Throws `Rejected(not-for-you, seed)` where it has not. */
function own<T>(found: T | undefined): T {
  if (found === undefined) throw new Rejected("not-for-you", "seed");
  return found;
}

// --- sets -----------------------------------------------------------------------------------------------------------

/** The vault with `count` fresh sets; `owed` then starts their chains. */
export function newSets(vault: Vault, count = BLOCK): Vault {
  let made = vault;
  for (let i = 0; i < count; i += 1) {
    made = made.withSet(newId(), new SetKey(randomBytes(32)), new Master(randomBytes(32)));
  }
  return made;
}

/** The `start` of a set's stream chain. */
export function begin(record: Record, vault: Vault, set: string, signer: Signer, now: number): Written {
  const { master } = own(vault.candidates.get(set));
  const { ids } = own(vault.sets.get(set));
  const body = { ep: 1, ids, pks: master.publics.map((pk) => b64(pk)), suite: SUITES[0], grace: 0 };
  return inSet(record, new SetState(record.account.acc, set), "start", body, signer, now);
}

/** The `epoch` that makes a candidate the current epoch. `grace` in seconds: 0 after a withdrawal. */
export function startEpoch(
  record: Record,
  vault: Vault,
  set: string,
  signer: Signer,
  now: number,
  grace = 0,
): Written {
  const { epoch: ep, master } = own(vault.candidates.get(set));
  const state = record.set(set);
  const body = { ep, pks: master.publics.map((pk) => b64(pk)), suite: state.epoch(state.current).suite, grace };
  return inSet(record, state, "epoch", body, signer, now);
}

/** The `close` of a set's stream chain. */
export function closeSet(record: Record, set: string, signer: Signer, now: number): Written {
  return inSet(record, record.set(set), "close", {}, signer, now);
}

/** The vault with a fresh candidate for the next epoch of these sets. */
export function prepare(record: Record, vault: Vault, sets: readonly string[], now: number): Vault {
  const accountSeq = record.account.last;
  return sets.reduce((made, set) => {
    const epoch = (record.sets.get(set)?.current ?? 0) + 1;
    return made.withCandidate(set, { epoch, master: new Master(randomBytes(32)), accountSeq, iat: now });
  }, vault);
}

function inSet<T extends keyof Bodies["set"]>(
  record: Record,
  state: SetState,
  typ: T,
  body: Bodies["set"][T],
  signer: Signer,
  now: number,
): Written {
  const { acc, oth, head } = state;
  const place = { kind: "set", acc, oth, head, iat: iat(state, now) } as const;
  const frame = statements.sign(signer.key, { ...place, typ, by: by(signer), cite: cite(record, signer.account), body });
  return { frame, blob: null };
}

function by({ account, device }: Signer) {
  return [account, device] as const;
}

/** The later of one's own time and the head's. */
function iat({ links }: SetState | RelationState, now: number): number {
  return Math.max(links.at(-1)?.iat ?? 0, now);
}

// --- relations ------------------------------------------------------------------------------------------------------

function inRelation<T extends keyof Bodies["rel"]>(
  record: Record,
  oth: string,
  typ: T,
  body: Bodies["rel"][T],
  signer: Signer,
  now: number,
  ...cited: readonly string[]
): Uint8Array {
  const { acc } = record.account;
  const state = record.relations.get(oth) ?? new RelationState(acc, oth);
  const place = { kind: "rel", acc, oth, head: state.head, iat: iat(state, now) } as const;
  const said = { typ, by: by(signer), cite: cite(record, signer.account, ...cited), body };
  return statements.sign(signer.key, { ...place, ...said });
}

/** The first link with a counterpart. */
export function openRelation(
  record: Record,
  oth: string,
  met: Bodies["rel"]["open"]["met"],
  signer: Signer,
  now: number,
): Written {
  const body = { fp: record.of(oth).fingerprint, met };
  return { frame: inRelation(record, oth, "open", body, signer, now, oth), blob: null };
}

/** Let `oth` write into a set. */
export function permit(record: Record, oth: string, set: string, signer: Signer, now: number): Written {
  const { fingerprint: fp } = record.of(oth);
  const said = { acc: record.account.acc, aut: oth, fp, set, iat: now };
  const frame = statements.permit(signer.key, { ...said, by: by(signer), cite: cite(record, signer.account) });
  return { frame: inRelation(record, oth, "permit", { set, prm: b64(frame) }, signer, now), blob: null };
}

/** End a permit. */
export function unpermit(record: Record, oth: string, set: string, signer: Signer, now: number): Written {
  return { frame: inRelation(record, oth, "unpermit", { set }, signer, now), blob: null };
}

/** Withdraw a grant. */
export function end(record: Record, oth: string, gid: string, signer: Signer, now: number): Written {
  return { frame: inRelation(record, oth, "end", { gid }, signer, now), blob: null };
}

/** The cover of a new grant: every set of the patient but the counterpart's own, closed ones too if whole. */
export function wholeCover(record: Record, vault: Vault, { oth, whole, categories }: Terms): Cover {
  const sets = [...record.sets].filter(([set, state]) => record.author(set) !== oth && (whole || !state.closed));
  return new Map(
    sets.map(([set, state]) => {
      const mask = own(vault.sets.get(set)).mask(categories);
      return [set, { from: whole ? 1 : state.current, mask }];
    }),
  );
}

/** A new grant or an amendment by the terms (which the vault already holds), with all seeds it owes. */
export function grant(
  record: Record,
  vault: Vault,
  gid: string,
  terms: Terms,
  signer: Signer,
  now: number,
  cover: Cover = wholeCover(record, vault, terms),
): Written {
  const rows = due(record, record.relation(terms.oth).grants.get(gid) ?? null, cover);
  const content = { records: packed(record, vault, rows), ...carried(terms) };
  return withBundle(record, terms.oth, { typ: "grant", rules: rulesOf(terms, cover), gid }, rows, content, signer, now);
}

/**
 * A new grant by a delegate of the scope `manage`: of streams whose seeds it was handed itself (PROTOCOL.md 5.12).
 *
 * `held`: those seeds.
 */
export function handOn(
  record: Record,
  held: Held,
  gid: string,
  terms: Terms,
  cover: Cover,
  signer: Signer,
  now: number,
): Written {
  const rows = due(record, null, cover);
  const passed = rows.flatMap(({ set, first, last, mask }) =>
    Array.from({ length: last - first + 1 }, (_, i) => pack(set, first + i, held(set, first + i, mask))),
  );
  const content = { records: passed, ...carried(terms) };
  return withBundle(record, terms.oth, { typ: "grant", rules: rulesOf(terms, cover), gid }, rows, content, signer, now);
}

/** The rules of a grant, without what goes with its bundle. */
type Rules = Omit<GrantBody, keyof BundleBody>;

function rulesOf(terms: Terms, cover: Cover): Rules {
  return {
    consent: consentHash(terms),
    purpose: [...terms.purposes].sort(),
    nb: terms.nb,
    until: terms.until,
    grow: Number(terms.grow),
    em: terms.emergency ?? [],
    req: terms.request,
    cover: coverRows(cover),
  };
}

function coverRows(cover: Cover): GrantBody["cover"] {
  return inOrder(cover.keys()).map((set) => [set, own(cover.get(set)).from, own(cover.get(set)).mask]);
}

/** As in canonical JSON: by byte. */
function inOrder(sets: Iterable<string>): string[] {
  return [...sets].sort();
}

/** The author's grant of its own set: how it learns which index is which category. The terms grant everything. */
export function ownGrant(
  record: Record,
  vault: Vault,
  gid: string,
  set: string,
  terms: Terms,
  signer: Signer,
  now: number,
): Written {
  const cover = new Map([[set, { from: 1, mask: own(vault.sets.get(set)).mask(EVERYTHING) }]]);
  return grant(record, vault, gid, terms, signer, now, cover);
}

/** A growing grant amended to cover more sets. Its rules stay those of its newest link, whoever wrote that. */
export function extend(record: Record, vault: Vault, { oth, gid, sets }: Extend, signer: Signer, now: number): Written {
  const [, known] = grantOf(record, oth, gid);
  const { consent, purpose, nb, until, grow, em, req } = known.rules.body;
  const whole = [...known.cover.values()].every(({ from }) => from === 1);
  const categories = granted(vault, known);
  const added = sets.map((set) => {
    const from = whole ? 1 : record.set(set).current;
    return [set, { from, mask: own(vault.sets.get(set)).mask(categories) }] as const;
  });
  const cover = new Map([...known.cover, ...added]);
  const rules = { consent, purpose, nb, until, grow, em, req, cover: coverRows(cover) };
  const terms = vault.terms.get(gid);
  const isSame = terms !== undefined && consentHash(terms) === consent;
  const rows = due(record, known, cover);
  const content = { records: packed(record, vault, rows), ...(isSame ? carried(terms) : {}) };
  return withBundle(record, oth, { typ: "grant", rules, gid }, rows, content, signer, now);
}

/** The categories of a grant, told by what it covers; where that is nothing yet, by the vault's terms. */
export function granted(vault: Vault, { gid, cover }: Grant): ReadonlySet<number> {
  for (const [set, { mask }] of cover) return own(vault.sets.get(set)).granted(mask);
  return own(vault.terms.get(gid)).categories;
}

/** How a grant names the Consent of these terms. */
export function consentHash({ salt, consent }: Terms): string {
  return salted(salt, consent);
}

/** How a grant names a Consent: salted, because the hub could guess it. */
export function salted(salt: Uint8Array, consent: Uint8Array): string {
  return b64(labelHash("obhut-consent", salt, consent));
}

/** The seeds of candidates for one counterpart, before the epochs start. */
export function handOut(record: Record, vault: Vault, step: HandOut, signer: Signer, now: number): Written {
  const { oth, gid } = step;
  const [, known] = grantOf(record, oth, gid);
  const rows = inOrder(step.sets).map((set) => {
    const { epoch, master } = own(vault.candidates.get(set));
    const { mask } = own(known.cover.get(set));
    return { set, first: epoch, last: epoch, mask, digest: rangeDigest([master.digest(set, epoch)]) };
  });
  const content = { records: packed(record, vault, rows) };
  return withBundle(record, oth, { typ: "keys", gid }, rows, content, signer, now);
}

/** A row of `has`, before it is known to which key it is sealed. */
type Row = Omit<Handed, "rk">;

/** What must still be handed out so that all started epochs of the cover are: whole ranges where nothing was. */
function due(record: Record, known: Grant | null, cover: Cover): Row[] {
  return inOrder(cover.keys()).flatMap((set) => {
    const { from, mask } = own(cover.get(set));
    const state = record.set(set);
    const epochs = state.epochs.slice(from - 1);
    const lacking = epochs.filter((one) => known === null || !handed(known, state, one.number, one.digest, mask));
    return ranges(lacking.map((epoch) => epoch.number)).map(([first, last]) => {
      return { set, first, last, mask, digest: rangeDigest(state.digests(first, last)) };
    });
  });
}

/** Ascending numbers as ranges of consecutive ones. */
function ranges(numbers: readonly number[]): (readonly [first: number, last: number])[] {
  const firsts = numbers.filter((n, i) => numbers[i - 1] !== n - 1);
  const lasts = numbers.filter((n, i) => numbers[i + 1] !== n + 1);
  return firsts.map((first, i) => [first, lasts[i] ?? first]);
}

/** What a bundle carries besides seeds. */
type Carried = { readonly consent?: Uint8Array; readonly rules?: unknown };

function carried(terms: Terms): Carried {
  return { consent: concat(terms.salt, terms.consent), rules: finer(terms) };
}

/** A statement that has a bundle; `rules` of a `grant` only. */
type Said = { readonly typ: "grant" | "keys"; readonly gid: string; readonly rules?: Rules };

function withBundle(
  record: Record,
  oth: string,
  { typ, gid, rules }: Said,
  rows: readonly Row[],
  content: Carried & { readonly records: readonly Uint8Array[] },
  signer: Signer,
  now: number,
): Written {
  const relation = record.relation(oth);
  const rk = record.of(oth).readingKey();
  const [place, prev] = position(relation);
  const { blob, key } = sealBundle(relation.id, [place + 1, prev], gid, rk, content);
  const has = rows.map(({ set, first, last, mask, digest }) => [set, first, last, mask, digest] as const);
  const body = { ...rules, gid, rk, key, lst: blobHash(blob), has };
  return { frame: inRelation(record, oth, typ, body as GrantBody, signer, now, oth), blob };
}

function packed(record: Record, vault: Vault, rows: readonly Row[]): Uint8Array[] {
  const master = (set: string, epoch: number): Master => {
    const state = record.set(set);
    if (epoch <= state.current) return vault.master(set, epoch, state.epoch(epoch).digest);
    return own(vault.candidates.get(set)).master;
  };
  return records(rows, (set) => own(vault.sets.get(set)), master);
}

// --- one step of `owed` ---------------------------------------------------------------------------------------------

/** What a step writes: a statement, or the vault's next content. */
export function perform(record: Record, vault: Vault, step: Step, signer: Signer, now: number): Written | Vault {
  switch (step.step) {
    case "begin":
      return begin(record, vault, step.set, signer, now);
    case "close":
      return closeSet(record, step.set, signer, now);
    case "drop":
      return vault.withoutCandidates(step.sets);
    case "prepare":
      return prepare(record, vault, step.sets, now);
    case "extend":
      return extend(record, vault, step, signer, now);
    case "hand-out":
      return handOut(record, vault, step, signer, now);
    case "start-epoch":
      return startEpoch(record, vault, step.set, signer, now);
  }
}
