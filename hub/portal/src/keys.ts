/**
 * Keys and what they are derived from. A key has one purpose; none is converted into another.
 *
 * The recovery code yields three keys and the passphrase two, each under a label of its own (PROTOCOL.md 5). Secrets
 * are private fields: neither a log line nor `JSON.stringify` shows them.
 */

import { withoutSpaces } from "./identifiers.ts";
import * as primitives from "./primitives.ts";
import { b32, broken, KEY_BYTES, keyedHash, labelHash, randomBytes, Rejected, unb32 } from "./primitives.ts";

export const PASSPHRASE_OPERATIONS = 3;
export const PASSPHRASE_MEMORY = 256 * 1024 * 1024;
export const PASSPHRASE_WORDS = 6;

/** An Ed25519 key, from its seed of 32 bytes. */
export class SigningKey {
  readonly public: Uint8Array;
  readonly #seed: Uint8Array;
  readonly #expanded: Uint8Array;

  constructor(seed: Uint8Array) {
    const pair = primitives.signingPair(seed);
    this.public = pair.public;
    this.#seed = seed;
    this.#expanded = pair.secret;
  }

  /** A fresh random key. */
  static generate(): SigningKey {
    return new SigningKey(randomBytes(KEY_BYTES));
  }

  /** The seed. */
  bytes(): Uint8Array {
    return this.#seed;
  }

  /** Sign a labelled hash; 64 bytes. */
  sign(digest: Uint8Array): Uint8Array {
    return primitives.sign(this.#expanded, digest);
  }
}

/** An X25519 key, from its secret of 32 bytes. */
export class BoxKey {
  readonly public: Uint8Array;
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.public = primitives.boxPublic(secret);
    this.#secret = secret;
  }

  /** A fresh random key. */
  static generate(): BoxKey {
    return new BoxKey(randomBytes(KEY_BYTES));
  }

  /** The secret. */
  bytes(): Uint8Array {
    return this.#secret;
  }

  /** Open a sealed box. Throws `Rejected(broken, seal)`. */
  open(sealed: Uint8Array): Uint8Array {
    return primitives.openBox(sealed, this.#secret);
  }
}

/** 256 random bits on the recovery sheet: 56 characters in groups of four, the last four a check. */
export class RecoveryCode {
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  /** A fresh code. */
  static generate(): RecoveryCode {
    return new RecoveryCode(randomBytes(KEY_BYTES));
  }

  /** Read a code as typed: case, spaces and dashes do not count. Throws `Rejected(broken, code)`. */
  static parse(text: string): RecoveryCode {
    const plain = withoutSpaces(text).replaceAll("-", "").toLowerCase();
    const code = new RecoveryCode(secretOf(plain));
    if (code.#plain() !== plain) throw broken("code");
    return code;
  }

  /** What is printed on the sheet. It opens everything: only ever shown to its owner. */
  text(): string {
    return (this.#plain().match(/.{4}/g) ?? []).join("-").toUpperCase();
  }

  #plain(): string {
    return b32(this.#secret) + b32(labelHash("obhut-code", this.#secret).slice(0, 3)).slice(0, 4);
  }

  /** The key named `recovery` in the account chain. */
  get signingKey(): SigningKey {
    return new SigningKey(keyedHash(this.#secret, "obhut-recovery"));
  }

  /** The key that wraps the vault's key for the sheet. */
  get wrapKey(): Uint8Array {
    return keyedHash(this.#secret, "obhut-sheet");
  }

  /** What the hub asks for before it hands out the sealed vault; it learns nothing else from it. */
  get fetchToken(): Uint8Array {
    return keyedHash(this.#secret, "obhut-fetch");
  }
}

function secretOf(plain: string): Uint8Array {
  try {
    return unb32(plain.slice(0, 52), KEY_BYTES);
  } catch (error) {
    throw error instanceof Rejected ? broken("code") : error;
  }
}

/** Two independent keys from a passphrase: one to sign in with, one for the vault, which never leaves the device. */
export class PassphraseKeys {
  readonly #signIn: Uint8Array;
  readonly #wrapKey: Uint8Array;

  constructor(signIn: Uint8Array, wrapKey: Uint8Array) {
    this.#signIn = signIn;
    this.#wrapKey = wrapKey;
  }

  /** The key to sign in with. */
  get signIn(): Uint8Array {
    return this.#signIn;
  }

  /** The key for the vault. */
  get wrapKey(): Uint8Array {
    return this.#wrapKey;
  }

  /** Argon2id over the passphrase, salted by the account; `memory` in bytes, at least 64 MiB. */
  static derive(account: string, passphrase: string, memory = PASSPHRASE_MEMORY): PassphraseKeys {
    if (memory < 64 * 1024 * 1024) throw broken("memory");
    const salt = labelHash("obhut-salt", account).slice(0, 16);
    const master = primitives.stretch(passphrase, salt, PASSPHRASE_OPERATIONS, memory);
    return new PassphraseKeys(keyedHash(master, "obhut-signin"), keyedHash(master, "obhut-unlock"));
  }
}
