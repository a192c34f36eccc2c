/** Relation chains: what one patient has with one counterpart: permits, grants, withdrawals (PROTOCOL.md 2.4). */

import { authority, byDevice, cited, citedAt, witnesses } from "./accounts.ts";
import { MAX_INTEGER } from "./canonical.ts";
import { type Accounts, Chain, checkCitations, replayInto, sameNames } from "./chains.ts";
import { broken, Rejected, unb64 } from "./primitives.ts";
import { type Bodies, parsePermit, type SignedPermit, type StatementOf } from "./statements.ts";
import { MAX_EPOCHS } from "./streams.ts";

export const MAX_GRANTS = 16;
/** The `until` of a grant that does not end by itself. */
export const NO_END = MAX_INTEGER;

type Of<T extends keyof Bodies["rel"]> = StatementOf<"rel", T>;

/** One `has` row: the seeds of a set, of the epochs `first` … `last`, for the bits of `mask`, sealed to `rk`. */
export type Handed = {
  readonly set: string;
  readonly first: number;
  readonly last: number;
  readonly mask: number;
  readonly digest: string;
  readonly rk: string;
};

/** A bundle beside a `grant` or `keys` statement: where it stands and how it is opened; `lst` is its hash. */
export type Bundle = { readonly link: Of<"grant" | "keys">; readonly rows: readonly Handed[] };

/** Set → the first epoch covered, and the bits of its streams. */
export type Cover = ReadonlyMap<string, { readonly from: number; readonly mask: number }>;

/** What the counterpart may open, by the newest rules under this id, and what has been handed out under it. */
export type Grant = {
  readonly gid: string;
  readonly began: number;
  readonly rules: Of<"grant">;
  readonly cover: Cover;
  readonly bundles: readonly Bundle[];
  readonly ended: boolean;
};

/** Not ended and not expired; `nb` is asked at release. */
export function live(grant: Grant, time: number): boolean {
  return !grant.ended && time < grant.rules.body.until;
}

/** All rows handed out so far under a grant. */
export function handed(grant: Grant): Handed[] {
  return grant.bundles.flatMap((bundle) => bundle.rows);
}

/** The relation of the patient `acc` with the counterpart `oth`. */
export class RelationState extends Chain<"rel"> {
  fingerprint = "";
  permits = new Map<string, SignedPermit>();
  unpermitted = new Map<string, number>();
  grants = new Map<string, Grant>();

  get kind(): "rel" {
    return "rel";
  }

  /** The live grants. */
  live(time: number): Grant[] {
    return [...this.grants.values()].filter((grant) => live(grant, time));
  }

  /** Whether the counterpart may write into the set now. */
  permitted(setId: string): boolean {
    return this.permits.has(setId) && !this.unpermitted.has(setId);
  }
}

/** The state of a relation chain. Throws `BadLink`. */
export function replay(frames: readonly Uint8Array[], acc: string, oth: string, accounts: Accounts): RelationState {
  return replayInto(
    () => new RelationState(acc, oth),
    frames,
    (state, raw) => apply(state, raw, accounts),
  );
}

/** The state after one more link. Throws `Rejected`. */
export function extend(state: RelationState, raw: Uint8Array, accounts: Accounts): RelationState {
  const twin = state.fork();
  apply(twin, raw, accounts);
  return twin;
}

/** Check that the patient's side signed this permit for this set. Throws `stale`, `fork` or `permit`. */
export function checkPermit(permit: SignedPermit, acc: string, setId: string, accounts: Accounts): void {
  checkCitations(permit.cite, accounts);
  try {
    const required = new Set([acc, byDevice(permit.by)[0]]);
    if (permit.acc !== acc || permit.set !== setId || !sameNames(permit.cite, required)) throw broken("permit");
    permit.frame.verify("obhut-permit", authority({ ...permit, typ: "permit", acc }, accounts));
    const author = accounts.get(permit.aut);
    if (author !== undefined && author.fingerprint !== permit.fp) throw broken("permit");
  } catch (error) {
    throw error instanceof Rejected && error.kind !== "stale" ? broken("permit") : error;
  }
}

