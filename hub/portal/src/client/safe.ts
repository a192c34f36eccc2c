/**
 * The safe: this device's secrets at rest, under two keys at once.
 *
 * One key never leaves this browser (WebCrypto, not extractable); the other is wrapped for each way to unlock, a
 * passphrase or a passkey. Who copies the disk lacks the first, who sits at the open browser lacks the second.
 */

import { decrypt, encrypt, KEY_BYTES, keyedHash, labelHash, NONCE_BYTES, randomBytes } from "../primitives.ts";
import { concat, utf8, utf8Text } from "../primitives.ts";
import { type Database, forgetAll, getState, setState } from "./database.ts";
import { Problem } from "../problems.ts";

const IV_BYTES = 12;
/** One tab at a time makes or forgets it, or changes what is in it, or written on it. */
const TURN = "obhut-safe";

/** A way to unlock: the passphrase, or a passkey by its credential id with the salt that it is asked with. */
export type Way = {
  readonly name: string;
  readonly kind: "passphrase" | "passkey";
  readonly wrap: Uint8Array;
  readonly credential?: Uint8Array;
  readonly salt?: Uint8Array;
};

/** What lies open beside the safe: whose it is, and how it is opened. */
export type Label = { readonly account: string; readonly ways: readonly Way[] };

/** The key that opens a passphrase's wrap here; the stretched passphrase has other purposes at the hub. */
export function passphraseUnlock(wrapKey: Uint8Array, account: string): Uint8Array {
  return keyedHash(wrapKey, "portal-passphrase", account);
}

/** The key that opens a passkey's wrap here, from the output of its PRF. */
export function passkeyUnlock(output: Uint8Array, account: string): Uint8Array {
  return keyedHash(output, "portal-passkey", account);
}

/** An open safe. Let go of it, and the secrets are locked. */
export class Safe<T> {
  readonly db: Database;
  readonly #key: Uint8Array;
  readonly #browserKey: CryptoKey;

  private constructor(db: Database, key: Uint8Array, browserKey: CryptoKey) {
    this.db = db;
    this.#key = key;
    this.#browserKey = browserKey;
  }

  /** What is written on the safe, or `null` where there is none. */
  static label(db: Database): Promise<Label | null> {
    return getState<Label>(db, "safe-label");
  }

  /**
   * A new safe for an account, opened by a passphrase; whatever else was here is forgotten.
   *
   * `instead`: the account that gives way to it, or `null` where there is none. Where by now another one is here than
   * that, which a tab has put here meanwhile, nothing is made nor forgotten: `null`.
   */
  static async make<T>(
    db: Database,
    account: string,
    unlock: Uint8Array,
    secrets: T,
    instead: string | null = null,
  ): Promise<Safe<T> | null> {
    const algorithm = { name: "AES-GCM", length: 256 };
    const browserKey = await crypto.subtle.generateKey(algorithm, false, ["encrypt", "decrypt"]);
    const safe = new Safe<T>(db, randomBytes(KEY_BYTES), browserKey);
    const wrap = await safe.#seal(unlock, "passphrase", safe.#key);
    return inTurn(async () => {
      const label = await Safe.label(db);
      if (label !== null && label.account !== instead) return null;
      await forgetAll(db);
      await setState(db, "browser-key", browserKey);
      await safe.#write(secrets);
      await setState(db, "safe-label", { account, ways: [{ name: "passphrase", kind: "passphrase", wrap }] });
      return safe;
    });
  }

  /** Forget what was written here after an account was forgotten; not where there is one again. */
  static async sweep(db: Database): Promise<void> {
    await inTurn(async () => {
      if ((await Safe.label(db)) === null) await forgetAll(db);
    });
  }

