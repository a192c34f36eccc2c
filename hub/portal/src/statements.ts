/** The closed types of statement: which fields each has, and how one is read and signed (PROTOCOL.md 2). */

import * as frames from "./frames.ts";
import type { Frame } from "./frames.ts";
import type { SigningKey } from "./keys.ts";
import { b64, broken, labelHash, Rejected } from "./primitives.ts";
import { accountName, array, blob, choice, type CoverRow, coverRows, deviceName, digest, emergency } from "./shapes.ts";
import { type Fields, fingerprintText, flag, binaryText, hashOrEmpty, id16, key, keys32, mapping } from "./shapes.ts";
import { mask, number, type Position, readPosition, require, rows, shape, text, words } from "./shapes.ts";

/** Who signed: `["root"]`, `["recovery"]` or `[account, device]`. */
export type Signer = readonly [string] | readonly [account: string, device: string];

export type Citations = ReadonlyMap<string, Position>;

export const CLASSES = ["person", "org", "service"] as const;
export const ROLES = ["client", "writer", "gateway", "service"] as const;
export const SCOPES = ["manage", "full"] as const;
export const FIRST_MET = ["card", "request", "directory"] as const;

export type Class = (typeof CLASSES)[number];
export type Role = (typeof ROLES)[number];
export type Scope = (typeof SCOPES)[number];
export type ChainKind = "acct" | "set" | "rel";

/** `[set, e1, e2, mask, dg]`. */
export type HasRow = readonly [set: string, first: number, last: number, mask: number, digest: string];

export type BundleBody = {
  readonly gid: string;
  readonly rk: string;
  readonly key: string;
  readonly lst: string;
  readonly has: readonly HasRow[];
};
export type GrantBody = BundleBody & {
  readonly consent: string;
  readonly purpose: readonly string[];
  readonly nb: number;
  readonly until: number;
  readonly grow: number;
  readonly em: readonly (number | string)[];
  readonly req: string;
  readonly cover: readonly CoverRow[];
};
type EpochBody = {
  readonly ep: number;
  readonly pks: readonly string[];
  readonly suite: string;
  readonly grace: number;
};

/** Kind and type → body. */
export type Bodies = {
  acct: {
    create: { readonly root: string; readonly recovery: string; readonly class: Class };
    device: { readonly dev: string; readonly role: Role; readonly sign: string; readonly box: string };
    undevice: { readonly dev: string };
    reading: { readonly key: string; readonly bad: number };
    delegate: {
      readonly to: string;
      readonly fp: string;
      readonly scope: Scope;
      readonly nb: number;
      readonly until: number;
    };
    undelegate: { readonly to: string };
    vault: { readonly ver: number; readonly hash: string };
    recovery: { readonly key: string };
    root: { readonly root: string; readonly recovery: string };
    close: Readonly<Record<never, never>>;
  };
  set: {
    start: EpochBody & { readonly ids: readonly string[] };
    epoch: EpochBody;
    close: Readonly<Record<never, never>>;
  };
  rel: {
    open: { readonly fp: string; readonly met: (typeof FIRST_MET)[number] };
    permit: { readonly set: string; readonly prm: string };
    unpermit: { readonly set: string };
    grant: GrantBody;
    keys: BundleBody;
    end: { readonly gid: string };
  };
};

/** What every link of a chain has; whether it holds is for `chains.ts`. */
export type Link = {
  readonly kind: ChainKind;
  readonly acc: string;
  readonly oth: string;
  readonly seq: number;
  readonly prev: string;
  readonly iat: number;
  readonly typ: string;
  readonly by: Signer;
  readonly cite: Citations;
  readonly body: object;
  readonly frame: Frame;
  readonly hash: string;
};

/** The types of statement that a chain of kind `K` may hold. */
export type TypeOf<K extends ChainKind> = K extends ChainKind ? keyof Bodies[K] : never;

/** A link of a chain of kind `K` and type `T`, its fields checked for shape. */
export type StatementOf<K extends ChainKind, T extends TypeOf<K> = TypeOf<K>> = K extends ChainKind
  ? { [N in T & keyof Bodies[K]]: Link & { readonly kind: K; readonly typ: N; readonly body: Bodies[K][N] } }[T &
      keyof Bodies[K]]
  : never;
export type Statement = StatementOf<ChainKind>;

/** Sequence number and hash of a link. */
export function position(link: Link): Position {
  return [link.seq, link.hash];
}

/** The name of a chain, and the `prev` of its first link. */
export function chainId(kind: ChainKind, acc: string, oth: string): string {
  return b64(labelHash("obhut-chain", kind, acc, oth));
}

const BUNDLE: Fields = { gid: id16, rk: key, key: blob(112), lst: digest, has: rows(id16, number, number, mask, id16) };
const EPOCH: Fields = { ep: number, pks: keys32(key), suite: text, grace: number };

/** Kind → type → the fields of its body. */
export const BODIES: { readonly [K in ChainKind]: { readonly [T in keyof Bodies[K]]: Fields } } = {
  acct: {
    create: { root: key, recovery: key, class: choice(...CLASSES) },
    device: { dev: deviceName, role: choice(...ROLES), sign: key, box: key },
    undevice: { dev: deviceName },
    reading: { key, bad: flag },
    delegate: { to: accountName, fp: fingerprintText, scope: choice(...SCOPES), nb: number, until: number },
    undelegate: { to: accountName },
    vault: { ver: number, hash: digest },
    recovery: { key },
    root: { root: key, recovery: key },
    close: {},
  },
  set: {
    start: { ...EPOCH, ids: keys32(id16) },
    epoch: EPOCH,
    close: {},
  },
  rel: {
    open: { fp: fingerprintText, met: choice(...FIRST_MET) },
    permit: { set: id16, prm: binaryText },
    unpermit: { set: id16 },
    grant: {
      ...BUNDLE,
      consent: digest,
      purpose: words,
      nb: number,
      until: number,
      grow: flag,
      em: emergency,
      req: hashOrEmpty,
      cover: coverRows,
    },
    keys: BUNDLE,
    end: { gid: id16 },
  },
};

