/**
 * Reading: the own record, whoever wrote it. Envelopes are kept sealed and opened into the memory of this page.
 *
 * The twin of `connectors/patient/reading.py` and of the inbox behind it, as far as the own record goes: its seeds and
 * its categories come from the vault.
 */

import { type Envelope, type Header, OBJECT, parse as parseEnvelope, parseStamp } from "../envelope.ts";
import { openEnvelope, type Reader, type Resource } from "../opening.ts";
import { broken, Rejected, stale, unb64, utf8Text } from "../primitives.ts";
import { checkPermit } from "../relations.ts";
import { parsePermit } from "../statements.ts";
import type { Vault } from "../vault.ts";
import type { FeedPage } from "./api.ts";
import type { Client } from "./client.ts";
import { type EnvelopeRow, getState } from "./database.ts";
import { Problem } from "../problems.ts";
import { pace } from "./pace.ts";
import { Store, type Stored } from "./stored.ts";

const CURSOR = "reading-cursor";

/** How the record lies here: still being opened, complete, or as it was when the hub was last reached. */
export type ReadingState = "opening" | "ready" | "offline";

export class Reading {
  readonly #client: Client;
  readonly #store = new Store();
  /** Of the envelopes that were opened header and hash, by their place. */
  readonly #opened = new Map<string, { readonly header: Header; readonly hash: string }>();
  readonly #permits = new Map<string, Uint8Array>();
  readonly #pins = new Map<string, string>();
  readonly #listeners = new Set<() => void>();
  #waiting: EnvelopeRow[] = [];
  #running: Promise<void> | null = null;
  #loaded = false;
  #stored: readonly Stored[] = [];
  state: ReadingState = "opening";
  /** What went wrong when the hub was last asked, or `null`. */
  problem: unknown = null;
  /** Envelopes that do not hold and are not shown. */
  refused = 0;

  constructor(client: Client) {
    this.#client = client;
  }

  /** All resources of the record as they are opened now; another array whenever anything changed. */
  get stored(): readonly Stored[] {
    return this.#stored;
  }

