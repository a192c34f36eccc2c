/**
 * Templates: what a patient is commonly asked for or wants to allow, with its full text in each language.
 *
 * A template is a file of `consent/templates/`, one a version. A version that was published never changes: a Consent
 * names it by its URI, and by the language in which the text was shown. Changed words are a new version, a new file.
 */

import careService from "../../../consent/templates/care-service.1.json";
import deviceValues from "../../../consent/templates/device-values.1.json";
import hospitalStay from "../../../consent/templates/hospital-stay.1.json";
import oneVisit from "../../../consent/templates/one-visit.1.json";
import order from "../../../consent/templates/order.json";
import pharmacy from "../../../consent/templates/pharmacy-3-days.1.json";
import practice from "../../../consent/templates/practice-90-days.1.json";
import relative from "../../../consent/templates/relative.1.json";
import secondOpinion from "../../../consent/templates/second-opinion.1.json";
import standing3 from "../../../consent/templates/standing-3-days.1.json";
import standing90 from "../../../consent/templates/standing-90-days.1.json";
import { type Name, NAMES } from "./categories.ts";
import { lastDay } from "./dates.ts";
import { Problem } from "./problems.ts";
import * as words from "./words.ts";

export const BASE = "https://fhir.obhut.org/policy/";

/**
 * What becomes of data that are with the counterpart when consent is withdrawn: it gets no more (`stop`), keeps them
 * closed (`lock`), or deletes them (`delete`).
 */
export type Effect = "stop" | "lock" | "delete";

type ByLanguage<T> = { readonly [language in words.Language]: T };

/**
 * One version of a template. `days`: how long, by standing access; `whole`: what is there already, too.
 *
 * `confidentiality`: the levels that it opens, empty where it opens all of a category. `title` and `paragraphs` by
 * language; paragraphs hold `{who}` and `{rule}`.
 */
export type Template = {
  readonly id: string;
  readonly version: number;
  readonly categories: ReadonlySet<number>;
  readonly purposes: readonly string[];
  readonly days: number;
  readonly whole: boolean;
  readonly withdrawn: Effect;
  readonly confidentiality: ReadonlySet<string>;
  readonly title: ByLanguage<string>;
  readonly paragraphs: ByLanguage<readonly string[]>;
  /** As `Consent.policy.uri` names this version. */
  readonly uri: string;
};

type File = Omit<typeof careService, "withdrawn"> & {
  readonly withdrawn: string;
  readonly confidentiality?: readonly string[];
};

const FILES: readonly File[] = [
  careService,
  deviceValues,
  hospitalStay,
  oneVisit,
  pharmacy,
  practice,
  relative,
  secondOpinion,
  standing3,
  standing90,
];

/** All versions, elder ones first. */
const ALL: readonly Template[] = FILES.map(({ text, categories, confidentiality = [], ...rest }) => ({
  ...rest,
  confidentiality: new Set(confidentiality),
  withdrawn: rest.withdrawn as Effect,
  categories: new Set(categories.map((name) => NAMES.indexOf(name as Name))),
  paragraphs: text,
  uri: `${BASE}${rest.id}/${rest.version}`,
})).sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id) || a.version - b.version);

/** The last day of what is granted at a moment (Unix seconds), a FHIR date: issue date + days - 1. */
export function end({ days }: Template, issued: number): string {
  return lastDay(issued, days);
}

/** What a text speaks of; `until`: the first Unix second after. */
export type About = {
  readonly who: string;
  readonly what: Iterable<number>;
  readonly why: readonly string[];
  readonly until: number;
};

/** The full text as it is shown and signed. Throws `Problem(value)`. */
export function text({ paragraphs }: Template, { who, what, why, until }: About, language: string): string {
  words.place(language);
  const rule = words.rule(who, what, why, until, language);
  const shown = paragraphs[language as words.Language];
  return shown.map((one) => one.replaceAll("{rule}", () => rule).replaceAll("{who}", () => who)).join("\n\n");
}

/** The template of an id, its newest version; or of `id/version`, or of a URI. Throws `Problem(not-found)`. */
export function template(name: string): Template {
  const [id, ...rest] = (name.startsWith(BASE) ? name.slice(BASE.length) : name).split("/");
  const version = rest.join("/");
  const found = ALL.filter((one) => one.id === id && (version === "" || version === String(one.version))).at(-1);
  if (found === undefined) {
    throw new Problem("not-found", "there is no such template: `obhut patient templates` lists them");
  }
  return found;
}

/** The newest version of each template, in the order in which they are shown. */
export function templates(): Template[] {
  return [...new Map(ALL.map((one) => [one.id, one])).values()];
}
