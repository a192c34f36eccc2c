/** What was opened, in the memory of this page only: the newest version of each resource, and nothing taken back. */

import { DELETE } from "../envelope.ts";
import type { Opened, Resource } from "../opening.ts";

/**
 * A resource of the record: verbatim and parsed, which category and author it has, and when the hub took it (Unix
 * seconds). `handle`: by which its author replaces it or takes it back, or empty; `stream`, `epoch`: where it lies.
 */
export type Stored = {
  readonly category: number;
  readonly author: string;
  readonly at: number;
  readonly raw: Uint8Array;
  readonly resource: Resource;
  readonly stream: string;
  readonly epoch: number;
  readonly handle: string;
};

/** What the newest envelope under a handle brought. */
type Version = { readonly at: number; readonly device: string; readonly seq: number; readonly names: readonly string[] };

/** How the record names it, as `Type/id`. */
export function referenceOf({ resource }: Stored): string {
  return `${String(resource["resourceType"])}/${String(resource["id"])}`;
}

export class Store {
  /** By author, type and id: nobody replaces what somebody else wrote. */
  readonly #resources = new Map<string, Stored>();
  readonly #versions = new Map<string, Version>();

  #all: readonly Stored[] | null = null;

  /** All resources, in the order in which they came; the same array as long as nothing changes. */
  all(): readonly Stored[] {
    this.#all ??= [...this.#resources.values()];
    return this.#all;
  }

  /** Take in what an envelope held. What is older than what is here already changes nothing. */
  put({ envelope, stamp: { at }, resources }: Opened, category: number): void {
    const { str: stream, ep: epoch, aut: author, dev: device, hd: handle, seq, cty } = envelope.header;
    const place = `${stream} ${author} ${handle}`;
    const names = resources.map(({ resource }) => nameOf(author, resource));
    if (handle) {
      const before = this.#versions.get(place);
      if (before !== undefined && isNewer(before, { at, device, seq })) return;
      for (const name of before?.names ?? []) {
        const here = this.#resources.get(name);
        // What another handle has brought since then is not of this one any more.
        if (here?.stream === stream && here.handle === handle) this.#resources.delete(name);
      }
      this.#versions.set(place, { at, device, seq, names });
    }
    this.#all = null;
    if (cty === DELETE) return;
    for (const [i, { raw, resource }] of resources.entries()) {
      this.#resources.set(names[i] ?? "", { category, author, at, raw, resource, stream, epoch, handle });
    }
  }
}

function nameOf(author: string, resource: Resource): string {
  return `${author} ${String(resource["resourceType"])}/${String(resource["id"])}`;
}

/** Whether a version is newer than another: of one device by its sequence, else by the hub's stamp. */
function isNewer(one: Omit<Version, "names">, other: Omit<Version, "names">): boolean {
  return one.device === other.device ? one.seq > other.seq : one.at > other.at;
}
