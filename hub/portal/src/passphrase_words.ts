/** Words for a passphrase: suggested at random, read forgivingly. */

import { account } from "./identifiers.ts";
import { PASSPHRASE_WORDS } from "./keys.ts";
import { randomBytes } from "./primitives.ts";
import { words } from "./text.ts";

/**
 * Six random words of the reader's language. There are 1,024 in each, so that six are 60 bits; beside Argon2id with 256 MiB
 * that is beyond guessing.
 */
export function suggestion(): string {
  const list = words();
  return Array.from({ length: PASSPHRASE_WORDS }, () => list[below(list.length)]).join(" ");
}

/** A passphrase as it counts: one space between words, none around. */
export function tidy(typed: string): string {
  return typed.trim().split(/\s+/).join(" ");
}

/** How many words a tidy passphrase has. */
export function wordCount(passphrase: string): number {
  return passphrase === "" ? 0 : passphrase.split(" ").length;
}

/** An address as typed: case and outer spaces do not count, and this hub's name may be left out. */
export function addressOf(typed: string, { domain }: { readonly domain: string }): string {
  const plain = typed.trim().toLowerCase();
  return String(account(plain.includes("@") ? plain : `${plain}@${domain}`));
}

/** Two different random places below `length`, in their order. */
export function twoOf(length: number): readonly number[] {
  const first = below(length);
  const second = (first + 1 + below(length - 1)) % length;
  return [first, second].sort((a, b) => a - b);
}

/** A random integer below `bound`, at most 65,536: what would favour some is drawn again. */
function below(bound: number): number {
  const fair = 65_536 - (65_536 % bound);
  for (;;) {
    const [high = 0, low = 0] = randomBytes(2);
    const drawn = high * 256 + low;
    if (drawn < fair) return drawn % bound;
  }
}
