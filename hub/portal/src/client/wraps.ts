/** Who can unwrap the vault's key: devices, the recovery sheet, the passphrase (PROTOCOL.md 5). */

import type { PassphraseKeys, RecoveryCode } from "../keys.ts";
import { Problem } from "../problems.ts";
import { Rejected } from "../primitives.ts";
import * as vaults from "../vault.ts";
import type { Wraps } from "./api.ts";
import type { Keyring } from "./keyring.ts";

/** The sheet's wrap; and that of the sheet before it, which counts for 7 days (PROTOCOL.md 2.2). */
export const [SHEET, SHEET_BEFORE] = ["sheet", "sheet-before"] as const;
export const PASSPHRASE = "passphrase";

/**
 * The vault's key by the first of these wraps that opens. Throws `Problem(not-found)` where there is none of them, and
 * `Rejected(broken, aead)` where none opens.
 */
export function unwrapFirst(wraps: Wraps, names: readonly string[], account: string, wrapKey: Uint8Array): Uint8Array {
  let refused: unknown = new Problem("not-found", "the hub holds no wrap of the vault for this way in");
  for (const name of names) {
    const [wrap, bound] = [wraps[name], name === SHEET_BEFORE ? SHEET : name]; // it was the sheet when it was wrapped
    try {
      if (wrap !== undefined) return vaults.unwrapBySecret(wrap, account, bound, wrapKey);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      refused = error;
    }
  }
  throw refused;
}

/** Whether these are the account's words, by the wrap that they open. */
export function areWords(wraps: Wraps, account: string, { wrapKey }: PassphraseKeys): boolean {
  const wrap = wraps[PASSPHRASE];
  try {
    return wrap !== undefined && vaults.unwrapBySecret(wrap, account, PASSPHRASE, wrapKey).length > 0;
  } catch (error) {
    if (error instanceof Rejected) return false;
    throw error;
  }
}

/** The vault's key for a device, the recovery sheet and the passphrase. */
export function allWraps(keyring: Keyring, vaultKey: Uint8Array, code: RecoveryCode, wrapKey: Uint8Array): Wraps {
  const { account, device, box } = keyring;
  return {
    [device]: vaults.wrapForBox(vaultKey, account, device, box.public),
    [SHEET]: vaults.wrapForSecret(vaultKey, account, SHEET, code.wrapKey),
    [PASSPHRASE]: vaults.wrapForSecret(vaultKey, account, PASSPHRASE, wrapKey),
  };
}

/** What the hub keeps of the sheet's fetch token. */
export async function fetchHash(code: RecoveryCode): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(code.fetchToken)));
}
