/** Writes links of an account chain one after another, before they are sent. */

import * as accounts from "../accounts.ts";
import type { AccountState } from "../accounts.ts";
import type { SigningKey } from "../keys.ts";
import { b64 } from "../primitives.ts";
import { blobHash } from "../rules.ts";
import { type Bodies, type Signer, sign } from "../statements.ts";
import type { Written } from "../steps.ts";
import * as vaults from "../vault.ts";
import type { RootCompartment, Vault } from "../vault.ts";
import type { Keyring } from "./keyring.ts";

/** Both compartments of a vault, and the key that opens them. */
export type OpenVault = { readonly root: RootCompartment; readonly vault: Vault; readonly vaultKey: Uint8Array };

/** A device by its name and public keys, as a `Keyring` has them. */
type NewDevice = { readonly device: string } & { readonly [key in "sign" | "box"]: { readonly public: Uint8Array } };

export class AccountWriter {
  readonly written: Written[] = [];
  state: AccountState;
  readonly #now: number;

  constructor(state: AccountState, now: number) {
    this.state = state;
    this.#now = now;
  }

  /** The links as signed. */
  get frames(): Uint8Array[] {
    return this.written.map(({ frame }) => frame);
  }

  /** Sign the next link and take it in. `blob`: the vault beside it. */
  add<T extends keyof Bodies["acct"]>(
    key: SigningKey,
    by: Signer,
    typ: T,
    body: Bodies["acct"][T],
    blob: Uint8Array | null = null,
  ): void {
    const { acc, head, links } = this.state;
    const iat = Math.max(this.#now, links.at(-1)?.iat ?? 0);
    const frame = sign(key, { kind: "acct", acc, head, iat, typ, by, body });
    this.state = accounts.extend(this.state, frame);
    this.written.push({ frame, blob });
  }

  /** Certify a device of the role `client`. */
  addDevice(root: SigningKey, { device, sign: signing, box }: NewDevice): void {
    const body = { dev: device, role: "client", sign: b64(signing.public), box: b64(box.public) } as const;
    this.add(root, ["root"], "device", body);
  }

  /** Seal the vault's next version, and name it, by a device. */
  addVault({ account, device, sign: signing }: Keyring, { root, vault, vaultKey }: OpenVault): void {
    const ver = this.state.vault[0] + 1;
    const sealed = vaults.seal(vaults.sealRoot(root, account, vaultKey), vault, account, ver, root.key);
    this.add(signing, [account, device], "vault", { ver, hash: blobHash(sealed) }, sealed);
  }
}
