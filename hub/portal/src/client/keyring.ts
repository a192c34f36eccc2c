/** The keys of one device: who it is, the hub's pinned key, and its secret keys. The twin of `connectors/keyring.py`. */

import { newDevice } from "../identifiers.ts";
import { BoxKey, SigningKey } from "../keys.ts";
import { b64, KEY_BYTES, randomBytes, unb64 } from "../primitives.ts";
import type { Signer } from "../steps.ts";
import type { Credentials } from "./api.ts";

/** As it lies in the safe. */
export type DumpedKeyring = {
  readonly [field in "account" | "device" | "hubKey" | "sign" | "box" | "token" | "handle"]: string;
};

export class Keyring {
  readonly account: string;
  readonly device: string;
  readonly hubKey: Uint8Array;
  readonly sign: SigningKey;
  readonly box: BoxKey;
  readonly token: SigningKey;
  /** Keys the author's handles: the same on all devices of an account. */
  readonly #handleKey: Uint8Array;

  private constructor(dumped: DumpedKeyring) {
    this.account = dumped.account;
    this.device = dumped.device;
    this.hubKey = unb64(dumped.hubKey, KEY_BYTES);
    this.sign = new SigningKey(unb64(dumped.sign, KEY_BYTES));
    this.box = new BoxKey(unb64(dumped.box, KEY_BYTES));
    this.token = new SigningKey(unb64(dumped.token, KEY_BYTES));
    this.#handleKey = unb64(dumped.handle, KEY_BYTES);
  }

  /** Fresh keys for a new device of an account; `handleKey` of an account that has one. */
  static generate(account: string, hubKey: string, handleKey = randomBytes(KEY_BYTES)): Keyring {
    const secret = () => b64(randomBytes(KEY_BYTES));
    const keys = { sign: secret(), box: secret(), token: secret(), handle: b64(handleKey) };
    return new Keyring({ account, device: newDevice(), hubKey, ...keys });
  }

  /** Read what `dump` wrote. */
  static load(dumped: DumpedKeyring): Keyring {
    return new Keyring(dumped);
  }

  /** For the safe. */
  dump(): DumpedKeyring {
    const { account, device, hubKey, sign, box, token } = this;
    const keys = { sign: b64(sign.bytes()), box: b64(box.bytes()), token: b64(token.bytes()) };
    return { account, device, hubKey: b64(hubKey), ...keys, handle: b64(this.#handleKey) };
  }

  get handleKey(): Uint8Array {
    return this.#handleKey;
  }

  /** What it shows to the hub. */
  get credentials(): Credentials {
    return { account: this.account, device: this.device, tokenKey: this.token };
  }

  /** As it signs statements. */
  get signer(): Signer {
    return { account: this.account, device: this.device, key: this.sign };
  }
}
