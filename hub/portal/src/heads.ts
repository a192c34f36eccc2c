/**
 * What a hub vouches for when it is asked: the heads of chains, and how far it has come for a peer (PROTOCOL.md 5.8).
 *
 * Both are signed by the hub's stamp key and carry the asker's nonce. The asker times them by its own clock, from the
 * moment at which it asked; `at` is the answerer's clock, for people who compare, and decides nothing.
 */

import * as frames from "./frames.ts";
import type { Frame } from "./frames.ts";
import * as identifiers from "./identifiers.ts";
import { broken } from "./primitives.ts";
import { accountName, type Check, choice, digest, type Fields, id16, number, type Position } from "./shapes.ts";
import { require, rows, shape, text } from "./shapes.ts";

export const MAX_CHAINS = 250;

/** What both have in common: who answers whom, and which question. */
export type Question = { readonly hub: string; readonly to: string; readonly nonce: string };

const domain: Check = (value) => {
  text(value);
  identifiers.domain(value);
};

type HeadRow = readonly [cid: string, seq: number, hash: string];

const ROWS: (value: unknown) => asserts value is HeadRow[] = rows(digest, number, digest);

/** `[cid, seq, hash]`, sorted by cid, each chain once. */
const places: Check = (value) => {
  ROWS(value);
  require(value.every(([cid], i) => i === 0 || (value[i - 1]?.[0] ?? "") < cid));
};

const NOTE: Fields = {
  v: number,
  typ: choice("note"),
  hub: domain,
  to: domain,
  nonce: id16,
  cur: number,
  at: number,
};
const HEADS: Fields = {
  v: number,
  typ: choice("heads"),
  hub: domain,
  to: accountName,
  nonce: id16,
  at: number,
  heads: places,
};

/** A hub's word to a peer: all that was committed for it is at or before `cur`. */
export class Note {
  readonly cur: number;
  readonly at: number;
  readonly frame: Frame;

  constructor(frame: Frame) {
    const { cur, at } = frame.header as { cur: number; at: number };
    this.cur = cur;
    this.at = at;
    this.frame = frame;
  }

  /**
   * Check that the hub at this domain answers this question of the peer `to`.
   *
   * Throws `Rejected(broken, …)` with `hub`, `to`, `nonce` or `signature`, in this order.
   */
  verify(key: Uint8Array, question: Question): void {
    answers(this.frame, question);
    this.frame.verify("obhut-note", key);
  }
}

/** A home hub's word to an account: where chains of its accounts end, by the chain's name (`cid`). */
export class Heads {
  readonly at: number;
  readonly heads: ReadonlyMap<string, Position>;
  readonly frame: Frame;

  constructor(frame: Frame) {
    const { at, heads } = frame.header as unknown as { at: number; heads: readonly HeadRow[] };
    this.at = at;
    this.heads = new Map(heads.map(([cid, seq, hash]) => [cid, [seq, hash]]));
    this.frame = frame;
  }

  /** Check that the hub at this domain answers this question of the account `to`. Throws as `Note.verify`. */
  verify(key: Uint8Array, question: Question): void {
    answers(this.frame, question);
    this.frame.verify("obhut-heads", key);
  }
}

function answers(frame: Frame, question: Question): void {
  for (const name of ["hub", "to", "nonce"] as const) {
    if (frame.header[name] !== question[name]) throw broken(name);
  }
}

/** Read a note. Throws `Rejected(broken, …)` with `limits`, `frame`, `canon` or `fields`. */
export function parseNote(raw: Uint8Array): Note {
  const frame = frames.parse(raw);
  shape(frame.header, NOTE);
  require(frame.header["v"] === 1);
  return new Note(frame);
}

/** Read heads. Throws `Rejected(broken, …)` with `limits`, `frame`, `canon`, `fields`; `limits` for too many. */
export function parse(raw: Uint8Array): Heads {
  const frame = frames.parse(raw);
  shape(frame.header, HEADS);
  require(frame.header["v"] === 1);
  const heads = new Heads(frame);
  if (heads.heads.size > MAX_CHAINS) throw broken("limits");
  return heads;
}
