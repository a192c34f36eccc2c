/**
 * Sharing: who asks, what she grants, what she takes back (PROTOCOL.md 5.3 to 5.5 and 5.10).
 *
 * The twin of `connectors/patient/sharing.py`.
 */

import { dayOf } from "../dates.ts";
import { type Agreement, agreement, build, consentId, proposed, seconds } from "../fhir_consent.ts";
import { type FinerRules, onlySince, since } from "../finer_rules.ts";
import { closedTo } from "../floor.ts";
import { joint } from "../guardians.ts";
import { account, type Card, newId } from "../identifiers.ts";
import { liveDelegates } from "../lockout.ts";
import * as messages from "../messages.ts";
import type { Json } from "../policy.ts";
import { randomBytes, utf8, utf8Text } from "../primitives.ts";
import { Problem as Unreadable } from "../problems.ts";
import type { Grant } from "../relations.ts";
import * as steps from "../steps.ts";
import { end as endOf, type Template } from "../template.ts";
import type { Terms } from "../vault.ts";
import type { Hub } from "./api.ts";
import { Directory } from "./directory.ts";
import type { Received, Side } from "./side.ts";
import { Problem } from "../problems.ts";

/** Of what a grant names its Consent by. */
export const SALT_BYTES = 16;

/** What a counterpart proposes: its Consent of status `proposed`, read. */
export type Request = { readonly received: Received; readonly asks: Agreement };

/** Open requests. What is not a request of this shape, for this patient, by its sender, is passed over. */
export async function requests(client: Side): Promise<Request[]> {
  const found = (await client.received("request")).flatMap((received) => {
    const asks = asked(received.message.content);
    return asks === null ? [] : [{ received, asks }];
  });
  const { account } = client;
  return found.filter(({ received, asks }) => asks.patient === account && asks.counterpart === received.sender.acc);
}

