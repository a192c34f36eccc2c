/** A receipt of a grant: the FHIR Bundle that proves it. The twin of `connectors/patient/receipt.py`. */

import { Problem } from "../problems.ts";
import { make } from "../receipts.ts";
import { termsOf } from "../who.ts";
import type { Side } from "./side.ts";

/**
 * The receipt of what a grant's newest rules say, as a FHIR Bundle.
 *
 * Throws `Problem(not-found)` for an unknown grant, and `forbidden` for one that a delegate made: its Consent is not the
 * patient's to show.
 */
export async function receipt(client: Side, gid: string): Promise<Uint8Array> {
  const relation = [...client.record.relations.values()].find(({ grants }) => grants.has(gid));
  const grant = relation?.grants.get(gid);
  if (relation === undefined || grant === undefined) throw new Problem("not-found", "there was no such grant");
  const terms = termsOf(await client.vault(), grant.rules);
  if (terms === null || terms.consent.length === 0) {
    throw new Problem("forbidden", "no Consent is held here for this grant: a receipt needs one");
  }
  return make(client.record, relation.oth, gid, terms);
}
