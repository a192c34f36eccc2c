/**
 * What this browser keeps: one IndexedDB for the one account of this device.
 *
 * Secrets lie in it only as `safe.ts` seals them; the rest is what the hub holds too, chains and sealed frames.
 */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { ChainKind } from "../statements.ts";
import type { ReadReport } from "./api.ts";
import type { Mark } from "../wearables/index.ts";

const NAME = "obhut";
const VERSION = 2;

/** A link of a chain, verified before it was kept. */
export type LinkRow = {
  readonly kind: ChainKind;
  readonly acc: string;
  readonly oth: string;
  readonly seq: number;
  readonly frame: Uint8Array;
};

/** An emergency that was declared: by whom, under which grant, and how long it is open by the home hub's word. */
export type DeclaredRow = {
  /** What she said of it; absent before she did. */
  readonly verdict?: string;
  readonly acc: string;
  readonly rnd: string;
  readonly from: string;
  readonly gid: string;
  readonly frame: Uint8Array;
  readonly at: number;
  readonly until: number;
};

/** An envelope as the hub released it, and what it was opened by: sealed still. `pos`: its place in its stream. */
export type EnvelopeRow = {
  readonly acc: string;
  readonly set: string;
  readonly str: string;
  readonly pos: number;
  readonly frame: Uint8Array;
  readonly stamp: Uint8Array;
};

/** A message as it came, sealed; the feed's id of it. */
export type MessageRow = {
  readonly id: string;
  readonly sender: string;
  readonly sealed: Uint8Array;
  readonly answered: boolean;
};

/**
 * What waits to be deposited. `entry`: what is to be written, locked up; `waiting`: there is no frame of it yet.
 */
export type OutboxRow = {
  readonly patient: string;
  readonly entry: Uint8Array;
  readonly waiting?: 1;
} & Partial<Sealed>;

/** The sealed frame of an entry, its place, and its object where it is large. */
type Sealed = {
  readonly stream: string;
  readonly seq: number;
  readonly bid: string;
  readonly frame: Uint8Array;
  readonly object?: Uint8Array;
};

/** A row that has its frame. */
export type SealedRow = OutboxRow & Sealed;
interface Tables extends DBSchema {
  /** Single values by name. */
  state: { key: string; value: unknown };
  chains: { key: [string, string, string, number]; value: LinkRow };
  declared: { key: [string, string]; value: DeclaredRow };
  envelopes: { key: [string, string, number]; value: EnvelopeRow };
  /** The first permit seen of each set. */
  permits: { key: string; value: Uint8Array };
  /** Sealed objects by the envelope that names them. */
  objects: { key: string; value: Uint8Array };
  messages: { key: string; value: MessageRow };
  /** What a patient's bundles handed to this account, locked up; by her account. */
  handed: { key: string; value: Uint8Array };
  /** What was read of others and is still to be told to them: sealed. */
  reports: { key: number; value: ReadReport };
  outbox: { key: number; value: OutboxRow; indexes: { waiting: number; place: [string, number] } };
  /** By stream: where this device is in it. */
  sequences: { key: string; value: { readonly seq: number; readonly hash: string } };
  /** What imports put into the outbox already. */
  marks: { key: string; value: Mark };
}

export type Database = IDBPDatabase<Tables>;

/** Open the database, made or brought to this version. */
export function openDatabase(): Promise<Database> {
  return openDB<Tables>(NAME, VERSION, {
    upgrade(db, from, _, all) {
      if (from < 1) {
        db.createObjectStore("state");
        db.createObjectStore("chains", { keyPath: ["kind", "acc", "oth", "seq"] });
        db.createObjectStore("declared", { keyPath: ["acc", "rnd"] });
        db.createObjectStore("envelopes", { keyPath: ["acc", "str", "pos"] });
        db.createObjectStore("permits");
        db.createObjectStore("objects");
        db.createObjectStore("messages", { keyPath: "id" });
        const outbox = db.createObjectStore("outbox", { autoIncrement: true });
        outbox.createIndex("waiting", "waiting");
        outbox.createIndex("place", ["stream", "seq"]);
        db.createObjectStore("sequences");
        db.createObjectStore("marks", { keyPath: "key" });
      }
      if (from < 2) {
        db.createObjectStore("handed");
        db.createObjectStore("reports", { autoIncrement: true });
        // What others granted was passed over until now: the feed is read once more from its beginning.
        void all.objectStore("state").delete("reading-cursor");
      }
    },
  });
}

/** A single value, or `null`. Its type is that of whoever put it there. */
export async function getState<T>(db: Database, name: string): Promise<T | null> {
  return ((await db.get("state", name)) as T | undefined) ?? null;
}

/** Keep a row unless there is one of its key: what was noted in it since stays. */
export async function putNew<N extends "messages" | "declared">(
  db: Database,
  store: N,
  row: Tables[N]["value"],
  key: Tables[N]["key"],
): Promise<void> {
  const turn = db.transaction(store, "readwrite");
  if ((await turn.store.getKey(key)) === undefined) await turn.store.put(row);
  await turn.done;
}

/** Keep a single value. */
export async function setState(db: Database, name: string, value: unknown): Promise<void> {
  await db.put("state", value, name);
}

/** Leave nothing. Only `safe.ts` does so, in its turn: it knows whether there is an account. */
export async function forgetAll(db: Database): Promise<void> {
  const names = [...db.objectStoreNames];
  const all = db.transaction(names, "readwrite");
  await Promise.all([...names.map((name) => all.objectStore(name).clear()), all.done]);
}
