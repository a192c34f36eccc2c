/** Identifiers: parsed once, compared as values, never by prefix or suffix (PROTOCOL.md 1.3). */

import { b32, b64, broken, labelHash, randomBytes, unb32, unb64 } from "./primitives.ts";

export const ACCOUNT_BYTES = 190;
export const FINGERPRINT_BYTES = 20;
export const ID_BYTES = 16;

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const DOMAIN = new RegExp(`^${LABEL}(?:\\.${LABEL})+$`);
const NAME = /^[a-z0-9][a-z0-9-]{1,62}$/;
const DEVICE = /^d[a-z2-7]{16}$/;
/** White space as Python's `str.strip` and `str.split` know it, which is not quite JavaScript's. */
const SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const SPACES = new RegExp(`${SPACE}+`, "g");
const OUTER_SPACES = new RegExp(`^${SPACE}+|${SPACE}+$`, "g");

/** `local@domain`: a person (`p-…`, random), an organisation or a service. */
export class Account {
  readonly local: string;
  readonly domain: string;

  constructor(local: string, host: string) {
    this.local = local;
    this.domain = host;
  }

  toString(): string {
    return `${this.local}@${this.domain}`;
  }

  /** Whether the account is a patient's or relative's. */
  get isPerson(): boolean {
    return this.local.startsWith("p-");
  }
}

/** What a person shows at first contact: her account, and the fingerprint of its first root key. */
export class Card {
  readonly account: Account;
  readonly fingerprint: string;

  constructor(name: Account, print: string) {
    this.account = name;
    this.fingerprint = print;
  }

  toString(): string {
    return `obhut:${this.account}#${this.fingerprint}`;
  }
}

/** Split at the first `mark`. Throws `Rejected(broken, fields)` where there is none. */
function partition(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  if (at < 0) throw broken("fields");
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Parse a hub's domain: two or more labels, lower case, no port. Throws `Rejected(broken, fields)`. */
export function domain(text: string): string {
  if (text.length > ACCOUNT_BYTES || !DOMAIN.test(text)) throw broken("fields");
  return text;
}

/** Parse an account. Throws `Rejected(broken, fields)`. */
export function account(text: string): Account {
  const [local, host] = partition(text, "@");
  if (text.length > ACCOUNT_BYTES) throw broken("fields");
  if (local.startsWith("p-")) unb32(local.slice(2), ID_BYTES);
  else if (!NAME.test(local)) throw broken("fields");
  return new Account(local, domain(host));
}

/** A fresh random account of a person at the hub `host`. */
export function newPerson(host: string): Account {
  return new Account(`p-${b32(randomBytes(ID_BYTES))}`, domain(host));
}

/** Check a device's name. Throws `Rejected(broken, fields)`. */
export function device(text: string): string {
  if (!DEVICE.test(text)) throw broken("fields");
  return text;
}

/** A fresh random device name. */
export function newDevice(): string {
  return `d${b32(randomBytes(10))}`;
}

/** A fresh random id of a set, envelope or grant: 16 bytes as 22 characters. */
export function newId(): string {
  return b64(randomBytes(ID_BYTES));
}

/** The 16 bytes of a set, stream, envelope or grant id. Throws `Rejected(broken, fields)`. */
export function binaryId(text: string): Uint8Array {
  return unb64(text, ID_BYTES);
}

/** The fingerprint of an account's first root key: 32 characters base32. */
export function fingerprint(name: string, root: Uint8Array): string {
  return b32(labelHash("obhut-fp", name, root).slice(0, FINGERPRINT_BYTES));
}

/** Parse a card as scanned or typed, upper case too. Throws `Rejected(broken, fields)`. */
export function card(text: string): Card {
  // Lower case would make a `k` of the Kelvin sign.
  if (!/^[\x00-\x7f]*$/.test(text)) throw broken("fields");
  const [head, rest] = partition(text.replace(OUTER_SPACES, "").toLowerCase(), ":");
  const [name, print] = partition(rest, "#");
  if (head !== "obhut") throw broken("fields");
  unb32(print, FINGERPRINT_BYTES);
  return new Card(account(name), print);
}

/** Text without any white space. */
export function withoutSpaces(text: string): string {
  return text.replace(SPACES, "");
}
