/** The devices of the account: how one that was lost is shut out, and how this one leaves (PROTOCOL.md 5.2). */

import type { Role } from "../statements.ts";
import { BoxKey, type PassphraseKeys, type RecoveryCode } from "../keys.ts";
import { holders } from "../lockout.ts";
import { b64, equal, KEY_BYTES, randomBytes } from "../primitives.ts";
import * as vaults from "../vault.ts";
import { AccountWriter } from "./account_writer.ts";
import type { Client } from "./client.ts";
import { Problem } from "../problems.ts";
import { unlock } from "./device.ts";
import { Safe } from "./safe.ts";
import { allWraps, areWords, PASSPHRASE } from "./wraps.ts";

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
  const { account, keyring, hub } = client;
  let isFirst = false;
  await client.anew(async () => {
    const { state, root: before, vault } = await client.unsealed();
    if (state.devices.get(name)?.until !== null) return;
    const present = state.recoveryKeys(hub.now).slice(0, 1); // not the one before, which is on its way out
    if (!present.some((key) => equal(key, sheet.signingKey.public))) {
      throw new Problem("unauthenticated", "this sheet is not the account's");
    }
    isFirst = await checkWords(client, passphrase);
    const { root } = before;
    const [reading, vaultKey] = [BoxKey.generate(), randomBytes(KEY_BYTES)];
    const fresh = before.locked(holders(client.record, before.shared, hub.now));
    const kept = vault.withReadingKey(reading).withoutCandidates(vault.candidates.keys());
    const writer = new AccountWriter(state, hub.now);
    writer.addVault(keyring, { root: fresh, vault: kept, vaultKey });
    writer.add(root, ["root"], "reading", { key: b64(reading.public), bad: 1 });
    writer.add(root, ["root"], "undevice", { dev: name });
    const others = [...writer.state.devices.values()].filter(({ until, role }) => until === null && role === "client");
    const boxes = others.map((one) => [one.name, vaults.wrapForBox(vaultKey, account, one.name, one.box)] as const);
    const secrets = allWraps(keyring, vaultKey, sheet, passphrase.wrapKey);
    await client.post(writer.written, { ...Object.fromEntries(boxes), ...client.wrapsForDelegates(fresh), ...secrets });
  });
  if (isFirst) await hub.setSignIn(passphrase.signIn);
  await client.settle();
}

/** The account's words, and not mistyped; true where it has none, so that this device's become the account's. */
async function checkWords({ account, db, hub }: Client, passphrase: PassphraseKeys): Promise<boolean> {
  const { wraps } = await hub.vault(account);
  if (PASSPHRASE in wraps && !areWords(wraps, account, passphrase)) {
    throw new Problem("unauthenticated", "these are not the account's words");
  }
  if (PASSPHRASE in wraps) return false;
  const label = await Safe.label(db);
  if (label !== null) await unlock(db, label, passphrase);
  return true;
}

/** Present clients of the account of which the hub holds no wrap: they cannot open the vault. */
export async function withoutKey(client: Client): Promise<readonly string[]> {
  const { wraps } = await client.hub.vault(client.account);
  return devices(client).flatMap(({ name, role }) => (role === "client" && !(name in wraps) ? [name] : []));
}

/** Wrap the vault's key for a device of the account that lacks it. */
export async function handKey(client: Client, name: string): Promise<void> {
  const { account, hub } = client;
  await client.anew(async () => {
    const held = await client.unsealed();
    const wrap = vaults.wrapForBox(client.vaultKey, account, name, held.state.client(name).box);
    await client.lockVault(held, { ...(await hub.vault(account)).wraps, [name]: wrap });
  });
}

/**
 * This device leaves: it is the account's no longer, and nothing is left of it here.
 *
 * It is trusted to forget, so the vault keeps its key, and words, sheet and the other devices go on to work. What it
 * may have seen is rotated by the next device that comes. Throws `Problem(conflict)` while something is not sent yet.
 */
export async function leave(client: Client): Promise<void> {
  try {
    await client.sync();
    await client.flush();
    if ((await client.outbox.waiting()) > 0) throw new Problem("waiting", "something is not sent yet");
    await client.anew(() => endOwn(client));
  } catch (error) {
    // Somebody else has removed it already: there is nothing to say to the hub any more.
    if (!(error instanceof Problem) || error.code !== "unauthenticated") throw error;
  }
  await client.forget();
}

async function endOwn(client: Client): Promise<void> {
  const { account, hub, keyring } = client;
  const { state, root, vault } = await client.unsealed();
  const { [keyring.device]: _, ...wraps } = (await hub.vault(account)).wraps;
  const kept = vault.withoutCandidates(vault.candidates.keys());
  const writer = new AccountWriter(state, hub.now);
  writer.addVault(keyring, { root, vault: kept, vaultKey: client.vaultKey });
  writer.add(root.root, ["root"], "undevice", { dev: keyring.device });
  await client.post(writer.written, wraps);
}
