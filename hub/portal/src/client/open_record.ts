/**
 * One patient's record as far as it is opened in the memory of this page: her own, or what she granted to this account.
 */

import { type Envelope, type Header, OBJECT, parse as parseEnvelope } from "../envelope.ts";
import { openEnvelope, type Reader, type Resource } from "../opening.ts";
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

  /** All resources as they are opened now, in the order in which they came; the same array as long as nothing changes. */
  get all(): readonly Stored[] {
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
    let reader = this.#reader(keys);
    for (const row of rows) {
      if (!keys.confirmed) this.#waiting.push(row);
      else if (await this.#open(row, keys, reader)) reader = this.#reader(keys);
      await turn();
    }
  }

  /** Open one envelope. Returns whether chains were fetched for it. */
  async #open(row: EnvelopeRow, keys: Keys, reader: Reader): Promise<boolean> {
    let fetched = false;
    try {
      const envelope = parseEnvelope(row.frame);
      const object = envelope.header.cty === OBJECT ? await this.#object(envelope) : undefined;
      try {
        this.#tryOpen(row, envelope, reader, object);
      } catch (error) {
        if (!(error instanceof Rejected) || error.kind !== "stale") throw error;
        fetched = true;
        await this.#refreshChains(row, envelope);
        this.#tryOpen(row, envelope, this.#reader(keys), object);
      }
    } catch (error) {
      if (error instanceof Rejected && error.kind === "broken") this.refused += 1;
      else if (error instanceof Rejected || error instanceof Problem) this.#waiting.push(row);
      else throw error;
    }
    return fetched;
  }

  #tryOpen(row: EnvelopeRow, envelope: Envelope, reader: Reader, object: Uint8Array | undefined): void {
    const permit = this.#permits.get(row.set);
    if (permit === undefined) throw stale("permit");
    const whole = object ? { ...reader, object: () => object } : reader;
    const opened = openEnvelope(envelope, row.stamp, permit, whole, this.#client.hub.now);
    const { header, hash } = envelope;
    this.#opened.set(placeOf(header), { header, hash });
    this.#whole.add(`${row.str} ${row.pos}`);
    if (opened.quarantined.length > 0) this.refused += 1;
    const category = reader.categoryOf(opened.set, opened.index);
    if (category !== undefined) this.#store.put(opened, category);
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

  /** What opens envelopes, as keys and chains are now; what it has found out once it knows. */
  #reader(keys: Keys): Reader {
    const { chains } = this.#client;
    const seeds = new Map<string, Uint8Array>();
    const seed = (set: string, epoch: number, index: number) => {
      const name = `${set} ${epoch} ${index}`;
      const found = seeds.get(name) ?? keys.seed(set, epoch, index);
      if (found !== undefined) seeds.set(name, found);
      return found;
    };
    return {
      ...keys,
      seed,
      patient: this.patient,
      accounts: chains.accounts,
      sets: chains.record(this.patient).sets,
      known: (aut, dev, str, seq) => this.#opened.get(placeOf({ aut, dev, str, seq }))?.hash,
      check,
      pins: this.#pins,
      permits: new WeakMap(),
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
