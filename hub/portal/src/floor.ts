/**
 * The legal floor: what no consent can open, by role, category and action.
 *
 * Its table is in `consent/floor.py`; of that only what bears on a signature here stands below.
 */

import { type Name, NAMES } from "./categories.ts";
import type { Words } from "./items.ts";

/** Role → letter of CRUD → the classes closed to it: categories or types, `*` for everything. */
export type Floor = ReadonlyMap<string, ReadonlyMap<string, Words>>;

export const EVERYTHING = "*";

/** What an action does to data, in letters of CRUD: who passes on has to be allowed to read. */
const LETTERS: ReadonlyMap<string, string> = new Map([
  ["create", "C"],
  ["collect", "C"],
  ["read", "R"],
  ["search", "R"],
  ["access", "R"],
  ["use", "R"],
  ["disclose", "R"],
  ["export", "R"],
  ["update", "U"],
  ["delete", "D"],
  ["correct", "UD"],
]);

/** The classes that are closed to any of these roles for this action; `*` among them for everything. */
export function closed(floor: Floor, roles: Words, action: string): Words {
  const letters = [...(LETTERS.get(action) ?? "")];
  const found = [...roles].flatMap((role) => letters.map((letter) => floor.get(role)?.get(letter) ?? []));
  return new Set(found.flatMap((classes) => [...classes]));
}

/** The categories that no house of a type may read, whoever consents. */
const UNREADABLE: { readonly [type: string]: readonly Name[] } = { payer: NAMES, occupational: ["genetic"] };

/** The categories, by number, that the law closes to a house of this type of the directory. */
export function closedTo(type: string): ReadonlySet<number> {
  const names = Object.hasOwn(UNREADABLE, type) ? (UNREADABLE[type] ?? []) : [];
  return new Set(names.map((name) => NAMES.indexOf(name)));
}
