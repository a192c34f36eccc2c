/**
 * The vault: what the patient's side keeps, sealed in two compartments, and who can unwrap their keys (PROTOCOL.md 5).
 *
 * The root compartment is for the patient alone; it holds the key of the other, which a delegate of scope `full` is
 * given too. The hub stores ciphertext and wraps. The account chain names version and hash, so an older vault is noticed.
 */

import { BoxKey, SigningKey } from "./keys.ts";
import * as primitives from "./primitives.ts";
import { b64, broken, concat, equal, KEY_BYTES, labelHash, NONCE_BYTES, randomBytes, Rejected } from "./primitives.ts";
import { unb64, utf8, utf8Text } from "./primitives.ts";
import { Master, SetKey } from "./sets.ts";
import { ascending, type DumpedTerms, dumpTerms, type DumpedWords, dumpWords, loadTerms, loadWords } from "./terms.ts";
import type { Terms, Word } from "./terms.ts";

export type { Terms, Word } from "./terms.ts";

/** A next epoch that is being handed out: its number, its master, and what its maker had seen when making it. */
export type Candidate = {
  readonly epoch: number;
  readonly master: Master;
  readonly accountSeq: number;
  readonly iat: number;
};

/** How the patient's side names a delegate: a kind of mandate, and the categories kept from it. */
export type Named = { readonly kind: string; readonly private: ReadonlySet<number> };

/** What her devices are called. */
type Names = Content["desks"];

/** The master of one epoch, named by set, number and digest. */
export type EpochMaster = {
  readonly set: string;
  readonly epoch: number;
  readonly digest: Uint8Array;
  readonly master: Master;
};

type Content = {
  readonly readingKeys: ReadonlyMap<string, BoxKey>;
  readonly sets: ReadonlyMap<string, SetKey>;
  readonly masters: ReadonlyMap<string, EpochMaster>;
  readonly candidates: ReadonlyMap<string, Candidate>;
  readonly terms: ReadonlyMap<string, Terms>;
  readonly hides: readonly string[];
  readonly desks: { readonly [device: string]: string };
  readonly mandates: ReadonlyMap<string, Named>;
  readonly words: ReadonlyMap<string, ReadonlyMap<string, Word>>;
  readonly hiddenFrom: ReadonlyMap<string, readonly string[]>;
};

const VERSION = 3;
/** Bytes of the length before the root compartment. */
const LENGTH = 4;

function masterName(set: string, epoch: number, digest: Uint8Array): string {
  return `${set} ${epoch} ${b64(digest)}`;
}

/** What no delegate gets: the root key, the key of her own handles, and the key of the other compartment. */
export class RootCompartment {
  readonly root: SigningKey;
  readonly handleKey: Uint8Array;
  readonly key: Uint8Array;
  /** Accounts of the delegates to whom `key` was handed. */
  readonly shared: readonly string[];
  readonly names: Names;

  constructor(root: SigningKey, handleKey: Uint8Array, key: Uint8Array, shared: readonly string[] = [], names: Names = {}) {
    this.root = root;
    this.handleKey = handleKey;
    this.key = key;
    this.shared = shared;
    this.names = names;
  }

  /** With another key, which is for these delegates only. */
  locked(stay: readonly string[]): RootCompartment {
    return new RootCompartment(this.root, this.handleKey, randomBytes(KEY_BYTES), stay, this.names);
  }

  /** With a device called so; no name changes nothing. */
  named(device: string, name: string): RootCompartment {
    const names = name ? { ...this.names, [device]: name } : this.names;
    return new RootCompartment(this.root, this.handleKey, this.key, this.shared, names);
  }

  /** The plaintext that is sealed. */
  dump(): Uint8Array {
    const { root, handleKey, key, shared, names } = this;
    const value = { root: b64(root.bytes()), handle_key: b64(handleKey), key: b64(key), shared };
    return utf8(JSON.stringify(Object.keys(names).length > 0 ? { ...value, names } : value));
  }

