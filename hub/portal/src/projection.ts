/**
 * From signed Consents to grants: who, why and when become release rules, what the data are becomes finer rules.
 *
 * What a rule says of counterpart, purpose and time, the hub can check before it releases anything. What it says of the
 * resource itself (type, code, label, clinical date, author) can be checked only by whoever opened it, and who of a
 * house reads, in which role, only by the house: that part travels with the grant, sealed, as its finer rules, and says
 * nothing of other parties or times. Permitted is what is released and passes them, exactly (PROTOCOL.md 4.4).
 */

import { BY_TYPE, type Name, NAMES } from "./categories.ts";
import { dayOf, FOREVER, interval, SECOND, utcTime } from "./dates.ts";
import { type Agreement, checkWritten } from "./fhir_consent.ts";
import { ELEMENTS, type FinerRules, rulesOf, stable, type Tree } from "./finer_rules.ts";
import { meet, type Words } from "./items.ts";
import { inForce } from "./lineages.ts";
import { compile, type Json, type Policy, type Rule } from "./policy.ts";
import { type Plain, refused } from "./provisions.ts";
import { actionsAbove, purposesAbove, within } from "./purposes.ts";
import { ANY, type Cell, Readers } from "./readers.ts";
import { MAX_GRANTS } from "./relations.ts";
import { request, state } from "./state.ts";

/** One grant: what is agreed, which makes the Consent that the counterpart is shown, and the finer rules, if any. */
export type Projection = { readonly agreed: Agreement; readonly rules: FinerRules | null };

/**
 * The grants by which a counterpart may read what R4 Consents of one patient permit, from a Unix second on.
 *
 * `consents` are all that she signed that concern it, refusals too: of a lineage the newest counts. `wholes`: what the
 * counterpart is a part of, at every level: what is said of them is said of it. `roles`: in which all act there
 * (`floor.ts`). None where nothing is permitted. Throws `Problem(unprocessable)` for what no grant can keep to, or
 * cannot be told to be in force.
 */
export function project(
  consents: readonly Json[],
  counterpart: string,
  now: number,
  wholes: readonly string[] = [],
  roles: readonly string[] = [],
): Projection[] {
  return projectPlain(consents.map(checkWritten), counterpart, now, wholes, roles);
}

/** `project` for Consents in plain form (`policy.ts`). Throws as it. */
export function projectPlain(
  forms: readonly Plain[],
  counterpart: string,
  now: number,
  wholes: readonly string[] = [],
  roles: readonly string[] = [],
): Projection[] {
  const house = { actor: new Set([counterpart, ...wholes]), roles };
  const [patient, ...others] = new Set(forms.map((form) => String(form["patient"])));
  if (patient === undefined || others.length > 0) {
    throw refused("patient", "These Consents are not about one patient.");
  }
  const at = now * SECOND;
  const found = pieces(signedInForce(forms, patient, house.actor, at), house, at);
  if (found.length > MAX_GRANTS) {
    const remedy = `This needs more than ${MAX_GRANTS} grants; write fewer periods, purposes and roles.`;
    throw refused("provision", remedy);
  }
  return found.map((piece) => projected(patient, counterpart, piece, at));
}

/** Who asks, at every level, for a purpose and those it lies below, in which roles. */
type Asking = { readonly actor: Words; readonly purposes: Words; readonly roles: Words };

/** A counterpart at every level, and the roles in which all act there. */
type House = { readonly actor: Words; readonly roles: readonly string[] };

/** Somebody of a house who asks for a purpose, in a role; null: for a purpose that no Consent names. */
function asking({ actor, roles }: House, purpose: string | null, role: string): Asking {
  return { actor, purposes: purpose === null ? new Set() : purposesAbove(purpose), roles: new Set([...roles, role]) };
}

/** What a counterpart is granted: who it is at every level, and the purposes of a grant. */
type Held = { readonly actor: Words; readonly purposes: readonly string[] };

/**
 * The categories of which Consents in plain form that are refusals refuse a counterpart anything, now or later.
 *
 * What is refused for a purpose below those of the grant is refused, and what is refused any role there.
 */
