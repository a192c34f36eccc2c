/**
 * A note in plain text as an Observation of the category care, which every profession that cares for somebody may write: plain
 * R4, no profile (https://hl7.org/fhir/R4/observation.html). The code is LOINC's "Note".
 */

import { SYSTEM } from "./categories.ts";
import { utf8 } from "./primitives.ts";
import { identity } from "./wearables/observations.ts";

/** Who wrote it: a Reference by identifier, and in words. */
export type Performer = {
  readonly identifier: { readonly system: string; readonly value: string };
  readonly display: string;
};

/** The resource as one JSON line, and its id. `patient`: her id; `at`: a FHIR dateTime. */
export function note(patient: string, text: string, at: string, by: Performer): { id: string; line: Uint8Array } {
  const id = identity(patient, "note", at, by.display, text);
  const resource = {
    resourceType: "Observation",
    id,
    status: "final",
    category: [{ coding: [{ system: SYSTEM, code: "care" }] }],
    code: { coding: [{ system: "http://loinc.org", code: "34109-9", display: "Note" }] },
    subject: { reference: `Patient/${patient}` },
    effectiveDateTime: at,
    performer: [by],
    valueString: text,
  };
  return { id, line: utf8(JSON.stringify(resource)) };
}
