/** The shapes that fields may have: each is checked by a function that throws `Rejected(broken, fields)`. */

import type { Members } from "./canonical.ts";
import * as identifiers from "./identifiers.ts";
import { broken, unb32, unb64 } from "./primitives.ts";

/** Looks at a value of canonical JSON. Throws `Rejected(broken, fields)`. */
export type Check = (value: unknown) => void;
export type Fields = { readonly [name: string]: Check };

/** A place in a chain: sequence number and the base64url hash of the frame there. */
export type Position = readonly [seq: number, hash: string];

/** `[set, from, mask]`. */
export type CoverRow = readonly [set: string, from: number, mask: number];

export const STREAMS = 32;
export const MASK_BITS = 16;
export const MAX_EMERGENCY_SECONDS = 3600;

/** Throw `Rejected(broken, fields)` unless `condition`. */
export function require(condition: boolean): asserts condition {
  if (!condition) throw broken("fields");
}

/** Any string. */
export function text(value: unknown): asserts value is string {
  require(typeof value === "string");
}

/** Any integer of canonical JSON. */
export function number(value: unknown): asserts value is number {
  require(typeof value === "number");
}

/** Any array. */
export function array(value: unknown): asserts value is unknown[] {
  require(Array.isArray(value));
}

/** Any object. */
export function mapping(value: unknown): asserts value is Members {
  require(typeof value === "object" && value !== null && !Array.isArray(value));
}

/** 0 or 1. */
export const flag: Check = (value) => require(value === 0 || value === 1);

/** Base64url of exactly `size` bytes. */
export function blob(size: number): Check {
  return (value) => void unb64(value, size);
}

/** Bytes as base64url: a frame, or something sealed. */
export const binaryText: Check = (value) => void unb64(value);

export const key = blob(32);
export const digest = blob(32);
export const id16 = blob(16);

/** A hash of 32 bytes, or the empty string. */
export const hashOrEmpty: Check = (value) => {
  if (value !== "") digest(value);
};

/** One of a few words. */
export function choice(...values: readonly string[]): Check {
  return (value) => require(typeof value === "string" && values.includes(value));
}

/** An account. */
export function accountName(value: unknown): asserts value is string {
  text(value);
  identifiers.account(value);
}

/** A device. */
export function deviceName(value: unknown): asserts value is string {
  text(value);
  identifiers.device(value);
}

/** A fingerprint: 32 characters base32. */
export const fingerprintText: Check = (value) => {
  text(value);
  unb32(value, identifiers.FINGERPRINT_BYTES);
};

/** An array of 32 values. */
export function keys32(item: Check): Check {
  return (value) => {
    array(value);
    require(value.length === STREAMS);
    value.forEach(item);
  };
}

/** Strings in byte order, each one once. */
function sorted(values: readonly string[]): boolean {
  return values.every((value, i) => i === 0 || (values[i - 1] ?? "") < value);
}

/** A sorted array of different strings, at least one. */
export const words: Check = (value) => {
  array(value);
  require(value.length > 0 && value.every((member) => typeof member === "string") && sorted(value));
};

/** `[]`, or a span of at most an hour and the roles that may declare. */
export const emergency: Check = (value) => {
  array(value);
  if (value.length === 0) return;
  const [span, ...roles] = value;
  number(span);
  require(0 < span && span <= MAX_EMERGENCY_SECONDS);
  words(roles);
};

/** 32 bits of which exactly 16 are set. */
export const mask: Check = (value) => {
  number(value);
  require(value < 2 ** STREAMS && value.toString(2).replaceAll("0", "").length === MASK_BITS);
};

/** An array of rows `[set, …]`. */
export function rows(...columns: readonly Check[]): (value: unknown) => asserts value is unknown[][] {
  return (value) => {
    array(value);
    for (const row of value) {
      array(row);
      require(row.length === columns.length);
      columns.forEach((column, i) => column(row[i]));
    }
  };
}

const COVER: (value: unknown) => asserts value is CoverRow[] = rows(id16, number, mask);

/** `[set, from, mask]`, sorted by set, each set once, epochs from 1. */
export const coverRows: Check = (value) => {
  COVER(value);
  require(sorted(value.map(([set]) => set)) && value.every(([, from]) => from >= 1));
};

/** Read a position `[seq, hash]`. */
export function readPosition(value: unknown): Position {
  array(value);
  require(value.length === 2);
  const [seq, hash] = value;
  number(seq);
  digest(hash);
  return [seq, hash as string];
}

/** Check that an object has exactly these fields in these shapes. Throws `Rejected(broken, fields)`. */
export function shape(value: unknown, fields: Fields): void {
  mapping(value);
  const names = Object.keys(fields);
  require(Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name)));
  for (const [name, check] of Object.entries(fields)) check(value[name]);
}
