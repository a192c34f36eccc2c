/** A device that comes to an account: joined by passphrase, or after a loss by the recovery sheet (PROTOCOL.md 5). */

import * as accounts from "../accounts.ts";
import { AccountState } from "../accounts.ts";
import { BoxKey, type PassphraseKeys, RecoveryCode, SigningKey } from "../keys.ts";
import * as messages from "../messages.ts";
import { b64, KEY_BYTES, randomBytes, Rejected, stale, unb64 } from "../primitives.ts";
import { blobHash } from "../rules.ts";
import { parse } from "../statements.ts";
import * as vaults from "../vault.ts";
import { RootCompartment } from "../vault.ts";
import { AccountWriter, type OpenVault } from "./account_writer.ts";
import { Hub, type Wraps } from "./api.ts";
import { Client, type Secrets } from "./client.ts";
import type { Database } from "./database.ts";
import { Keyring } from "./keyring.ts";
import { deviceLabel } from "../device_label.ts";
import { Problem, UNDECIDED } from "../problems.ts";
import { passphraseUnlock, Safe } from "./safe.ts";
import { allWraps, fetchHash, SHEET, SHEET_BEFORE, unwrapFirst } from "./wraps.ts";

/** How the hub is asked for the sealed vault: by the passphrase's sign-in key, or by the sheet's fetch token. */
type Door = { readonly by: "passphrase" | "sheet"; readonly key: string };

/** Links that bring a device in, kept until the hub has them; `code`: of a new sheet, or empty. */
export type Arriving = {
  readonly step: "arrive";
  /** None for a device that another one brought in: there is nothing left to send. */
  readonly door: Door | null;
  readonly statements: readonly (readonly [frame: string, blob: string])[];
  readonly wraps: { readonly [name: string]: string };
  readonly code: string;
  /** The sign-in key of a new passphrase, or empty. */
  readonly signIn: string;
};

/**
 * A further device, by passphrase; kept in the safe, and still to arrive. Throws `unauthenticated` for a wrong one.
 * `null`, as of each way in, where another tab was first: what it has put here stays.
 */
export async function join(db: Database, account: string, passphrase: PassphraseKeys): Promise<Client | null> {
  const hub = new Hub();
  const door: Door = { by: "passphrase", key: b64(passphrase.signIn) };
  const { key } = await hub.info();
  const found = await fetchVault(hub, account, door, passphrase.wrapKey);
  const { root, vaultKey } = found.opened;
  const keyring = Keyring.generate(account, key, root.handleKey);
  const writer = new AccountWriter(found.state, hub.now);
  writer.addDevice(root.root, keyring);
  const { device, box } = keyring;
  const wraps = { ...found.wraps, [device]: vaults.wrapForBox(vaultKey, account, device, box.public) };
  writer.addVault(keyring, { ...found.opened, root: found.opened.root.named(keyring.device, deviceLabel()) });
  const begun = arriving(door, writer, wraps);
  return kept(db, passphrase, { keyring: keyring.dump(), vaultKey: b64(vaultKey), begun });
}

/**
 * The account on a new device by the recovery sheet: new root, new device, new passphrase, new sheet; all other devices
 * end. Kept in the safe, and still to arrive. Throws `unauthenticated` for a sheet that is not the account's.
 *
 * `instead`: the account that is on this device, locked, and gives way.
 */
export async function recover(
  db: Database,
  account: string,
  code: RecoveryCode,
  passphrase: PassphraseKeys,
  instead: string | null,
): Promise<Client | null> {
  const hub = new Hub();
  const door: Door = { by: "sheet", key: b64(code.fetchToken) };
  const { key } = await hub.info();
  const found = await fetchVault(hub, account, door, code.wrapKey);
  const { handleKey } = found.opened.root;
  const keyring = Keyring.generate(account, key, handleKey);
  const [fresh, root, vaultKey] = [RecoveryCode.generate(), SigningKey.generate(), randomBytes(KEY_BYTES)];
  const reading = BoxKey.generate(); // the lost device could open what is sealed to the old one
  const writer = new AccountWriter(found.state, hub.now);
  const body = { root: b64(root.public), recovery: b64(fresh.signingKey.public) };
  writer.add(code.signingKey, ["recovery"], "root", body);
  writer.addDevice(root, keyring);
  writer.add(root, ["root"], "reading", { key: b64(reading.public), bad: 1 });
  writer.addVault(keyring, {
    root: new RootCompartment(root, handleKey, randomBytes(KEY_BYTES)).named(keyring.device, deviceLabel()),
    vault: found.opened.vault.withReadingKey(reading).withoutCandidates(found.opened.vault.candidates.keys()),
    vaultKey,
  });
  const wraps = allWraps(keyring, vaultKey, fresh, passphrase.wrapKey);
  const begun = { ...arriving(door, writer, wraps), code: fresh.text(), signIn: b64(passphrase.signIn) };
  return kept(db, passphrase, { keyring: keyring.dump(), vaultKey: b64(vaultKey), begun }, instead);
}

/** Send what was kept, unless the hub has it, and take the account in; what the loss tainted is rotated at once. */
export async function arrive(client: Client, begun: Arriving): Promise<void> {
  await register(client).catch(async (error: unknown) => {
    if (!(error instanceof Problem) || error.code !== "unauthenticated") throw error;
    if (begun.door === null) {
      await client.forget(); // it was removed again meanwhile
      throw error;
    }
    await send(client, begun, begun.door);
    await register(client);
  });
  if (begun.signIn) await client.hub.setSignIn(unb64(begun.signIn));
  await client.sync();
  await client.settle();
}

