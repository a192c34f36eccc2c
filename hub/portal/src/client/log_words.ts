/**
 * The access log in plain words: who, what, why, on which basis, by a person or a program. The twin of
 * `connectors/patient/log_words.py`; both read the same file of words.
 */

import words from "../../../../connectors/patient/log_words.json";
import type { Fault } from "../log.ts";
import type { Language } from "../text.ts";
import * as plain from "../words.ts";
import { filled } from "../words.ts";
import { type Basis, type Entry, HEALTH_LINK } from "./access_log.ts";
import { isWhole, type Proof, type Untold } from "./log_proof.ts";

type Said = { readonly [language in Language]: string };
type Group = { readonly [name: string]: Said };

const TYPES: Group = words.types;
const ONE: Group = words["types-one"];
const ROLES: Group = words.roles;
const STATEMENTS: Group = words.statements;
const ACTIONS: Group = words.actions;

/** What counts sealed packets. */
const PACKETS = new Set(["release", "deposit"]);

/** So many signs of a health link's name tell it from others. */
export const NUMBER = 6;

/** What happened, as one sentence without its full stop. */
export function sentence(entry: Entry, account: string, language: Language): string {
  const { action, detail, kept, other } = entry;
  const said = action === "statement" ? found(STATEMENTS, String(detail["typ"])) : found(ACTIONS, kindOf(entry));
  const link = String(detail["link"] ?? "").slice(0, NUMBER);
  const until = typeof detail["until"] === "number" ? plain.moment(detail["until"], language) : "";
  const told = {
    ...detail,
    ...{ action, kept, link, until, what: what(entry, language), oth: other || detail["oth"], recipient: entry.person },
  };
  const by = who(entry, account, language);
  const whole = filled((said ?? words.parts.other)[language], texts({ ...told, who: by, of: of(entry, language) }));
  return entry.actor !== account && whole.startsWith(by) ? whole : capital(whole, language);
}

/** With a capital letter at its beginning. */
export function capital(said: string, language: Language): string {
  return said.slice(0, 1).toLocaleUpperCase(language) + said.slice(1);
}

/** Purpose, basis, and whether a person looked: parts of a sentence. */
export function reasons(entry: Entry, account: string, language: Language): string[] {
  const { action, actor, purpose, person } = entry;
  const why = purpose && part("purpose", language, { purpose: plain.purposes(purpose.split(","), language) });
  if (actor === account) return [why].filter(Boolean);
  if (["release", "read"].includes(action)) {
    return [why, basis(entry, account, language), part(person ? "in-person" : "automated", language)].filter(Boolean);
  }
  const acts = ["statement", "vault", "log"].includes(action) ? part("for-you", language) : "";
  return [why, acts].filter(Boolean);
}

/** The person and the organisation, by its name in the directory where it has one. */
export function who({ actor, name, person, role, desk }: Entry, account: string, language: Language): string {
  if (actor === account) return part(desk ? "at-a-desk" : "you", language, { desk });
  const called = roleOf(role, language) || role;
  const told = person && called ? `${person} (${called})` : person;
  return [told, name || actor].filter(Boolean).join(", ");
}

/** What a role is called; empty for one that has no words here. */
export function roleOf(role: string, language: Language): string {
  return found(ROLES, role)?.[language] ?? "";
}

/** What she said against it, and what came back: sentences, empty where nothing was said. */
export function disagreement({ objection, answer }: Entry, language: Language): string[] {
  const objected = objection && part("objected", language, { text: withoutStop(objection) });
  const answered = answer && part("answered", language, { text: withoutStop(answer) });
  const waits = objection && !answer ? part("not-answered", language) : "";
  return [objected, answered, waits].filter(Boolean);
}

function withoutStop(text: string): string {
  return text.replace(/\.+$/, "");
}

function what({ number, what: type }: Entry, language: Language): string {
  if (!type) return "";
  const name = found(number === 1 ? ONE : TYPES, type)?.[language] ?? type;
  return number ? `${number} ${name}` : name;
}

