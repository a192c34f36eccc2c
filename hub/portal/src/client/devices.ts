/** The devices of the account, and how one that was lost is shut out (PROTOCOL.md 5.2). */

import type { Role } from "../statements.ts";
import { BoxKey, type PassphraseKeys, type RecoveryCode } from "../keys.ts";
import { holders } from "../lockout.ts";
import { b64, equal, KEY_BYTES, randomBytes } from "../primitives.ts";
import * as vaults from "../vault.ts";
import { AccountWriter } from "./account_writer.ts";
import type { Client } from "./client.ts";
import { Problem } from "../problems.ts";
import { allWraps } from "./wraps.ts";

/** A device as it is shown: `since` in Unix seconds; `own`: this very one. */
export type DeviceRow = {
  readonly name: string;
  readonly role: Role;
  readonly since: number;
  readonly own: boolean;
};

/** The present devices, the newest first. */
export function devices({ state, keyring }: Client): DeviceRow[] {
  const present = [...state.devices.values()].filter(({ until }) => until === null);
  return present
    .map(({ name, role, since }) => ({ name, role, since: state.links[since]?.iat ?? 0, own: name === keyring.device }))
    .sort((a, b) => b.since - a.since);
}

/**
 * Shut out a device that was lost: the vault gets another key, the account another reading key, and what the lost
 * device may have seen is rotated.
 *
 * `sheet` and `passphrase` go on to work, for which both are needed here. Throws `Problem(unauthenticated)` for a sheet
 * that is not the account's.
 */
export async function removeDevice(client: Client, name: string, sheet: RecoveryCode, passphrase: PassphraseKeys) {
  const { account, keyring, state } = client;
  if (!state.recoveryKeys(client.hub.now).some((key) => equal(key, sheet.signingKey.public))) {
    throw new Problem("unauthenticated", "this sheet is not the account's");
  }
  const [vault, before] = [await client.vault(), await client.root()];
  const { root } = before;
  const [reading, vaultKey] = [BoxKey.generate(), randomBytes(KEY_BYTES)];
  const fresh = before.locked(holders(client.record, before.shared, client.hub.now));
  const kept = vault.withReadingKey(reading).withoutCandidates(vault.candidates.keys());
  const writer = new AccountWriter(state, client.hub.now);
  const version = state.vault[0] + 1;
  const sealed = vaults.seal(vaults.sealRoot(fresh, account, vaultKey), kept, account, version, fresh.key);
  writer.addVault(keyring, sealed);
  writer.add(root, ["root"], "reading", { key: b64(reading.public), bad: 1 });
  writer.add(root, ["root"], "undevice", { dev: name });
  const others = [...writer.state.devices.values()].filter(({ until, role }) => until === null && role === "client");
  const wraps = others.map((one) => [one.name, vaults.wrapForBox(vaultKey, account, one.name, one.box)] as const);
  const all = { ...Object.fromEntries(wraps), ...client.wrapsForDelegates(fresh), ...allWraps(keyring, vaultKey, sheet, passphrase.wrapKey) };
  await client.post(writer.written, all);
  await client.settle();
}
