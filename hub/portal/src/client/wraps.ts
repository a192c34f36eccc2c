/** Who can unwrap the vault's key: devices, the recovery sheet, the passphrase (PROTOCOL.md 5). */

import type { RecoveryCode } from "../keys.ts";
import * as vaults from "../vault.ts";
import type { Wraps } from "./api.ts";
import type { Keyring } from "./keyring.ts";

/** The vault's key for a device, the recovery sheet and the passphrase. */
export function allWraps(keyring: Keyring, vaultKey: Uint8Array, code: RecoveryCode, wrapKey: Uint8Array): Wraps {
  const { account, device, box } = keyring;
  return {
    [device]: vaults.wrapForBox(vaultKey, account, device, box.public),
    sheet: vaults.wrapForSecret(vaultKey, account, "sheet", code.wrapKey),
    passphrase: vaults.wrapForSecret(vaultKey, account, "passphrase", wrapKey),
  };
}

/** What the hub keeps of the sheet's fetch token. */
export async function fetchHash(code: RecoveryCode): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(code.fetchToken)));
}
