/**
 * One decision: who, what, why, when → which resources are visible, and the reason.
 *
 * Pure. `Decider` specialises a patient's state to one request once. For each resource the first of these that says
 * something decides:
 *
 * 1. the request itself (no subject, actor or known purpose: deny)   2. the legal floor, which no consent opens
 * 3. the patient's own access, but for what is withheld   4. a delegate's mandate: permit inside, deny outside
 * 5. a refusal: blocked actor, hidden category or item, any consent that denies   6. emergency access (before 5)
 * 7. any consent that permits   8. standing access   9. the implicit policy
 *
 * A reason is for the patient and her log. A provider is never told that something is withheld: to him hidden and
 * absent look the same.
 */

import { FOREVER, type Interval } from "./dates.ts";
import { closed, EVERYTHING } from "./floor.ts";
import { isNormal, isSensitive, type Item, item, meet, NORMAL, type Words } from "./items.ts";
import { inForce } from "./lineages.ts";
import { allows, isLive, type Mandate, RESIGN } from "./mandates.ts";
import { Trees, type Verdict } from "./matching.ts";
import type { Rule } from "./policy.ts";
import { actionsAbove, CARE_ACTIONS, DATA_ACTIONS, known, purposesAbove, READING, within } from "./purposes.ts";
import { type Basis, basis, type Language, sentence } from "./reasons.ts";
import type { Standing } from "./standing.ts";
import type { Request, State } from "./state.ts";

export const EMERGENCY_ROLES: Words = new Set(["physician", "paramedic", "nurse-ed"]);
/** Emergency treatment and what lies below it (break the glass, emergency room). */
export const EMERGENCY_PURPOSES: readonly string[] = ["ETREAT"];
/** By the patient's choice; very restricted data (V) never. */
export const EMERGENCY_REACHES: { readonly [level in State["emergencyLevel"]]: Words } = {
  N: NORMAL,
  R: new Set([...NORMAL, "R"]),
};
/** Microseconds from the declaration. */
export const EMERGENCY_LASTS = 3_600_000_000;

/** The answer for a request: `permit`, `redact` (only `kept` are visible) or `deny`; `kept` in the given order. */
export type Decision = {
  readonly decision: "permit" | "redact" | "deny";
  readonly kept: readonly string[];
  readonly verdicts: readonly Verdict[];
};

/** One plain sentence for the patient's log. */
export function reason({ verdicts }: Decision, language: Language = "en"): string {
  return sentence(
    verdicts.map((verdict) => [verdict.permit, verdict.basis] as const),
    language,
  );
}

/** Decide a request on a bundle. Without items, decide it as such: may this actor do this at all? */
export function decide(state: State, request: Request, items: readonly Item[]): Decision {
  return decideAll(state, [request], items);
}

/** Decide what was asked for several purposes at once, a request each: every one has to be permitted. */
export function decideAll(state: State, requests: readonly Request[], items: readonly Item[]): Decision {
  const deciders = requests.map((request) => new Decider(state, request));
  const asked = items.length > 0 ? items : [NOTHING];
  const verdicts = asked.map((one) => every(deciders.map((decider) => decider.verdict(one))));
  const kept = items.filter((_, i) => verdicts[i]?.permit).map((one) => one.ref);
  const permitted = verdicts.filter((verdict) => verdict.permit).length;
  const decision = permitted === 0 ? "deny" : permitted === verdicts.length ? "permit" : "redact";
  return { decision, kept, verdicts };
}

function every(verdicts: readonly Verdict[]): Verdict {
  return verdicts.find((verdict) => !verdict.permit) ?? verdicts[0] ?? MALFORMED;
}

function denied(rule: Basis["rule"], by = ""): Verdict {
  return { permit: false, basis: basis(rule, by) };
}

const NOTHING = item("", []);
const MALFORMED = denied("malformed");

/** A patient's state, specialised to one request. */
export class Decider {
  readonly #state: State;
  readonly #request: Request;
  readonly #malformed: boolean;
  readonly #floor: Words;
  readonly #own: boolean;
  readonly #mandates: readonly Mandate[];
  readonly #inside: readonly Mandate[];
  readonly #emergency: Words;
  readonly #trees: Trees;
  readonly #standing: readonly Standing[];
  readonly #implicit: Verdict;

  /** Drop what cannot apply to this actor, purpose, action and time; keep what a resource still has to meet. */
  constructor(state: State, request: Request) {
    const { subject, actor, purpose, action, at, aliases, roles } = request;
    const [purposes, actions] = [purposesAbove(purpose), actionsAbove(action)];
    this.#state = state;
    this.#request = request;
    this.#malformed = !subject || actor.size === 0 || !known(purpose);
    this.#floor = closed(state.legal, roles, action);
    this.#own = actor.has(subject) || meet(actor, aliases);
    this.#mandates = state.mandates.filter((one) => actor.has(one.delegate) && isLive(one, at, state.ofAge));
    this.#inside = this.#mandates.filter((one) => allows(one, actions, purposes));
    this.#emergency = this.#isEmergency() ? EMERGENCY_REACHES[state.emergencyLevel] : new Set();
    this.#trees = new Trees(inForce(state, request), request);
    this.#standing = this.#standingAccess();
    this.#implicit = this.#implicitPolicy();
  }

