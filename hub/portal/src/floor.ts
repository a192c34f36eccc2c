/**
 * The legal floor: what no consent can open, by role, category and action.
 *
 * The table is that of `consent/floor.py` as far as the sixteen categories go; a role to which nothing is closed is not in it.
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

/** What the law leaves to a role in each category, and where it is more or less than that: letters of CRUD. */
const RIGHTS: { readonly [role: string]: readonly [usual: string, { readonly [name in Name]?: string }] } = {
  pharmacist: ["R", { medication: "CRUD", immunizations: "CRUD" }],
  nurse: ["R", { care: "CRUD" }],
  midwife: ["R", { intimate: "CRUD" }],
  physiotherapist: ["R", { immunizations: "" }],
  "occupational-physician": ["R", { immunizations: "CRUD", genetic: "" }],
  payer: ["", { documents: "CU" }],
  app: ["", { vitals: "CU", activity: "CU", traces: "CU" }],
  "ombuds-office": ["", {}],
};

/** The type of an organisation in the directory → the role in which all who act for it act, where the law binds it. */
const ROLE_OF_TYPE: { readonly [type: string]: string } = {
  pharmacy: "pharmacist",
  payer: "payer",
  occupational: "occupational-physician",
};

/** The roles in which the law knows a person of a house; of those that treat, all categories are open to each. */
export const ROLES: readonly string[] = [
  ...["physician", "nurse", "psychotherapist", "dentist", "pharmacist", "midwife", "physiotherapist"],
  ...["occupational-physician"],
];

/** In which roles somebody acts: her own, and that of her house by its type in the directory. */
export function rolesOf(type: string, person: string): string[] {
  const house = Object.hasOwn(ROLE_OF_TYPE, type) ? (ROLE_OF_TYPE[type] ?? "") : "";
  return [person.trim().toLowerCase(), house].filter(Boolean);
}

/** The categories, by number, that are closed to any of these roles for an action. */
export function categoriesClosed(roles: readonly string[], action: string): ReadonlySet<number> {
  const letters = [...(LETTERS.get(action) ?? "")];
  const isClosed = (role: string, name: Name) => {
    const [usual, other] = (Object.hasOwn(RIGHTS, role) ? RIGHTS[role] : undefined) ?? ["CRUD", {}];
    return letters.some((letter) => !(other[name] ?? usual).includes(letter));
  };
  return new Set([...NAMES.keys()].filter((number) => roles.some((role) => isClosed(role, NAMES[number] ?? "person"))));
}

/** The categories, by number, that no house of this type of the directory may read, whoever consents. */
export function closedTo(type: string): ReadonlySet<number> {
  return categoriesClosed(rolesOf(type, ""), "read");
}