export function refusedPlain(forms: readonly Plain[], { actor, purposes }: Held, now: number): Set<number> {
  const at = now * SECOND;
  const counting = signedInForce(forms, String(forms[0]?.["patient"]), actor, at);
  const signed = counting.filter(({ root, optIn }) => !(root.permit || optIn));
  const rules = signed.flatMap(({ root }) => all(root));
  const below = rules.flatMap((rule) => [...rule.purposes]).filter((purpose) => within(purpose, purposes));
  const times = new Set([at, ...rules.map((rule) => rule.period[0]).filter((start) => start > at)]);
  const { cells } = new Readers([...purposes, ...below], rules.flatMap((rule) => [...rule.roles]), []);
  const asked = cells.map((cell) => asking({ actor, roles: [] }, ...cell));
  const trees = asked.flatMap((one) => [...times].map((time) => cut(signed, one, time)));
  return new Set(INDICES.filter((index) => trees.some((each) => outcomes(each, index).has("deny"))));
}

/** A Consent's provision in plain form, the same compiled, and whether it is an opt-in list. */
type Signed = { readonly plain: Tree; readonly root: Rule; readonly optIn: boolean };

/** A tree of which nothing is left but what is about resources. */
type Cut = { readonly optIn: boolean; readonly tree: Tree };

/** A time in which the same trees decide. */
type Stretch = { readonly start: number; readonly end: number; readonly trees: readonly Cut[] };

/** Readers and a time for which the same trees decide. */
type Piece = Stretch & { readonly readers: Readers };

// --- which Consents -------------------------------------------------------------------------------------------------

/** The Consents that count from now on, as long as no other is signed (`lineages.ts`). */
function signedInForce(forms: readonly Plain[], patient: string, actor: Words, now: number): Signed[] {
  const plain = new Map<Policy, Plain>(forms.map((form) => [compile(form), form]));
  const policies = [...plain.keys()];
  if (policies.some((one) => one.recorded > now)) {
    throw refused("dateTime", "This Consent is dated later than now: sign it when it begins to count.");
  }
  const heads = inForce(state({ policies }), request(patient, actor, "TREAT", now));
  if (heads.some((head) => head.length > 1)) {
    throw refused("dateTime", "Two of these Consents count together, being of one lineage and date: keep one.");
  }
  return heads.flat().flatMap((one) => {
    const provision = plain.get(one)?.["provision"] as Tree;
    return one.root === null ? [] : [{ plain: provision, root: one.root, optIn: one.optIn }];
  });
}

// --- which pieces ---------------------------------------------------------------------------------------------------

type Time = readonly [start: number, end: number];

function pieces(signed: readonly Signed[], house: House, now: number): Piece[] {
  const rules = signed.flatMap(({ root }) => all(root));
  for (const { root } of signed) checkActions(root, house.actor);
  const named = rules.flatMap((rule) => [...rule.purposes]);
  const roles = [...new Set(rules.flatMap((rule) => [...rule.roles]))];
  const edges = [...new Set(rules.flatMap((rule) => rule.period))].filter((edge) => edge > now).sort((a, b) => a - b);
  const starts = [now, ...edges];
  const times = starts.map((start, i): Time => [start, starts[i + 1] ?? FOREVER]).filter(([start, end]) => start < end);
  const alike = new Map<string, Stretch & { readonly cells: readonly Cell[] }>();
  for (const cell of new Readers(named, roles, []).cells) {
    for (const one of joined(signed, asking(house, ...cell), times)) {
      const key = stable([one.start, one.end, one.trees]);
      alike.set(key, { ...one, cells: [...(alike.get(key)?.cells ?? []), cell] });
    }
  }
  for (const [start] of times) checkEveryPurpose(signed, house, roles, start);
  const found = [...alike.values()].filter(({ start, end }) => hasSecond(start, end, now));
  return found.map(({ start, end, trees, cells }) => {
    const within = times.map(([time]) => time).filter((time) => start <= time && time < end);
    const admitted = withMore(signed, house, new Readers(named, roles, cells), within);
    return { start, end, trees, readers: admitted.simplest() };
  });
}

/** The times in which somebody may see anything, those in which the same trees decide joined. */
function joined(signed: readonly Signed[], who: Asking, times: readonly Time[]): Stretch[] {
  const found: Stretch[] = [];
  for (const [start, end] of times) {
    const trees = cut(signed, who, start);
    const last = found.at(-1);
    if (last?.end === start && stable(last.trees) === stable(trees)) found.splice(-1, 1, { ...last, end });
    else if (permitted(trees).size > 0) found.push({ start, end, trees });
  }
  return found;
}

