/**
 * Canonical JSON: one spelling for a value, so that signatures need no re-serialising (PROTOCOL.md 1.2).
 *
 * Objects, arrays, strings and integers; nothing else. `parse` reads the one spelling and stops at any other, which is
 * the same verdict as "parse, write again, compare" of the Python twin. Objects have no prototype, so that no name of
 * JavaScript's own (`__proto__`) means anything in them.
 */

import { ascii, broken } from "./primitives.ts";

export type Value = { [key: string]: Value } | Value[] | string | number;
export type Members = { [key: string]: Value };

export const MAX_INTEGER = Number.MAX_SAFE_INTEGER;
export const MAX_DEPTH = 6;
const KEY = /^[a-z][a-z0-9_]{0,15}$/;
const STRING = /^[ !#-[\]-~]*$/;
const INTEGER = /(?:0|[1-9][0-9]{0,15})/y;
const QUOTED = /"([ !#-[\]-~]*)"/y;
const decoder = new TextDecoder("latin1");

/** The canonical bytes of a value. Throws `Rejected(broken, canon)` for what has none. */
export function dump(value: unknown): Uint8Array {
  return ascii(write(value, 1, null));
}

/** `parent` is the key under which `value` stands; the keys of `cite` are account names. */
function write(value: unknown, depth: number, parent: string | null): string {
  if (typeof value === "string" && STRING.test(value)) return `"${value}"`;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return String(value);
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) throw broken("canon");
  if (Array.isArray(value)) return `[${value.map((member) => write(member, depth + 1, null)).join(",")}]`;
  if (![Object.prototype, null].includes(Object.getPrototypeOf(value))) throw broken("canon");
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  const written = members.map(([key, member]) => {
    checkKey(key, parent);
    return `"${key}":${write(member, depth + 1, key)}`;
  });
  return `{${written.join(",")}}`;
}

function checkKey(key: string, parent: string | null): void {
  if (!(parent === "cite" ? STRING : KEY).test(key)) throw broken("canon");
}

/** Read canonical bytes of an object. Throws `Rejected(broken, canon)` at any other spelling. */
export function parse(data: Uint8Array): Members {
  const reader = new Reader(data);
  const value = reader.members(1, null);
  reader.end();
  return value;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#text = decoder.decode(data); // what is not ASCII is refused by the grammar
  }

  end(): void {
    if (this.#at !== this.#text.length) throw broken("canon");
  }

  members(depth: number, parent: string | null): Members {
    this.#open("{", depth);
    const members: Members = Object.create(null);
    let last: string | null = null;
    while (!this.#closes("}", last === null)) {
      const key = this.#match(QUOTED).slice(1, -1);
      checkKey(key, parent);
      // In order, and so each one once.
      if (last !== null && key <= last) throw broken("canon");
      this.#take(":");
      members[key] = this.#value(depth + 1, key);
      last = key;
    }
    return members;
  }

  #value(depth: number, parent: string | null): Value {
    const next = this.#text[this.#at];
    if (next === "{") return this.members(depth, parent);
    if (next === "[") return this.#items(depth);
    if (next === '"') return this.#match(QUOTED).slice(1, -1);
    const integer = Number(this.#match(INTEGER));
    if (integer > MAX_INTEGER) throw broken("canon");
    return integer;
  }

  #items(depth: number): Value[] {
    this.#open("[", depth);
    const items: Value[] = [];
    while (!this.#closes("]", items.length === 0)) items.push(this.#value(depth + 1, null));
    return items;
  }

  #open(mark: string, depth: number): void {
    if (depth > MAX_DEPTH) throw broken("canon");
    this.#take(mark);
  }

  /** Whether the container ends here; if not, the comma before its next member is taken. */
  #closes(mark: string, isFirst: boolean): boolean {
    if (this.#text[this.#at] === mark) {
      this.#at += 1;
      return true;
    }
    if (!isFirst) this.#take(",");
    return false;
  }

  #take(mark: string): void {
    if (this.#text[this.#at] !== mark) throw broken("canon");
    this.#at += 1;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) throw broken("canon");
    this.#at = pattern.lastIndex;
    return found[0];
  }
}
