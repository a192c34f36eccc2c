/**
 * What patients are told of reads of what they granted: who, in which role, for what. Sealed to each, so that the hub learns
 * purpose and time only; noted before it is shown, and kept until the hub has it. The twin of
 * `connectors/gateway/reporting.py`.
 */

import * as messages from "../messages.ts";
import type { Resource } from "../opening.ts";
import { utf8 } from "../primitives.ts";
import { Problem } from "../problems.ts";
import type { Client } from "./client.ts";

/** So many the hub takes at once. */
const MAX_REPORTS = 100;

/** Who reads: of an organisation the member, by name and role; a person reads as herself, and names neither. */
export type ReadBy = { readonly person: string; readonly role: string; readonly purpose: string };

/** Without the hub what was noted waits; the next reading sends it. */
function later(error: unknown): void {
  if (!(error instanceof Problem)) throw error;
}

export class Reports {
  readonly #client: Client;
  /** Whose names were shown since this device was unlocked, and for what. */
  readonly #named = new Set<string>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** Note that these resources of another patient are about to be shown: one report for each type, all of them or none. */
  async note(patient: string, resources: readonly Resource[], by: ReadBy): Promise<void> {
    const { account, chains, db, hub, keyring } = this.#client;
    const types = [...new Set(resources.map(({ resourceType }) => String(resourceType)))].sort();
    const to = await chains.account(patient);
    const made = types.map((what) => {
      const number = resources.filter(({ resourceType }) => resourceType === what).length;
      const content = utf8(JSON.stringify({ ...by, at: hub.now, what, number }));
      const draft = { typ: "read", sender: account, dev: keyring.device, to: patient, at: hub.now, content } as const;
      const sealed = messages.seal(messages.write(keyring.sign, draft), to.readingKey());
      return { acc: patient, at: hub.now, purpose: by.purpose, sealed };
    });
    const kept = db.transaction("reports", "readwrite");
    await Promise.all([...made.map((one) => kept.store.add(one)), kept.done]);
    void this.send().catch(later);
  }

  /** Note that a patient's name is about to be shown: told once for each unlocking and purpose, not with each page. */
  async noteName(patient: string, resources: readonly Resource[], by: ReadBy): Promise<void> {
    const name = `${patient} ${by.purpose}`;
    if (this.#named.has(name)) return;
    await this.note(patient, resources, by);
    this.#named.add(name);
  }

  /** Tell what was noted and is not known to be at the hub: the same bytes again count once. Throws `Problem`. */
  send(): Promise<void> {
    return navigator.locks.request("obhut-reports", async () => {
      const { db, hub } = this.#client;
      for (;;) {
        const keys = await db.getAllKeys("reports", null, MAX_REPORTS);
        if (keys.length === 0) return;
        const found = await Promise.all(keys.map((key) => db.get("reports", key)));
        await hub.reportReads(found.flatMap((one) => one ?? []));
        await Promise.all(keys.map((key) => db.delete("reports", key)));
      }
    });
  }
}