function asked(content: Uint8Array): Agreement | null {
  try {
    return agreement(JSON.parse(utf8Text(content, "request")) as Json);
  } catch (error) {
    if (error instanceof Unreadable || error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}

/**
 * How a grant is made: of the past too (`whole`), under finer `rules`, in answer to a request; `fingerprint` from a
 * card; `emergency` as `em` of a grant, if it is for emergencies; `gid`: its id, so that it is made once however often
 * this is tried.
 */
export type Manner = {
  readonly whole: boolean;
  readonly rules?: FinerRules | null;
  readonly request?: Request | null;
  readonly fingerprint?: string;
  readonly emergency?: readonly (number | string)[];
  readonly gid?: string;
};

/**
 * The grant of an agreement: its id. What she hides is hidden besides, but in an emergency. By a guardian: of what all
 * guardians grant this counterpart together. By anybody else: words of guardians count no more for it.
 *
 * The order makes a closed tab harmless: relation, rotation where only the future is granted, terms into the vault, and
 * then the grant, which the hub takes only complete. Throws `Problem`.
 */
export async function put(client: Side, agreed: Agreement, manner: Manner): Promise<string> {
  const { request = null, gid = newId() } = manner;
  await client.sync();
  const known = client.record.relations.get(agreed.counterpart)?.grants.has(gid);
  const made = known === true ? gid : await grant(client, gid, agreed, manner);
  if (request !== null) await client.answered(request.received.id);
  await client.settle();
  return made;
}

async function grant(client: Side, gid: string, agreed: Agreement, manner: Manner): Promise<string> {
  const { whole, request = null, emergency = [] } = manner;
  const { now } = client.hub;
  const { counterpart } = agreed;
  await check(client, agreed);
  const beside = manner.rules ?? null;
  const rules = whole ? beside : since(dayOf(now), onlySince(beside) ? null : beside);
  const asker = request?.received.sender.fingerprint ?? "";
  await meet(client, counterpart, manner.fingerprint || asker, request !== null);
  await client.settle();
  if (!whole) await rotateAll(client);
  const [nb, until] = seconds(agreed);
  const hides = (await client.vault()).hidesFrom(agreed.counterpart);
  const terms: Terms = {
    oth: counterpart,
    categories: agreed.categories,
    whole,
    grow: true,
    purposes: [...agreed.purposes].sort(),
    nb,
    until,
    consent: utf8(JSON.stringify(build(agreed, consentId(gid), now))),
    salt: randomBytes(SALT_BYTES),
    rules,
    request: request?.received.message.hash ?? "",
    ...(emergency.length > 0 && { emergency }),
    ...(emergency.length === 0 && hides.length > 0 && { hides }),
  };
  if (await client.saveWord(counterpart, terms)) {
    await client.settle();
    return joint(client.record, counterpart, client.hub.now)[0];
  }
  await write(client, gid, terms);
  return gid;
}

/** What guardians said of a counterpart counts no more; what they granted it together then ends by what is owed. */
async function clearWords(client: Side, counterpart: string): Promise<void> {
  const { words } = await client.vault();
  if (words.has(counterpart)) await client.changeVault((vault) => vault.withWords(counterpart, new Map()));
}

/** The terms into the vault, where guardians' words of this counterpart count no more, and then the grant. */
export async function write(client: Side, gid: string, terms: Terms): Promise<void> {
  await client.changeVault((vault) => vault.withWords(terms.oth, new Map()).withTerms(gid, terms));
  await client.anew(async () => {
    const { record, keyring, hub } = client;
    await client.post([steps.grant(record, await client.vault(), gid, terms, keyring.signer, hub.now)]);
  });
}

/** Throws the `Problem` for which no grant can be made of an agreement. */
export async function check(client: Side, agreed: Agreement): Promise<void> {
  const { hub, state } = client;
  const kept = (await client.vault()).mandates.get(agreed.counterpart)?.private ?? new Set();
  const isDelegate = liveDelegates(state.delegates, hub.now).some(({ to }) => to === agreed.counterpart);
  if (isDelegate && [...agreed.categories].some((category) => kept.has(category))) {
    throw new Problem("forbidden", "some of this is kept private from this delegate");
  }
  const [nb, until] = seconds(agreed);
  if (until <= Math.max(nb, hub.now)) throw new Problem("value", "this grant would have ended already");
  await checkLaw(hub, agreed);
  build(agreed, consentId(newId()), hub.now);
}

/** No key is given to a house for what no consent opens to it (`floor.ts`). */
export async function checkLaw(hub: Hub, { counterpart, categories }: Agreement): Promise<void> {
  if (account(counterpart).isPerson) return;
  const house = (await hub.organisations()).find((one) => one.account === counterpart);
  const closed = closedTo(house?.type ?? "");
  if ([...categories].some((category) => closed.has(category))) {
    throw new Problem("forbidden", "by law a house of this kind may not read all of these categories");
  }
}

/**
 * Fetch the counterpart's whole account chain, and open the relation with it if it is new.
 *
 * `fingerprint`: from its card or, with `request`, from what it sent; without one the hub's directory vouches, by the one
 * that it lists.
 */
export async function meet(client: Side, counterpart: string, fingerprint = "", request = false): Promise<void> {
  const listed = (await Directory.kept(client.db)).fingerprint(counterpart);
  const state = await client.chains.account(counterpart, fingerprint || listed);
  // Its reading key may be a new one; and what was known of it must still be there.
  await client.chains.recheck("acct", counterpart, "", state.fingerprint);
  if (client.record.relations.has(counterpart)) return;
  const met = request ? "request" : fingerprint ? "card" : "directory";
  await client.anew(async () => {
    if (client.record.relations.has(counterpart)) return;
    await client.post([steps.openRelation(client.record, state.acc, met, client.keyring.signer, client.hub.now)]);
  });
}

/** A new epoch everywhere, so that what is granted next opens nothing of the past. */
async function rotateAll(client: Side): Promise<void> {
  await client.changeVault((vault) => {
    const { record, hub } = client;
    const open = [...record.sets.values()].filter((state) => !state.closed).map((state) => state.oth);
    return steps.prepare(record, vault, open, hub.now);
  });
  await client.settle();
}

/**
 * Ask a patient, by her card, for what a template describes: a Consent of status `proposed`, sealed to her. The twin of
 * `connectors/gateway/enrolment.py`. Throws `Problem`; `Rejected` for a card that is not hers.
 */
export async function ask(client: Side, card: Card, wanted: Template): Promise<void> {
  const { account: counterpart, chains, hub, keyring } = client;
  const patient = String(card.account);
  await chains.refresh("acct", patient, "", card.fingerprint);
  const state = await chains.account(patient, card.fingerprint);
  const { categories, purposes, uri: policy } = wanted;
  const terms = { patient, counterpart, categories, purposes, start: "", end: endOf(wanted, hub.now), policy };
  const asked = proposed({ ...terms, language: "", paper: null }, consentId(newId()), hub.now);
  const content = utf8(JSON.stringify(asked));
  const draft = { typ: "request", sender: counterpart, dev: keyring.device, to: patient, at: hub.now, content } as const;
  await hub.message(patient, messages.seal(messages.write(keyring.sign, draft), state.readingKey()), card.fingerprint);
}

/** Say no: a message to the sender; no trace in any chain. For another nothing is sent: only she signs that. */
export async function refuse(client: Side, { received }: Request): Promise<void> {
  const { account, keyring, hub } = client;
  const to = received.sender.acc;
  if (client.isOwn) {
    const content = utf8(JSON.stringify({ request: received.message.hash }));
    const draft = { typ: "refusal", sender: account, dev: keyring.device, to, at: hub.now, content } as const;
    await hub.message(to, messages.seal(messages.write(keyring.sign, draft), received.sender.readingKey()));
  } else if (await client.saveWord(to, null)) await client.settle();
  await client.answered(received.id);
}

/**
 * Take back one grant, or all by which this counterpart reads; then rotate. Returns how many ended.
 *
 * A guardian's withdrawal is her refusal; anybody else's ends what guardians said of this counterpart. What it may write is
 * another thing: `permits.unpermit`. Throws `Problem(not-found)` where there is none.
 */
export async function withdraw(client: Side, counterpart: string, gid = ""): Promise<number> {
  await client.sync();
  const own = (await granted(client)).filter(({ to }) => to === counterpart).map(({ grant }) => grant.gid);
  const live = own.filter((one) => !gid || one === gid);
  if (live.length === 0) throw new Problem("not-found", "there is no such grant any more");
  const isJoint = !gid || gid === joint(client.record, counterpart, client.hub.now)[0];
  if (isJoint && !(await client.saveWord(counterpart, null))) await clearWords(client, counterpart);
  await end(client, counterpart, live);
  return live.length;
}

/** End these grants; then rotate. */
export async function end(client: Side, counterpart: string, gids: readonly string[]): Promise<void> {
  for (const gid of gids) {
    await client.anew(async () => {
      const { record, keyring, hub } = client;
      await client.post([steps.end(record, counterpart, gid, keyring.signer, hub.now)]);
    });
  }
  await client.settle();
}

/** What is granted to read: to whom, the grant, and the terms as agreed; null for one that a delegate made. */
export type Granted = { readonly to: string; readonly grant: Grant; readonly terms: Terms | null };

/** What is granted to read now. */
export async function granted(client: Side): Promise<Granted[]> {
  const { terms } = await client.vault();
  const live = client.record.liveGrants(client.hub.now);
  const all = live.map(([{ oth }, grant]) => ({ to: oth, grant, terms: terms.get(grant.gid) ?? null }));
  return all.filter((one) => isToRead(one.terms));
}

/** Whether these are the terms of an author's grant of its own set: no Consent belongs to it (`permits`). */
export function isOwn(terms: Terms | null): boolean {
  return terms !== null && terms.consent.length === 0 && terms.categories.size > 0;
}

/** Whether these are the terms of a delegate's stand-ins, under which there is nothing to read (`delegation`). */
export function isStandIns(terms: Terms | null): boolean {
  return terms !== null && terms.categories.size === 0;
}

/** Whether the counterpart reads by a grant of these terms; null for one that a delegate made. */
export function isToRead(terms: Terms | null): boolean {
  return terms === null || terms.consent.length > 0;
}

/** The agreement that terms hold. */
export function agreedIn({ consent }: Terms): Agreement {
  return agreement(JSON.parse(utf8Text(consent, "consent")) as Json);
}
