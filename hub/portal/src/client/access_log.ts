/**
 * The access log opened and explained: the hub's entries, and what recipients' gateways report, sealed to her.
 *
 * The twin of `connectors/patient/access_log.py`.
 */

import { byDevice } from "../accounts.ts";
import { read as readDeclaration } from "../declarations.ts";
import type * as log from "../log.ts";
import { MAX_AGE_SECONDS, unseal } from "../messages.ts";
import { Rejected, unb64, utf8Text } from "../primitives.ts";
import { within } from "../purposes.ts";
import { IN_USE } from "../sets.ts";
import type { Vault } from "../vault.ts";
import { categories, deskOf, holds, isEmergency, type Stretch, stretches } from "../who.ts";
import type { Side } from "./side.ts";
import { Directory } from "./directory.ts";
import { isOneLine, type Said, said } from "./objecting.ts";
import { pace } from "./pace.ts";
import { Problem } from "../problems.ts";

/** The action of an entry about a SMART Health Link; `detail.what` tells what happened to it. */
export const HEALTH_LINK = "health-link";

/** A consent of hers that was in force: since when, and who signed it; `own`: for its own writing only. */
export type Basis = {
  readonly at: number;
  readonly by: string;
  readonly emergency: boolean;
  readonly own: boolean;
  readonly desk: string;
};

/**
 * One line of the log. `person`, `role`, `what`, `number` and `kept` are told by the recipient's gateway, sealed to her.
 *
 * At a health link `person` is who somebody without an account says to be. `name`, `other`: what the directory calls the actor, and the organisation that a statement is about. `categories`: of
 * the streams it is about. `basis`: newest first. `desk`: where it was signed on paper. `objection`, `answer`: what she
 * said against it, and what came back.
 */
export type Entry = Omit<log.Entry, "acc" | "sealed" | "hash"> & {
  readonly person: string;
  readonly role: string;
  readonly what: string;
  readonly number: number;
  readonly kept: string;
  readonly name: string;
  readonly other: string;
  readonly categories: readonly number[];
  readonly basis: readonly Basis[];
  readonly objection: string;
  readonly answer: string;
  readonly desk: string;
};

/** What is needed to explain an entry, gathered once for all of them. */
type Known = {
  readonly client: Side;
  readonly vault: Vault;
  readonly directory: Directory;
  /** The category of each stream that is in use. */
  readonly streams: ReadonlyMap<string, number>;
  readonly said: ReadonlyMap<number, Said>;
  /** By counterpart: what was ever granted to it, with the categories that this opened. */
  readonly granted: Map<string, readonly (readonly [Stretch, ReadonlySet<number>])[]>;
};

/** The entries opened, with all that her own chains and her vault tell of them. Throws `Problem`. */
export async function explained(client: Side, found: readonly log.Entry[]): Promise<Entry[]> {
  const vault = await client.vault();
  const [directory, told] = [await Directory.kept(client.db), await said(client)];
  const known: Known = { client, vault, directory, streams: streamsOf(vault), said: told, granted: new Map() };
  const entries: Entry[] = [];
  const turn = pace();
  for (const given of found) {
    entries.push(explain(known, await opened(known, given)));
    await turn();
  }
  return entries;
}

function streamsOf({ sets }: Vault): ReadonlyMap<string, number> {
  const inUse = [...sets.values()].flatMap(({ ids, order }) =>
    order.flatMap(([category, lane], index) => (lane === IN_USE ? [[ids[index] ?? "", category] as const] : [])),
  );
  return new Map(inUse);
}

function explain(known: Known, entry: Entry): Entry {
  const { client, vault, directory, streams, said } = known;
  const { actor, detail, device, seq } = entry;
  const listed = (account: unknown) => directory.all.find((one) => one.account === account)?.name ?? "";
  const category = streams.get(String(detail["stream"] ?? ""));
  const against = said.get(seq);
  const { text: objection = "", answer = "" } = against?.actor === actor ? against : {};
  const desk = actor === client.account ? (vault.desks[device] ?? "") : "";
  const of = category === undefined ? [] : [category];
  const told = { ...entry, name: listed(actor), other: listed(detail["oth"]), categories: of, desk, objection, answer };
  return { ...told, basis: basis(known, told) };
}

