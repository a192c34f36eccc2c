/**
 * What is granted already, signed again: for another time, other categories, other purposes; or another grant in its place.
 *
 * The twin of `connectors/patient/renewal.py`, which changes the time only.
 */

import { type Agreement, build, seconds } from "../fhir_consent.ts";
import { same } from "../finer_rules.ts";
import { joint } from "../guardians.ts";
import type { Json } from "../policy.ts";
import { randomBytes, utf8, utf8Text } from "../primitives.ts";
import type { Cover, Grant } from "../relations.ts";
import * as steps from "../steps.ts";
import type { Terms } from "../vault.ts";
import { termsOf } from "../who.ts";
import type { Side } from "./side.ts";
import { Problem } from "../problems.ts";
import { check, granted, type Manner, put, SALT_BYTES, withdraw } from "./sharing.ts";


/**
 * What is agreed now in the place of the live grant `gid`: that one changed, or a new one and then that one's end, so that
 * what both allow is never interrupted. Returns the id of the grant that holds.
 *
 * Another one where `manner` speaks of another past or of other finer rules, and where guardians granted it, or a guardian
 * grants now. Throws `Problem`.
 */
export async function replace(client: Side, gid: string, agreed: Agreement, manner: Manner): Promise<string> {
  await client.sync();
  const { counterpart } = agreed;
  const isJoint = joint(client.record, counterpart, client.hub.now)[0] === gid;
  const before = (await granted(client)).find(({ grant }) => grant.gid === gid);
  const terms = before?.terms ?? null;
  const isAlike = terms?.whole === manner.whole && same(terms.rules ?? null, manner.rules ?? null);
  if (!isJoint && !(await client.isGuardian()) && isAlike) {
    await change(client, gid, agreed);
    return gid;
  }
  const made = await put(client, agreed, manner);
  const isLeft = (await granted(client)).some(({ grant }) => grant.gid === gid);
  if (made !== gid && isLeft) await withdraw(client, counterpart, gid);
  return made;
}

/**
 * Sign a live grant once more, as `agreed` says now. What it covers begins where it began, and its finer rules stay.
 *
 * The elder terms are kept in the vault under the hash of their Consent, as proof of what was allowed until now. Throws
 * `Problem`: `not-found`, `forbidden` for what a delegate granted.
 */
async function change(client: Side, gid: string, agreed: Agreement): Promise<void> {
  await client.sync();
  await check(client, agreed);
  await client.settle();
  const { rules } = await present(client, gid);
  let signed = "";
  await client.changeVault((vault) => {
    const terms = termsOf(vault, rules);
    if (terms === null) throw new Problem("forbidden", "a delegate made this grant: grant it anew instead");
    const { id } = JSON.parse(utf8Text(terms.consent, "consent")) as Json;
    const [nb, until] = seconds(agreed);
    const purposes = [...agreed.purposes].sort();
    const consent = utf8(JSON.stringify(build(agreed, String(id), client.hub.now)));
    const { categories } = agreed;
    const fresh: Terms = { ...terms, categories, purposes, nb, until, consent, salt: randomBytes(SALT_BYTES) };
    signed = steps.consentHash(fresh);
    return vault.withTerms(steps.consentHash(terms), terms).withTerms(gid, fresh);
  });
  await client.anew(async () => {
    const { record, keyring, hub } = client;
    const vault = await client.vault();
    const [terms, known] = [vault.terms.get(gid), record.relation(agreed.counterpart).grants.get(gid)];
    if (terms === undefined || known === undefined) throw new Problem("not-found", "there is no such grant any more");
    if (steps.consentHash(terms) !== signed) throw new Problem("conflict", "another device changed this grant meanwhile");
    const cover: Cover = new Map(
      [...known.cover].map(([set, { from }]) => [set, { from, mask: vault.sets.get(set)?.mask(terms.categories) ?? 0 }]),
    );
    await client.post([steps.grant(record, vault, gid, terms, keyring.signer, hub.now, cover)]);
  });
  await client.settle();
}

/** A grant that is live now. */
async function present(client: Side, gid: string): Promise<Grant> {
  const found = (await granted(client)).find(({ grant }) => grant.gid === gid);
  if (found === undefined) throw new Problem("not-found", "there is no such grant any more");
  return found.grant;
}
