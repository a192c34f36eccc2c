/** The answers of `who.ts` in plain sentences: who sees what, for what, since when, until when, and why not. */

import { ANY, type Readers } from "./readers.ts";
import type { Access } from "./who.ts";
import * as words from "./words.ts";
import { said, type Texts } from "./words.ts";

const GRANTED: Texts = [
  "{rule} Das gilt seit {since}{scope}. Grundlage: {basis}.",
  "{rule} This holds since {since}{scope}. Basis: {basis}.",
  "{rule}\nSeit wann? Seit {since}{scope}.\nWarum? {basis}.",
];
const HERS: Texts = ["Ihre Einwilligung", "your consent", "Sie haben Ja gesagt"];
const BY_ANOTHER: Texts = [
  "Einwilligung durch Ihre Vertretung {by}",
  "consent by your representative {by}",
  "Ihre Vertretung {by} hat Ja gesagt",
];
const SCOPE: Texts = [
  ", nur für das, was ab diesem Tag dazukam",
  ", only for what was added from that day on",
  ". Nur für neue Daten ab diesem Tag",
];
const FINER: Texts = [
  " Einzelnes ist davon ausgenommen.",
  " Some of it is left out.",
  "\nManches davon haben Sie aus-genommen.",
];
const NOT_FOR: Texts = [" Nicht für {why}.", " Not for {why}.", "\nNicht für {why}."];
const ONLY: Texts = [
  " Dort sieht das nur, wer in der Rolle {roles} fragt.",
  " There only who asks in the role of {roles} sees it.",
  "\nDort sehen das nur: {roles}.",
];
const NOT: Texts = [
  " Wer dort in der Rolle {roles} fragt, sieht es nicht.",
  " Who asks there in the role of {roles} does not see it.",
  "\nDort sehen das nicht: {roles}.",
];
const OTHER: Texts = [
  " In der Rolle {roles} gelten dort andere Zwecke.",
  " In the role of {roles} other purposes count there.",
  "\nFür {roles} gelten andere Zwecke.",
];
const OWN: Texts = [
  "{who} sieht, was {who} selbst geschrieben hat.",
  "{who} sees what {who} wrote itself.",
  "{who} sieht das, was {who} selbst geschrieben hat.",
];
const EMERGENCY: Texts = [
  "Nur in einem erklärten Notfall: {rule}",
  "Only in a declared emergency: {rule}",
  "Nur im Notfall: {rule}",
];
const NOT_YET: Texts = [
  "Noch nicht, erst ab {since}: {rule}",
  "Not yet, only from {since}: {rule}",
  "Noch nicht. Erst ab {since}: {rule}",
];
type Past = "withdrawn" | "expired" | "narrowed" | "closed";
const ENDED: { readonly [reason in Past]: Texts } = {
  withdrawn: [
    "{who} sieht nicht mehr: {what}. Die Einwilligung wurde am {at} widerrufen.",
    "{who} no longer sees: {what}. The consent was withdrawn on {at}.",
    "{who} sieht das nicht mehr:\n{what}\nAm {at} wurde Nein gesagt.",
  ],
  expired: [
    "{who} sieht nicht mehr: {what}. Die Einwilligung war befristet bis {at}.",
    "{who} no longer sees: {what}. The consent was limited until {at}.",
    "{who} sieht das nicht mehr:\n{what}\nDie Zeit war vorbei: {at}.",
  ],
  narrowed: [
    "{who} sieht nicht mehr: {what}. Die Einwilligung wurde am {at} geändert.",
    "{who} no longer sees: {what}. The consent was changed on {at}.",
    "{who} sieht das nicht mehr:\n{what}\nAm {at} haben Sie das geändert.",
  ],
  closed: [
    "{who} sieht nicht mehr: {what}. Das Konto wurde am {at} geschlossen.",
    "{who} no longer sees: {what}. The account was closed on {at}.",
    "{who} sieht das nicht mehr:\n{what}\nDas Konto ist seit {at} zu.",
  ],
};
const NOTHING: Texts = ["{who} sieht nichts davon.", "{who} sees nothing of it.", "{who} sieht nichts davon."];

/**
 * A sentence or two for each counterpart, grant and reason; what was never granted is not said.
 *
 * `patient`: her account, so that what a representative signed is told as such.
 */
export function lines(found: readonly Access[], language: string, patient = ""): string[] {
  const told = found.filter((one) => one.reason !== "never" && (one.visible || !one.own));
  const groups = new Map<string, Access[]>();
  for (const one of [...told].sort(before)) {
    const name = JSON.stringify(key(one));
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  return [...groups.values()].map((group) => line(group, language, patient));
}

/** The sentence for a counterpart that was never granted what was asked about. */
export function nothing(who: string, language: string): string {
  return said(NOTHING, language, { who });
}

function key(one: Access): readonly (string | number)[] {
  const { counterpart, visible, own, gid, reason, since, until } = one;
  return [counterpart, Number(!visible), Number(own), gid, reason, since, until];
}

function before(one: Access, other: Access): number {
  const its = key(other);
  const at = key(one).findIndex((value, i) => value !== its[i]);
  return at < 0 ? 0 : (key(one)[at] ?? "") < (its[at] ?? "") ? -1 : 1;
}

function line(group: readonly Access[], language: string, patient: string): string {
  const [one] = group;
  if (one === undefined) return "";
  const { counterpart: who, reason, since, until } = one;
  const what = new Set(group.map((access) => access.category));
  const rule = words.rule(who, what, one.purposes, until, language);
  if (one.own) return said(OWN, language, { who });
  if (reason === "granted") return granted(one, rule, language, patient);
  if (reason === "emergency") return said(EMERGENCY, language, { rule });
  if (reason === "not-yet") return said(NOT_YET, language, { rule, since: words.moment(since, language) });
  const told = { who, what: words.categories(what, language), at: words.moment(until, language) };
  return said(ENDED[reason as Past], language, told);
}

function granted(one: Access, rule: string, language: string, patient: string): string {
  const isHers = !patient || one.by === patient;
  const signed = said(isHers ? HERS : BY_ANOTHER, language, { by: one.by });
  const basis = one.desk ? `${signed}, ${words.onPaper(one.desk, language)}` : signed;
  const scope = one.earlier ? "" : said(SCOPE, language);
  const told = said(GRANTED, language, { rule, since: words.day(one.since, language), scope, basis });
  return told + (one.finer ? said(FINER, language) : "") + (one.readers ? limited(one.readers, language) : "");
}

/** Who alone of the counterpart sees it, and for which purposes nobody does. */
function limited(readers: Readers, language: string): string {
  const sees = (role: string) => readers.purposes.some((purpose) => readers.has([purpose, role]));
  const barred = readers.purposes.filter((one) => ![ANY, ...readers.roles].some((role) => readers.has([one, role])));
  const [some, none] = [readers.roles.filter(sees), readers.roles.filter((role) => !sees(role))];
  const why = barred.length > 0 ? said(NOT_FOR, language, { why: words.purposes(barred, language) }) : "";
  const tell = (texts: Texts, roles: readonly string[]) => {
    return roles.length > 0 ? said(texts, language, { roles: words.row(roles, language) }) : "";
  };
  if (!sees(ANY) && some.length > 0) return why + tell(ONLY, some);
  return why + tell(NOT, none) + tell(OTHER, some);
}
