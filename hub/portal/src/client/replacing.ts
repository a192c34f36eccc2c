/**
 * The words and the recovery sheet are replaced by new ones, while she is signed in.
 *
 * What is new is kept before anything is sent, so that whatever a closed tab interrupts is finished after unlocking.
 */

import { RECOVERY_SECONDS } from "../accounts.ts";
import { type PassphraseKeys, RecoveryCode } from "../keys.ts";
import { b64, equal, KEY_BYTES, unb64 } from "../primitives.ts";
import * as vaults from "../vault.ts";
import { AccountWriter } from "./account_writer.ts";
import type { Wraps } from "./api.ts";
import type { Client } from "./client.ts";
import { passphraseUnlock } from "./safe.ts";
import { fetchHash, PASSPHRASE, SHEET, SHEET_BEFORE } from "./wraps.ts";

/** New words, on their way to the hub and to this device's safe. */
export type NewWords = {
  readonly step: "words";
  readonly code: "";
  readonly signIn: string;
  readonly wrapKey: string;
};

/** A new sheet that the account does not know yet. */
export type NewSheet = { readonly step: "new-sheet"; readonly code: string };

/** Words that were chosen, as they are kept until they count. */
export function newWords({ signIn, wrapKey }: PassphraseKeys): NewWords {
  return { step: "words", code: "", signIn: b64(signIn), wrapKey: b64(wrapKey) };
}

/**
 * The new words unlock this device, open the vault, and sign in; the same again is harmless.
 *
 * Other devices go on to be unlocked by the words that they know.
 */
export async function setWords(client: Client, { signIn, wrapKey }: NewWords): Promise<void> {
  const { account, hub, safe } = client;
  const key = unb64(wrapKey, KEY_BYTES);
  await safe.addWay({ name: "passphrase", kind: "passphrase" }, passphraseUnlock(key, account));
  await client.sync();
  await client.anew(async () => {
    const held = await client.unsealed();
    const wrap = vaults.wrapForSecret(client.vaultKey, account, PASSPHRASE, key);
    await client.lockVault(held, { ...(await presentWraps(client)), [PASSPHRASE]: wrap });
  });
  await hub.setSignIn(unb64(signIn));
}

/** From when on (Unix seconds) the sheet may be replaced: 7 days after the account has had it. */
export function sheetChangesFrom({ state }: Client): number {
  return (state.recoveries.at(-1)?.[0] ?? 0) + RECOVERY_SECONDS;
}

/** The account takes the new sheet, unless it has done so; the one before it opens the account for 7 days more. */
export async function replaceSheet(client: Client, sheet: RecoveryCode): Promise<void> {
  const { account, hub, keyring } = client;
  const { public: key } = sheet.signingKey;
  await client.sync();
  await client.anew(async () => {
    const { state, root, vault } = await client.unsealed();
    if (state.recoveryKeys(hub.now).slice(0, 1).some((present) => equal(present, key))) return;
    const wraps = await presentWraps(client);
    const writer = new AccountWriter(state, hub.now);
    writer.add(root.root, ["root"], "recovery", { key: b64(key) });
    writer.addVault(keyring, { root, vault, vaultKey: client.vaultKey });
    const before = wraps[SHEET] && { [SHEET_BEFORE]: wraps[SHEET] };
    const wrap = vaults.wrapForSecret(client.vaultKey, account, SHEET, sheet.wrapKey);
    await client.post(writer.written, { ...wraps, ...before, [SHEET]: wrap }, await fetchHash(sheet));
  });
}

/** The wraps that the hub holds, but for that of a sheet whose 7 days are over. */
async function presentWraps({ account, hub, state }: Client): Promise<Wraps> {
  const { [SHEET_BEFORE]: before, ...wraps } = (await hub.vault(account)).wraps;
  return before !== undefined && state.recoveryKeys(hub.now).length > 1 ? { ...wraps, [SHEET_BEFORE]: before } : wraps;
}
