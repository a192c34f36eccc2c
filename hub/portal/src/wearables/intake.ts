/** First pass over an export: each record to its day, packed, or left with a reason. The twin of `intake.py`. */

import type { Record } from "./apple_health.ts";
import { pack } from "./daily.ts";
import { DAY, moment, type Moment } from "./moments.ts";
import { adjusted, decimal, float, plain, plus, quantized, rounded, times, type Decimal } from "./numbers.ts";
import type { Spill } from "./spill.ts";
import { days, healthKit, own, type Conversion } from "./tables.ts";

export type Reason = "not-supported" | "unreadable" | "unit";

/** The slot of a total is its place here. */
export const TOTAL_METRICS = [...new Set(Object.values(healthKit.totals).map(([metric]) => metric))];
export const STAGES = [...new Set(Object.values(healthKit.sleepStages))];
export const SLOT_HEART_RATE = 100;
export const SLOT_SLEEP = 101;
export const SLOT_SINGLES = 102;
/** Heart rates once more, where their day by UTC is another than their local one: the hours are told of by UTC. */
export const SLOT_HOURS = 103;

const LONGEST = 31 * DAY;
const MAX_VALUE = 1e12;
const MAX_DIGITS = 40;
const CGM_GAP = 16 * 60;
const CGM_READINGS = 24;
const PLANS_KEPT = 10_000;
const ONE: Decimal = { negative: false, coefficient: 1n, exponent: 0 };

/** Digits in the metric's unit; `undefined` for a value that has too many. */
type Convert = (value: Decimal) => string | undefined;
/** What becomes of records of one type and unit: numbers that are gathered, or measurements of their own. */
type Numbers = { readonly slot: number; readonly factor: number };
type Singles = { readonly metric: string; readonly convert: Convert };
type Plan = Numbers | Singles;

/** A measurement of its own, as it waits for its day. `value` is converted, `unit` is as written. */
export type Single = {
  readonly metric: string;
  readonly source: number;
  readonly start: string;
  readonly end: string;
  readonly value: string;
  readonly unit: string;
  readonly entered: boolean;
  readonly type: string;
};

/** Takes records one by one into a `Spill`; tells afterwards which sources were used, and which are sensors. */
export class Intake {
  readonly sources = new Set<number>();
  latest = 0;
  readonly #spill: Spill;
  readonly #plans = new Map<string, Plan | Reason>();
  readonly #glucose = new Map<number, { count: number; close: number; last: number }>();

  constructor(spill: Spill) {
    this.#spill = spill;
  }

  /** Pack a record under its day. Gives the reason where it is left. */
  take(record: Record): Reason | undefined {
    const plan = this.#plan(record);
    if (typeof plan === "string") return plan;
    const begin = moment(record.start);
    const end = record.end === record.start ? begin : moment(record.end);
    // A Period that ends before it begins is no R4, and would spoil all that travels with it.
    if (begin === undefined || end === undefined || end.epoch < begin.epoch) return "unreadable";
    const isTaken =
      "metric" in plan
        ? this.#single(record, plan, begin)
        : plan.slot === SLOT_SLEEP
          ? this.#sleep(record, begin, end)
          : this.#number(record, plan, begin, end);
    if (!isTaken) return "unreadable";
    this.sources.add(record.source);
    if (begin.epoch > this.latest) this.latest = begin.epoch;
    return undefined;
  }

  /**
   * Sources whose glucose readings follow each other like those of a sensor, not of a finger.
   *
   * HealthKit does not tell interstitial fluid from blood; half the readings within 16 minutes of the last do.
   */
  monitors(): number[] {
    const found = [...this.#glucose].filter(([, { count, close }]) => count >= CGM_READINGS && 2 * close >= count);
    return found.map(([source]) => source);
  }

  #plan(record: Record): Plan | Reason {
    const key = `${record.type}\0${record.unit}`;
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      plan = planned(record.type, unitName(record.unit));
      if (this.#plans.size < PLANS_KEPT) this.#plans.set(key, plan);
    }
    return plan;
  }