  /** Read what `dump` wrote. Throws `Rejected(broken, vault)`. */
  static load(plaintext: Uint8Array): RootCompartment {
    try {
      const value = JSON.parse(utf8Text(plaintext, "vault"));
      const [root, handleKey, key] = [value.root, value.handle_key, value.key].map((text) => unb64(text, KEY_BYTES));
      return new RootCompartment(new SigningKey(root!), handleKey!, key!, value.shared.map(String), value.names);
    } catch {
      throw broken("vault");
    }
  }
}

/** The key compartment: set keys, masters, candidates, terms. Each method returns the next version's content. */
export class Vault {
  readonly #content: Content;

  constructor(content: Partial<Content> = {}) {
    const none = new Map<never, never>();
    const maps = { readingKeys: none, sets: none, masters: none, candidates: none, terms: none };
    this.#content = { ...maps, hides: [], desks: {}, mandates: none, words: none, hiddenFrom: none, ...content };
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

  /** Resources that nobody reads by a grant, as `Type/id`. */
  get hides(): readonly string[] {
    return this.#content.hides;
  }

  /** Those that one counterpart does not read, by account. */
  get hiddenFrom(): ReadonlyMap<string, readonly string[]> {
    return this.#content.hiddenFrom;
  }

  /** All that is hidden from a counterpart, in order. */
  hidesFrom(oth: string): readonly string[] {
    return [...new Set([...this.hides, ...(this.hiddenFrom.get(oth) ?? [])])].sort();
  }

  /** How delegates are named, by account. */
  get mandates(): ReadonlyMap<string, Named> {
    return this.#content.mandates;
  }

  /** The words of guardians, by counterpart and guardian. */
  get words(): ReadonlyMap<string, ReadonlyMap<string, Word>> {
    return this.#content.words;
  }

  /** The desks of her mandates, by the device that signs for each: their accounts. */
  get desks(): { readonly [device: string]: string } {
    return this.#content.desks;
  }

  /** The master of an epoch. Throws `Rejected(not-for-you, seed)`. */
  master(set: string, epoch: number, digest: Uint8Array): Master {
    const found = this.#content.masters.get(masterName(set, epoch, digest));
    if (found === undefined) throw new Rejected("not-for-you", "seed");
    return found.master;
  }

  /** With one more reading key. */
  withReadingKey(key: BoxKey): Vault {
    return this.#with({ readingKeys: new Map(this.readingKeys).set(b64(key.public), key) });
  }

  /** With a new set and a candidate for its first epoch; after any loss that candidate counts as seen. */
  withSet(set: string, setKey: SetKey, master: Master): Vault {
    const candidate = { epoch: 1, master, accountSeq: 0, iat: 0 };
    return this.#with({ sets: new Map(this.sets).set(set, setKey) }).withCandidate(set, candidate);
  }

  /** With a candidate for a set's next epoch; its master is kept for good. */
  withCandidate(set: string, candidate: Candidate): Vault {
    const { epoch, master } = candidate;
    const digest = master.digest(set, epoch);
    const masters = new Map(this.#content.masters).set(masterName(set, epoch, digest), { set, epoch, digest, master });
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

  /** With a delegate named in this way. */
  withMandate(name: string, mandate: Named): Vault {
    return this.#with({ mandates: new Map(this.mandates).set(name, mandate) });
  }

  /** With just these resources hidden: from all, or besides from one counterpart. */
  withHides(references: Iterable<string>, oth = ""): Vault {
    const hides = [...new Set(references)].sort();
    if (!oth) return this.#with({ hides });
    const rest = [...this.hiddenFrom].filter(([name]) => name !== oth);
    return this.#with({ hiddenFrom: new Map(hides.length > 0 ? [...rest, [oth, hides]] : rest) });
  }

  /** With just these words of guardians of a counterpart. */
  withWords(oth: string, said: ReadonlyMap<string, Word>): Vault {
    const others = [...this.words].filter(([name]) => name !== oth);
    return this.#with({ words: new Map(said.size > 0 ? [...others, [oth, said] as const] : others) });
  }

  #with(changed: Partial<Content>): Vault {
    return new Vault({ ...this.#content, ...changed });
  }

  /** The plaintext that is sealed. */
  dump(): Uint8Array {
    const { readingKeys, sets, masters, candidates, terms, hides, desks, mandates, words, hiddenFrom } = this.#content;
    const value: Dumped = {
      v: VERSION,
      reading_keys: [...readingKeys.values()].map((key) => b64(key.bytes())),
      sets: Object.fromEntries([...sets].map(([set, key]) => [set, b64(key.bytes())])),
      masters: [...masters.values()].map((m) => [m.set, m.epoch, b64(m.digest), b64(m.master.bytes())]),
      candidates: Object.fromEntries(
        [...candidates].map(([set, c]) => [set, [c.epoch, b64(c.master.bytes()), c.accountSeq, c.iat]]),
      ),
      terms: Object.fromEntries([...terms].map(([gid, one]) => [gid, dumpTerms(one)])),
      hides,
      desks,
      mandates: Object.fromEntries([...mandates].map(([name, one]) => [name, [one.kind, ascending(one.private)]])),
      words: Object.fromEntries([...words].map(([oth, all]) => [oth, dumpWords(all)])),
      ...(hiddenFrom.size > 0 && { hidden_from: Object.fromEntries(hiddenFrom) }),
    };
    return utf8(JSON.stringify(value));
  }

  /** Read what `dump` wrote. Throws `Rejected(broken, vault)`. */
  static load(plaintext: Uint8Array): Vault {
    try {
      const value: Dumped = JSON.parse(utf8Text(plaintext, "vault"));
      if (value.v !== VERSION) throw broken("vault");
      const readingKeys = value.reading_keys.map((key) => new BoxKey(unb64(key, 32)));
      const masters = value.masters.map(([set, epoch, digest, secret]) => {
        const master = { set, epoch, digest: unb64(digest, 16), master: new Master(unb64(secret, 32)) };
        return [masterName(set, epoch, master.digest), master] as const;
      });
      return new Vault({
        readingKeys: new Map(readingKeys.map((key) => [b64(key.public), key])),
        sets: new Map(Object.entries(value.sets).map(([set, key]) => [set, new SetKey(unb64(key, 32))])),
        masters: new Map(masters),
        candidates: new Map(Object.entries(value.candidates).map(([set, c]) => [set, loadCandidate(c)])),
        terms: new Map(Object.entries(value.terms).map(([gid, terms]) => [gid, loadTerms(terms)])),
        hides: value.hides.map(String),
        desks: Object.fromEntries(Object.entries(value.desks)),
        mandates: new Map(Object.entries(value.mandates).map(([name, [kind, kept]]) => [name, named(kind, kept)])),
        words: new Map(Object.entries(value.words).map(([oth, all]) => [oth, loadWords(all)])),
        hiddenFrom: new Map(Object.entries(value.hidden_from ?? {}).map(([oth, some]) => [oth, some.map(String)])),
      });
    } catch {
      throw broken("vault");
    }
  }
}

type DumpedCandidate = [epoch: number, master: string, accountSeq: number, iat: number];
type Dumped = Pick<Content, "hides" | "desks"> & {
  readonly v: number;
  readonly reading_keys: readonly string[];
  readonly sets: { readonly [set: string]: string };
  readonly masters: readonly [set: string, epoch: number, digest: string, secret: string][];
  readonly candidates: { readonly [set: string]: DumpedCandidate };
  readonly terms: { readonly [gid: string]: DumpedTerms };
  readonly mandates: { readonly [delegate: string]: readonly [kind: string, kept: readonly number[]] };
  readonly words: { readonly [oth: string]: DumpedWords };
  readonly hidden_from?: { readonly [oth: string]: readonly string[] };
};

function named(kind: string, kept: readonly number[]): Named {
  return { kind, private: new Set(kept) };
}

function loadCandidate([epoch, master, accountSeq, iat]: DumpedCandidate): Candidate {
  return { epoch, master: new Master(unb64(master, 32)), accountSeq, iat };
}

/** Seal the root compartment. Returns nonce ‖ ciphertext, which every version carries until it changes. */
export function sealRoot(root: RootCompartment, account: string, vaultKey: Uint8Array): Uint8Array {
  return encrypt(vaultKey, rootContext(account), primitives.pad(root.dump()));
}

/**
 * Open the root compartment of a sealed vault. Throws `Rejected(broken, aead)` for another key or account.
 *
 * Whether it holds the root key of the account chain is the caller's to check: who may write the vault may put an elder
 * compartment there.
 */
export function unsealRoot(sealed: Uint8Array, account: string, vaultKey: Uint8Array): RootCompartment {
  return RootCompartment.load(primitives.unpad(decrypt(vaultKey, rootContext(account), compartments(sealed)[0])));
}

/** Seal the vault's content as this version. Returns LE32 length ‖ sealed root compartment ‖ nonce ‖ ciphertext. */
export function seal(
  sealedRoot: Uint8Array, vault: Vault, account: string, version: number, key: Uint8Array,
): Uint8Array {
  const length = new Uint8Array(LENGTH);
  new DataView(length.buffer).setUint32(0, sealedRoot.length, true);
  const ctx = labelHash("obhut-vault", account, version);
  return concat(length, sealedRoot, encrypt(key, ctx, primitives.pad(vault.dump())));
}

/** Open the key compartment of a sealed vault. Throws `Rejected(broken, aead)` for another key, account or version. */
export function unseal(sealed: Uint8Array, account: string, version: number, key: Uint8Array): Vault {
  const ctx = labelHash("obhut-vault", account, version);
  return Vault.load(primitives.unpad(decrypt(key, ctx, compartments(sealed)[1])));
}

/** The two compartments of a sealed vault, both sealed. Throws `Rejected(broken, vault)`. */
export function compartments(sealed: Uint8Array): [root: Uint8Array, keys: Uint8Array] {
  if (sealed.length < LENGTH) throw broken("vault");
  const end = LENGTH + new DataView(sealed.buffer, sealed.byteOffset).getUint32(0, true);
  if (sealed.length < end) throw broken("vault");
  return [sealed.slice(LENGTH, end), sealed.slice(end)];
}

function rootContext(account: string): Uint8Array {
  return labelHash("obhut-vault-root", account);
}

/**
 * A sealed box of the vault's key to a device's box key, or of the key compartment's to a delegate's reading key.
 *
 * `name`: that device, or that delegate's account.
 */
export function wrapForBox(key: Uint8Array, account: string, name: string, box: Uint8Array): Uint8Array {
  return primitives.sealBox(concat(key, wrapContext(account, name)), box);
}

/** The key that `wrapForBox` wrapped. Throws `Rejected(broken, …)`. */
export function unwrapByBox(wrap: Uint8Array, account: string, name: string, box: BoxKey): Uint8Array {
  const opened = box.open(wrap);
  const key = opened.slice(0, KEY_BYTES);
  if (!equal(opened, concat(key, wrapContext(account, name)))) throw broken("context");
  return key;
}

/** The vault's key for the recovery sheet (`name` = `sheet`) or the passphrase (`passphrase`). */
export function wrapForSecret(key: Uint8Array, account: string, name: string, wrapKey: Uint8Array): Uint8Array {
  return encrypt(wrapKey, wrapContext(account, name), key);
}

/** The vault's key by the recovery sheet or the passphrase. Throws `Rejected(broken, aead)`. */
export function unwrapBySecret(wrap: Uint8Array, account: string, name: string, wrapKey: Uint8Array): Uint8Array {
  return decrypt(wrapKey, wrapContext(account, name), wrap);
}

function wrapContext(account: string, name: string): Uint8Array {
  return labelHash("obhut-wrap", account, name);
}

/** nonce ‖ ciphertext. */
function encrypt(key: Uint8Array, data: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  return concat(nonce, primitives.encrypt(key, nonce, data, plaintext));
}

/** Open nonce ‖ ciphertext. */
function decrypt(key: Uint8Array, data: Uint8Array, sealed: Uint8Array): Uint8Array {
  return primitives.decrypt(key, sealed.slice(0, NONCE_BYTES), data, sealed.slice(NONCE_BYTES));
}
