/**
 * She says against an entry of her log that it was not right, and reads what is answered.
 *
 * What she says and is told is kept sealed to her own reading key. The twin of `connectors/patient/objecting.py`.
 */

import type { BoxKey } from "../keys.ts";
import * as messages from "../messages.ts";
import { utf8, utf8Text } from "../primitives.ts";
import type { Client } from "./client.ts";
import type { Side } from "./side.ts";
import { type Database, getState, setState } from "./database.ts";
import { Problem } from "../problems.ts";

export const MAX_TEXT = 4000;
const KEPT = "objections";

/** What she knows of an entry, as it is told to whom it is about. */
export type Told = {
  readonly [name in "actor" | "action" | "purpose" | "person" | "role" | "what"]: string;
} & { readonly [name in "seq" | "at" | "number"]: number };

/** Against which entry, about whom, by which message; `sealed` to that one, `own` and `answer` to herself. */
type Row = {
  readonly entry: number;
  readonly actor: string;
  readonly hash: string;
  readonly sealed: Uint8Array | null;
  readonly own: Uint8Array | null;
  readonly answer: Uint8Array | null;
};

/** What was said against an entry about `actor`, and what was answered; each may be empty. */
export type Said = { readonly actor: string; readonly text: string; readonly answer: string };

/** Whether it can stand in a line: letters, signs and spaces, nothing that controls. */
export function isOneLine(text: string): boolean {
  return /^(?: |[^\p{C}\p{Z}])*$/u.test(text);
}

/**
 * Send an objection against an entry, sealed to whom it is about; it then stands in her log, too.
 *
 * What is sent is kept first: the same again sends the same bytes. Throws `Problem`.
 */
export async function objectTo(client: Client, told: Told, text: string): Promise<void> {
  const kept = (await rows(client.db)).find(({ entry, own }) => entry === told.seq && own !== null);
  if (kept && (await opened(client)(kept.own)) !== text) {
    throw new Problem("conflict", "you have objected to this entry already, in other words");
  }
  const row = kept ?? (await made(client, told, text));
  if (kept === undefined) await keep(client.db, row);
  if (row.sealed !== null) await client.hub.objectTo(row.entry, row.sealed);
}

async function made({ account, keyring, chains, hub, state }: Client, told: Told, text: string): Promise<Row> {
  if (!text || !isOneLine(text) || text.length > MAX_TEXT) {
    throw new Problem("value", `an objection is one line of at most ${MAX_TEXT} characters`);
  }
  const { actor } = told;
  if (!isAbout(actor, account)) throw new Problem("value", "this entry is about no one to whom an objection could be sent");
  await chains.account(actor);
  await chains.refresh("acct", actor); // its reading key may be a new one
  const { sign, device: dev } = keyring;
  const content = utf8(JSON.stringify({ entry: told, text }));
  const frame = messages.write(sign, { typ: "objection", sender: account, dev, to: actor, at: hub.now, content });
  const sealed = messages.seal(frame, (await chains.account(actor)).readingKey());
  const own = messages.seal(frame, state.readingKey());
  return { entry: told.seq, actor, hash: messages.read(frame).hash, sealed, own, answer: null };
}

/** Whether an entry by this actor is about somebody to whom she could say something. */
export function isAbout(actor: string, account: string): boolean {
  return actor !== account && actor.includes("@");
}

/**
 * Against which entries something was said.
 *
 * What she said on another device is not known here; the answer to it is. Nor is it to somebody who acts for her.
 */
export async function said(client: Side): Promise<ReadonlyMap<number, Said>> {
  if (!client.isOwn) return new Map();
  await takeAnswers(client);
  const open = opened(client);
  const found = (await rows(client.db)).map(async ({ entry, actor, own, answer }) => {
    return [entry, { actor, text: await open(own), answer: await open(answer) }] as const;
  });
  return new Map(await Promise.all(found));
}

async function takeAnswers(client: Side): Promise<void> {
  for (const { id, message, sender } of await client.received("answer")) {
    const told = answered(message.content);
    const answer = (await client.db.get("messages", id))?.sealed;
    if (told === null || answer === undefined) continue;
    const all = await rows(client.db);
    const before = all.find(({ entry }) => entry === told.entry);
    const row = before ?? { ...told, actor: sender.acc, sealed: null, own: null, answer: null };
    if (row.actor === sender.acc && row.hash === told.hash) await keep(client.db, { ...row, answer });
    await client.answered(id);
  }
}

function answered(content: Uint8Array): { readonly entry: number; readonly hash: string } | null {
  const { objection: hash, entry, text } = Object(parsed(content));
  const isAnswer = typeof hash === "string" && Number.isSafeInteger(entry) && typeof text === "string";
  return isAnswer && isOneLine(text) ? { entry, hash } : null;
}

function parsed(content: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Text(content, "fields"));
  } catch {
    return null; // whoever wrote it may write what he likes
  }
}

/** The text in a message that was checked when it was kept. */
function opened(client: Side): (sealed: Uint8Array | null) => Promise<string> {
  return async (sealed) => {
    if (sealed === null) return "";
    const keys: ReadonlyMap<string, BoxKey> = (await client.vault()).readingKeys;
    return String(Object(parsed(messages.unseal(sealed, keys).content)).text ?? "");
  };
}

async function rows(db: Database): Promise<readonly Row[]> {
  return (await getState<readonly Row[]>(db, KEPT)) ?? [];
}

async function keep(db: Database, row: Row): Promise<void> {
  await setState(db, KEPT, [...(await rows(db)).filter(({ entry }) => entry !== row.entry), row]);
}
