/**
 * Sharing: who asks, what she grants, what she takes back (PROTOCOL.md 5.3 to 5.5 and 5.10).
 *
 * The twin of `connectors/patient/sharing.py`.
 */

import { dayOf } from "../dates.ts";
import { type Agreement, agreement, build, consentId, proposed, seconds } from "../fhir_consent.ts";
import { type FinerRules, since } from "../finer_rules.ts";
import { closedTo } from "../floor.ts";
import { joint } from "../guardians.ts";
import { account, type Card, newId } from "../identifiers.ts";
import * as messages from "../messages.ts";
import type { Json } from "../policy.ts";
import { randomBytes, utf8, utf8Text } from "../primitives.ts";
import { Problem as Unreadable } from "../problems.ts";
import type { Grant } from "../relations.ts";
import * as steps from "../steps.ts";
import { end as endOf, type Template } from "../template.ts";
import type { Terms } from "../vault.ts";
import type { Hub } from "./api.ts";
import type { Client, Received } from "./client.ts";
import { Problem } from "../problems.ts";

const SALT_BYTES = 16;

/** What a counterpart proposes: its Consent of status `proposed`, read. */
export type Request = { readonly received: Received; readonly asks: Agreement };

/** Open requests. What is not a request of this shape, for this patient, by its sender, is passed over. */
export async function requests(client: Client): Promise<Request[]> {
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
 * The grant of an agreement: its id. What she hides is hidden besides, but in an emergency.
 *
 * The order makes a closed tab harmless: relation, rotation where only the future is granted, terms into the vault, and
 * then the grant, which the hub takes only complete. Throws `Problem`.
 */
export async function put(client: Client, agreed: Agreement, manner: Manner): Promise<string> {
  const { request = null, gid = newId() } = manner;
  await client.sync();
  if (client.record.relations.get(agreed.counterpart)?.grants.has(gid) !== true) await grant(client, gid, agreed, manner);
  if (request !== null) await client.answered(request.received.id);
  await client.settle();
  return gid;
}

async function grant(client: Client, gid: string, agreed: Agreement, manner: Manner): Promise<void> {
  const { whole, request = null, emergency = [] } = manner;
  const { now } = client.hub;
  await check(client, agreed);
  const rules = whole ? (manner.rules ?? null) : since(dayOf(now), manner.rules ?? null);
  const asker = request?.received.sender.fingerprint ?? "";
  await meet(client, agreed.counterpart, manner.fingerprint || asker, request !== null);
  await client.settle();
  if (!whole) await rotateAll(client);
  const [nb, until] = seconds(agreed);
  const hides = (await client.vault()).hidesFrom(agreed.counterpart);
  const terms: Terms = {
    oth: agreed.counterpart,
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
  await write(client, gid, terms);
  await speakAlone(client, agreed.counterpart);
}

/** What guardians said of a counterpart counts no more, and what they granted it together ends: the patient speaks. */
async function speakAlone(client: Client, counterpart: string): Promise<void> {
  await client.anew(async () => {
    const vault = await client.vault();
    if (vault.words.has(counterpart)) await client.saveVault(vault.withoutWords(counterpart));
  });
  await client.anew(async () => {
    const { record, keyring, hub } = client;
    const [gid, together] = joint(record, counterpart, hub.now);
    if (together !== null) await client.post([steps.end(record, counterpart, gid, keyring.signer, hub.now)]);
  });
}

/** The terms into the vault, and then the grant. */
export async function write(client: Client, gid: string, terms: Terms): Promise<void> {
  await client.anew(async () => client.saveVault((await client.vault()).withTerms(gid, terms)));
  await client.anew(async () => {
    const { record, keyring, hub } = client;
    await client.post([steps.grant(record, await client.vault(), gid, terms, keyring.signer, hub.now)]);
  });
}

/** Throws the `Problem` for which no grant can be made of an agreement. */
export async function check({ hub }: Client, agreed: Agreement): Promise<void> {
  const [nb, until] = seconds(agreed);
  if (until <= Math.max(nb, hub.now)) throw new Problem("value", "this grant would have ended already");
  await checkLaw(hub, agreed);
  build(agreed, consentId(newId()), hub.now);
}

/** No key is given to a house for what no consent opens to it (`floor.ts`). */
async function checkLaw(hub: Hub, { counterpart, categories }: Agreement): Promise<void> {
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
 * `fingerprint`: from its card or, with `request`, from what it sent; without one the hub's directory vouches.
 */
export async function meet(client: Client, counterpart: string, fingerprint = "", request = false): Promise<void> {
  const state = await client.chains.account(counterpart, fingerprint);
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
async function rotateAll(client: Client): Promise<void> {
  await client.anew(async () => {
    const { record, hub } = client;
    const open = [...record.sets.values()].filter((state) => !state.closed).map((state) => state.oth);
    await client.saveVault(steps.prepare(record, await client.vault(), open, hub.now));
  });
  await client.settle();
}

/**
 * Ask a patient, by her card, for what a template describes: a Consent of status `proposed`, sealed to her. The twin of
 * `connectors/gateway/enrolment.py`. Throws `Problem`; `Rejected` for a card that is not hers.
 */
export async function ask(client: Client, card: Card, wanted: Template): Promise<void> {
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

/** Say no: a message to the sender; no trace in any chain. */
export async function refuse(client: Client, { received }: Request): Promise<void> {
  const { account, keyring, hub } = client;
  const to = received.sender.acc;
  const content = utf8(JSON.stringify({ request: received.message.hash }));
  const draft = { typ: "refusal", sender: account, dev: keyring.device, to, at: hub.now, content } as const;
  const frame = messages.write(keyring.sign, draft);
  await hub.message(to, messages.seal(frame, received.sender.readingKey()));
  await client.answered(received.id);
}

/**
 * Take back one grant, or all by which this counterpart reads; then rotate. Returns how many ended.
 *
 * What it may write is another thing: `permits.unpermit`. Throws `Problem(not-found)` where there is none.
 */
export async function withdraw(client: Client, counterpart: string, gid = ""): Promise<number> {
  await client.sync();
  const own = (await granted(client)).filter(({ to }) => to === counterpart).map(({ grant }) => grant.gid);
  const live = own.filter((one) => !gid || one === gid);
  if (live.length === 0) throw new Problem("not-found", "there is no such grant any more");
  if (!gid || gid === joint(client.record, counterpart, client.hub.now)[0]) await speakAlone(client, counterpart);
  await end(client, counterpart, live.filter((one) => isLive(client, counterpart, one)));
  return live.length;
}

function isLive({ record, hub }: Client, counterpart: string, gid: string): boolean {
  return record.relation(counterpart).live(hub.now).some((grant) => grant.gid === gid);
}

/** End these grants; then rotate. */
export async function end(client: Client, counterpart: string, gids: readonly string[]): Promise<void> {
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
export async function granted(client: Client): Promise<Granted[]> {
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
