/** What she writes herself goes into the outbox, under a handle of its own, so that it can be corrected and taken back. */

import { category } from "../categories.ts";
import { utf8Text } from "../primitives.ts";
import type { Client } from "./client.ts";

/** Put a resource (one JSON line) in; what she wrote before under the same type and id is replaced. */
export async function write(client: Client, line: Uint8Array): Promise<void> {
  const resource = JSON.parse(utf8Text(line, "fhir"));
  const handle = `${resource.resourceType}/${resource.id}`;
  const entry = { patient: client.account, category: category(resource), lines: [line], handle, deletes: false };
  await client.outbox.put([entry]);
}
