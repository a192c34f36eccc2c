/** Her SMART Health Links: made, listed, extended, revoked. The hub has what is sealed; the key stands in the link. */

import { collection } from "../collection.ts";
import { fresh, nameOf, seal, write } from "../health_link.ts";
import type { BoxKey } from "../keys.ts";
import { pad, Rejected, sealBox, unb64, unpad, utf8, utf8Text } from "../primitives.ts";
import type { KeptLink } from "./api.ts";
import type { Client } from "./client.ts";
import type { Stored } from "./stored.ts";

/** Where a link opens in a browser. */
const VIEWER = "/link";
export const LABEL_LENGTH = 80;
/** So many bytes of a record a link holds at most: sealed, they are a third more. */
export const MOST_BYTES = 12_000_000;
/** The hub takes no shorter passcode. */
export const SHORTEST = 6;
/** So far ahead a link may end. */
const MOST_DAYS = 90;
const DAY = 24 * 3600;

/** What she noted for herself of a link, sealed to her reading key. */
export type Noted = { readonly label: string; readonly link: string; readonly passcode: string };

/** `noted` is `null` where it cannot be opened here. */
export type HealthLink = Omit<KeptLink, "sealed"> & { readonly noted: Noted | null };

export type Wanted = { readonly label: string; readonly passcode: string; readonly days: number };

/** A passcode to begin with: six digits. */
export function suggested(): string {
  return String((crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % 1_000_000).padStart(6, "0");
}

/** What may go into a link: all of the record but what she hides. */
export async function shareable(client: Client): Promise<readonly Stored[]> {
  const hides = new Set((await client.vault()).hides);
  return client.reading.stored.filter(({ resource }) => !hides.has(`${resource["resourceType"]}/${resource["id"]}`));
}

/** Seal these entries in this page, and leave them with the hub for whoever has the link and the passcode. */
export async function make(client: Client, entries: readonly Stored[], { label, passcode, days }: Wanted) {
  const [secret, key] = [fresh(), fresh()];
  const content = new Uint8Array(await new Blob(collection(entries)).arrayBuffer());
  const url = `${location.origin}/shl/${secret}`;
  const link = write({ url, flag: "P", key, ...(label && { label }) }, location.origin + VIEWER);
  const noted: Noted = { label, link, passcode };
  const sealed = sealBox(pad(utf8(JSON.stringify(noted))), unb64(client.state.readingKey(), 32));
  const [file, name] = [await seal(key, content), await nameOf(secret)];
  await client.hub.putHealthLink(name, { passcode, until: client.hub.now + days * DAY, sealed, file });
  return { name, ...noted };
}

/** All that are open, the newest first. */
export async function list(client: Client): Promise<readonly HealthLink[]> {
  const { readingKeys } = await client.vault();
  return (await client.hub.healthLinks()).map(({ sealed, ...rest }) => ({ ...rest, noted: opened(sealed, readingKeys) }));
}

function opened(sealed: Uint8Array, keys: ReadonlyMap<string, BoxKey>): Noted | null {
  for (const key of keys.values()) {
    try {
      const { label, link, passcode } = Object(JSON.parse(utf8Text(unpad(key.open(sealed)), "fields")));
      return { label: String(label), link: String(link), passcode: String(passcode) };
    } catch (error) {
      if (!(error instanceof Rejected || error instanceof SyntaxError)) throw error;
    }
  }
  return null;
}

/** Let a link hold for so many days more, as far as the hub lets it. */
export async function extend({ hub }: Client, { name, until }: HealthLink, days: number): Promise<void> {
  await hub.extendHealthLink(name, Math.min(until + days * DAY, hub.now + MOST_DAYS * DAY));
}

/** Close a link for everybody. */
export async function revoke({ hub }: Client, name: string): Promise<void> {
  await hub.revokeHealthLink(name);
}