  /** Gaps in what devices wrote: earlier envelopes that the hub did not give out. */
  get missing(): number {
    const waiting = new Set(this.#waiting.map(({ frame }) => placeOf(parseEnvelope(frame).header)));
    const before = [...this.#opened.values()].map(({ header }) => placeOf({ ...header, seq: header.seq - 1 }));
    const known = (place: string) => place.endsWith(" 0") || this.#opened.has(place) || waiting.has(place);
    return before.filter((place) => !known(place)).length;
  }

  /** Call `listener` whenever something changed. Returns how to stop that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(): void {
    this.#stored = this.#store.all();
    for (const listener of this.#listeners) listener();
  }

  /** Open what is kept here, then everything new. Without the hub what is here can still be read. Never throws. */
  refresh(): Promise<void> {
    this.#running ??= this.#refresh().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #refresh(): Promise<void> {
    try {
      await this.#load();
      await this.#client.catchUp();
      await this.#follow();
      [this.state, this.problem] = ["ready", null];
    } catch (error) {
      [this.state, this.problem] = ["offline", error];
      if (!(error instanceof Problem || error instanceof Rejected)) reportError(error);
    }
    this.#changed();
  }

  /** What was kept before this page started. */
  async #load(): Promise<void> {
    if (this.#loaded) return;
    const { db, account } = this.#client;
    for (const set of await db.getAllKeys("permits")) {
      this.#permits.set(set, (await db.get("permits", set)) ?? new Uint8Array());
    }
    const rows = (await db.getAll("envelopes")).filter(({ acc }) => acc === account);
    await this.#openAll(rows);
    this.#loaded = true;
    this.#changed();
  }

  /** Take pages of the feed in until there is nothing more. */
  async #follow(): Promise<void> {
    const { db, hub } = this.#client;
    const again = this.#waiting;
    this.#waiting = [];
    await this.#openAll(again);
    for (;;) {
      const page = await hub.feed((await getState<string>(db, CURSOR)) ?? "", "envelope");
      await this.#takePermits(page.permits);
      const rows = page.events.flatMap((event) => (event["acc"] === this.#client.account ? [readRow(event)] : []));
      const kept = db.transaction(["envelopes", "state"], "readwrite");
      for (const row of rows) void kept.objectStore("envelopes").put(row);
      void kept.objectStore("state").put(page.next, CURSOR);
      await kept.done;
      await this.#openAll(rows);
      if (page.events.length === 0) return;
      this.#changed();
    }
  }

  /** Keep the first permit of each set that the patient's side has signed. */
  async #takePermits(permits: FeedPage["permits"]): Promise<void> {
    for (const [set, text] of Object.entries(permits)) {
      if (this.#permits.has(set)) continue;
      try {
        await this.#takePermit(set, unb64(text));
      } catch (error) {
        if (!(error instanceof Rejected)) throw error;
        this.refused += 1;
      }
    }
  }

  async #takePermit(set: string, raw: Uint8Array): Promise<void> {
    const { db, chains, account } = this.#client;
    const permit = parsePermit(raw);
    if (permit.acc !== account) return;
    for (const [name, [seq]] of permit.cite) {
      if ((chains.accounts.get(name)?.last ?? -1) < seq) await chains.refresh("acct", name);
    }
    checkPermit(permit, account, set, chains.accounts);
    await db.put("permits", raw, set);
    this.#permits.set(set, raw);
  }

  async #openAll(rows: readonly EnvelopeRow[]): Promise<void> {
    const vault = await this.#client.vault();
    const turn = pace();
    for (const row of rows) {
      await this.#open(row, vault);
      await turn();
    }
  }

  /** Open one envelope. One that waits for chains or its object is tried again; one that does not hold is counted. */
  async #open(row: EnvelopeRow, vault: Vault): Promise<void> {
    try {
      const envelope = parseEnvelope(row.frame);
      const object = envelope.header.cty === OBJECT ? await this.#object(envelope) : undefined;
      await this.#tryOpen(row, vault, object).catch(async (error: unknown) => {
        if (!(error instanceof Rejected) || error.kind !== "stale") throw error;
        await this.#refreshChains(row, envelope);
        await this.#tryOpen(row, vault, object);
      });
    } catch (error) {
      if (error instanceof Rejected && error.kind === "broken") this.refused += 1;
      else if (error instanceof Rejected || error instanceof Problem) this.#waiting.push(row);
      else throw error;
    }
  }

  async #tryOpen(row: EnvelopeRow, vault: Vault, object: Uint8Array | undefined): Promise<void> {
    const permit = this.#permits.get(row.set);
    if (permit === undefined) throw stale("permit");
    const opened = openEnvelope(row.frame, row.stamp, permit, this.#reader(vault, object), this.#client.hub.now);
    const { header, hash } = opened.envelope;
    this.#opened.set(placeOf(header), { header, hash });
    if (opened.quarantined.length > 0) this.refused += 1;
    const category = categoryOf(vault, opened.set, opened.index);
    if (category !== undefined) this.#store.put(opened, parseStamp(row.stamp), category);
  }

  /** The chains that an envelope's stamp speaks of. */
  async #refreshChains(row: EnvelopeRow, { header }: Envelope): Promise<void> {
    const { chains } = this.#client;
    await chains.refresh("acct", row.acc);
    await chains.refresh("set", row.acc, row.set);
    if (header.aut !== row.acc) await chains.refresh("acct", header.aut);
  }

  async #object({ header }: Envelope): Promise<Uint8Array> {
    const { db, hub, account } = this.#client;
    const kept = await db.get("objects", header.bid);
    if (kept !== undefined) return kept;
    const sealed = await hub.object(account, header.str, header.bid);
    await db.put("objects", sealed, header.bid);
    return sealed;
  }

  #reader(vault: Vault, object: Uint8Array | undefined): Reader {
    const { account, keyring, chains, record } = this.#client;
    return {
      patient: account,
      hubKey: keyring.hubKey,
      accounts: chains.accounts,
      sets: record.sets,
      relation: null,
      confirmed: true,
      seed: (set, epoch, index) => vault.master(set, epoch, record.set(set).epoch(epoch).digest).seed(index),
      known: (aut, dev, str, seq) => this.#opened.get(placeOf({ aut, dev, str, seq }))?.hash,
      categoryOf: (set, index) => categoryOf(vault, set, index),
      check,
      pins: this.#pins,
      ...(object && { object: () => object }),
    };
  }
}

/** Where an envelope stands in what a device wrote into a stream. */
function placeOf({ aut, dev, str, seq }: Pick<Header, "aut" | "dev" | "str" | "seq">): string {
  return `${aut} ${dev} ${str} ${seq}`;
}

/** Which category a stream of the own record carries, stand-ins too: what somebody wrote there shows. */
function categoryOf(vault: Vault, set: string, index: number): number | undefined {
  return vault.sets.get(set)?.order[index]?.[0];
}

/** One resource. Its form was checked by whoever wrote it; what pages need of it they ask for, and expect nothing. */
function check(line: Uint8Array): Resource {
  try {
    const resource = JSON.parse(utf8Text(line, "fhir"));
    if (typeof resource.resourceType !== "string" || typeof resource.id !== "string") throw broken("fhir");
    return resource;
  } catch {
    throw broken("fhir");
  }
}

function readRow(event: { readonly [member: string]: unknown }): EnvelopeRow {
  const [acc, set, str] = [event["acc"], event["set"], event["str"]].map(String) as [string, string, string];
  return { acc, set, str, pos: Number(event["pos"]), frame: unb64(event["frame"]), stamp: unb64(event["stamp"]) };
}
