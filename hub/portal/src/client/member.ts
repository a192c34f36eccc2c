/**
 * Who sits at the device of an organisation: stated once, kept on the device, and told to patients with each read. A person
 * reads as herself.
 */

import { categoriesClosed, rolesOf } from "../floor.ts";
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

/** The categories, by number, that the law closes to a member of this organisation for an action. */
export async function closedFor({ db, account, isPerson }: Client, { role }: Member, action: string) {
  if (isPerson) return new Set<number>();
  const { type } = (await Directory.kept(db)).about(account);
  return categoriesClosed(rolesOf(type, role), action);
}
