/**
 * What somebody wrote and takes back: it goes at all who read it. The twin of `connectors/patient/deletion.py`.
 */

import { handle } from "../sealing.ts";
import type { Client } from "./client.ts";
import { checkLaw } from "./member.ts";
import type { Entry } from "./entries.ts";
import { Problem } from "../problems.ts";
import { deletions } from "../wearables/index.ts";
import type { Stored } from "./stored.ts";

/**
 * Take back what this account wrote in a patient's record, its own or another's. What came with others under one handle
 * (an import) first stands alone under its own, so that only it goes; both are queued together. With them, the next
 * import in this browser is told to leave it out. Throws `Problem`.
 */
export async function takeBack(client: Client, patient: string, stored: Stored): Promise<void> {
  const { author, category, resource, raw, stream, handle: hd } = stored;
  const { account, keyring, outbox } = client;
  if (author !== account) throw new Problem("forbidden", "only its author can take it back");
  if (patient !== account) await checkLaw(client, category, "delete");
  const to = await client.destination(patient, category);
  if (to.stream !== stream) throw new Problem("conflict", "it lies in a set that is closed and cannot be taken back");
  const name = `${String(resource["resourceType"])}/${String(resource["id"])}`;
  const entries: Entry[] = [{ patient, category, lines: [], handle: name, deletes: true }];
  if (hd !== handle(to.stream, name, keyring.handleKey)) {
    entries.unshift({ patient, category, lines: [raw], handle: name, deletes: false });
  }
  await outbox.put(entries, patient === account ? deletions(String(resource["id"]), raw) : []);
}
