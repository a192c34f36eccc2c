/** Points in time as Apple writes them, and as FHIR wants them. */

export const DAY = 86_400;
const ZERO = 48;
/** In which somebody alive can have measured. */
const [FIRST_YEAR, LAST_YEAR] = [1900, 2199];
/** Minutes from Greenwich: no place is farther, and R4's dateTime allows no more. */
const FARTHEST = 14 * 60;

/** Seconds since 1970, the offset of the place in minutes, seconds since its local 1970. */
export type Moment = { readonly epoch: number; readonly offset: number; readonly local: number };

/** Read `2026-10-01 08:03:11 +0200`; `undefined` for any other spelling. */
export function moment(text: string): Moment | undefined {
  if (text.length !== 25 || text[4] !== "-" || text[7] !== "-" || text[10] !== " ") return undefined;
  if (text[13] !== ":" || text[16] !== ":" || text[19] !== " ") return undefined;
  const sign = text[20] === "+" ? 1 : text[20] === "-" ? -1 : NaN;
  const year = two(text, 0) * 100 + two(text, 2);
  const [month, day] = [two(text, 5), two(text, 8)];
  const [hours, minutes, seconds] = [two(text, 11), two(text, 14), two(text, 17)];
  const [away, past] = [two(text, 21), two(text, 23)];
  // NaN fails every comparison.
  if (!(year >= FIRST_YEAR && year <= LAST_YEAR && month >= 1 && month <= 12)) return undefined;
  if (!(day >= 1 && day <= daysOf(year, month))) return undefined;
  if (!(hours <= 23 && minutes <= 59 && seconds <= 59 && away * 60 + past <= FARTHEST && past <= 59)) return undefined;
  const offset = (away * 60 + past) * sign;
  if (Number.isNaN(offset)) return undefined;
  const local = days(year, month, day) * DAY + hours * 3600 + minutes * 60 + seconds;
  return { epoch: local - offset * 60, offset, local };
}

/** Two digits at a place, NaN where there are none. */
function two(text: string, at: number): number {
  const [tens, ones] = [text.charCodeAt(at) - ZERO, text.charCodeAt(at + 1) - ZERO];
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN;
}

function daysOf(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

/** Days since 1970 in the Gregorian calendar, years counted from March (the leap day is the last). */
function days(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}

/** The same as a FHIR dateTime, in the offset it came with: `2026-10-01T08:03:11+02:00`. */
export function dateTime(text: string): string {
  return `${text.slice(0, 10)}T${text.slice(11, 19)}${text.slice(20, 23)}:${text.slice(23, 25)}`;
}

/** Seconds since 1970 as a FHIR dateTime at an offset in minutes. */
export function written(epoch: number, offset: number): string {
  return new Date((epoch + offset * 60) * 1000).toISOString().slice(0, 19) + zone(offset);
}

/** The name of a day, given in days since 1970. */
export function dayName(day: number): string {
  return new Date(day * DAY * 1000).toISOString().slice(0, 10);
}

/** `+02:00` for 120 minutes. */
export function zone(offset: number): string {
  const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60];
  return `${offset < 0 ? "-" : "+"}${String(hours).padStart(2, "0")}:${String(minutes).padStart(2, "0")}`;
}
