/**
 * Who sits at the device of an organisation: stated once, kept on the device, and told to patients with each read. A person
 * reads as herself.
 */

import { NAMES } from "../categories.ts";
import { ACCOUNT_SYSTEM } from "../facts.ts";
import { categoriesClosed, rolesOf } from "../floor.ts";
import type { Performer } from "../notes.ts";
import { Problem } from "../problems.ts";
import { optional } from "../text.ts";
import type { Client } from "./client.ts";
import { getState, setState } from "./database.ts";
import { Directory } from "./directory.ts";

const MEMBER = "member";

/** `role`: as the law knows it (`floor.ts`), or another. */
export type Member = { readonly name: string; readonly role: string };

/** A person names neither. */
export const HERSELF: Member = { name: "", role: "" };

/** Who sits here, or null before an organisation's member has said so. */
export async function memberOf({ db, isPerson }: Client): Promise<Member | null> {
  return isPerson ? HERSELF : getState<Member>(db, MEMBER);
}

/** From now on this one sits here. */
export function setMember({ db }: Client, member: Member): Promise<void> {
  return setState(db, MEMBER, member);
}

/** Who writes into another's record, as a Reference of FHIR: the account, and in words the member and the organisation. */
export async function performer({ db, account }: Client, { name, role }: Member): Promise<Performer> {
  const house = (await Directory.kept(db)).name(account);
  const display = [name, optional(`role.${role}`), house].filter(Boolean).join(", ");
  return { identifier: { system: ACCOUNT_SYSTEM, value: account }, display };
}

/**
 * The categories, by number, that the law closes to a member of this organisation for an action: all of them before it is
 * known what kind of house this is, or who sits here.
 */
export async function closedFor({ db, account, isPerson }: Client, member: Member | null, action: string) {
  if (isPerson) return new Set<number>();
  const house = (await Directory.kept(db)).all.find((one) => one.account === account);
  if (house === undefined || member === null) return new Set(NAMES.keys());
  return categoriesClosed(rolesOf(house.type, member.role), action);
}

/** Throws `Problem(forbidden)` for what the law closes to whoever sits here. */
export async function checkLaw(client: Client, category: number, action: string): Promise<void> {
  if ((await closedFor(client, await memberOf(client), action)).has(category)) {
    throw new Problem("forbidden", `by law nobody in this role may ${action} what is of this category`);
  }
}
