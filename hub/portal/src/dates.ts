/**
 * Dates of rules and of data: FHIR date and dateTime as half-open intervals of microseconds since 1970.
 *
 * A value without a time of day means the whole day at the patient's place, so that "until 31 March" ends with that day
 * there and not with the day in London. A value stands for all instants it may mean: a day, a month, a second.
 * https://hl7.org/fhir/R4/datatypes.html#Period ("If the end of the period is a date, it includes that day").
 * Whole seconds are exact to the end of the calendar; fractions of one to the year 2255.
 */

import { Problem } from "./problems.ts";

/** First instant, and the first one after. */
export type Interval = readonly [start: number, after: number];

export const ZONE = "Europe/Berlin";
/** Before every instant: no start is stated. */
export const BEGINNING = -(2 ** 62);
/** After every instant: no end is stated. */
export const FOREVER = 2 ** 62;
export const SECOND = 1_000_000;

const DAY_MS = 86_400_000;
const SHAPE =
  /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:(Z)|([+-])(\d\d):(\d\d)))?)?)?$/;
const WALL = new Intl.DateTimeFormat("en-u-ca-gregory-nu-latn", {
  timeZone: ZONE,
  hourCycle: "h23",
  year: "numeric",
  month: "numeric",
  day: "numeric",
  hour: "numeric",
  minute: "numeric",
  second: "numeric",
});

/** A moment as clock and calendar show it. */
export type Wall = {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
};

/** What a clock at the patient's place shows at a moment (Unix seconds). */
export function wall(second: number): Wall {
  const parts = WALL.formatToParts(second * 1000).map(({ type, value }) => [type, Number(value)]);
  return Object.fromEntries(parts);
}

/** The day of a moment (Unix seconds) at the patient's place, as a FHIR date. */
export function dayOf(second: number): string {
  const { year, month, day } = wall(second);
  return [String(year).padStart(4, "0"), pad(month), pad(day)].join("-");
}

/** A number with two digits. */
export function pad(number: number): string {
  return String(number).padStart(2, "0");
}

/** A moment (Unix seconds) as a FHIR dateTime at the patient's place. */
export function localTime(second: number): string {
  const { hour, minute, second: at } = wall(second);
  const minutes = Math.floor(offset(second * 1000) / 60_000);
  const size = Math.abs(minutes);
  const zone = `${minutes < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
  return `${dayOf(second)}T${pad(hour)}:${pad(minute)}:${pad(at)}${zone}`;
}

/** A moment (Unix seconds) as a FHIR dateTime in UTC, as Python writes it. */
export function utcTime(second: number): string {
  return new Date(second * 1000).toISOString().replace(".000Z", "+00:00");
}

const known = new Map<string, Interval>();

/**
 * First instant, and the first one after, of what a FHIR date, dateTime or instant means.
 *
 * Throws `Problem(value)` for anything else, and for a time without a zone.
 */
export function interval(text: string): Interval {
  const found = known.get(text) ?? read(text);
  if (known.size > 65_536) known.clear();
  known.set(text, found);
  return found;
}

function read(text: string): Interval {
  const shape = SHAPE.exec(text);
  if (shape === null) throw new Problem("value", "A date is YYYY, YYYY-MM, YYYY-MM-DD, or a time with seconds and a zone.");
  const [year = 0, month = 0, day = 0] = shape.slice(1, 4).map((part) => Number(part ?? 0));
  if (shape[4] === undefined) return days(year, month, day);
  const [hour = 0, minute = 0, second = 0] = shape.slice(4, 7).map((part) => Number(part ?? 0));
  const [, , , , , , , , , sign, ahead, minutes] = shape;
  const zone = (Number(ahead ?? 0) * 60 + Number(minutes ?? 0)) * (sign === "-" ? -1 : 1);
  if (hour > 23 || minute > 59 || second > 59 || Math.abs(zone) >= 24 * 60) throw doesNotExist();
  const start = (utc(year, month, day) + ((hour * 60 + minute - zone) * 60 + second) * 1000) * 1000;
  if (shape[6] === undefined) return [start, start + 60 * SECOND];
  const fraction = shape[7]?.slice(0, 6);
  if (fraction === undefined) return [start, start + SECOND];
  const from = start + Number(fraction.padEnd(6, "0"));
  return [from, from + 10 ** (6 - fraction.length)];
}

function doesNotExist(): Problem {
  return new Problem("value", "This date does not exist.");
}

/** Milliseconds since 1970 of a day's beginning in London. Throws `Problem(value)` for a day that does not exist. */
function utc(year: number, month: number, day: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isIt = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!isIt || year < 1 || year > 9999) throw doesNotExist();
  return date.getTime();
}

function days(year: number, month: number, day: number): Interval {
  const first = utc(year, month || 1, day || 1);
  const next = month === 12 ? utc(year + 1, 1, 1) : month ? utc(year, month + 1, 1) : utc(year + 1, 1, 1);
  const after = day ? utc(...calendar(first + DAY_MS)) : next;
  return [midnight(first), midnight(after)];
}

function calendar(ms: number): [year: number, month: number, day: number] {
  const date = new Date(ms);
  return [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()];
}

/** The microsecond at which a day begins at the patient's place; where clocks are set then, by the time before. */
function midnight(day: number): number {
  const [before, after] = [day - offset(day - DAY_MS), day - offset(day + DAY_MS)];
  const isAfter = day - offset(before) !== before && day - offset(after) === after;
  return (isAfter ? after : before) * 1000;
}

/** How far the patient's place is ahead of London at a moment, in milliseconds. */
function offset(ms: number): number {
  const { year, month, day, hour, minute, second } = wall(Math.floor(ms / 1000));
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 - Math.floor(ms / 1000) * 1000;
}

/** The half-open interval of a FHIR Period; a missing end is open. Throws as `interval`. */
export function period(start: string | null, end: string | null): Interval {
  return [start === null ? BEGINNING : interval(start)[0], end === null ? FOREVER : interval(end)[1]];
}

/** The last day of standing access issued at a moment (Unix seconds): issue date + days - 1, at the patient's place. */
export function lastDay(issued: number, count: number): string {
  const { year, month, day } = wall(issued);
  return new Date(utc(year, month, day) + (count - 1) * DAY_MS).toISOString().slice(0, 10);
}
