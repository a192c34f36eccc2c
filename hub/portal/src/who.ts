/**
 * Who can see what, and why, at any moment: told from the patient's chains, which only ever grow.
 *
 * `stretches` reads a relation chain as stretches of time, each with the rules that held in it. `who` asks them for one
 * moment, past or present; a moment to come is told as it would be if nothing were signed until then. The keys of the
 * sets tell which categories a grant opened, whoever made it and whatever else was lost.
 */

import { byDevice } from "./accounts.ts";
import { agreement, consentId } from "./fhir_consent.ts";
import { finer, leavesOut, onlySince, readersOf } from "./finer_rules.ts";
import type { Record } from "./grants.ts";
import type { Json } from "./policy.ts";
import { utf8Text } from "./primitives.ts";
import { within } from "./purposes.ts";
import { ANY, type Readers } from "./readers.ts";
import type { Cover, RelationState } from "./relations.ts";
import { CATEGORIES, type SetKey } from "./sets.ts";
import type { StatementOf } from "./statements.ts";
import { consentHash } from "./steps.ts";
import type { Terms, Vault } from "./vault.ts";

export type Reason =
  | "granted"
  | "emergency"
  | "not-yet"
  | "withdrawn"
  | "expired"
  | "narrowed"
  | "closed"
  | "never";

type GrantLink = StatementOf<"rel", "grant">;

/**
 * What one grant allowed from the Unix second `start` to before `stop`; `ended`: why it stops.
 *
 * `own`: it gives an author its own writing.
 */
export type Stretch = {
  readonly oth: string;
  readonly gid: string;
  readonly rules: GrantLink;
  readonly start: number;
  readonly stop: number;
  readonly ended: Reason;
  readonly cover: Cover;
  readonly own: boolean;
};

/** Whether it allowed anything at this second. */
export function holds({ start, stop }: Stretch, at: number): boolean {
  return start <= at && at < stop;
}

/** Whether a stream in an epoch is among what it covers. */
export function reaches({ cover }: Stretch, set: string, index: number, epoch: number): boolean {
  const covered = cover.get(set);
  return covered !== undefined && ((covered.mask >>> index) & 1) === 1 && covered.from <= epoch;
}

/** Whether it opens in a declared emergency only. */
export function isEmergency({ rules }: Stretch): boolean {
  return rules.body.em.length > 0;
}

/**
 * The answer for one counterpart and one category, by one grant. Times in Unix seconds, 0 where nothing ever was.
 *
 * `visible`, and why (`reason`). `since`: from when without a break; `until`: when it ends or ended. `earlier`: what
 * was there before the grant is seen, too. `gid`, `by`: which grant, and who signed it; `consent`: the id of its FHIR
 * Consent. `own`: only what the counterpart wrote itself, to which no Consent belongs. `finer`: whether finer rules
 * leave out some of it; null where another party made the grant and its rules are not held here. `readers`: who alone
 * may read of the counterpart, where not all may. `desk`: where it was signed on paper, the desk that recorded it.
 */
export type Access = {
  readonly counterpart: string;
  readonly category: number;
  readonly visible: boolean;
  readonly reason: Reason;
  readonly since: number;
  readonly until: number;
  readonly purposes: readonly string[];
  readonly gid: string;
  readonly by: string;
  readonly consent: string;
  readonly earlier: boolean;
  readonly own: boolean;
  readonly finer: boolean | null;
  readonly readers: Readers | null;
  readonly desk: string;
};

// --- the chain as stretches of time ---------------------------------------------------------------------------------

/** All that was ever granted to one counterpart, in the order of the statements. */
export function stretches(record: Record, relation: RelationState): Stretch[] {
  const closed = record.account.closed ? (record.account.links.at(-1)?.iat ?? null) : null;
  const following = new Map<string, StatementOf<"rel", "grant" | "end">>();
  const found: Stretch[] = [];
  for (const link of [...relation.links].reverse()) {
    if (link.typ === "grant") found.unshift(stretch(record, link, following.get(link.body.gid), closed));
    if (link.typ === "grant" || link.typ === "end") following.set(link.body.gid, link);
  }
  return found;
}

function stretch(
  record: Record,
  link: GrantLink,
  next: StatementOf<"rel", "grant" | "end"> | undefined,
  closed: number | null,
): Stretch {
  const { gid, until, nb } = link.body;
  const cover = new Map(link.body.cover.map(([set, from, mask]) => [set, { from, mask }]));
  const ends: (readonly [stop: number, ended: Reason])[] = [[until, "expired"]];
  if (next !== undefined) ends.push([next.iat, next.typ === "end" ? "withdrawn" : "narrowed"]);
  if (closed !== null) ends.push([closed, "closed"]);
  const [stop, ended] = ends.reduce((first, one) => (isBefore(one, first) ? one : first));
  const own = cover.size > 0 && [...cover.keys()].every((set) => record.author(set) === link.oth);
  return { oth: link.oth, gid, rules: link, start: Math.max(link.iat, nb), stop, ended, cover, own };
}

function isBefore([stop, ended]: readonly [number, Reason], [other, its]: readonly [number, Reason]): boolean {
  return stop < other || (stop === other && ended < its);
}

/** The categories that it opened, told by its masks. */
export function categories({ cover }: Stretch, sets: ReadonlyMap<string, SetKey>): Set<number> {
  return new Set([...cover].flatMap(([set, { mask }]) => [...(sets.get(set)?.granted(mask) ?? [])]));
}

// --- the answer -----------------------------------------------------------------------------------------------------

