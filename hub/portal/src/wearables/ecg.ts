/**
 * An ECG of an Apple Watch: the CSV beside the export → Observation with SampledData. The twin of `ecg.py`.
 *
 * The file is written in the watch's language, keys too, with that region's decimal mark: lines `key,value` first, then
 * one voltage a line. Name and date of birth in its head are dropped.
 */

import type { Description } from "./devices.ts";
import type { Json } from "./json.ts";
import { dateTime, moment } from "./moments.ts";
import { decimal, normalized, quantized, scientific, thousandth } from "./numbers.ts";
import { ecg as observationOf, identity, type Context } from "./observations.ts";
import { ecg as tables, own, type Unit } from "./tables.ts";
import { lines, stripped, words } from "./texts.ts";

const HEAD = 4096;
const LONGEST_CELL = 131_072;
const VOLTAGE = /^[+-]?[0-9]{1,7}(?:[.,][0-9]{1,12})?$/;
const RATE = /^([0-9]{1,5}(?:[.,][0-9]{1,6})?)(.*)$/;
const NANO = -9;

/** One recording: `data` are voltages with their digits, separated by spaces; `interval` in ms. */
export type Ecg = {
  readonly recorded: string;
  readonly interval: string;
  readonly unit: Unit;
  readonly lead: string;
  readonly data: string;
  readonly classification: string;
  readonly about: Description;
};

/** Whether a CSV has the head of an ECG. */
export function isEcg(table: Uint8Array): boolean {
  const head = new TextDecoder("utf-8", { ignoreBOM: true }).decode(table.subarray(0, HEAD));
  const found = lines(head).map((line) => own(tables.keys, folded(line.split(",")[0] ?? "")));
  return found.includes("rate") && found.includes("recorded");
}

/** Read the CSV; `undefined` where it is not whole. */
export function parse(table: Uint8Array): Ecg | undefined {
  const text = decoded(table);
  if (text === undefined) return undefined;
  const head = new Map<string, string>();
  const voltages: string[] = [];
  for (const line of lines(text)) {
    const bare = stripped(line).replace(/^"+|"+$/g, "");
    if (VOLTAGE.test(bare)) {
      voltages.push(bare.replaceAll(",", ".").replace(/^\+/, ""));
    } else if (bare !== "") {
      const [key = "", ...value] = cells(line);
      if (voltages.length > 0 || [key, ...value].some((cell) => cell.length > LONGEST_CELL)) return undefined;
      head.set(own(tables.keys, folded(key)) ?? "", stripped(value.join(",").replace(/[\xa0\u202f]/g, " ")));
    }
  }
  return made((name) => head.get(name) ?? "", voltages);
}

function made(head: (name: string) => string, voltages: readonly string[]): Ecg | undefined {
  const recorded = head("recorded");
  const lead = words(head("lead")).at(-1) ?? "";
  const unit = own(tables.units, head("unit").toLowerCase());
  const interval = intervalOf(head("rate"));
  if (moment(recorded) === undefined || unit === undefined || interval === undefined || voltages.length < 2) {
    return undefined;
  }
  if (own(tables.leads, lead) === undefined) return undefined;
  return {
    recorded,
    interval,
    unit,
    lead,
    data: voltages.join(" "),
    classification: head("classification"),
    about: {
      source: "Apple Watch",
      name: "",
      manufacturer: "Apple Inc.",
      model: "",
      hardware: head("device"),
      software: head("software"),
    },
  };
}

/** Milliseconds between two voltages, to the nanosecond of a thousandth: `512 hertz` → `1.953125`. */
function intervalOf(text: string): string | undefined {
  const rate = RATE.exec(text);
  if (rate === null || !/^hz$|^hertz$/i.test(stripped(rate[2] ?? ""))) return undefined;
  const hertz = decimal((rate[1] ?? "").replace(",", "."));
  const interval = hertz && thousandth(hertz);
  const made = interval && quantized(interval, NANO);
  return made && scientific(normalized(made));
}

/** What names the recording: when, with what, and the voltages themselves. */
export function recordKey(patient: string, found: Ecg): string {
  const at = String(moment(found.recorded)!.epoch);
  return identity(patient, "ecg", found.about.hardware, at, found.lead, found.unit.code, found.data);
}

/** The recording as an Observation. */
export function observation(found: Ecg, key: string, context: Context): Json {
  const { data, interval, unit, recorded, lead, classification } = found;
  return observationOf(data, interval, unit, dateTime(recorded), key, context, lead, classification);
}

function decoded(table: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(table);
  } catch {
    return undefined;
  }
}

/** The cells of a line of CSV; one with a comma may be quoted or not (as Python's `csv` reads it). */
function cells(line: string): string[] {
  const found: string[] = [];
  let cell = "";
  let state: "start" | "bare" | "quoted" | "closed" = "start";
  for (const character of line) {
    if (state === "quoted") {
      if (character === '"') state = "closed";
      else cell += character;
    } else if (character === ",") {
      found.push(cell);
      [cell, state] = ["", "start"];
    } else if (character === '"' && state !== "bare") {
      if (state === "closed") cell += character;
      state = "quoted";
    } else {
      cell += character;
      state = "bare";
    }
  }
  return [...found, cell];
}

/** Lower case without accents: `Gerät` → `gerat`. */
function folded(text: string): string {
  const bare = stripped(text).replace(/^["\ufeff]+|["\ufeff]+$/g, "");
  return bare.toLowerCase().normalize("NFKD").replace(/\p{Mn}/gu, "");
}
