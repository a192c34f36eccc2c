/**
 * The access log of an account as a hash chain: bytes of an entry, its head, and what does not hold (PROTOCOL.md 5.17).
 *
 * The home hub writes the log and can write what it likes. The chain and the heads that it signed make sure that it
 * cannot take back unnoticed what it has once shown.
 */

import * as canonical from "./canonical.ts";
import * as frames from "./frames.ts";
import type { Frame } from "./frames.ts";
import { domain } from "./identifiers.ts";
import { b64, broken, labelHash, Rejected } from "./primitives.ts";
import { CLOCK_SECONDS } from "./rules.ts";
import { accountName, choice, digest, type Fields, number, require, shape, text } from "./shapes.ts";
import type { Statement } from "./statements.ts";

/** So many days an entry is kept at least: three years, a leap year among them. */
export const KEEP_DAYS = 1096;

/** The action of the entry that says up to where the log was removed because of its age. */
export const SWEPT = "swept";

/**
 * Who did what to an account's things, when (Unix seconds) and for what.
 *
 * `sealed`: what a recipient's gateway told of a read, sealed to the patient. `hash`: as the hub states it.
 */
export type Entry = {
  readonly acc: string;
  readonly seq: number;
  readonly at: number;
  readonly actor: string;
  readonly device: string;
  readonly action: string;
  readonly purpose: string;
  readonly detail: { readonly [name: string]: unknown };
  readonly sealed: Uint8Array;
  readonly hash: string;
};

/**
 * An entry's hash (base64url) behind the entry whose hash is `prev`, "" for none.
 *
 * Throws `Rejected(broken, canon)` for what has no canonical spelling.
 */
export function hashBehind({ sealed, hash: _, ...entry }: Entry, prev: string): string {
  return b64(labelHash("obhut-log", canonical.dump({ v: 1, prev, ...entry }), sealed));
}

// --- the head -------------------------------------------------------------------------------------------------------

const HEAD: Fields = {
  v: number,
  typ: choice("log"),
  hub: (value) => {
    text(value);
    domain(value);
  },
  acc: accountName,
  seq: number,
  hash: digest,
  at: number,
};

/** The home hub's word, at `at`, that the log of an account ends with the entry `seq` and its hash. */
export class Head {
  readonly hub: string;
  readonly acc: string;
  readonly seq: number;
  readonly hash: string;
  readonly at: number;
  readonly frame: Frame;

  constructor(frame: Frame) {
    const header = frame.header as unknown as Omit<Head, "frame" | "verify">;
    this.hub = header.hub;
    this.acc = header.acc;
    this.seq = header.seq;
    this.hash = header.hash;
    this.at = header.at;
    this.frame = frame;
  }

  /**
   * Check that this hub says it of this account's log.
   *
   * Throws `Rejected(broken, …)` with `hub`, `to` (of another account) or `signature`, in this order.
   */
  verify(key: Uint8Array, { hub, acc }: { readonly hub: string; readonly acc: string }): void {
    if (this.hub !== hub) throw broken("hub");
    if (this.acc !== acc) throw broken("to");
    this.frame.verify("obhut-log-head", key);
  }
}

/** Read a head. Throws `Rejected(broken, …)` with `limits`, `frame`, `canon` or `fields`. */
export function parseHead(raw: Uint8Array): Head {
  const frame = frames.parse(raw);
  shape(frame.header, HEAD);
  require(frame.header["v"] === 1);
  return new Head(frame);
}

// --- checking -------------------------------------------------------------------------------------------------------

/**
 * What does not hold of the entries `first` … `last`.
 *
 * `altered`: an entry is not what its hash and the one before say. `missing`: there is none. `order`: one comes twice or
 * late. `shortened`: the hub signed more than there is. `replaced`: it signed another entry there. `early`: the entries
 * before were removed before their time.
 */
export type Fault = { readonly first: number; readonly last: number; readonly kind: Kind };
export type Kind = "altered" | "missing" | "order" | "shortened" | "replaced" | "early";