/** The grants by which somebody was given, or read, something at that moment, as her relation chains say it. */
function basis(known: Known, { action, actor, at, purpose, categories: about }: Entry): readonly Basis[] {
  if (!["release", "read", "emergency"].includes(action)) return [];
  const asked = purpose.split(",").filter(Boolean);
  const held = grantedTo(known, actor).filter(
    ([one, opens]) =>
      holds(one, at) &&
      asked.some((code) => within(code, one.rules.body.purpose)) &&
      opens.size > 0 &&
      about.every((category) => opens.has(category)),
  );
  const told = held.map(([one]) => ({
    at: one.rules.iat,
    by: byDevice(one.rules.by)[0],
    emergency: isEmergency(one),
    own: one.own,
    desk: deskOf(known.vault, one.rules),
  }));
  return told.sort((a, b) => Number(a.own) - Number(b.own) || b.at - a.at);
}

function grantedTo({ client, vault, granted }: Known, actor: string) {
  const relation = client.record.relations.get(actor);
  const found =
    granted.get(actor) ??
    (relation === undefined ? [] : stretches(client.record, relation)).map(
      (one) => [one, categories(one, vault.sets)] as const,
    );
  granted.set(actor, found);
  return found;
}

// --- what is sealed -------------------------------------------------------------------------------------------------

const NOTHING = {
  ...{ person: "", role: "", what: "", number: 0, kept: "", name: "", other: "" },
  ...{ categories: [], basis: [], objection: "", answer: "", desk: "" },
};

async function opened(known: Known, { sealed, acc: _, hash: __, ...given }: log.Entry): Promise<Entry> {
  const entry: Entry = { ...NOTHING, ...given };
  const { client, vault } = known;
  if (entry.action === HEALTH_LINK) return { ...entry, person: outsider(entry.detail["recipient"]) };
  if (entry.action === "emergency") return (await quietly(() => declared(known, entry))) ?? entry;
  if (sealed.length === 0) return entry;
  const told = await quietly(async () => {
    const message = unseal(sealed, vault.readingKeys);
    // By the time at which it came: a report stays readable when it is old, and when its device was replaced since.
    const sender = await client.chains.accountWith(entry.actor, message.dev);
    message.verify(sender, client.account, entry.at, entry.at);
    return message.typ === "read" ? withTold(entry, JSON.parse(utf8Text(message.content, "fields"))) : null;
  });
  return told ?? { ...entry, action: "read-unreadable" };
}

/** Who opened a link or tried to, by that one's own word; empty where it is none of these. */
function outsider(recipient: unknown): string {
  try {
    const name = utf8Text(unb64(recipient), "fields");
    return isOneLine(name) ? name : "";
  } catch (error) {
    if (error instanceof Rejected) return "";
    throw error;
  }
}

/** `null` for what does not hold: a recipient's gateway may write what it likes. */
async function quietly(open: () => Promise<Entry | null>): Promise<Entry | null> {
  try {
    return await open();
  } catch (error) {
    const isTheirs = error instanceof Rejected || error instanceof SyntaxError;
    if (isTheirs || (error instanceof Problem && error.code === "not-found")) return null;
    throw error;
  }
}

/** The entry of a declared emergency with the person who declared it, where the house sealed one to her. */
async function declared({ client, vault }: Known, entry: Entry): Promise<Entry | null> {
  const word = readDeclaration(unb64(entry.detail["frame"]));
  word.verify(await client.chains.account(entry.actor), entry.at, entry.at);
  const { person } = word.tell(vault.readingKeys);
  return isOneLine(person) ? { ...entry, person, role: word.role } : null;
}

/** The entry with what the gateway told; `null` for what cannot stand in a line of the log. */
function withTold(entry: Entry, content: unknown): Entry | null {
  const { purpose, person, what, kept = "", role = "", at, number } = Object(content);
  const words = [purpose, person, what, kept, role];
  if (!words.every((text) => typeof text === "string" && isOneLine(text))) return null;
  if (!Number.isSafeInteger(at) || !Number.isSafeInteger(number)) return null;
  if (Math.abs(entry.at - at) > MAX_AGE_SECONDS) return null;
  return { ...entry, purpose, person, what, kept, role, at, number };
}
