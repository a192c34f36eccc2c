/**
 * Second pass: one day of an export as FHIR, sorted into the categories a patient consents to.
 *
 * The twin of `connectors/wearables/day.py`, which says why. `activity` comes as a whole by the local day (a later
 * export may replace it), `vitals` and `traces` come one by one, by the day, and by the hour, of UTC.
 */

import { ranks } from "./apple_health.ts";
import * as daily from "./daily.ts";
import type { Piece } from "./daily.ts";
import { deviceId, type Description } from "./devices.ts";
import { SLOT_HEART_RATE, SLOT_HOURS, SLOT_SINGLES, SLOT_SLEEP, STAGES, TOTAL_METRICS } from "./intake.ts";
import { singles, type Single } from "./intake.ts";
import { dump, type Json } from "./json.ts";
import { DAY, dateTime, dayName, moment, written, zone } from "./moments.ts";
import * as numbers from "./numbers.ts";
import { identity, numbered, panel, quantity, series } from "./observations.ts";
import type { Component, Context, Effective } from "./observations.ts";
import { components, days as tables, healthKit, metric, units } from "./tables.ts";
import { byCodePoints } from "./texts.ts";

/**
 * One resource: `key` says what it tells of and when, and is its id; `records` is how many it was made from. Several
 * that were measured at once have one `key`, until they are placed.
 */
export type Part = { readonly key: string; readonly resource: Uint8Array; readonly records: number };
/**
 * One that does not come as part of a day's activity. `also` names what this device measured then: an export that tells it
 * otherwise finds by it under which id it went out.
 */
export type Item = Part & { readonly category: "vitals" | "traces"; readonly also?: string };

/** The same as the one at a place, counted from 0, among those of its key. */
export function atPlace<Any extends Part>(part: Any, place: number): Any {
  if (place === 0) return part;
  const key = numbered(part.key, place);
  return { ...part, key, resource: encoder.encode(decoder.decode(part.resource).replaceAll(part.key, key)) };
}

/**
 * A device's readings of a day by UTC in one unit; `key` names the series that they may be, as it does those of other devices
 * of the day, `sensor` says that this device's are one. A reading is its own key, what says that it is this device's, and
 * itself; `singly` are they each for itself, where the device is no sensor.
 */
export type Glucose = {
  readonly key: string;
  readonly sensor: string;
  readonly kind: string;
  readonly context: Context;
  readonly status: string;
  readonly readings: readonly (readonly [key: string, own: string, single: Single])[];
  readonly singly: readonly Item[];
};

/**
 * What became of the records of one day. What becomes of `glucose`, hangs on what went out before. `number` is in days since
 * 1970; `begun` and `ended` are the seconds since 1970 between which its activity lies.
 */
export type Day = {
  readonly number: number;
  readonly name: string;
  readonly activity: Part[];
  readonly items: Item[];
  readonly glucose: Glucose[];
  duplicates: number;
  unpaired: number;
  begun: number;
  ended: number;
};

