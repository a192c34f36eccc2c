/**
 * Builders of Observations, the twin of `fhir_profiles/observations.py` as far as an import needs it
 * (https://hl7.org/fhir/R4/observation.html). The same reading of the same patient gives the same id whoever builds it.
 */

import { digest } from "./blake2b.ts";
import { Verbatim, type Json } from "./json.ts";
import { components, ecg as ecgTables, metric, systems, type Codings, type Metric, type Unit } from "./tables.ts";

/** What all readings of one source share: the patient's id (`p-…`), and the id of the Device if it is known. */
export type Context = { readonly patient: string; readonly device: string | undefined };
/** A moment, or a span of time; FHIR dateTimes with the offset of where they were measured. */
export type Effective = string | { readonly start: string; readonly end: string };
/** What is coded, the digits of its value, and its unit. */
export type Component = readonly [Codings, string, Unit];

type Members = { [name: string]: Json };

const encoder = new TextEncoder();

/**
 * 16 bytes, in hexadecimal digits, that name a reading of a patient: a hash of what was measured and when, each part by
 * its length. What a source says otherwise tomorrow should be no part; several at once are `numbered`.
 */
export function identity(patient: string, ...parts: string[]): string {
  const raws = [patient, ...parts].map((part) => encoder.encode(part));
  const whole = new Uint8Array(raws.reduce((length, raw) => length + 4 + raw.length, 0));
  const view = new DataView(whole.buffer);
  let at = 0;
  for (const raw of raws) {
    view.setUint32(at, raw.length, true);
    whole.set(raw, at + 4);
    at += 4 + raw.length;
  }
  return digest(whole, "obhut-record");
}

/** The name of the one at a place, counted from 0, among several readings of one `identity`. */
export function numbered(key: string, place: number): string {
  if (place === 0) return key;
  const whole = new Uint8Array(20);
  whole.set(Uint8Array.from(key.match(/../g) ?? [], (byte) => parseInt(byte, 16)));
  new DataView(whole.buffer).setUint32(16, place, true);
  return digest(whole, "obhut-numbered");
}

type Extras = { readonly status?: string; readonly method?: string | undefined; readonly entered?: boolean };

/** One value with a unit. `key` is the reading's `identity`; `entered`: by the patient's own hand. */
export function quantity(
  measured: Metric,
  value: string,
  effective: Effective,
  key: string,
  context: Context,
  { status = "final", method, entered = false }: Extras = {},
): Json {
  const resource = head(measured, effective, key, context, status);
  if (entered) resource["performer"] = [resource["subject"] ?? {}];
  resource["valueQuantity"] = amount(value, measured.unit);
  if (method !== undefined) resource["method"] = { text: method };
  return resource;
}

/** Several values that belong together, with a value of their own where there is one; no components, no member. */
export function panel(
  measured: Metric,
  parts: readonly Component[],
  effective: Effective,
  key: string,
  context: Context,
  { status = "final", value, entered = false }: Extras & { readonly value?: string | undefined } = {},
): Json {
  const resource = head(measured, effective, key, context, status);
  if (value !== undefined) resource["valueQuantity"] = amount(value, measured.unit);
  if (parts.length > 0) {
    resource["component"] = parts.map(([coding, digits, unit]) => {
      return { code: { coding }, valueQuantity: amount(digits, unit) };
    });
  }
  if (entered) resource["performer"] = [resource["subject"] ?? {}];
  return resource;
}

/** Values at equal distances as SampledData: `interval` in ms, `data` separated by spaces, `E` where none is. */
export function series(
  measured: Metric,
  data: string,
  interval: number,
  effective: Effective,
  key: string,
  context: Context,
  status: string,
): Json {
  const resource = head(measured, effective, key, context, status);
  resource["valueSampledData"] = sampled(data, String(interval), measured.unit);
  return resource;
}

/** One lead of an ECG; `interval` in ms, `classification` what the device made of it, in its own words. */
export function ecg(
  data: string,
  interval: string,
  unit: Unit,
  effective: string,
  key: string,
  context: Context,
  lead: string,
  classification: string,
): Json {
  const resource = head(metric("ecg"), effective, key, context, "final");
  const parts: Json[] = [
    { code: { coding: ecgTables.leads[lead] ?? [] }, valueSampledData: sampled(data, interval, unit) },
  ];
  if (classification) {
    parts.push({ code: { coding: components.classification }, valueCodeableConcept: { text: classification } });
  }
  resource["component"] = parts;
  return resource;
}

function head(measured: Metric, effective: Effective, key: string, context: Context, status: string): Members {
  const resource: Members = { resourceType: "Observation", id: key };
  if (measured.profiles.length > 0) resource["meta"] = { profile: measured.profiles };
  resource["identifier"] = [{ system: systems.record, value: key }];
  resource["status"] = status;
  resource["category"] = measured.category;
  resource["code"] = measured.code;
  resource["subject"] = { reference: `Patient/${context.patient}` };
  resource[typeof effective === "string" ? "effectiveDateTime" : "effectivePeriod"] = effective;
  if (context.device !== undefined) resource["device"] = { reference: `Device/${context.device}` };
  return resource;
}

function amount(value: string, unit: Unit): Json {
  return { value: new Verbatim(value), ...unit };
}

function sampled(data: string, interval: string, unit: Unit): Json {
  return { origin: amount("0", unit), period: new Verbatim(interval), dimensions: 1, data };
}
