/**
 * One patient's record as far as it is opened in the memory of this page: her own, or what she granted to this account.
 */

import { type Envelope, type Header, OBJECT, parse as parseEnvelope, parseStamp } from "../envelope.ts";
import { type Opened, openEnvelope, type Reader, type Resource } from "../opening.ts";
import { broken, Rejected, stale, utf8Text } from "../primitives.ts";
import { Problem } from "../problems.ts";
import type { Client } from "./client.ts";
import type { EnvelopeRow } from "./database.ts";
import { pace } from "./pace.ts";
import { Store, type Stored } from "./stored.ts";

/** Keys and rights by which a record is opened, as they are at this moment. */
export type Keys = Pick<Reader, "relation" | "confirmed" | "hubKey" | "seed" | "categoryOf">;

/** The permits that this device has seen, by set. */
export type Permits = ReadonlyMap<string, Uint8Array>;

export class OpenRecord {
  readonly patient: string;
  readonly #client: Client;
  readonly #permits: Permits;
  readonly #keys: () => Promise<Keys>;
  readonly #store = new Store();
  /** Of the envelopes that were opened header and hash, by their place. */
  readonly #opened = new Map<string, { readonly header: Header; readonly hash: string }>();
  /** Where in which stream an envelope lies that was opened: no hub can put another one in its place. */
  readonly #whole = new Set<string>();
  readonly #pins = new Map<string, string>();
  #waiting: EnvelopeRow[] = [];
  /** Envelopes that do not hold and are not shown. */
  refused = 0;

  constructor(client: Client, patient: string, permits: Permits, keys: () => Promise<Keys>) {
    this.#client = client;
    this.patient = patient;
    this.#permits = permits;
    this.#keys = keys;
  }

  /** All resources as they are opened now, in the order in which they came. */
  get all(): Stored[] {
    return this.#store.all();
  }

  /** Gaps in what devices wrote: earlier envelopes that the hub did not give out. */
  get missing(): number {
    const waiting = new Set(this.#waiting.map(({ frame }) => placeOf(parseEnvelope(frame).header)));
    const before = [...this.#opened.values()].map(({ header }) => placeOf({ ...header, seq: header.seq - 1 }));
    const known = (place: string) => place.endsWith(" 0") || this.#opened.has(place) || waiting.has(place);
    return before.filter((place) => !known(place)).length;
  }

  /** Whether what stands at the place of an envelope is open already. */
  has({ str, pos }: EnvelopeRow): boolean {
    return this.#whole.has(`${str} ${pos}`);
  }

  /** Open what waited for chains, seeds, a confirmation or its object. */
  async again(): Promise<void> {
    const again = this.#waiting;
    this.#waiting = [];
    await this.openAll(again);
  }

  /** Open envelopes. One that cannot be opened yet waits; one that does not hold is counted. */
  async openAll(rows: readonly EnvelopeRow[]): Promise<void> {
    if (rows.length === 0) return;
    const keys = await this.#keys();
    const turn = pace();
    for (const row of rows) {
      if (keys.confirmed) await this.#open(row, keys);
      else this.#waiting.push(row);
      await turn();
    }
  }

  async #open(row: EnvelopeRow, keys: Keys): Promise<void> {
    try {
      const envelope = parseEnvelope(row.frame);
      const object = envelope.header.cty === OBJECT ? await this.#object(envelope) : undefined;
      await this.#tryOpen(row, keys, object).catch(async (error: unknown) => {
        if (!(error instanceof Rejected) || error.kind !== "stale") throw error;
        await this.#refreshChains(row, envelope);
        await this.#tryOpen(row, keys, object);
      });
    } catch (error) {
      if (error instanceof Rejected && error.kind === "broken") this.refused += 1;
      else if (error instanceof Rejected || error instanceof Problem) this.#waiting.push(row);
      else throw error;
    }
  }

  async #tryOpen(row: EnvelopeRow, keys: Keys, object: Uint8Array | undefined): Promise<void> {
    const permit = this.#permits.get(row.set);
    if (permit === undefined) throw stale("permit");
    const opened = openEnvelope(row.frame, row.stamp, permit, this.#reader(keys, object), this.#client.hub.now);
    const { header, hash } = opened.envelope;
    this.#opened.set(placeOf(header), { header, hash });
    this.#whole.add(`${row.str} ${row.pos}`);
    if (opened.quarantined.length > 0) this.refused += 1;
    this.#put(opened, row, keys);
  }

  #put(opened: Opened, row: EnvelopeRow, keys: Keys): void {
    const category = keys.categoryOf(opened.set, opened.index);
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
    const { db, hub } = this.#client;
    const kept = await db.get("objects", header.bid);
    if (kept !== undefined) return kept;
    const sealed = await hub.object(this.patient, header.str, header.bid);
    await db.put("objects", sealed, header.bid);
    return sealed;
  }

  #reader(keys: Keys, object: Uint8Array | undefined): Reader {
    const { chains } = this.#client;
    return {
      ...keys,
      patient: this.patient,
      accounts: chains.accounts,
      sets: chains.record(this.patient).sets,
      known: (aut, dev, str, seq) => this.#opened.get(placeOf({ aut, dev, str, seq }))?.hash,
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