export const FIRST: { readonly [K in ChainKind]: keyof Bodies[K] } = { acct: "create", set: "start", rel: "open" };

/** Read `by`: `["root"]`, `["recovery"]` or `[account, device]`. */
export function signer(value: unknown): Signer {
  array(value);
  const [name, device] = value;
  if (value.length === 1) {
    choice("root", "recovery")(name);
    return [name as string];
  }
  require(value.length === 2);
  accountName(name);
  deviceName(device);
  return [name, device];
}

/** Read `cite`: account → `[seq, hash]`. */
export function citations(value: unknown): Citations {
  mapping(value);
  const cite = new Map<string, Position>();
  for (const [name, place] of Object.entries(value)) {
    accountName(name);
    cite.set(name, readPosition(place));
  }
  return cite;
}

const HEADER: Fields = {
  v: number,
  kind: text,
  acc: text,
  oth: text,
  seq: number,
  prev: digest,
  iat: number,
  typ: text,
  by: signer,
  cite: citations,
  body: mapping,
};

/** Read a statement. Throws `Rejected(broken, …)` with `limits`, `frame`, `canon`, `fields` or `chain`. */
export function parse(raw: Uint8Array): Statement {
  const frame = frames.parse(raw);
  shape(frame.header, HEADER);
  const header = frame.header as unknown as Omit<Link, "by" | "cite"> & { v: number };
  if (!Object.hasOwn(BODIES, header.kind)) throw broken("chain");
  const bodies: { readonly [typ: string]: Fields } = BODIES[header.kind];
  require(Object.hasOwn(bodies, header.typ));
  shape(header.body, bodies[header.typ] ?? {});
  if (header.v !== 1) throw broken("chain");
  const { kind, acc, oth, seq, prev, iat, typ, body } = header;
  const by = signer(frame.header["by"]);
  const cite = citations(frame.header["cite"]);
  // The shape of the body was just checked against the fields of this kind and type.
  return { kind, acc, oth, seq, prev, iat, typ, by, cite, body, frame, hash: b64(frame.hash) } as unknown as Statement;
}

/** What a signer says; the place in the chain follows from `head` (null: the first of its chain). */
export type Draft<K extends ChainKind, T extends keyof Bodies[K]> = {
  readonly kind: K;
  readonly acc: string;
  readonly oth?: string;
  readonly head: Position | null;
  readonly iat: number;
  readonly typ: T;
  readonly by: Signer;
  readonly cite?: Citations;
  readonly body: Bodies[K][T];
};

/**
 * Make the next link after `head`. Returns the frame.
 *
 * Throws `Rejected` where the fields are not those of the type, so that nothing malformed is ever signed.
 */
export function sign<K extends ChainKind, T extends keyof Bodies[K]>(
  signing: SigningKey,
  draft: Draft<K, T>,
): Uint8Array {
  const { kind, acc, oth = "", head, iat, typ, by, cite = new Map(), body } = draft;
  const [seq, prev] = head === null ? [0, chainId(kind, acc, oth)] : [head[0] + 1, head[1]];
  const header = { v: 1, kind, acc, oth, seq, prev, iat, typ, by, cite: Object.fromEntries(cite), body };
  const frame = frames.sign(header, `obhut-sig-${kind}`, signing);
  parse(frame);
  return frame;
}

// --- permits ------------------------------------------------------------------------------------------------------

/** The patient's word that an author may write into a set. Seen by the set's readers beside envelopes. */
export type Permit = {
  readonly acc: string;
  readonly aut: string;
  readonly fp: string;
  readonly set: string;
  readonly iat: number;
  readonly by: Signer;
  readonly cite: Citations;
};
export type SignedPermit = Permit & { readonly frame: Frame };

/** Make a permit frame (PROTOCOL.md 2.5): `acc` lets the account `aut` write into the set. */
export function permit(signing: SigningKey, draft: Permit): Uint8Array {
  const { acc, aut, fp, set, iat, by, cite } = draft;
  const header = { v: 1, typ: "permit", acc, aut, fp, set, iat, by, cite: Object.fromEntries(cite) };
  return frames.sign(header, "obhut-permit", signing);
}

const PERMIT: Fields = {
  v: number,
  typ: choice("permit"),
  acc: accountName,
  aut: accountName,
  fp: fingerprintText,
  set: id16,
  iat: number,
  by: signer,
  cite: citations,
};

/** Read a permit frame. Whatever is wrong with it is `Rejected(broken, permit)`. */
export function parsePermit(raw: Uint8Array): SignedPermit {
  try {
    const frame = frames.parse(raw);
    shape(frame.header, PERMIT);
    require(frame.header["v"] === 1);
    const { acc, aut, fp, set, iat } = frame.header as unknown as Omit<Permit, "by" | "cite">;
    return { acc, aut, fp, set, iat, by: signer(frame.header["by"]), cite: citations(frame.header["cite"]), frame };
  } catch (error) {
    throw error instanceof Rejected ? broken("permit") : error;
  }
}