/**
 * What does not hold of a log, the entries in the order in which they were given out; nothing where it is whole.
 *
 * `heads`: all that the hub signed of this log and that are at hand; their signatures are the caller's to check. A log
 * that begins later than with the entry 1 must say by an entry of its own that what was before was too old.
 */
export function faults(entries: readonly Entry[], heads: Iterable<Head>): Fault[] {
  const found = unlinked(entries);
  const last = entries.at(-1)?.seq ?? 0;
  const begins = entries[0]?.seq ?? 1;
  const stated = new Map(entries.map((entry) => [entry.seq, entry.hash]));
  for (const { seq, hash } of heads) {
    const its = stated.get(seq);
    if (seq > last) found.push({ first: last + 1, last: seq, kind: "shortened" });
    else if (seq >= begins && its !== undefined && its !== hash) found.push({ first: seq, last: seq, kind: "replaced" });
  }
  const each = new Map(found.map((one) => [`${one.first} ${one.last} ${one.kind}`, one]));
  return [...each.values()].sort((a, b) => a.first - b.first || a.last - b.last || (a.kind < b.kind ? -1 : 1));
}

/** What the entries say against each other. */
function unlinked(entries: readonly Entry[]): Fault[] {
  const found: Fault[] = [];
  let [seq, prev] = [0, ""];
  const [begin] = entries;
  if (begin !== undefined && begin.seq > 1) {
    [seq, prev] = [begin.seq - 1, sweptBefore(entries, begin.seq)];
    found.push(...(prev ? early(entries) : [{ first: 1, last: seq, kind: "missing" } as const]));
  }
  for (const [place, entry] of entries.entries()) {
    const one = { first: entry.seq, last: entry.seq };
    if (entry.seq <= seq && place > 0) found.push({ ...one, kind: "order" });
    else if (entry.seq > seq + 1) found.push({ first: seq + 1, last: entry.seq - 1, kind: "missing" });
    else if ((prev || seq === 0) && !follows(entry, prev)) found.push({ ...one, kind: "altered" });
    [seq, prev] = [entry.seq, entry.hash];
  }
  return found;
}

function follows(entry: Entry, prev: string): boolean {
  try {
    return hashBehind(entry, prev) === entry.hash;
  } catch (error) {
    if (error instanceof Rejected) return false; // it has no spelling that a hub could have hashed
    throw error;
  }
}

function sweeps(entries: readonly Entry[]): Entry[] {
  return entries.filter((entry) => entry.action === SWEPT);
}

/** The hash of the entry before the first, as the log itself says it; "" where it says nothing of it. */
function sweptBefore(entries: readonly Entry[], first: number): string {
  const told = sweeps(entries).find((entry) => entry.detail["last"] === first - 1);
  return told === undefined ? "" : String(told.detail["hash"] ?? "");
}

/** Sweeps that removed what was younger than it may be. */
function early(entries: readonly Entry[]): Fault[] {
  const limit = KEEP_DAYS * 24 * 3600;
  const isEarly = ({ at, detail: { before } }: Entry) => !Number.isInteger(before) || Number(before) > at - limit;
  return sweeps(entries)
    .filter(isEarly)
    .map(({ seq }) => ({ first: seq, last: seq, kind: "early" }));
}

/** Those of an account's statements of which its log says nothing; but not of what it was allowed to remove. */
export function untold(entries: readonly Entry[], links: readonly Statement[]): Statement[] {
  const told = new Set(entries.filter((entry) => entry.action === "statement").map((entry) => name(entry.detail)));
  const swept = Math.max(0, ...sweeps(entries).map((entry) => Number(entry.detail["before"] ?? 0)));
  return links.filter((link) => link.iat >= swept + CLOCK_SECONDS && !told.has(name(link)));
}

function name({ kind, oth, seq, typ }: { readonly [member: string]: unknown }): string {
  return JSON.stringify([kind, oth, seq, typ]);
}
