/** By what the entries of the access log are chosen: who, what, for what, and which data. */

import { NAMES } from "../categories.ts";
import { type Entry, HEALTH_LINK } from "../client/access_log.ts";
import { who } from "../client/log_words.ts";
import { language, text } from "../text.ts";
import * as words from "../words.ts";

/** Whatever she has not done herself: what others did, and whoever signed in to her account. */
export const OTHERS = "others";

const KINDS = ["seen", "refused", "written", "allowed", "account"] as const;
type Kind = (typeof KINDS)[number];

type Options = readonly (readonly [value: string, name: string])[];

/** `values`: what an entry can be chosen by; `options`: those that there are, beginning with all. */
type Facet = {
  readonly name: "who" | "what" | "purpose" | "category";
  readonly values: (entry: Entry, account: string) => readonly string[];
  readonly options: (entries: readonly Entry[], account: string) => Options;
};

export const FACETS: readonly Facet[] = [
  {
    name: "who",
    values: (entry, account) => [...(isOthers(entry, account) ? [OTHERS] : []), entry.actor, ...personOf(entry)],
    options: (entries, account) => [
      [OTHERS, text("log.others")],
      ["", text("log.everyone")],
      ...inOrder(entries.filter(({ actor }) => actor !== account).flatMap(names)),
    ],
  },
  {
    name: "what",
    values: (entry) => [kindOf(entry)],
    options: () => [all(), ...KINDS.map((kind) => [kind, text(`log.kind-${kind}`)] as const)],
  },
  {
    name: "purpose",
    values: ({ purpose }) => purpose.split(",").filter(Boolean),
    options: (entries) => {
      const codes = entries.flatMap(({ purpose }) => purpose.split(",").filter(Boolean));
      return [all(), ...inOrder(codes.map((code) => [code, words.purpose(code, language())]))];
    },
  },
  {
    name: "category",
    values: ({ categories }) => categories.map(String),
    options: (entries) => {
      const about = new Set(entries.flatMap(({ categories }) => categories));
      const known = NAMES.flatMap((name, category) => (about.has(category) ? [{ name, category }] : []));
      return [all(), ...known.map(({ name, category }) => [`${category}`, text(`category.${name}`)] as const)];
    },
  },
];

/** The entries that fit all that was chosen; what is empty fits all. */
export function chosen(entries: readonly Entry[], choices: { readonly [facet: string]: string }, account: string) {
  const asked = FACETS.filter(({ name }) => choices[name]);
  return entries.filter((entry) =>
    asked.every(({ name, values }) => values(entry, account).includes(choices[name] ?? "")),
  );
}

const ARRIVALS = ["sign-in", "recover", "client"];
const ACCOUNTS = [...ARRIVALS, "passphrase", "vault", "swept"];
const SHARING = ["delegate", "undelegate"];
/** What happened to a health link, where it is not its maker who did it. */
const LINKS: { readonly [what: string]: Kind } = { opened: "seen", wrong: "refused" };

function isOthers({ actor, action }: Entry, account: string): boolean {
  return actor !== account || ARRIVALS.includes(action);
}

function kindOf({ action, detail }: Entry): Kind {
  if (action === HEALTH_LINK) return LINKS[String(detail["what"])] ?? "allowed";
  if (action === "refusal") return "refused";
  if (["deposit", "message", "objection"].includes(action)) return "written";
  if (ACCOUNTS.includes(action)) return "account";
  if (action !== "statement") return "seen";
  return detail["kind"] === "rel" || SHARING.includes(String(detail["typ"])) ? "allowed" : "account";
}

/** The house, and the person in it where one was told. */
function names(entry: Entry): [value: string, name: string][] {
  const house = { ...entry, person: "" };
  return [house, ...(entry.person ? [entry] : [])].map((one) => [
    one.person ? personValue(one) : one.actor,
    who(one, "", language()),
  ]);
}

function personOf(entry: Entry): string[] {
  return entry.person ? [personValue(entry)] : [];
}

function personValue({ actor, person }: Entry): string {
  return `${actor} ${person}`;
}

function all(): readonly [string, string] {
  return ["", text("log.any")];
}

/** Each once, by name. */
function inOrder(options: Options): Options {
  return [...new Map(options)].sort(([, a], [, b]) => a.localeCompare(b, language()));
}