/** For each counterpart and category: what it could see at the Unix second `at`, by each grant; or why nothing. */
export function who(record: Record, vault: Vault, at: number): Access[] {
  const others = [...record.relations].filter(([oth]) => oth !== record.account.acc);
  others.sort(([a], [b]) => (a < b ? -1 : 1));
  return others.flatMap(([oth, relation]) => of(stretches(record, relation), vault, oth, at));
}

function of(all: readonly Stretch[], vault: Vault, oth: string, at: number): Access[] {
  const begun = all.filter((one) => one.rules.iat <= at).map((one) => [one, categories(one, vault.sets)] as const);
  const held = begun.map(([one]) => one).filter((one) => holds(one, at) && !one.own);
  const opened = new Map(held.map((one) => [one, { ...limits(one, vault), desk: deskOf(vault, one.rules) }]));
  return Array.from({ length: CATEGORIES }, (_, category) => {
    const ofIt = begun.filter(([, opens]) => opens.has(category)).map(([one]) => one);
    const now = ofIt.filter((one) => holds(one, at));
    const found = now.map((one) => {
      const reason = isEmergency(one) ? "emergency" : "granted";
      return { ...access(one, ofIt, category, reason, one.rules.body.until), ...opened.get(one) };
    });
    if (!now.every((one) => one.own)) return found;
    return [...found, nothing(ofIt.filter((one) => !one.own), oth, category, at)];
  }).flat();
}

function limits(one: Stretch, vault: Vault): Pick<Access, "finer" | "readers"> {
  const terms = termsOf(vault, one.rules);
  if (terms === null) return { finer: null, readers: null };
  const rules = finer(terms);
  return { finer: leavesOut(rules) && !onlySince(rules), readers: readersOf(rules) }; // that is told by `earlier`
}

const PLAIN = { finer: false, readers: null, desk: "" };
const NEVER = { since: 0, until: 0, purposes: [], gid: "", by: "", consent: "", earlier: true, own: false, ...PLAIN };

/** Why a category is not visible: by what happened last to the grant that opened it, if one ever did. */
function nothing(ofIt: readonly Stretch[], counterpart: string, category: number, at: number): Access {
  const [first, ...others] = ofIt;
  if (first === undefined) {
    return { ...NEVER, counterpart, category, visible: false, reason: "never" };
  }
  const [coming, ...later] = ofIt.filter((one) => at < one.start && one.start < one.stop);
  if (coming !== undefined) {
    const soonest = later.reduce((found, one) => (one.start < found.start ? one : found), coming);
    return access(soonest, ofIt, category, "not-yet", soonest.rules.body.until);
  }
  const last = others.reduce((found, one) => (one.stop > found.stop ? one : found), first);
  return access(last, ofIt, category, last.ended, last.stop);
}

function access(one: Stretch, ofIt: readonly Stretch[], category: number, reason: Reason, until: number): Access {
  return {
    counterpart: one.oth,
    category,
    visible: reason === "granted",
    reason,
    since: sinceWhen(one, ofIt),
    until,
    purposes: one.rules.body.purpose,
    gid: one.gid,
    by: byDevice(one.rules.by)[0],
    consent: one.own ? "" : consentId(one.gid),
    earlier: [...one.cover.values()].every(({ from }) => from === 1),
    own: one.own,
    ...PLAIN,
  };
}

/** From when the grant opened this category without a break. */
function sinceWhen(one: Stretch, ofIt: readonly Stretch[]): number {
  return [...ofIt].reverse().reduce((since, earlier) => {
    return earlier.gid === one.gid && earlier.stop === since && earlier.start < since ? earlier.start : since;
  }, one.start);
}

/**
 * The terms that a `grant` statement was made by: the grant's own, or those that an amendment has replaced.
 *
 * Null for what another party made, a delegate or a client that has lost them.
 */
export function termsOf(vault: Vault, { body: { gid, consent } }: GrantLink): Terms | null {
  const kept = [vault.terms.get(gid), vault.terms.get(consent)];
  return kept.find((one) => one !== undefined && consentHash(one) === consent) ?? null;
}

/** The account of the desk that recorded the Consent of a `grant` statement from paper; empty for any other. */
export function deskOf(vault: Vault, rules: GrantLink): string {
  const terms = termsOf(vault, rules);
  const consent: Json = terms === null || terms.consent.length === 0 ? {} : JSON.parse(utf8Text(terms.consent, "fhir"));
  return ("verification" in consent && agreement(consent).paper?.desk) || "";
}

/** The Unix second of the newest statement of any chain: later than every clock that signed one. */
export function latest({ account, relations, sets }: Record): number {
  const chains = [account, ...relations.values(), ...sets.values()];
  return Math.max(...chains.map((chain) => chain.links.at(-1)?.iat ?? 0));
}

// --- asked for one thing --------------------------------------------------------------------------------------------

/**
 * The access by which a counterpart may see a category for a purpose; null where there is none.
 *
 * `role`: of who reads there; null: of anybody. Finer rules (`finer`) may leave out some of it.
 */
export function allowed(
  found: readonly Access[],
  counterpart: string,
  category: number,
  purpose: string,
  role: string | null = null,
): Access | null {
  const isIt = (one: Access) => one.counterpart === counterpart && one.category === category && one.visible && !one.own;
  const isAdmitted = ({ readers }: Access) => {
    const roles = role === null ? [ANY, ...(readers?.roles ?? [])] : [role];
    return readers === null || roles.some((each) => readers.admits(purpose, each));
  };
  return found.find((one) => isIt(one) && within(purpose, one.purposes) && isAdmitted(one)) ?? null;
}
