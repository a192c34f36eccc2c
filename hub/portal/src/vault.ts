/**
 * The vault: what the patient's side keeps, sealed under one key, and who can unwrap that key (PROTOCOL.md 5).
 *
 * The hub stores ciphertext and wraps. The account chain names version and hash, so an older vault is noticed.
 */

import { BoxKey, SigningKey } from "./keys.ts";
import * as primitives from "./primitives.ts";
import { b64, broken, concat, equal, KEY_BYTES, labelHash, NONCE_BYTES, randomBytes, Rejected } from "./primitives.ts";
import { unb64, utf8, utf8Text } from "./primitives.ts";
import { Master, SetKey } from "./sets.ts";

/** A next epoch that is being handed out: its number, its master, and what its maker had seen when making it. */
export type Candidate = {
  readonly epoch: number;
  readonly master: Master;
  readonly accountSeq: number;
  readonly iat: number;
};

/**
 * What the patient agreed with a counterpart under one grant id, in the words of the projection.
 *
 * `categories`: indices granted. `whole`: from the first epoch, else from now on. `consent`: the FHIR Consent as
 * signed for this counterpart, `salt` its 16 bytes. `rules`: the finer rules as agreed, JSON; `hides`: absent, or what
 * she hid from all when it was signed, as `Type/id`. Other rules or other hides take another salt. Times in Unix
 * seconds. `emergency`: absent, or as `em` of the grant: the span in seconds, then the roles that may declare.
 */
export type Terms = {
  readonly oth: string;
  readonly categories: ReadonlySet<number>;
  readonly whole: boolean;
  readonly grow: boolean;
  readonly purposes: readonly string[];
  readonly nb: number;
  readonly until: number;
  readonly consent: Uint8Array;
  readonly salt: Uint8Array;
  readonly rules: unknown;
  readonly request: string;
  readonly emergency?: readonly (number | string)[];
  readonly hides?: readonly string[];
};

/** The master of one epoch, named by set, number and digest. */
export type EpochMaster = {
  readonly set: string;
  readonly epoch: number;
  readonly digest: Uint8Array;
  readonly master: Master;
};

type Content = {
  readonly root: SigningKey;
  readonly handleKey: Uint8Array;
  readonly readingKeys: ReadonlyMap<string, BoxKey>;
  readonly sets: ReadonlyMap<string, SetKey>;
  readonly masters: ReadonlyMap<string, EpochMaster>;
  readonly candidates: ReadonlyMap<string, Candidate>;
  readonly terms: ReadonlyMap<string, Terms>;
  readonly hides: readonly string[];
  readonly desks: { readonly [device: string]: string };
};

function masterName(set: string, epoch: number, digest: Uint8Array): string {
  return `${set} ${epoch} ${b64(digest)}`;
}

/** Root key, set keys, masters, candidates, terms. Never changed; each method returns the next version's content. */
export class Vault {
  readonly #content: Content;

  constructor(root: SigningKey, handleKey: Uint8Array, rest: Partial<Content> = {}) {
    const none = new Map<never, never>();
    const empty = { readingKeys: none, sets: none, masters: none, candidates: none, terms: none, hides: [], desks: {} };
    this.#content = { ...empty, ...rest, root, handleKey };
  }

  /** The root key of the account. */
  get root(): SigningKey {
    return this.#content.root;
  }

  /** What the patient's own handles are keyed with. */
  get handleKey(): Uint8Array {
    return this.#content.handleKey;
  }

  /** Reading keys by their public key. */
  get readingKeys(): ReadonlyMap<string, BoxKey> {
    return this.#content.readingKeys;
  }

  /** Set keys by set. */
  get sets(): ReadonlyMap<string, SetKey> {
    return this.#content.sets;
  }

  /** Candidates by set. */
  get candidates(): ReadonlyMap<string, Candidate> {
    return this.#content.candidates;
  }

  /** Terms by grant id. */
  get terms(): ReadonlyMap<string, Terms> {
    return this.#content.terms;
  }