/** Some of the day's activity lies here. */
function reach(made: Day, begun: number, ended: number): void {
  made.begun = Math.min(made.begun, begun);
  made.ended = Math.max(made.ended, ended);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Builds days. */
export class Days {
  readonly #patient: string;
  readonly #devices: readonly string[];
  /** What she calls a device hangs on the export. Their order does not, where they are told apart by the rest. */
  readonly #order: ReadonlyMap<string, string>;
  readonly #ranks: daily.Ranks;
  readonly #monitors: ReadonlySet<string>;
  readonly #exported: number;
  readonly #today: number;
  #status = "final";

  /** `exported` is when the export was made, in seconds since 1970, and `today` its local day. */
  constructor(
    patient: string,
    sources: readonly Description[],
    monitors: readonly number[],
    exported: number,
    today: number,
  ) {
    this.#patient = patient;
    this.#devices = sources.map((about) => deviceId(patient, about));
    this.#order = new Map(sources.map((about) => [deviceId(patient, about), deviceId(patient, { ...about, source: "" })]));
    this.#ranks = ranks(sources);
    this.#monitors = new Set(monitors.map((source) => this.#device(source)));
    this.#exported = exported;
    this.#today = today;
  }

  /** The resources of a day, `day` in days since 1970, from the packed records of each slot. */
  build(day: number, slots: ReadonlyMap<number, Uint8Array>): Day {
    const nothing = { activity: [], items: [], glucose: [], duplicates: 0, unpaired: 0 };
    const made: Day = { number: day, name: dayName(day), ...nothing, begun: Infinity, ended: -Infinity };
    this.#status = day < this.#today ? "final" : "preliminary";
    let hourly: Piece[] = [];
    for (const [slot, packed] of slots) {
      if (slot === SLOT_SINGLES) {
        this.#singles(made, singles(packed), (day + 1) * DAY <= this.#exported ? "final" : "preliminary");
        continue;
      }
      const { pieces, repeated } = daily.unique(packed);
      if (slot === SLOT_HOURS) {
        hourly = hourly.concat(pieces);
        continue;
      }
      made.duplicates += repeated;
      reach(made, pieces[0]!.start, pieces.reduce((last, piece) => Math.max(last, endOf(piece)), -Infinity));
      if (slot === SLOT_HEART_RATE) {
        this.#heartRate(made, pieces);
        hourly = hourly.concat(pieces.filter(({ start }) => Math.floor(start / DAY) === day));
      } else if (slot === SLOT_SLEEP) {
        this.#sleep(made, pieces);
      } else {
        this.#total(made, TOTAL_METRICS[slot] ?? "", pieces);
      }
    }
    this.#hours(made, hourly.sort(daily.inOrder));
    return made;
  }

  #device(source: number): string {
    return this.#devices[source] ?? "";
  }

  /** Names the device where there is only one. */
  #context(pieces: readonly Piece[]): Context {
    const devices = new Set(pieces.map(({ source }) => this.#device(source)));
    return { patient: this.#patient, device: devices.size === 1 ? [...devices][0] : undefined };
  }

  #total(made: Day, name: string, pieces: readonly Piece[]): void {
    const value = numbers.written(daily.total(pieces, this.#ranks), tables.digits[name] ?? 0);
    const key = identity(this.#patient, name, "day", made.name);
    const extras = { method: tables.totalMethod, status: this.#status };
    const observation = quantity(metric(name), value, wholeDay(made.name, pieces), key, this.#context(pieces), extras);
    made.activity.push(ofDay(key, observation, pieces));
  }

  #sleep(made: Day, pieces: readonly Piece[]): void {
    const seconds = daily.night(pieces, STAGES, this.#ranks);
    const asleep = ["asleep", "light", "deep", "rem"].filter((stage) => seconds.has(stage));
    const slept = asleep.reduce((total, stage) => total + (seconds.get(stage) ?? 0), 0);
    const parts = Object.entries(tables.stages).filter(([stage]) => seconds.has(stage));
    const key = identity(this.#patient, "sleep-night", made.name);
    const observation = panel(
      metric("sleep-night"),
      parts.map(([stage, codings]): Component => {
        return [codings, numbers.written((seconds.get(stage) ?? 0) / 60, 1), units.minute];
      }),
      span(pieces),
      key,
      this.#context(pieces),
      { value: asleep.length > 0 ? numbers.written(slept / 60, 1) : undefined, status: this.#status },
    );
    made.activity.push(ofDay(key, observation, pieces));
  }

  #heartRate(made: Day, pieces: readonly Piece[]): void {
    const best = daily.best(pieces, this.#ranks);
    const rate = daily.heartRate(best);
    const key = identity(this.#patient, "heart-rate-day", made.name);
    const observation = panel(
      metric("heart-rate-day"),
      (["least", "mean", "greatest"] as const).map((name): Component => {
        return [components[name], numbers.written(rate[name], 1), units.perMinute];
      }),
      wholeDay(made.name, pieces),
      key,
      this.#context(best),
      { status: this.#status },
    );
    made.activity.push(ofDay(key, observation, [])); // its records count with the hours
  }

  #hours(made: Day, pieces: readonly Piece[]): void {
    const hours = daily.grouped(pieces, ({ start, source }) => {
      return `${Math.floor(start / 3600)} ${this.#device(source)}`;
    });
    const found = [...hours].map(([key, mine]) => {
      const [hour, device = ""] = key.split(" ");
      return { hour: Number(hour), device, mine };
    });
    found.sort((a, b) => a.hour - b.hour || this.#inOrder(a.device, b.device));
    for (const { hour, device, mine } of found) made.items.push(this.#hour(hour, device, mine));
  }

  #inOrder(a: string, b: string): number {
    return byCodePoints(this.#order.get(a) ?? "", this.#order.get(b) ?? "") || byCodePoints(a, b);
  }

  /** One hour of one device by the minute; it begins with the first minute measured and ends after the last. */
  #hour(hour: number, device: string, pieces: readonly Piece[]): Item {
    const means = daily.minuteMeans(pieces);
    const minutes = [...means.keys()];
    const [first, last] = [Math.min(...minutes), Math.max(...minutes)];
    const data: string[] = [];
    for (let minute = first; minute <= last; minute += 1) {
      const mean = means.get(minute);
      data.push(mean === undefined ? "E" : numbers.written(mean, 1));
    }
    const key = identity(this.#patient, "heart-rate-minute", String(hour));
    const [begun, ended] = [pieces[0]!.offset, pieces.at(-1)!.offset];
    const observation = series(
      metric("heart-rate-minute"),
      data.join(" "),
      60_000,
      { start: written(first * 60, begun), end: written((last + 1) * 60, ended) },
      key,
      { patient: this.#patient, device },
      (hour + 1) * 3600 <= this.#exported ? "final" : "preliminary",
    );
    const also = identity(this.#patient, "heart-rate-minute", String(hour), device);
    return { category: "traces", key, resource: encoder.encode(dump(observation)), records: pieces.length, also };
  }

  /** `status` is that of the day by UTC. */
  #singles(made: Day, all: readonly Single[], status: string): void {
    const found = new Map<string, { readonly key: string; readonly device: string; readonly single: Single }>();
    for (const single of all) {
      const { type, start, end, value, unit } = single;
      const [begun, ended] = [moment(start)!.epoch, moment(end)!.epoch];
      const key = identity(this.#patient, type, String(begun), String(ended));
      const device = this.#device(single.source);
      const measured = [key, device, value, unit].join(" ");
      if (found.has(measured)) made.duplicates += 1;
      else found.set(measured, { key, device, single });
    }
    const pressures: Single[] = [];
    const sources = new Map<string, [string, Single][]>();
    const ofTheDay = new Map<string, number>();
    for (const { key, device, single } of found.values()) {
      if (single.metric === "blood-pressure") {
        pressures.push(single);
      } else if (single.metric === "glucose") {
        const source = `${device} ${kindOf(single)}`;
        const readings = sources.get(source);
        if (readings === undefined) sources.set(source, [[key, single]]);
        else readings.push([key, single]);
      } else if (tables.ofTheDay.includes(single.metric)) {
        const place = ofTheDay.get(key) ?? 0;
        const { epoch } = moment(single.start)!;
        reach(made, epoch, epoch);
        made.activity.push(atPlace(this.#single(key, single), place));
        ofTheDay.set(key, place + 1);
      } else {
        made.items.push({ ...this.#single(key, single), category: "vitals" });
      }
    }
    this.#pressures(made, pressures);
    const split = [...sources].map(([source, readings]) => [source.split(" "), readings] as const);
    split.sort(([a], [b]) => this.#inOrder(a[0]!, b[0]!) || byCodePoints(a[1]!, b[1]!));
    for (const [[device = "", kind = ""], readings] of split) {
      made.glucose.push(this.#glucose(made.name, device, kind, readings, status));
    }
  }

  #glucose(
    name: string,
    device: string,
    kind: string,
    found: readonly (readonly [string, Single])[],
    status: string,
  ): Glucose {
    const readings = found.map(([key, single]) => {
      return [key, identity(this.#patient, "glucose", device, key), single] as const;
    });
    const singly = (this.#monitors.has(device) ? [] : readings).map(([key, also, single]): Item => {
      return { ...this.#single(key, single), category: "vitals", also };
    });
    const key = identity(this.#patient, "cgm", name);
    const sensor = identity(this.#patient, "cgm", device, name);
    return { key, sensor, kind, context: { patient: this.#patient, device }, status, readings, singly };
  }

  #single(key: string, single: Single): Part {
    const name = single.metric === "glucose" ? `glucose-blood-${kindOf(single)}` : single.metric;
    const [start, end] = [dateTime(single.start), dateTime(single.end)];
    const context = { patient: this.#patient, device: this.#device(single.source) };
    const method = name === "vo2max" ? tables.estimated : undefined;
    const effective = start === end ? start : { start, end };
    const extras = { method, entered: single.entered };
    const observation = quantity(metric(name), single.value, effective, key, context, extras);
    return { key, resource: encoder.encode(dump(observation)), records: 1 };
  }

  /** Systolic and diastolic of one source and moment belong together, in a Correlation or not. */
  #pressures(made: Day, found: readonly Single[]): void {
    const measured = daily.grouped(found, (single) => `${this.#device(single.source)}\0${single.start}`);
    for (const [place, halves] of measured) {
      const [device = "", start = ""] = place.split("\0");
      const systolic = halves.filter(({ type }) => type === healthKit.systolic);
      const diastolic = halves.filter(({ type }) => type === healthKit.diastolic);
      const key = identity(this.#patient, "blood-pressure", String(moment(start)!.epoch));
      systolic.slice(0, diastolic.length).forEach((upper, at) => {
        const lower = diastolic[at]!;
        const observation = panel(
          metric("blood-pressure"),
          [
            [components.systolic, upper.value, units.mmHg],
            [components.diastolic, lower.value, units.mmHg],
          ],
          dateTime(start),
          key,
          { patient: this.#patient, device },
          { entered: upper.entered },
        );
        made.items.push({ category: "vitals", key, resource: encoder.encode(dump(observation)), records: 2 });
      });
      made.unpaired += Math.abs(systolic.length - diastolic.length);
    }
  }
}

function ofDay(key: string, observation: Json, pieces: readonly Piece[]): Part {
  const records = pieces.filter(({ counted }) => counted).length;
  return { key, resource: encoder.encode(dump(observation)), records };
}

function kindOf(single: Single): "mass" | "moles" {
  return single.unit.includes("mg") ? "mass" : "moles";
}

function endOf(piece: Piece): number {
  return piece.start + piece.duration;
}

function span(pieces: readonly Piece[]): Effective {
  const first = pieces[0]!;
  const last = pieces.reduce((latest, piece) => (endOf(piece) > endOf(latest) ? piece : latest), first);
  return { start: written(first.start, first.offset), end: written(endOf(last), last.offset) };
}

/** The local day from its first to its last second, in the offsets it began and ended with. */
function wholeDay(name: string, pieces: readonly Piece[]): Effective {
  const [first, last] = [pieces[0]!, pieces.at(-1)!];
  return { start: `${name}T00:00:00${zone(first.offset)}`, end: `${name}T23:59:59${zone(last.offset)}` };
}