  /** Microseconds: each later `at` before this gets the same answers, as long as the state is the same. */
  get until(): number {
    const later = edges(this.#state, this.#request).filter((edge) => edge > this.#request.at);
    return later.reduce((first, edge) => Math.min(first, edge), FOREVER);
  }

  /** Decide one resource. */
  verdict(one: Item): Verdict {
    return this.#atOnce(one) ?? this.#byConsent(one);
  }

  /** What needs no look at any consent. */
  #atOnce(one: Item): Verdict | null {
    const { withheld, emergencyLevel, blocks, hides } = this.#state;
    if (this.#malformed) return MALFORMED;
    if (this.#floor.has(EVERYTHING) || meet(this.#floor, one.classes)) return denied("floor");
    if (this.#own) return withheld.has(one.ref) ? denied("withheld") : { permit: true, basis: basis("self") };
    const [mandate] = this.#mandates;
    if (mandate !== undefined) return this.#delegate(one, mandate.delegate);
    if (this.#emergency.has(one.confidentiality) && !(isSensitive(one) && emergencyLevel === "N")) {
      return { permit: true, basis: basis("emergency") };
    }
    if (meet(blocks, this.#request.actor)) return denied("blocked");
    return isHidden(one, hides) ? denied("hidden") : null;
  }

  #delegate(one: Item, first: string): Verdict {
    const { withheld, private: kept } = this.#state;
    if (withheld.has(one.ref)) return denied("withheld");
    const isReached = ({ classes, hidden }: Mandate) =>
      (classes.size === 0 || meet(one.classes, classes)) && !isHidden(one, hidden) && !isHidden(one, kept);
    const delegate = this.#request.action === RESIGN ? first : this.#inside.find(isReached)?.delegate;
    return delegate === undefined ? denied("outside-mandate", first) : { permit: true, basis: basis("mandate", delegate) };
  }

  #byConsent(one: Item): Verdict {
    const [said, disputed] = this.#trees.says(one);
    if (said?.permit === false) return said;
    if (!DATA_ACTIONS.has(this.#request.action)) return denied("not-by-consent");
    return said ?? this.#withoutConsent(one, disputed);
  }

  #withoutConsent(one: Item, disputed: boolean): Verdict {
    for (const { actor, period, reaches } of this.#standing) {
      if (reaches.has(one.confidentiality) && (reaches.has("R") || !isSensitive(one))) {
        return { permit: true, basis: basis("standing", actor, "", period[1]) };
      }
    }
    const implicit = this.#implicit;
    if (implicit.permit && !isNormal(one)) return denied(disputed ? "disputed" : "implicit-deny");
    return disputed && !implicit.permit ? denied("disputed") : implicit;
  }

  #standingAccess(): Standing[] {
    const { purpose, action, actor, at } = this.#request;
    if (!within(purpose, ["TREAT"]) || !CARE_ACTIONS.has(action)) return [];
    const live = this.#state.standing.filter((one) => actor.has(one.actor) && isWithin(at, one.period));
    const reach = (one: Standing) => [...one.reaches].sort().join();
    return live.sort((a, b) => b.period[1] - a.period[1] || order(a.actor, b.actor) || order(reach(a), reach(b)));
  }

  #implicitPolicy(): Verdict {
    const { implicit } = this.#state;
    const treats = within(this.#request.purpose, ["TREAT"]);
    const permit = implicit === "permit" || (implicit === "permit-treat" && treats);
    return { permit, basis: basis(permit ? "implicit-permit" : "implicit-deny") };
  }

  #isEmergency(): boolean {
    const { emergency, roles, purpose, action, at, declared } = this.#request;
    if (!emergency.trim() || this.#state.noEmergency || !meet(EMERGENCY_ROLES, roles)) return false;
    if (!within(purpose, EMERGENCY_PURPOSES) || !READING.has(action)) return false;
    return declared === null || (0 <= at - declared && at - declared < EMERGENCY_LASTS);
  }
}

function order(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

function isWithin(at: number, [start, end]: Interval): boolean {
  return start <= at && at < end;
}

function isHidden(one: Item, hides: Words): boolean {
  return hides.size > 0 && (meet(hides, one.classes) || meet(hides, one.labels) || hides.has(one.ref));
}

function edges({ ofAge, policies, standing, mandates }: State, { declared }: Request): number[] {
  return [
    ofAge,
    ...(declared === null ? [] : [declared, declared + EMERGENCY_LASTS]),
    ...policies.flatMap(({ recorded, root }) => [recorded, ...(root === null ? [] : ruleEdges(root))]),
    ...[...standing, ...mandates].flatMap(({ period }) => period),
  ];
}

function ruleEdges({ period, children }: Rule): number[] {
  return [...period, ...children.flatMap(ruleEdges)];
}