  /** The master of an epoch. Throws `Rejected(not-for-you, seed)`. */
  master(set: string, epoch: number, digest: Uint8Array): Master {
    const found = this.#content.masters.get(masterName(set, epoch, digest));
    if (found === undefined) throw new Rejected("not-for-you", "seed");
    return found.master;
  }

  /** With a new set and the master of its first epoch. */
  withSet(set: string, setKey: SetKey, master: Master): Vault {
    return this.#with({ sets: new Map(this.sets).set(set, setKey), masters: this.#masters(set, 1, master) });
  }

  /** With a candidate for a set's next epoch; its master is kept for good. */
  withCandidate(set: string, candidate: Candidate): Vault {
    const masters = this.#masters(set, candidate.epoch, candidate.master);
    return this.#with({ masters, candidates: new Map(this.candidates).set(set, candidate) });
  }

  /** With these candidates dropped. */
  withoutCandidates(sets: Iterable<string>): Vault {
    const gone = new Set(sets);
    return this.#with({ candidates: new Map([...this.candidates].filter(([set]) => !gone.has(set))) });
  }

  /** With the terms of a grant, new or changed. */
  withTerms(gid: string, terms: Terms): Vault {
    return this.#with({ terms: new Map(this.terms).set(gid, terms) });
  }

  #with(changed: Partial<Content>): Vault {
    return new Vault(this.root, this.handleKey, { ...this.#content, ...changed });
  }

  #masters(set: string, epoch: number, master: Master): ReadonlyMap<string, EpochMaster> {
    const digest = master.digest(set, epoch);
    return new Map(this.#content.masters).set(masterName(set, epoch, digest), { set, epoch, digest, master });
  }

  /** The plaintext that is sealed. */
  dump(): Uint8Array {
    const { root, handleKey, readingKeys, sets, masters, candidates, terms, hides, desks } = this.#content;
    const value: Dumped = {
      v: this.#version(),
      root: b64(root.bytes()),
      handle_key: b64(handleKey),
      reading_keys: [...readingKeys.values()].map((key) => b64(key.bytes())),
      sets: Object.fromEntries([...sets].map(([set, key]) => [set, b64(key.bytes())])),
      masters: [...masters.values()].map((m) => [m.set, m.epoch, b64(m.digest), b64(m.master.bytes())]),
      candidates: Object.fromEntries(
        [...candidates].map(([set, c]) => [set, [c.epoch, b64(c.master.bytes()), c.accountSeq, c.iat]]),
      ),
      terms: Object.fromEntries([...terms].map(([gid, one]) => [gid, dumpTerms(one)])),
      hides,
      desks,
    };
    return utf8(JSON.stringify(value));
  }

  /** 2 where anything is hidden, or a desk noted: who knows nothing of that must not write the vault without it. */
  #version(): number {
    const { hides, terms, desks } = this.#content;
    const hidden = hides.length > 0 || [...terms.values()].some((one) => (one.hides ?? []).length > 0);
    return hidden || Object.keys(desks).length > 0 ? 2 : 1;
  }

  /** Read what `dump` wrote. Throws `Rejected(broken, vault)`. */
  static load(plaintext: Uint8Array): Vault {
    try {
      const value: Dumped = JSON.parse(utf8Text(plaintext, "vault"));
      if (value.v !== 1 && value.v !== 2) throw broken("vault");
      const readingKeys = value.reading_keys.map((key) => new BoxKey(unb64(key, 32)));
      const masters = value.masters.map(([set, epoch, digest, secret]) => {
        const master = { set, epoch, digest: unb64(digest, 16), master: new Master(unb64(secret, 32)) };
        return [masterName(set, epoch, master.digest), master] as const;
      });
      return new Vault(new SigningKey(unb64(value.root, 32)), unb64(value.handle_key, 32), {
        readingKeys: new Map(readingKeys.map((key) => [b64(key.public), key])),
        sets: new Map(Object.entries(value.sets).map(([set, key]) => [set, new SetKey(unb64(key, 32))])),
        masters: new Map(masters),
        candidates: new Map(Object.entries(value.candidates).map(([set, c]) => [set, loadCandidate(c)])),
        terms: new Map(Object.entries(value.terms).map(([gid, terms]) => [gid, loadTerms(terms)])),
        hides: value.hides ?? [],
        desks: value.desks ?? {},
      });
    } catch {
      throw broken("vault");
    }
  }
}