function cut(signed: readonly Signed[], who: Asking, at: number): Cut[] {
  return signed.flatMap(({ root, plain, optIn }) => {
    const tree = cutRule(root, plain, who, at);
    return tree === null ? [] : [{ optIn, tree }];
  });
}

/** The rule with only what it says of resources; null where it does not apply to who asks, and this time. */
function cutRule(rule: Rule, plain: Tree, who: Asking, at: number): Tree | null {
  if (!applies(rule, who, at)) return null;
  const names = Object.keys(plain).filter((name) => ELEMENTS.includes(name) && name !== "provision");
  const kept = Object.fromEntries(names.map((name) => [name, plain[name]]));
  const below = (plain["provision"] ?? []) as Tree[];
  const children = rule.children.map((child, i) => cutRule(child, below[i] ?? {}, who, at));
  const provision = children.filter((child) => child !== null);
  return provision.length > 0 ? { ...kept, provision } : kept;
}

function applies({ actors, roles, actions, purposes, period }: Rule, who: Asking, at: number): boolean {
  const limits = [[actors, who.actor], [roles, who.roles], [actions, actionsAbove("read")], [purposes, who.purposes]] as const;
  return limits.every(([wanted, asked]) => wanted.size === 0 || meet(wanted, asked)) && period[0] <= at && at < period[1];
}

function all(rule: Rule): Rule[] {
  return [rule, ...rule.children.flatMap(all)];
}

// --- who may read by a piece ----------------------------------------------------------------------------------------

/**
 * With those for whom the Consents only add to what these may see: a table that told them apart would tell more of the
 * Consents than is needed.
 */
function withMore(signed: readonly Signed[], house: House, readers: Readers, times: readonly number[]): Readers {
  const { purposes, roles, cells, admitted } = readers;
  const isMore = (cell: Cell) => admitted.some((known) => addsOnly(signed, house, known, cell, times));
  return new Readers(purposes, roles, [...admitted, ...cells.filter((cell) => !readers.has(cell) && isMore(cell))]);
}

/** Whether whoever asks for a purpose below, or in a role beside, loses nothing by that. */
function addsOnly(signed: readonly Signed[], house: House, known: Cell, cell: Cell, times: readonly number[]): boolean {
  if (!within(cell[0], [known[0]]) || (known[1] !== cell[1] && known[1] !== ANY)) return false;
  const [one, other] = [asking(house, ...known), asking(house, ...cell)];
  return !signed.some(({ root }) => times.some((at) => takesAway(root, one, other, at, true)));
}

/** `outer`: whether the rules around this one apply to the one who is known, as they do to who asks. */
function takesAway(rule: Rule, known: Asking, who: Asking, at: number, outer: boolean): boolean {
  const [above, below] = [outer && applies(rule, known, at), applies(rule, who, at)];
  if (!below) return false;
  return (!above && !rule.permit) || rule.children.some((child) => takesAway(child, known, who, at, above));
}

// --- what cannot be kept to -----------------------------------------------------------------------------------------

/** A grant is for both: whoever holds an entry also finds it. */
function checkActions({ actors, actions, path, children }: Rule, actor: Words): void {
  if (actors.size > 0 && !meet(actors, actor)) return;
  if (meet(actions, actionsAbove("read")) !== meet(actions, actionsAbove("search"))) {
    const remedy = "Name reading and searching together, as access; one alone is no grant.";
    throw refused(`${path}.action`, remedy);
  }
  for (const child of children) checkActions(child, actor);
}

function checkEveryPurpose(signed: readonly Signed[], house: House, roles: readonly string[], at: number): void {
  if ([ANY, ...roles].some((role) => permitted(cut(signed, asking(house, null, role), at)).size > 0)) {
    throw refused("provision.purpose", "Name the purposes for which this is permitted; a grant has them all named.");
  }
}

// --- what a piece can permit ----------------------------------------------------------------------------------------

type Outcome = "permit" | "deny" | "silent";
type Outcomes = ReadonlySet<Outcome>;

