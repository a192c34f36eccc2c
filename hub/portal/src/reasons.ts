/**
 * Why a decision came out as it did, in one plain sentence, German and English.
 *
 * A sentence holds nothing that only a program can read: a consent is named by its day, a party by what it is. What a
 * program wants to know besides stands in the basis: the id of the consent, the path of its rule, the actor.
 */

import { interval, SECOND, wall } from "./dates.ts";
import { months } from "./words.ts";

export const LANGUAGES = ["en", "de"] as const;
export type Language = (typeof LANGUAGES)[number];

/**
 * What a verdict rests on: a rule of `SENTENCES`.
 *
 * `by`: the id of the consent, or the actor; `path`: of the rule inside the consent; `when`: microseconds, at which a
 * consent was recorded or the first at which standing access is over.
 */
export type Basis = {
  readonly rule: keyof typeof SENTENCES;
  readonly by: string;
  readonly path: string;
  readonly when: number | null;
};

/** A basis; what is not given is absent. */
export function basis(rule: Basis["rule"], by = "", path = "", when: number | null = null): Basis {
  return { rule, by, path, when };
}

export const SENTENCES = {
  "malformed": [
    "the request does not say whose data are meant, who asks, or for which known purpose",
    "die Anfrage sagt nicht, um wessen Daten es geht, wer fragt oder zu welchem bekannten Zweck",
  ],
  "floor": [
    "the law closes this to this role, whatever the patient consents to",
    "das Gesetz verschließt dies für diese Rolle, gleich worin eingewilligt wurde",
  ],
  "self": ["these are the person's own data", "es sind die eigenen Daten"],
  "withheld": [
    "a professional keeps this back for now, and the person can have that reviewed",
    "eine Fachperson hält dies vorerst zurück, und das kann auf Wunsch geprüft werden",
  ],
  "mandate": [
    "this person represents the patient in this",
    "diese Person vertritt die Patientin oder den Patienten hierin",
  ],
  "outside-mandate": [
    "this person represents the patient, but not in this",
    "diese Person vertritt die Patientin oder den Patienten, aber nicht hierin",
  ],
  "blocked": ["the patient has blocked this party", "diese Stelle ist gesperrt"],
  "hidden": ["the patient has hidden this", "dies ist verborgen"],
  "refused": ["a refusal{} rules this out", "eine Ablehnung{} schließt es aus"],
  "emergency": [
    "an emergency was declared; the patient is told at once",
    "ein Notfall wurde erklärt; die betroffene Person erfährt es sofort",
  ],
  "consent": ["a consent{} permits it", "eine Einwilligung{} erlaubt es"],
  "not-by-consent": [
    "this is for the patient or a representative alone to do",
    "dies steht nur der betroffenen Person oder ihrer Vertretung zu",
  ],
  "standing": ["this party may look in for treatment{}", "diese Stelle darf zur Behandlung hineinsehen{}"],
  "implicit-permit": [
    "nobody refused it and the hub's general rule permits it",
    "niemand hat es abgelehnt und die allgemeine Regel des Hubs erlaubt es",
  ],
  "implicit-deny": ["no consent permits it", "keine Einwilligung erlaubt es"],
  "disputed": [
    "two decisions that count alike differ, so the narrower one holds",
    "zwei gleichrangige Entscheidungen sind verschieden, darum gilt die engere",
  ],
} as const satisfies { readonly [rule: string]: readonly [en: string, de: string] };

const ON = [" of {}", " vom {}"] as const;
const UNTIL = [" until {}", " bis {}"] as const;
/** Days that are worth a word; what lies outside has no beginning or no end. */
const [FIRST] = interval("1900");
const [LAST] = interval("9000");

/** The basis as a clause without a full stop. */
export function clause({ rule, when }: Basis, language: Language = "en"): string {
  const at = LANGUAGES.indexOf(language) as 0 | 1;
  const isEnd = rule === "standing";
  const isTold = when !== null && FIRST <= when && when < LAST;
  const words = isTold ? (isEnd ? UNTIL : ON)[at].replace("{}", dayOf(when - Number(isEnd), language)) : "";
  return SENTENCES[rule][at].replace("{}", words);
}

function dayOf(when: number, language: Language): string {
  const { day, month, year } = wall(Math.floor(when / SECOND));
  return `${day}${language === "de" ? "." : ""} ${months(language)[month - 1]} ${year}`;
}

/** One sentence for verdicts on one or more resources; the most frequent bases first. */
export function sentence(verdicts: readonly (readonly [permit: boolean, basis: Basis])[], language: Language): string {
  const of = (wanted: boolean) => verdicts.filter(([permit]) => permit === wanted).map(([, one]) => one);
  const [visible, hidden] = [of(true), of(false)];
  const [permitted, denied] = [clauses(visible, language), clauses(hidden, language)];
  const isGerman = language === "de";
  if (hidden.length === 0) return `${isGerman ? "Erlaubt" : "Permitted"}: ${permitted}.`;
  if (visible.length === 0) return `${isGerman ? "Verweigert" : "Denied"}: ${denied}.`;
  const [counts, all] = [visible.length, verdicts.length];
  return isGerman
    ? `${counts} von ${all} sichtbar: ${permitted}. Nicht sichtbar: ${denied}.`
    : `${counts} of ${all} visible: ${permitted}. Withheld: ${denied}.`;
}

function clauses(bases: readonly Basis[], language: Language): string {
  const counts = new Map<string, number>();
  for (const one of bases) counts.set(clause(one, language), (counts.get(clause(one, language)) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([words]) => words).join("; ");
}
