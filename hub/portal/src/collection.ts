/** Resources as they were written, byte for byte, in one Bundle (https://hl7.org/fhir/R4/bundle.html); and out of one. */

import type { Stored } from "./client/stored.ts";
import { category } from "./categories.ts";
import { Digits, exact } from "./exact.ts";
import type { Resource } from "./opening.ts";
import { broken, Rejected } from "./rejected.ts";
import { utf8 } from "./utf8.ts";

/** The parts of a Bundle (collection) of these entries. */
export function collection(entries: readonly Stored[]): Uint8Array<ArrayBuffer>[] {
  const head = `{"resourceType":"Bundle","type":"collection","timestamp":"${new Date().toISOString()}"`;
  const parts = entries.flatMap(({ raw }, i) => [utf8(`${i === 0 ? ',"entry":[' : ","}{"resource":`), raw, utf8("}")]);
  const all = [utf8(head), ...parts, utf8(entries.length > 0 ? "]}" : "}")];
  return all as Uint8Array<ArrayBuffer>[];
}

/** What cannot be known of an entry that came in a Bundle. */
const UNKNOWN = { author: "", at: 0, stream: "", epoch: 0, handle: "" };

/**
 * The entries of a Bundle, numbers as they were written; what is no R4 resource is left out.
 *
 * Throws `Rejected(broken, fhir)` for what is no Bundle.
 */
export function entriesOf(bundle: Uint8Array): Stored[] {
  const { resourceType, entry } = Object(parsed(bundle));
  if (resourceType !== "Bundle") throw broken("fhir");
  return (Array.isArray(entry) ? entry : []).flatMap((one): Stored[] => {
    const raw = utf8(written(Object(one).resource));
    const resource: Resource = JSON.parse(new TextDecoder().decode(raw));
    const number = categoryOf(resource);
    return number === null ? [] : [{ ...UNKNOWN, category: number, raw, resource }];
  });
}

function parsed(bundle: Uint8Array): unknown {
  try {
    return exact(bundle);
  } catch {
    throw broken("fhir");
  }
}

function categoryOf(resource: Resource): number | null {
  try {
    return category(Object(resource));
  } catch (error) {
    if (error instanceof Rejected) return null;
    throw error;
  }
}

/** JSON of what `exact` gave: numbers with the digits that they had. */
function written(value: unknown): string {
  if (value instanceof Digits) return value.text;
  if (Array.isArray(value)) return `[${value.map(written).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  return `{${Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${written(member)}`).join(",")}}`;
}
