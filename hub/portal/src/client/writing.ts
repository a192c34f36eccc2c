/** What is written here goes into the outbox, under a handle of its own, so that it can be corrected and taken back. */

import { category } from "../categories.ts";
import { utf8Text } from "../primitives.ts";
import type { Performer } from "../notes.ts";
import type { Client } from "./client.ts";
import { checkLaw } from "./member.ts";

/** Into whose record pages write; `by`: who does, where it is not the patient herself; `path`: where the record is read. */
export type Into = { readonly patient: string; readonly by?: Performer; readonly path: string };

/** Into the own record. */
export function ownRecord({ account }: Client): Into {
  return { patient: account, path: "data" };
}

/**
 * Put a resource (one JSON line) into a patient's record, the own or another's; what was written before under the same
 * type and id is replaced. Throws `Problem(forbidden)` for what the patient does not permit, or the law.
 */
export async function write(client: Client, patient: string, line: Uint8Array): Promise<void> {
  const resource = JSON.parse(utf8Text(line, "fhir"));
  const handle = `${resource.resourceType}/${resource.id}`;
  const entry = { patient, category: category(resource), lines: [line], handle, deletes: false };
  if (patient !== client.account) {
    await checkLaw(client, entry.category, "create");
    await client.destination(patient, entry.category);
  }
  await client.outbox.put([entry]);
}