function of({ categories }: Entry, language: Language): string {
  return categories.length > 0 ? `: ${plain.categories(categories, language)}` : "";
}

function kindOf({ action, kept, number, detail }: Entry): string {
  if (action === HEALTH_LINK) {
    return `${HEALTH_LINK}-${detail["what"] === "wrong" && !detail["left"] ? "closed" : String(detail["what"])}`;
  }
  if (action === "read" && kept) return "kept";
  if (action === "read" && !number) return "nothing";
  if (action === "refusal" && detail["what"] === "emergency") return "refused-emergency";
  if (action === "refusal" && (detail["reason"] !== "consent" || detail["what"] === "deposit")) return "refused-deposit";
  if (action === "deposit" && detail["deletes"]) return "deletion";
  return PACKETS.has(action) && detail["count"] === 1 ? `${action}-one` : action;
}

function basis({ basis: [newest] }: Entry, account: string, language: Language): string {
  if (newest === undefined) return part("no-consent", language);
  const said = part(restsOn(newest, account), language, { day: plain.day(newest.at, language), by: newest.by });
  return newest.desk ? `${said}, ${plain.onPaper(newest.desk, language)}` : said;
}

function restsOn({ own, emergency, by }: Basis, account: string) {
  if (own) return "own";
  if (emergency) return "emergency";
  return by === account ? "consent" : "delegated";
}

// --- whether it is whole --------------------------------------------------------------------------------------------

/** What a check has found: one sentence, and then each fault and what else is to be known. */
export function report(proof: Proof, language: Language): readonly [verdict: string, faults: string[], more: string[]] {
  const { entries, faults, untold, compared } = proof;
  const [first, last] = [entries.at(0), entries.at(-1)].map((entry) => (entry ? plain.moment(entry.at, language) : ""));
  const span = { count: entries.length, first, last };
  const whole = isWhole(proof);
  const begins = entries[0]?.seq ?? 1;
  const more = [
    untold.length === 0 && said("compared", language, { count: compared }),
    begins > 1 && !faults.some((fault) => fault.first === 1) && said("begins", language, { seq: begins }),
  ];
  return [
    said(whole ? "whole" : "broken", language, span),
    [...faults.map((fault) => faultSaid(fault, language)), ...untold.map((link) => untoldSaid(link, language))],
    more.filter((one) => one !== false),
  ];
}

function faultSaid({ kind, first, last }: Fault, language: Language): string {
  const isOne = kind === "missing" && first === last;
  return filled((isOne ? words.report["missing-one"] : words.faults[kind])[language], texts({ first, last }));
}

function untoldSaid({ typ, acc, oth, iat, by }: Untold, language: Language): string {
  const values = { who: [acc, "root"].includes(by) ? part("you", language) : by, oth, action: typ };
  const what = filled((found(STATEMENTS, typ) ?? words.parts.other)[language], values);
  return said("untold", language, { when: plain.moment(iat, language), what });
}

// --- from the file --------------------------------------------------------------------------------------------------

function part(name: keyof typeof words.parts, language: Language, values: { [name: string]: string } = {}): string {
  return filled(words.parts[name][language], values);
}

function said(name: keyof typeof words.report, language: Language, values: { [name: string]: unknown }): string {
  return filled(words.report[name][language], texts(values));
}

function found(group: Group, name: string): Said | undefined {
  return Object.hasOwn(group, name) ? group[name] : undefined;
}

/** Values as they stand in a sentence; what an entry does not tell is left out of it. */
function texts(values: { readonly [name: string]: unknown }): { readonly [name: string]: string } {
  const names = ["who", "oth", "count", "deletes", "of", "what", "kept", "reason", "entry", "to", "last", "action", "left"];
  const empty = Object.fromEntries(names.map((name) => [name, ""]));
  return { ...empty, ...Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value ?? "")])) };
}
