/** What a decision is made of besides the resource: who asks for what, and all that the patient has said. */

import { FOREVER } from "./dates.ts";
import type { Floor } from "./floor.ts";
import type { Words } from "./items.ts";
import type { Mandate } from "./mandates.ts";
import type { Policy } from "./policy.ts";
import type { Standing } from "./standing.ts";

/**
 * What holds where nobody said anything.
 *
 * Those that permit reach normal data only, as PCF names them: what stigmatises does not flow where nobody said
 * anything. `deny` and `break-glass-only` both deny: an emergency is declared or not, whatever the implicit policy.
 */
export type Implicit = "deny" | "permit" | "permit-treat" | "break-glass-only";

/**
 * Who asks for what, why and when.
 *
 * `subject`: the patient as her consents name her, an account's address; `aliases`: how else she is named there.
 * `actor`: all identifiers at every level (person, role, organisation and what it is part of, device). `purpose`: one
 * code of v3-ActReason; who asks for several purposes makes several requests. `roles`: in which the person acts now.
 * `at`: microseconds since 1970. `emergency`: the declared reason of an emergency, empty where none is declared;
 * `declared`: when that was, null for this moment.
 */
export type Request = {
  readonly subject: string;
  readonly actor: Words;
  readonly purpose: string;
  readonly at: number;
  readonly action: string;
  readonly roles: Words;
  readonly emergency: string;
  readonly declared: number | null;
  readonly aliases: Words;
};

/**
 * All that one patient has said, and her hub's policy, at one version.
 *
 * `policies`: one record for each consent. `hides`: references, classes or labels kept from all but herself and her
 * delegates; `private`: those kept from her delegates. `withheld`: references of what a professional keeps from her for
 * now, which she may have reviewed (§ 630g BGB). `ofAge`: when the mandates of guardians end, microseconds.
 * `noEmergency`: she forbids emergency access; `emergencyLevel`: the highest confidentiality it reaches. `legal`: what
 * no consent opens.
 */
export type State = {
  readonly policies: readonly Policy[];
  readonly standing: readonly Standing[];
  readonly blocks: Words;
  readonly hides: Words;
  readonly mandates: readonly Mandate[];
  readonly noEmergency: boolean;
  readonly implicit: Implicit;
  readonly legal: Floor;
  readonly private: Words;
  readonly withheld: Words;
  readonly ofAge: number;
  readonly emergencyLevel: "N" | "R";
};

const NONE: Words = new Set();

/** A request; what is not given is absent. */
export function request(
  subject: string,
  actor: Words,
  purpose: string,
  at: number,
  rest: Partial<Request> = {},
): Request {
  const absent = { action: "read", roles: NONE, emergency: "", declared: null, aliases: NONE };
  return { ...absent, subject, actor, purpose, at, ...rest };
}

/** A state; what is not given is absent. */
export function state(given: Partial<State> = {}): State {
  const sets = { blocks: NONE, hides: NONE, private: NONE, withheld: NONE };
  const rest = { noEmergency: false, implicit: "deny", legal: new Map(), ofAge: FOREVER, emergencyLevel: "R" } as const;
  return { policies: [], standing: [], mandates: [], ...sets, ...rest, ...given };
}