  /** Forget all: the account is not on this device any more. One that has taken its place stays. */
  async forget(): Promise<void> {
    await inTurn(async () => {
      if ((await Safe.label(this.db)) === null || (await this.#isHere())) await forgetAll(this.db);
    });
  }

  /** Whether it is this very safe that is here. */
  async #isHere(): Promise<boolean> {
    try {
      await this.read();
      return true;
    } catch (error) {
      if (error instanceof Problem) return false;
      throw error;
    }
  }

  /** Open it one way. Throws `Problem(unauthenticated)` where the key does not fit. */
  static async open<T>(db: Database, way: Way, unlock: Uint8Array): Promise<Safe<T>> {
    const browserKey = await getState<CryptoKey>(db, "browser-key");
    if (browserKey === null) throw new Problem("not-found", "there is no account on this device");
    return new Safe<T>(db, await unsealed(browserKey, unlock, way.name, way.wrap), browserKey);
  }

  /** The secrets. */
  async read(): Promise<T> {
    const sealed = await getState<Uint8Array>(this.db, "safe");
    if (sealed === null) throw new Problem("not-found", "there is no account on this device");
    return JSON.parse(utf8Text(await unsealed(this.#browserKey, this.#key, "secrets", sealed), "safe"));
  }

  /** Put other secrets in the place of some, all or nothing, whatever another tab puts in. */
  async change(secrets: Partial<T>): Promise<void> {
    await inTurn(async () => this.#write({ ...(await this.read()), ...secrets }));
  }

  async #write(secrets: T): Promise<void> {
    await setState(this.db, "safe", await this.#seal(this.#key, "secrets", utf8(JSON.stringify(secrets))));
  }

  /** Lock up what waits outside of the safe, as the secrets are. */
  lock(plaintext: Uint8Array): Promise<Uint8Array> {
    return this.#seal(this.#key, "outside", plaintext);
  }

  /** Open what `lock` made. Throws `Problem(unauthenticated)`. */
  unlock(locked: Uint8Array): Promise<Uint8Array> {
    return unsealed(this.#browserKey, this.#key, "outside", locked);
  }

  /** Let one more way open it, or another in place of the one of this name. */
  async addWay(way: Omit<Way, "wrap">, unlock: Uint8Array): Promise<void> {
    const wrap = await this.#seal(unlock, way.name, this.#key);
    await this.#changeWays((ways) => [...ways.filter(({ name }) => name !== way.name), { ...way, wrap }]);
  }

  /** Let a way open it no longer; the passphrase stays. */
  async removeWay(name: string): Promise<void> {
    await this.#changeWays((ways) => ways.filter((way) => way.name !== name || way.kind === "passphrase"));
  }

  async #changeWays(change: (ways: readonly Way[]) => readonly Way[]): Promise<void> {
    await inTurn(async () => {
      const label = await Safe.label(this.db);
      if (label === null) throw new Problem("not-found", "there is no account on this device");
      await setState(this.db, "safe-label", { ...label, ways: change(label.ways) });
    });
  }

  async #seal(key: Uint8Array, name: string, plaintext: Uint8Array): Promise<Uint8Array> {
    const [nonce, iv] = [randomBytes(NONCE_BYTES), randomBytes(IV_BYTES)];
    const inner = concat(nonce, encrypt(key, nonce, labelHash("portal-safe", name), plaintext));
    const outer = await crypto.subtle.encrypt({ name: "AES-GCM", iv: buffer(iv) }, this.#browserKey, buffer(inner));
    return concat(iv, new Uint8Array(outer));
  }
}

/** What reads before it writes is not come between. */
async function inTurn<T>(act: () => Promise<T>): Promise<T> {
  return navigator.locks.request(TURN, act);
}

async function unsealed(browserKey: CryptoKey, key: Uint8Array, name: string, sealed: Uint8Array): Promise<Uint8Array> {
  try {
    const algorithm = { name: "AES-GCM", iv: buffer(sealed.slice(0, IV_BYTES)) };
    const inner = new Uint8Array(await crypto.subtle.decrypt(algorithm, browserKey, buffer(sealed.slice(IV_BYTES))));
    return decrypt(key, inner.slice(0, NONCE_BYTES), labelHash("portal-safe", name), inner.slice(NONCE_BYTES));
  } catch {
    throw new Problem("unauthenticated", "this does not unlock the device");
  }
}

/** As WebCrypto wants it: bytes that are surely not shared memory. */
function buffer(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data);
}