type DumpedCandidate = [epoch: number, master: string, accountSeq: number, iat: number];
type DumpedTerms = Omit<Terms, "categories" | "consent" | "salt"> & {
  readonly categories: readonly number[];
  readonly consent: string;
  readonly salt: string;
};
type Dumped = {
  readonly v: number;
  readonly root: string;
  readonly handle_key: string;
  readonly reading_keys: readonly string[];
  readonly sets: { readonly [set: string]: string };
  readonly masters: readonly [set: string, epoch: number, digest: string, secret: string][];
  readonly candidates: { readonly [set: string]: DumpedCandidate };
  readonly terms: { readonly [gid: string]: DumpedTerms };
  readonly hides?: readonly string[];
  readonly desks?: { readonly [device: string]: string };
};

function loadCandidate([epoch, master, accountSeq, iat]: DumpedCandidate): Candidate {
  return { epoch, master: new Master(unb64(master, 32)), accountSeq, iat };
}

function dumpTerms(terms: Terms): DumpedTerms {
  const categories = [...terms.categories].sort((a, b) => a - b);
  return { ...terms, categories, consent: b64(terms.consent), salt: b64(terms.salt) };
}

function loadTerms(terms: DumpedTerms): Terms {
  const categories = new Set(terms.categories);
  return { ...terms, categories, consent: unb64(terms.consent), salt: unb64(terms.salt) };
}

/** Seal the vault's content as this version. Returns nonce ‖ ciphertext. */
export function seal(vault: Vault, account: string, version: number, key: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const ctx = labelHash("obhut-vault", account, version);
  return concat(nonce, primitives.encrypt(key, nonce, ctx, primitives.pad(vault.dump())));
}

/** Open a sealed vault. Throws `Rejected(broken, aead)` for another key, account or version. */
export function unseal(ciphertext: Uint8Array, account: string, version: number, key: Uint8Array): Vault {
  const ctx = labelHash("obhut-vault", account, version);
  return Vault.load(primitives.unpad(decrypt(key, ctx, ciphertext)));
}

/** The vault's key for one of the patient's devices: a sealed box to its box key. */
export function wrapForDevice(key: Uint8Array, account: string, device: string, box: Uint8Array): Uint8Array {
  return primitives.sealBox(concat(key, wrapContext(account, device)), box);
}

/** The vault's key by a device. Throws `Rejected(broken, …)`. */
export function unwrapByDevice(wrap: Uint8Array, account: string, device: string, box: BoxKey): Uint8Array {
  const opened = box.open(wrap);
  const key = opened.slice(0, KEY_BYTES);
  if (!equal(opened, concat(key, wrapContext(account, device)))) throw broken("context");
  return key;
}

/** The vault's key for the recovery sheet (`name` = `sheet`) or the passphrase (`passphrase`). */
export function wrapForSecret(key: Uint8Array, account: string, name: string, wrapKey: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  return concat(nonce, primitives.encrypt(wrapKey, nonce, wrapContext(account, name), key));
}

/** The vault's key by the recovery sheet or the passphrase. Throws `Rejected(broken, aead)`. */
export function unwrapBySecret(wrap: Uint8Array, account: string, name: string, wrapKey: Uint8Array): Uint8Array {
  return decrypt(wrapKey, wrapContext(account, name), wrap);
}

function wrapContext(account: string, name: string): Uint8Array {
  return labelHash("obhut-wrap", account, name);
}

/** Open nonce ‖ ciphertext. */
function decrypt(key: Uint8Array, data: Uint8Array, sealed: Uint8Array): Uint8Array {
  return primitives.decrypt(key, sealed.slice(0, NONCE_BYTES), data, sealed.slice(NONCE_BYTES));
}