/** Register the device's key for tokens; `unauthenticated` as long as the hub does not know the device. */
export async function register({ hub, keyring, account }: Pick<Client, "hub" | "keyring" | "account">): Promise<void> {
  await hub.info();
  const said = { acc: account, dev: keyring.device, tokenKey: keyring.token.public, at: hub.now };
  await hub.register(messages.register(keyring.sign, said));
}

async function send({ hub, account, safe }: Client, { statements, wraps, code }: Arriving, door: Door): Promise<void> {
  const written = statements.map(([frame, blob]) => ({ frame: unb64(frame), blob: blob ? unb64(blob) : null }));
  const opened = Object.fromEntries(Object.entries(wraps).map(([name, wrap]) => [name, unb64(wrap)]));
  const fetch = code ? await fetchHash(RecoveryCode.parse(code)) : null;
  try {
    await hub.post(written, opened, fetch, await token(hub, account, door));
  } catch (error) {
    // The hub has taken nothing of it, and will not: the next try begins anew.
    if (error instanceof Problem && !UNDECIDED.includes(error.code)) await safe.forget();
    throw error;
  }
}

function token(hub: Hub, account: string, { by, key }: Door): Promise<string> {
  return by === "sheet" ? hub.recover(account, unb64(key)) : hub.signIn(account, unb64(key));
}

export type Fetched = { readonly state: AccountState; readonly opened: OpenVault; readonly wraps: Wraps };
/** `token`: of a sign-in or recovery, for who is no device yet; `fingerprint`: from a card. */
type Asking = { readonly token?: string; readonly fingerprint?: string };

/** The account as its chain tells it now, with those that it relies on, link by link: two may act for each other. */
async function accountNow(hub: Hub, account: string, asking: Asking): Promise<AccountState> {
  const { token, fingerprint = "" } = asking;
  const own = await hub.chain("acct", account, "", asking);
  const relies = own.some((frame) => parse(frame).cite.size > 0);
  const left = new Map([...(relies ? await hub.cited(account, fingerprint, token) : []), [account, own]]);
  const known = new Map<string, AccountState>();
  for (let before = -1; [...left.values()].some((frames) => frames.length > 0); ) {
    const count = [...left.values()].reduce((sum, frames) => sum + frames.length, 0);
    if (count === before) throw stale();
    before = count;
    for (const [name, frames] of left) {
      left.set(name, withoutWhatHolds(known, name, frames, (name === account && fingerprint) || null));
    }
  }
  return known.get(account)!;
}

/** Take in links up to one that relies on what is not known yet; returns the rest. */
function withoutWhatHolds(
  known: Map<string, AccountState>,
  name: string,
  frames: Uint8Array[],
  fingerprint: string | null,
): Uint8Array[] {
  for (const [number, frame] of frames.entries()) {
    try {
      known.set(name, accounts.extend(known.get(name) ?? new AccountState(name), frame, known, fingerprint));
    } catch (error) {
      if (!(error instanceof Rejected) || error.kind !== "stale") throw error;
      return frames.slice(number);
    }
  }
  return [];
}

/**
 * The account chain, the vault that it names, both compartments unsealed, the vault's key, and all wraps.
 *
 * `unwrap` finds the vault's key among the wraps.
 */
export async function openVault(
  hub: Hub,
  account: string,
  unwrap: (wraps: Wraps) => Uint8Array,
  asking: Asking = {},
): Promise<Fetched> {
  const state = await accountNow(hub, account, asking);
  const { version, sealed, wraps } = await hub.vault(account, asking.token);
  if (version !== state.vault[0] || blobHash(sealed) !== state.vault[1]) {
    throw new Problem("stale", "the hub's vault is not the one that the account chain names");
  }
  const vaultKey = unwrap(wraps);
  const root = vaults.unsealRoot(sealed, account, vaultKey);
  return { state, wraps, opened: { root, vault: vaults.unseal(sealed, account, version, root.key), vaultKey } };
}

async function fetchVault(hub: Hub, account: string, door: Door, wrapKey: Uint8Array): Promise<Fetched> {
  const names = door.by === SHEET ? [SHEET, SHEET_BEFORE] : [door.by];
  const unwrap = (wraps: Wraps) => unwrapFirst(wraps, names, account, wrapKey);
  return openVault(hub, account, unwrap, { token: await token(hub, account, door) });
}

function arriving(door: Door, { written }: AccountWriter, wraps: Wraps): Arriving {
  return {
    step: "arrive",
    door,
    statements: written.map(({ frame, blob }) => [b64(frame), blob === null ? "" : b64(blob)]),
    wraps: Object.fromEntries(Object.entries(wraps).map(([name, wrap]) => [name, b64(wrap)])),
    code: "",
    signIn: "",
  };
}

/** The account is this device's from now on, instead of none or of the one that it was; `null` where it is another's. */
export async function kept(
  db: Database,
  { wrapKey }: PassphraseKeys,
  secrets: Secrets,
  instead: string | null = null,
): Promise<Client | null> {
  const { account } = secrets.keyring;
  const safe = await Safe.make(db, account, passphraseUnlock(wrapKey, account), secrets, instead);
  return safe && Client.open(safe, secrets);
}
