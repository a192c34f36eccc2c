/** A person's own measurements, as the builders of `fhir_profiles/observations.py` make them of what she enters. */

import { Digits } from "./exact.ts";
import type { Performer } from "./notes.ts";
import { all, component, plain, PRESSURES } from "./summary.ts";
import { dump } from "./wearables/json.ts";
import { identity, panel, quantity } from "./wearables/observations.ts";
import { components, metric, units } from "./wearables/tables.ts";
import { utf8 } from "./primitives.ts";

/** What can be measured at home: its values in order, each with what is possible at all. */
export const MEASURED = {
  "body-weight": [{ least: 0.2, most: 650 }],
  "blood-pressure": [
    { least: 40, most: 320 },
    { least: 20, most: 220 },
  ],
  "heart-rate": [{ least: 15, most: 350 }],
  "oxygen-saturation": [{ least: 30, most: 100 }],
  "body-temperature": [{ least: 25, most: 45 }],
  "glucose-blood-mass": [{ least: 5, most: 1500 }],
  "glucose-blood-moles": [{ least: 0.3, most: 85 }],
} as const;

export type Measured = keyof typeof MEASURED;
export const KINDS = Object.keys(MEASURED) as Measured[];

/** `values`: digits, one for each of `MEASURED`; `at`: a FHIR dateTime with its offset. */
export type Measurement = { readonly kind: Measured; readonly values: readonly string[]; readonly at: string };

/** The digits of a number as it was typed, with a comma or a point; `null` for anything else, or what cannot be. */
export function digits(typed: string, { least, most }: { readonly least: number; readonly most: number }): string | null {
  const plain = typed.trim().replace(",", ".");
  if (!/^(0|[1-9][0-9]{0,3})(\.[0-9]{1,3})?$/.test(plain)) return null;
  return Number(plain) >= least && Number(plain) <= most ? plain : null;
}

/**
 * The Observation of a measurement, and its id. `patient` is the patient's id; `corrects`: the id of the Observation in
 * whose place it comes; `by`: who measured, where it was not the patient herself.
 */
export function observation(patient: string, { kind, values, at }: Measurement, corrects = "", by?: Performer) {
  const [value = "", second = ""] = values;
  const id = corrects || identity(patient, "entered", kind, at, ...values);
  const context = { patient, device: undefined };
  const more = { status: corrects ? "corrected" : "final", entered: true };
  const made =
    kind === "blood-pressure"
      ? panel(
          metric(kind),
          [
            [components.systolic, value, units.mmHg],
            [components.diastolic, second, units.mmHg],
          ],
          at,
          id,
          context,
          more,
        )
      : quantity(metric(kind), value, at, id, context, more);
  const whole = by === undefined ? made : { ...(made as object), performer: [by] };
  return { id, line: utf8(dump(whole as typeof made)) };
}

/** What an own Observation measured, to be corrected; `null` for all else. Numbers of `full` are `Digits`. */
export function measurement(full: unknown): Measurement | null {
  const [code, unit] = [plain(full, "code.coding.code"), plain(full, "valueQuantity.code")];
  const kind = KINDS.find((one) => {
    const { code: coded, unit: of } = metric(one);
    return plain(JSON.parse(dump(coded)), "coding.code") === code && (one === "blood-pressure" || of.code === unit);
  });
  const parts = kind === "blood-pressure" ? PRESSURES.map((part) => component(full, part)) : [full];
  const digits = parts.flatMap((part) => {
    const [value] = all(part, "valueQuantity.value");
    return value instanceof Digits && plain(part, "valueQuantity.comparator") === "" ? [value.text] : [];
  });
  const at = plain(full, "effectiveDateTime");
  // What the form has no field for would be lost.
  const isWhole = all(full, "component").length === (kind === "blood-pressure" ? parts.length : 0);
  if (kind === undefined || digits.length !== MEASURED[kind].length || !isWhole || at === "") return null;
  return plain(full, "performer.reference") === plain(full, "subject.reference") ? { kind, values: digits, at } : null;
}

/** A moment as a FHIR dateTime, with the offset that this device has at it. */
export function dateTime(moment: Date): string {
  const offset = -moment.getTimezoneOffset();
  const local = new Date(moment.getTime() + offset * 60_000).toISOString().slice(0, 19);
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const zone = `${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`;
  return `${local}${offset < 0 ? "-" : "+"}${zone}`;
}
