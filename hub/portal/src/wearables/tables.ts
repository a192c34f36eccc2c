/**
 * The tables of the importer: metrics, codes, units, HealthKit's names.
 *
 * They are written once, in Python; the build makes the file from them (`connectors/wearables/portal_tables.py`).
 */

import made from "../../wearables/tables.json";
import { dump, Verbatim, type Json } from "./json.ts";

/** A unit as FHIR's Quantity has it, but for the value. */
export type Unit = { readonly unit: string; readonly system: string; readonly code: string };
/** Codings of one concept. */
export type Codings = readonly Json[];

/** What is measured: what an Observation of it begins with, and its unit. */
export type Metric = {
  readonly profiles: readonly Json[];
  readonly category: Json;
  readonly code: Json;
  readonly unit: Unit;
};

type By<Value> = { readonly [name: string]: Value };
/** Factor, shift and step of a conversion, as decimals; `null` where the digits stay. */
export type Conversion = readonly string[] | null;

type Tables = {
  readonly systems: { readonly ucum: string; readonly record: string; readonly device: string };
  readonly metrics: By<Metric>;
  readonly units: { readonly mmHg: Unit; readonly perMinute: Unit; readonly minute: Unit };
  readonly components: {
    readonly [name in "systolic" | "diastolic" | "least" | "mean" | "greatest" | "classification"]: Codings;
  };
  readonly healthKit: {
    readonly heartRate: string;
    readonly glucose: string;
    readonly systolic: string;
    readonly diastolic: string;
    readonly sleep: string;
    readonly heartRateUnits: By<number>;
    /** Type → metric, and factor of each unit. */
    readonly totals: By<readonly [string, By<number>]>;
    readonly singles: By<readonly [string, By<Conversion>]>;
    readonly sleepStages: By<string>;
    readonly fractions: readonly string[];
  };
  readonly days: {
    readonly digits: By<0 | 1>;
    readonly stages: By<Codings>;
    readonly ofTheDay: readonly string[];
    readonly totalMethod: string;
    readonly estimated: string;
    readonly nightBeginsBefore: number;
  };
  readonly ecg: { readonly keys: By<string>; readonly units: By<Unit>; readonly leads: By<Codings> };
};

const { metrics, ...others } = made as unknown as Tables;
export const { systems, units, components, healthKit, days, ecg } = others;

const METRICS = new Map(
  Object.entries(metrics).map(([name, { profiles, category, code, unit }]) => {
    return [name, { profiles, category: new Verbatim(dump(category)), code: new Verbatim(dump(code)), unit }];
  }),
);

/** What an object's own member of that name is; names come from files, so `constructor` must mean nothing. */
export function own<Value>(by: By<Value>, name: string): Value | undefined {
  return Object.hasOwn(by, name) ? by[name] : undefined;
}

/** A metric by its name. */
export function metric(name: string): Metric {
  const found = METRICS.get(name);
  if (found === undefined) throw new RangeError("no such metric");
  return found;
}