const CITES_OTHER: readonly string[] = ["open", "grant", "keys"];
const SELF: readonly string[] = ["open", "permit"];

function apply(state: RelationState, raw: Uint8Array, accounts: Accounts): void {
  const st = state.place(raw);
  const required = witnesses(st);
  if (CITES_OTHER.includes(st.typ)) required.add(st.oth);
  state.follow(st, required, accounts);
  st.frame.verify("obhut-sig-rel", authority(st, accounts));
  if (st.acc === st.oth && !SELF.includes(st.typ)) throw broken("self");
  rule(state, st, accounts);
  state.append(st);
}

function rule(state: RelationState, st: StatementOf<"rel">, accounts: Accounts): void {
  switch (st.typ) {
    case "open":
      return open(state, st, accounts);
    case "permit":
      return permit(state, st, accounts);
    case "unpermit":
      return unpermit(state, st);
    case "grant":
      return grant(state, st, accounts);
    case "keys":
      return keys(state, st, accounts);
    case "end":
      return end(state, st);
  }
}

function open(state: RelationState, st: Of<"open">, accounts: Accounts): void {
  if (cited(accounts, st.oth).fingerprint !== st.body.fp) throw broken("fingerprint");
  state.fingerprint = st.body.fp;
}

function permit(state: RelationState, st: Of<"permit">, accounts: Accounts): void {
  const found = parsePermit(unb64(st.body.prm));
  if (found.aut !== st.oth || found.fp !== state.fingerprint || state.permits.has(st.body.set)) throw broken("permit");
  checkPermit(found, st.acc, st.body.set, accounts);
  state.permits.set(found.set, found);
}

function unpermit(state: RelationState, st: Of<"unpermit">): void {
  if (!state.permitted(st.body.set)) throw broken("permit");
  state.unpermitted.set(st.body.set, st.seq);
}

function bundle(st: Of<"grant" | "keys">, cover: Cover, accounts: Accounts): Bundle {
  const { rk, has } = st.body;
  if (rk !== cited(accounts, st.oth).readingKey(citedAt(st.cite, st.oth))) throw broken("reading-key");
  for (const [set, first, last, mask] of has) {
    const covered = cover.get(set);
    const inOrder = covered !== undefined && covered.from <= first && first <= last && last <= MAX_EPOCHS;
    if (!inOrder || mask !== covered.mask) throw broken("has");
  }
  return { link: st, rows: has.map(([set, first, last, mask, digest]) => ({ set, first, last, mask, digest, rk })) };
}

function grant(state: RelationState, st: Of<"grant">, accounts: Accounts): void {
  const { gid } = st.body;
  const known = state.grants.get(gid);
  if (known?.ended) throw broken("ended");
  const revives = known === undefined || !live(known, st.iat);
  if (revives && state.live(st.iat).length >= MAX_GRANTS) throw broken("limits");
  const cover = new Map(st.body.cover.map(([set, from, mask]) => [set, { from, mask }]));
  const fresh = bundle(st, cover, accounts);
  const base = known ?? { gid, began: st.seq, bundles: [], ended: false };
  state.grants.set(gid, { ...base, rules: st, cover, bundles: [...base.bundles, fresh] });
}

function keys(state: RelationState, st: Of<"keys">, accounts: Accounts): void {
  const known = present(state, st);
  if (!live(known, st.iat)) throw broken("ended");
  const fresh = bundle(st, known.cover, accounts);
  state.grants.set(known.gid, { ...known, bundles: [...known.bundles, fresh] });
}

function end(state: RelationState, st: Of<"end">): void {
  const known = present(state, st);
  state.grants.set(known.gid, { ...known, ended: true });
}

function present(state: RelationState, st: Of<"keys" | "end">): Grant {
  const known = state.grants.get(st.body.gid);
  if (known === undefined) throw broken("unknown");
  if (known.ended) throw broken("ended");
  return known;
}
