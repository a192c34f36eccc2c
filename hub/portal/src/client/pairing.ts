/**
 * A device is added by another one: both sides of it, on the account's device and on the new one (PROTOCOL.md 5.2).
 *
 * The twin of `connectors/patient/pairing.py`.
 */

import { newDevice } from "../identifiers.ts";
import { BoxKey, type PassphraseKeys, SigningKey } from "../keys.ts";
import * as pairing from "../pairing.ts";
import { Invitation, type Reply, type Reveal } from "../pairing.ts";
import { b64, equal, KEY_BYTES, randomBytes } from "../primitives.ts";
import { Problem } from "../problems.ts";
import * as vaults from "../vault.ts";
import { AccountWriter } from "./account_writer.ts";
import { Hub } from "./api.ts";
import { type Fetched, kept, openVault, register } from "./arrival.ts";
import type { Client, Secrets } from "./client.ts";
import type { Database } from "./database.ts";
import type { Begun } from "./enrolment.ts";
import { Keyring } from "./keyring.ts";
import { newWords } from "./replacing.ts";
import { areWords, PASSPHRASE } from "./wraps.ts";

const AGAIN_MS = 2000;

// --- on the account's device ----------------------------------------------------------------------------------------

/** A new device whose invitation was answered. */
export type Offer = { readonly invitation: Invitation; readonly reply: Reply };

/** Answer an invitation as it was scanned or pasted. Throws `Rejected(broken, fields)`, `Problem`. */
export async function answer({ card, keyring, hub }: Client, shown: string): Promise<Offer> {
  const invitation = Invitation.parse(shown);
  if (invitation.domain !== card.account.domain) throw new Problem("other-hub", "the new device is at another hub");
  const reply = pairing.newReply(card, keyring.sign.public, keyring.box.public);
  await hub.putReply(invitation.place, pairing.sealReply(reply, invitation));
  return { invitation, reply };
}

/** What the new device reveals. Throws `Problem(gone)` where none comes, `Rejected(broken, …)` for what does not fit. */
export async function hearReveal({ hub, keyring }: Client, offer: Offer, signal: AbortSignal): Promise<Reveal> {
  const { invitation } = offer;
  const sealed = await awaited(signal, async () => {
    const { reply, reveal } = await hub.pairing(invitation.place);
    if (reply === null) throw new Problem("gone", "the new device did not answer in time");
    return reveal;
  });
  return pairing.openReveal(sealed, keyring.box, invitation);
}

/** The digits were the same: the device is the account's, with the vault's key. The same again is harmless. */
export async function admit(client: Client, { invitation }: Offer, { device, label }: Reveal): Promise<void> {
  const { account, keyring, hub } = client;
  await client.sync();
  const [sign, box] = [{ public: invitation.sign }, { public: invitation.box }];
  await client.anew(async () => {
    const { state, root, vault } = await client.unsealed();
    if (state.devices.has(device)) return;
    const writer = new AccountWriter(state, hub.now);
    writer.addDevice(root.root, { device, sign, box });
    writer.addVault(keyring, { root: root.named(device, label), vault, vaultKey: client.vaultKey });
    const wrap = vaults.wrapForBox(client.vaultKey, account, device, invitation.box);
    await client.post(writer.written, { ...(await hub.vault(account)).wraps, [device]: wrap });
  });
  await hub.endPairing(invitation.place);
}

/** The digits differ, or she thought better of it: nothing was added, and the new device is told so. */
export async function decline({ hub }: Client, { invitation }: Offer): Promise<void> {
  await hub.endPairing(invitation.place);
}

// --- on the new device ----------------------------------------------------------------------------------------------

/** A device that is nobody's yet: its keys, and what it shows. */
export type Newcomer = {
  readonly hub: Hub;
  readonly hubKey: string;
  readonly sign: SigningKey;
  readonly box: BoxKey;
  readonly reveal: Reveal;
  readonly invitation: Invitation;
};

/** Fresh keys and an invitation. `label`: what the device may be called. */
export async function newcomer(label: string): Promise<Newcomer> {
  const hub = new Hub();
  const { domain, key } = await hub.info();
  const [sign, box, reveal] = [SigningKey.generate(), BoxKey.generate(), pairing.newReveal(newDevice(), label)];
  return { hub, hubKey: key, sign, box, reveal, invitation: pairing.invite(domain, sign, box, reveal) };
}