  #number(record: Record, { slot, factor }: Numbers, begin: Moment, end: Moment): boolean {
    const value = float(record.value) * factor;
    const duration = end.epoch - begin.epoch;
    if (!(value >= 0 && value < MAX_VALUE && duration <= LONGEST)) return false;
    let day = Math.floor(begin.local / DAY);
    if (begin.local + duration <= (day + 1) * DAY || slot === SLOT_HEART_RATE) {
      pack(this.#spill.at(day, slot), begin.epoch, duration, begin.offset, record.source, true, value);
      const utc = Math.floor(begin.epoch / DAY);
      if (slot === SLOT_HEART_RATE && utc !== day) {
        pack(this.#spill.at(utc, SLOT_HOURS), begin.epoch, duration, begin.offset, record.source, true, value);
      }
      return true;
    }
    let first = begin.epoch;
    for (let left = duration; left > 0; day += 1) {
      const here = Math.min(left, (day + 1) * DAY - (first + begin.offset * 60));
      const share = (value * here) / duration;
      pack(this.#spill.at(day, slot), first, here, begin.offset, record.source, first === begin.epoch, share);
      first += here;
      left -= here;
    }
    return true;
  }

  #sleep(record: Record, begin: Moment, end: Moment): boolean {
    const stage = own(healthKit.sleepStages, record.value);
    const duration = end.epoch - begin.epoch;
    if (stage === undefined || duration === 0 || duration > DAY) return false;
    const day = Math.floor((begin.local + days.nightBeginsBefore) / DAY);
    const slot = this.#spill.at(day, SLOT_SLEEP);
    pack(slot, begin.epoch, duration, begin.offset, record.source, true, STAGES.indexOf(stage));
    return true;
  }

  #single(record: Record, plan: Singles, begin: Moment): boolean {
    const value = record.value.length > MAX_DIGITS ? undefined : decimal(record.value);
    const isFine = value !== undefined && isBelow(rounded(value), 12) && adjusted(value) >= -12;
    const converted = isFine ? plan.convert(value) : undefined;
    if (converted === undefined) return false;
    const fields = [plan.metric, record.source, record.start, record.end, converted, record.unit];
    const line = `${JSON.stringify([...fields, record.entered, record.type])}\n`;
    const at = days.ofTheDay.includes(plan.metric) ? begin.local : begin.epoch;
    this.#spill.at(Math.floor(at / DAY), SLOT_SINGLES).write(encoder.encode(line));
    if (record.type === healthKit.glucose) this.#reading(record.source, begin.epoch);
    return true;
  }

  #reading(source: number, epoch: number): void {
    const seen = this.#glucose.get(source) ?? { count: 0, close: 0, last: 0 };
    const gap = Math.abs(epoch - seen.last);
    if (seen.count > 0 && gap > 0 && gap <= CGM_GAP) seen.close += 1;
    seen.count += 1;
    seen.last = epoch;
    this.#glucose.set(source, seen);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The single measurements of a day, in the order of the file. */
export function singles(packed: Uint8Array): Single[] {
  const lines = decoder.decode(packed).trimEnd().split("\n");
  return lines.map((line) => {
    const [metric, source, start, end, value, unit, entered, type] = JSON.parse(line);
    return { metric, source, start, end, value, unit, entered, type };
  });
}

function planned(type: string, unit: string): Plan | Reason {
  if (type === healthKit.heartRate) return numbers(SLOT_HEART_RATE, own(healthKit.heartRateUnits, unit));
  if (type === healthKit.sleep) return numbers(SLOT_SLEEP, 1);
  const total = own(healthKit.totals, type);
  if (total !== undefined) return numbers(TOTAL_METRICS.indexOf(total[0]), own(total[1], unit));
  const single = own(healthKit.singles, type);
  if (single === undefined) return "not-supported";
  const conversion = own(single[1], unit);
  if (conversion === undefined) return "unit";
  const convert = conversionOf(conversion);
  const isFraction = healthKit.fractions.includes(single[0]);
  // HealthKit says 0.97 with the unit %.
  const moved = (value: Decimal): Decimal => (isFraction && !isAboveOne(value) ? hundredfold(value) : value);
  return { metric: single[0], convert: (value) => convert(moved(value)) };
}

function numbers(slot: number, factor: number | undefined): Plan | Reason {
  return factor === undefined ? "unit" : { slot, factor };
}

/** value · factor + shift, rounded to a step; without them the digits stay. */
function conversionOf(conversion: Conversion): Convert {
  if (conversion === null) return plain;
  const [factor = ONE, shift = ONE, step = ONE] = conversion.map((text) => decimal(text));
  return (value) => {
    const made = quantized(plus(times(value, factor), shift), step.exponent);
    return made === undefined ? undefined : plain(made);
  };
}

function hundredfold(value: Decimal): Decimal {
  const { negative, coefficient, exponent } = rounded(value);
  return { negative, coefficient, exponent: exponent + 2 };
}

function isAboveOne(value: Decimal): boolean {
  if (value.negative || value.coefficient === 0n || adjusted(value) < 0) return false;
  return adjusted(value) > 0 || value.coefficient > 10n ** BigInt(-value.exponent);
}

/** Whether it is nearer to zero than ±10^`exponent`. */
function isBelow(value: Decimal, exponent: number): boolean {
  return value.coefficient === 0n || adjusted(value) < exponent;
}

/** HealthKit's unit without its molar mass: `mmol<180.1558800000541>/L` → `mmol/L`. */
function unitName(unit: string): string {
  const open = unit.indexOf("<");
  if (open < 0) return unit;
  const close = unit.indexOf(">", open);
  return unit.slice(0, open) + (close < 0 ? "" : unit.slice(close + 1));
}
