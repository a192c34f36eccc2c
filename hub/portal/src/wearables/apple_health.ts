/**
 * Apple Health's export as typed records, straight from the zip in constant memory.
 *
 * The twin of `connectors/wearables/apple_health.py`: every element that carries data is one `Record`, samples at the
 * top level and the same samples again inside a Correlation. Nothing is judged here: what a record is worth, `importer`
 * decides.
 */

import { Archive, type Limits } from "./archive.ts";
import type { Description } from "./devices.ts";
import { Problem } from "../problems.ts";
import { byCodePoints, detached, words } from "./texts.ts";
import { Mending } from "./xml_text.ts";
import { Parser, type Attributes, type Handler } from "./xml.ts";

const MAX_DEPTH = 64;
const MAX_SOURCES = 1_000_000;
const OTHER = ["Workout", "ActivitySummary", "ClinicalRecord", "Audiogram", "VisionPrescription"];
const DEVICE_FIELDS =
  "name|manufacturer|model|hardware|firmware|software|localIdentifier|UDIDeviceIdentifier|creation date";
const DEVICE_SPLIT = new RegExp(`(?:^|, )(${DEVICE_FIELDS}):`);
const USER_ENTERED = "HKWasUserEntered";

/**
 * One element of the export.
 *
 * `type` is HealthKit's identifier, or the element's name where it is no sample; `source` an index into
 * `Export.sources`; the rest as written, empty where absent; `entered`: by hand.
 */
export type Record = {
  readonly type: string;
  readonly source: number;
  readonly start: string;
  readonly end: string;
  readonly value: string;
  readonly unit: string;
  readonly entered: boolean;
};

/** An opened export; `records` may be read once. */
export class Export {
  readonly #archive: Archive;
  readonly #reader: Reader;

  private constructor(archive: Archive) {
    this.#archive = archive;
    this.#reader = new Reader();
  }

  /** Throws `Problem`: `invalid` for what is damaged, `not-supported` for another format, `too-large` at a limit. */
  static async open(file: Blob, limits: Limits): Promise<Export> {
    return new Export(await Archive.open(file, limits));
  }

  get sources(): readonly Description[] {
    return this.#reader.sources;
  }

  /** When it says that it was made. */
  get exported(): string {
    return this.#reader.exported;
  }

  /** Each CSV of the zip, whole; one that cannot be read, or is too large, as its `Problem`. */
  electrocardiograms(): AsyncGenerator<Uint8Array | Problem> {
    return this.#archive.tables();
  }

  /** All records in the order of the file, chunk by chunk; `progress` is told the position in the file after each. */
  async *records(progress?: (position: number) => void): AsyncGenerator<readonly Record[]> {
    const mending = new Mending();
    const parser = new Parser(this.#reader);
    for await (const chunk of this.#archive.export()) {
      parser.feed(mending.feed(chunk));
      yield this.#reader.found.splice(0);
      progress?.(this.#archive.position);
    }
    parser.feed(mending.end());
    parser.end();
    yield this.#reader.found.splice(0);
  }
}

/** Makes records of elements. */
class Reader implements Handler {
  readonly found: Record[] = [];
  readonly sources: Description[] = [];
  exported = "";
  readonly #indices = new Map<string, number>();
  #depth = 0;
  #attributes: Attributes | undefined;
  #entered = false;

  start(name: string, attributes: Attributes): void {
    this.#depth += 1;
    if (name === "Record") {
      this.#attributes = attributes;
      this.#entered = false;
    } else if (name === "MetadataEntry") {
      const value = attributes.get("value");
      if (attributes.get("key") === USER_ENTERED && (value === "1" || value === "true")) this.#entered = true;
    } else if (name === "Correlation") {
      // Its records are those beside it.
    } else if (OTHER.includes(name)) {
      this.found.push({ type: name, source: -1, start: "", end: "", value: "", unit: "", entered: false });
    } else if (name === "ExportDate") {
      this.exported = attributes.get("value") ?? "";
    } else if (this.#depth === 1 && name !== "HealthData") {
      throw new Problem("not-supported", "This XML is no export of Apple Health.");
    }
    if (this.#depth > MAX_DEPTH) throw new Problem("invalid", "The export is nested deeper than any of Apple Health.");
  }

  end(name: string): void {
    this.#depth -= 1;
    if (name !== "Record" || this.#attributes === undefined) return;
    const attributes = this.#attributes;
    this.#attributes = undefined;
    const start = attributes.get("startDate") ?? "";
    this.found.push({
      type: attributes.get("type") ?? "",
      source: this.#source(attributes.get("sourceName") ?? "", attributes.get("device") ?? ""),
      start,
      end: attributes.get("endDate") ?? start,
      value: attributes.get("value") ?? "",
      unit: attributes.get("unit") ?? "",
      entered: this.#entered,
    });
  }

  #source(name: string, device: string): number {
    // Without the address in memory, which differs from record to record.
    const key = `${name}\0${device.slice(device.indexOf(">"))}`;
    const known = this.#indices.get(key);
    if (known !== undefined) return known;
    const index = this.sources.length;
    if (index >= MAX_SOURCES) throw new Problem("too-large", "The export names more sources than a person has.");
    this.#indices.set(key, index);
    this.sources.push(described(name, device));
    return index;
  }
}

/** A device from `<<HKDevice: 0x28…>, name:Apple Watch, …>`; values may hold commas (`hardware:Watch6,2`). */
function described(sourceName: string, device: string): Description {
  const at = device.indexOf(">, ");
  const said = device.startsWith("<<HKDevice") && at >= 0 ? device.slice(at + 3).replace(/>$/, "") : "";
  const parts = said.split(DEVICE_SPLIT);
  const fields = new Map<string, string>();
  for (let i = 1; i < parts.length; i += 2) fields.set(parts[i] ?? "", plain(parts[i + 1] ?? ""));
  const field = (name: string): string => fields.get(name) ?? "";
  return {
    source: plain(sourceName) || field("name") || "Apple Health",
    name: field("name"),
    manufacturer: field("manufacturer"),
    model: field("model"),
    hardware: field("hardware"),
    software: field("software"),
  };
}

/** Apple writes no-break spaces into names; FHIR strings neither begin nor end with a space. */
function plain(text: string): string {
  return detached(words(text).join(" "));
}

/** For each source its place where several measured the same: watches, then phones, then the rest, each by name. */
export function ranks(sources: readonly Description[]): number[] {
  const places = sources.map((about) => {
    const said = (`${about.hardware} ${about.model} ${about.name}`.trim() || about.source).toLowerCase();
    return { place: said.includes("watch") ? 0 : said.includes("phone") ? 1 : 2, name: about.source };
  });
  const order = places.map((_, index) => index).sort((a, b) => compare(places[a]!, places[b]!));
  const found = new Array<number>(sources.length);
  order.forEach((index, at) => {
    const before = order[at - 1];
    const isSame = before !== undefined && compare(places[before]!, places[index]!) === 0;
    found[index] = isSame ? (found[before] ?? 0) : at;
  });
  return found;
}

type Place = { readonly place: number; readonly name: string };

function compare(a: Place, b: Place): number {
  return a.place - b.place || byCodePoints(a.name, b.name);
}
