/**
 * What is granted already, signed again: for another time, other categories, other purposes.
 *
 * The twin of `connectors/patient/renewal.py`, which changes the time only.
 */

import { type Agreement, build, seconds } from "../fhir_consent.ts";
import { joint } from "../guardians.ts";
import type { Json } from "../policy.ts";
import { randomBytes, utf8, utf8Text } from "../primitives.ts";
import type { Cover } from "../relations.ts";
import * as steps from "../steps.ts";
import type { Terms } from "../vault.ts";
import { termsOf } from "../who.ts";
import type { Client } from "./client.ts";
import { Problem } from "../problems.ts";
import { check, granted } from "./sharing.ts";

const SALT_BYTES = 16;

/**
 * Sign a live grant once more, as `agreed` says now. What it covers begins where it began, and its finer rules stay.
 *
 * The elder terms are kept in the vault under the hash of their Consent, as proof of what was allowed until now. Throws
 * `Problem`: `not-found`, `forbidden` for what a delegate granted.
 */
export async function change(client: Client, gid: string, agreed: Agreement): Promise<void> {
  await client.sync();
  await check(client, agreed);
  await client.settle();
  await client.anew(async () => {
    const [vault, terms] = [await client.vault(), await present(client, gid)];
    const { id } = JSON.parse(utf8Text(terms.consent, "consent")) as Json;
    const [nb, until] = seconds(agreed);
    const purposes = [...agreed.purposes].sort();
    const consent = utf8(JSON.stringify(build(agreed, String(id), client.hub.now)));
    const { categories } = agreed;
    const fresh: Terms = { ...terms, categories, purposes, nb, until, consent, salt: randomBytes(SALT_BYTES) };
    await client.saveVault(vault.withTerms(steps.consentHash(terms), terms).withTerms(gid, fresh));
  });
  await client.anew(async () => {
    const { record, keyring, hub } = client;
    const vault = await client.vault();
    const [terms, known] = [vault.terms.get(gid), record.relation(agreed.counterpart).grants.get(gid)];
    if (terms === undefined || known === undefined) throw new Problem("not-found", "there is no such grant any more");
    const cover: Cover = new Map(
      [...known.cover].map(([set, { from }]) => [set, { from, mask: vault.sets.get(set)?.mask(terms.categories) ?? 0 }]),
    );
    await client.post([steps.grant(record, vault, gid, terms, keyring.signer, hub.now, cover)]);
  });
  await client.settle();
}

/** The terms by which a live grant holds now. */
async function present(client: Client, gid: string): Promise<Terms> {
  const found = (await granted(client)).find(({ grant }) => grant.gid === gid);
  if (found === undefined) throw new Problem("not-found", "there is no such grant any more");
  const terms = termsOf(await client.vault(), found.grant.rules);
  const isJoint = joint(client.record, found.to, client.hub.now)[0] === gid;
  if (terms === null || isJoint) throw new Problem("forbidden", "a delegate made this grant: grant it anew instead");
  return terms;
}