/** Wait for a reply, take this one and no other, and reveal what was committed to. */
export async function hearReply({ hub, box, reveal, invitation }: Newcomer, signal: AbortSignal): Promise<Reply> {
  const sealed = await awaited(signal, async () => (await hub.pairing(invitation.place)).reply);
  const reply = pairing.openReply(sealed, box);
  await hub.putReveal(invitation.place, pairing.sealReveal(reveal, reply));
  return reply;
}

/** A device that was added: its keyring, and what the account's vault held. */
export type Added = { readonly keyring: Keyring; readonly found: Fetched };

/**
 * Wait until the other device is done, and look: the account of the card, this device in it, and the one that replied,
 * each with the keys of which the digits were made. Throws `Problem(gone)` where it was not added.
 */
export async function moveIn(newcomer: Newcomer, reply: Reply, signal: AbortSignal): Promise<Added> {
  const { hub, hubKey, sign, box, reveal, invitation } = newcomer;
  await awaited(signal, async () => ((await hub.pairing(invitation.place)).reply === null ? true : null));
  const account = String(reply.card.account);
  const dumped = { account, device: reveal.device, hubKey, sign: b64(sign.bytes()), box: b64(box.bytes()) };
  const token = b64(randomBytes(KEY_BYTES));
  const early = Keyring.load({ ...dumped, token, handle: b64(randomBytes(KEY_BYTES)) });
  const own = new Hub(early.credentials);
  await register({ hub: own, keyring: early, account }).catch((error: unknown) => {
    if (!(error instanceof Problem) || error.code !== "unauthenticated") throw error;
    throw new Problem("gone", "the other device did not add this one");
  });
  const unwrap = ({ [reveal.device]: wrap }: { readonly [name: string]: Uint8Array }) => {
    if (wrap === undefined) throw new Problem("not-found", "the vault's key is not wrapped for this device");
    return vaults.unwrapByBox(wrap, account, reveal.device, box);
  };
  const found = await openVault(own, account, unwrap, { fingerprint: reply.card.fingerprint });
  const { state, opened } = found;
  const clients = [...state.devices.values()].filter(({ role, until }) => role === "client" && until === null);
  const isThere = ({ sign: signing, box: boxing }: { readonly [key in "sign" | "box"]: Uint8Array }) =>
    clients.some((one) => equal(one.sign, signing) && equal(one.box, boxing));
  if (!isThere(invitation) || !isThere(reply) || !equal(opened.root.root.public, state.root)) {
    throw new Problem("stale", "the account's chain or vault is not as the other device said");
  }
  return { keyring: Keyring.load({ ...dumped, token, handle: b64(opened.root.handleKey) }), found };
}

/** Whether the account has words by which a browser signs in. */
export function hasWords({ found }: Added): boolean {
  return found.wraps[PASSPHRASE] !== undefined;
}

/** The account is kept on this device, under the words that it has. Throws `Problem(unauthenticated)` for others. */
export async function keepUnderWords(db: Database, added: Added, passphrase: PassphraseKeys): Promise<Client | null> {
  const { wraps } = added.found;
  if (!areWords(wraps, added.keyring.account, passphrase)) {
    throw new Problem("unauthenticated", "these are not the account's words");
  }
  const begun = { step: "arrive", door: null, statements: [], wraps: {}, code: "", signIn: "" } as const;
  return kept(db, passphrase, secretsOf(added, begun));
}

/** As before, under new words, which from then on are the account's. */
export async function keepUnderNewWords(db: Database, added: Added, passphrase: PassphraseKeys): Promise<Client | null> {
  return kept(db, passphrase, secretsOf(added, newWords(passphrase)));
}

function secretsOf({ keyring, found }: Added, begun: Begun): Secrets {
  return { keyring: keyring.dump(), vaultKey: b64(found.opened.vaultKey), begun };
}

/** Look again and again, also where the hub cannot be reached for a while. Throws `Problem(gone)` when given up. */
async function awaited<T>(signal: AbortSignal, look: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const found = await look().catch((error: unknown) => {
      if (!(error instanceof Problem) || !["busy", "too-many"].includes(error.code)) throw error;
      return null;
    });
    if (signal.aborted) throw new Problem("gone", "nobody waits for it any more");
    if (found !== null) return found;
    await new Promise((go) => setTimeout(go, AGAIN_MS));
  }
}