const INDICES = NAMES.map((_, index) => index);
/** An Observation or a report goes by what it says of itself; what bears a label of sensitivity, by that. */
const SELF_SAYING: readonly string[] = ["Observation", "DiagnosticReport"];
const BY_LABEL: readonly string[] = ["mental", "intimate", "genetic"];

/** The categories of which anything may be permitted. */
function permitted(trees: readonly Cut[]): Set<number> {
  return new Set(INDICES.filter((index) => outcomes(trees, index).has("permit")));
}

/** What the trees together can say of a resource of a category: a denial by one goes before all permissions. */
function outcomes(trees: readonly Cut[], category: number): Outcomes {
  const each = trees.map(({ optIn, tree }) => {
    return ofRule(tree, category, optIn && tree["type"] === "deny" ? "silent" : (tree["type"] as Outcome));
  });
  return together(each, "silent");
}

/** What a rule and those below it can say, `own` being what it says where none below it matches. */
function ofRule(rule: Tree, category: number, own: Outcome): Outcomes {
  const classes = (rule["class"] ?? []) as string[];
  if (classes.length > 0 && !classes.some((word) => mayBe(word, category))) return new Set(["silent"]);
  const below = ((rule["provision"] ?? []) as Tree[]).map((child) => ofRule(child, category, child["type"] as Outcome));
  const found = together(below, own);
  const coversAll = classes.length === 0 || classes.includes(NAMES[category] ?? "");
  const isNarrow = ["code", "securityLabel", "dataPeriod", "data"].some((element) => element in rule);
  return !coversAll || isNarrow ? new Set([...found, "silent"]) : found;
}

/** What can come of these: a denial by one before all permissions, and `otherwise` where all are silent. */
function together(each: readonly Outcomes[], otherwise: Outcome): Outcomes {
  const found = new Set<Outcome>();
  if (each.some((one) => one.has("deny"))) found.add("deny");
  if (each.some((one) => one.size === 1 && one.has("deny"))) return found;
  if (each.some((one) => one.has("permit"))) found.add("permit");
  if (each.every((one) => one.has("silent"))) found.add(otherwise);
  return found;
}

/** Whether a resource of the category can be of this class: a category, a type, or a profile, which any may have. */
function mayBe(word: string, category: number): boolean {
  const name = NAMES[category] ?? "person";
  if (word === name) return true;
  if (NAMES.includes(word as Name)) return false;
  const byType = BY_TYPE.get(word);
  return byType === undefined || SELF_SAYING.includes(word) || byType === category || BY_LABEL.includes(name);
}

// --- as a grant -----------------------------------------------------------------------------------------------------

function projected(patient: string, counterpart: string, piece: Piece, now: number): Projection {
  const { trees, readers, start, end } = piece;
  const categories = permitted(trees);
  const time = { start: start <= now ? "" : first(start), end: last(end) };
  const purposes = readers.highest;
  const agreed = { patient, counterpart, categories, purposes, ...time, policy: "", language: "", paper: null };
  const isWhole = [...categories].every((index) => {
    const said = outcomes(trees, index);
    return said.size === 1 && said.has("permit");
  });
  const admitted = readers.everybody ? null : readers;
  if (isWhole) return { agreed, rules: admitted === null ? null : rulesOf([], admitted) };
  const policies = trees.map(({ optIn, tree }) => ({ "opt-in": optIn, "provision": tree }));
  return { agreed, rules: rulesOf(policies, admitted) };
}

/** Whether a time from a moment to before another, in microseconds, has a whole second to come. */
function hasSecond(start: number, end: number, now: number): boolean {
  return Math.ceil(Math.max(start, now) / SECOND) < Math.floor(end / SECOND);
}

/** A dateTime that begins no sooner than a moment in microseconds; the date where it is the beginning of a day. */
function first(start: number): string {
  const second = Math.ceil(start / SECOND);
  const day = dayOf(second);
  return interval(day)[0] === start ? day : utcTime(second);
}

/** A dateTime whose second is the last whole one before a moment; the date where it is the end of a day. */
function last(end: number): string {
  if (end === FOREVER) return "";
  const second = Math.floor(end / SECOND) - 1;
  const day = dayOf(second);
  return interval(day)[1] === end ? day : utcTime(second);
}
