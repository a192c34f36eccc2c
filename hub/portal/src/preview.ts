/** What would change if: which entries a counterpart would see, or no longer see, told before anything is signed. */

import { NAMES } from "./categories.ts";
import type { Effect } from "./template.ts";
import { isEmergency, reaches, type Stretch } from "./who.ts";
import * as words from "./words.ts";
import { said, type Texts } from "./words.ts";

/**
 * A resource of the record: where it lies, what it is, and under which grants finer rules withhold it.
 *
 * `hidden`: from all who read by a grant.
 */
export type Entry = {
  readonly type: string;
  readonly category: number;
  readonly set: string;
  readonly index: number;
  readonly epoch: number;
  readonly author: string;
  readonly withheld?: ReadonlySet<string>;
  readonly hidden?: boolean;
};

/** Category → type → a number of entries. */
export type Counts = ReadonlyMap<number, ReadonlyMap<string, number>>;

/**
 * Entries of the record as one counterpart sees them before and after.
 *
 * `kept` is in each: what the counterpart wrote itself. `effect`: what becomes of what it has; null where nothing is
 * taken back.
 */
export type Preview = {
  readonly counterpart: string;
  readonly gains: Counts;
  readonly loses: Counts;
  readonly sees: Counts;
  readonly hidden: Counts;
  readonly kept: number;
  readonly effect: Effect | null;
};

/** If these categories were granted, from the beginning (`whole`) or from now on. `live`: what holds now. */
export function granting(
  record: readonly Entry[],
  live: readonly Stretch[],
  counterpart: string,
  categories: ReadonlySet<number>,
  whole: boolean,
): Preview {
  const after = (one: Entry) => {
    return (whole && categories.has(one.category) && !one.hidden) || isSeen(one, live, counterpart);
  };
  return preview(record, live, counterpart, after, null);
}

/** If these grants were ended. */
export function withdrawing(
  record: readonly Entry[],
  live: readonly Stretch[],
  counterpart: string,
  gids: readonly string[],
  effect: Effect,
): Preview {
  const left = live.filter((one) => !gids.includes(one.gid));
  return preview(record, live, counterpart, (one) => isSeen(one, left, counterpart), effect);
}

function preview(
  record: readonly Entry[],
  live: readonly Stretch[],
  counterpart: string,
  after: (one: Entry) => boolean,
  effect: Effect | null,
): Preview {
  const seen = record.map((one) => ({ one, before: isSeen(one, live, counterpart), then: after(one) }));
  const counted = (isIt: (before: boolean, then: boolean) => boolean) =>
    counts(seen.filter(({ before, then }) => isIt(before, then)).map(({ one }) => one));
  return {
    counterpart,
    gains: counted((before, then) => then && !before),
    loses: counted((before, then) => before && !then),
    sees: counted((_, then) => then),
    hidden: counted((_, then) => !then),
    kept: record.filter((one) => one.author === counterpart).length,
    effect,
  };
}

function isSeen({ author, set, index, epoch, withheld }: Entry, live: readonly Stretch[], counterpart: string): boolean {
  const shows = (one: Stretch) => !isEmergency(one) && reaches(one, set, index, epoch) && !withheld?.has(one.gid);
  return author === counterpart || live.some(shows);
}

function counts(entries: readonly Entry[]): Counts {
  const found = new Map<number, Map<string, number>>();
  for (const { category, type } of entries) {
    const types = found.get(category) ?? new Map<string, number>();
    found.set(category, types.set(type, (types.get(type) ?? 0) + 1));
  }
  const before = <K, V>([a]: [K, V], [b]: [K, V]) => (a < b ? -1 : 1);
  return new Map([...found].sort(before).map(([category, types]) => [category, new Map([...types].sort(before))]));
}

/** How many entries are counted. */
export function total(counted: Counts): number {
  return [...counted.values()].reduce((sum, types) => sum + ofCategory(types), 0);
}

function ofCategory(types: ReadonlyMap<string, number>): number {
  return [...types.values()].reduce((sum, number) => sum + number, 0);
}

