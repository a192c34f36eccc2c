/**
 * Device resources from what a wearable says of itself, the twin of `fhir_profiles/devices.py`
 * (https://hl7.org/fhir/R4/device.html). The version of its software is told, but makes no other device.
 */

import type { Json } from "./json.ts";
import { identity } from "./observations.ts";
import { systems } from "./tables.ts";
import { asciiDigits, byCodePoints } from "./texts.ts";

/** What is known of a device; empty where it does not say. `source` is the name under which it delivers. */
export type Description = {
  readonly source: string;
  readonly name: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly hardware: string;
  readonly software: string;
};

/** The id of the Device resource. */
export function deviceId(patient: string, about: Description): string {
  return identity(patient, "device", about.source, about.name, about.manufacturer, about.model, about.hardware);
}

/** The Device of a patient. */
export function device(patient: string, about: Description): Json {
  const name = deviceId(patient, about);
  const model = about.name || about.model;
  const named: Json[] = [{ name: about.source, type: "user-friendly-name" }];
  if (model && model !== about.source) named.push({ name: model, type: "model-name" });
  return {
    resourceType: "Device",
    id: name,
    identifier: [{ system: systems.device, value: name }],
    status: "active",
    ...(about.manufacturer ? { manufacturer: about.manufacturer } : {}),
    ...(about.hardware || about.model ? { modelNumber: about.hardware || about.model } : {}),
    deviceName: named,
    ...(about.software ? { version: [{ type: { text: "software" }, value: about.software }] } : {}),
    patient: { reference: `Patient/${patient}` },
  };
}

/** Of several descriptions of one device, the one with the newest software. */
export function latest(found: readonly Description[]): Description | undefined {
  return found.reduce<Description | undefined>((best, about) => {
    return best === undefined || byVersion(about.software, best.software) > 0 ? about : best;
  }, undefined);
}

/** Order versions as people do: 9.6 before 10.1; what is no number comes before all numbers. */
function byVersion(a: string, b: string): number {
  const [left, right] = [a.split(PART), b.split(PART)];
  for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
    const order = byPart(left[i] ?? "", right[i] ?? "");
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

const PART = /[.\s]/;

function byPart(a: string, b: string): number {
  const [left, right] = [asciiDigits(a), asciiDigits(b)];
  const [isLeft, isRight] = [/^[0-9]+$/.test(left), /^[0-9]+$/.test(right)];
  if (isLeft && isRight) return Number(BigInt(left) - BigInt(right));
  if (isLeft || isRight) return isLeft ? 1 : -1;
  return byCodePoints(a, b);
}
