/**
 * The end of an account: everybody's access, then the account itself (PROTOCOL.md 5.16). The twin of
 * `connectors/patient/closing.py`.
 *
 * What is left is asked of the chains each time, so that whatever a closed tab interrupts goes on after unlocking.
 */

import * as steps from "../steps.ts";
import type { Written } from "../steps.ts";
import { byRoot } from "./appointing.ts";
import type { Client } from "./client.ts";
import { type Database, getState, setState } from "./database.ts";

const BEGUN = "closing";

/** Whether she began to close the account, by this device; there is no way back from that. */
export async function isClosing(db: Database): Promise<boolean> {
  return (await getState<boolean>(db, BEGUN)) ?? false;
}

/** Whether the account is closed, as far as this device has heard. */
export function isClosed({ chains, account }: Client): boolean {
  return chains.accounts.get(account)?.closed ?? false;
}

/**
 * End all grants, all permits, all sets, then the account. The hub deletes what it holds with the last statement.
 *
 * Nothing is rotated meanwhile, since nothing will be written any more. Throws `Problem`.
 */
export async function close(client: Client): Promise<void> {
  await setState(client.db, BEGUN, true);
  await client.sync();
  while (!isClosed(client) && (await client.anew(() => oneStep(client))));
  if (!isClosed(client)) await byRoot(client, "close", {});
}

/** Send the next statement before the last; false where there is none left. */
async function oneStep(client: Client): Promise<boolean> {
  const written = next(client);
  if (written !== null) await client.post([written]);
  return written !== null;
}

function next({ record, account, keyring, hub }: Client): Written | null {
  const { signer } = keyring;
  for (const [oth, relation] of record.relations) {
    const [grant] = relation.live(hub.now);
    if (grant !== undefined) return steps.end(record, oth, grant.gid, signer, hub.now);
    const permitted = [...relation.permits.keys()].find((set) => oth !== account && relation.permitted(set));
    if (permitted !== undefined) return steps.unpermit(record, oth, permitted, signer, hub.now);
  }
  const open = [...record.sets.values()].find((state) => !state.closed);
  return open === undefined ? null : steps.closeSet(record, open.oth, signer, hub.now);
}