/** As JSON: for each of the four a total, and the numbers by category and type. */
export function plain(one: Preview) {
  const told = (counted: Counts) => {
    const named = [...counted].map(([category, types]) => [NAMES[category], Object.fromEntries(types)]);
    return { total: total(counted), categories: Object.fromEntries(named) };
  };
  const { counterpart, gains, loses, sees, hidden, kept, effect } = one;
  const numbers = { gains: told(gains), loses: told(loses), sees: told(sees), hidden: told(hidden) };
  return { counterpart, ...numbers, own: kept, effect: effect ?? "" };
}

// --- in words -------------------------------------------------------------------------------------------------------

const SEES: Texts = [
  "{who} sieht dann {entries}{parts}.",
  "{who} will then see {entries}{parts}.",
  "Dann sieht {who}: {entries}{parts}.",
];
const NEW: Texts = ["Davon sind neu: {entries}.", "Of these are new: {entries}.", "Davon neu: {entries}."];
const HIDDEN: Texts = [
  "Nicht zu sehen sind {entries}{parts}.",
  "Not to be seen are {entries}{parts}.",
  "Das sieht {who} nicht: {entries}{parts}.",
];
const LOSES: Texts = [
  "{who} sieht dann nicht mehr: {entries}{parts}.",
  "{who} will then no longer see: {entries}{parts}.",
  "Das sieht {who} dann nicht mehr: {entries}{parts}.",
];
const KEPT: Texts = [
  "Weiter zu sehen sind {entries}, weil {who} sie selbst geschrieben hat.",
  "Still to be seen are {entries}, because {who} wrote them itself.",
  "Das hat {who} selbst geschrieben und sieht es weiter: {entries}.",
];
const EFFECTS: { readonly [effect in Effect]: Texts } = {
  stop: [
    "{who} bekommt keine neuen Daten mehr und behält, was schon dort ist.",
    "{who} gets no new data and keeps what it has.",
    "{who} bekommt nichts Neues mehr. {who} behält, was schon da ist.",
  ],
  lock: [
    "{who} sperrt die eigenen Kopien.",
    "{who} locks its copies.",
    "{who} sperrt die Kopien. Niemand kann sie dann lesen.",
  ],
  delete: [
    "{who} löscht die eigenen Kopien, außer dem, was dort geschrieben oder in die eigene Akte übernommen wurde.",
    "{who} deletes its copies, but for what it wrote itself or took over into its own record.",
    "{who} löscht die Kopien. Manches muss {who} behalten: was {who} selbst geschrieben hat.",
  ],
};
const UNREAD: Texts = [
  "Was schon gelesen wurde, kann niemand ungelesen machen.",
  "What has been read cannot be unread.",
  "Was jemand gelesen hat, das weiß er. Das kann niemand zurück-nehmen.",
];
const ONE_ENTRY: Texts = ["1 Eintrag", "1 entry", "1 Eintrag"];
const ENTRIES: Texts = ["{number} Einträge", "{number} entries", "{number} Einträge"];

/** The preview in sentences. */
export function lines({ counterpart: who, effect, ...preview }: Preview, language: string): string[] {
  const told = (texts: Texts, counted: Counts) => {
    const parts = { entries: entries(total(counted), language), parts: partsOf(counted, language) };
    return said(texts, language, { who, ...parts });
  };
  const { sees, gains, hidden, loses, kept } = preview;
  if (effect === null) {
    const more = hidden.size > 0 ? [told(HIDDEN, hidden)] : [];
    return [told(SEES, sees), told(NEW, gains), ...more];
  }
  const own = kept > 0 ? [said(KEPT, language, { who, entries: entries(kept, language) })] : [];
  return [told(LOSES, loses), ...own, said(EFFECTS[effect], language, { who }), said(UNREAD, language)];
}

/** `1 entry`, `42 entries`. */
export function entries(number: number, language: string): string {
  return number === 1 ? said(ONE_ENTRY, language) : said(ENTRIES, language, { number: String(number) });
}

function partsOf(counted: Counts, language: string): string {
  const parts = [...counted].map(([category, types]) => `${ofCategory(types)} ${words.category(category, language)}`);
  return parts.length > 0 ? `: ${parts.join("; ")}` : "";
}
