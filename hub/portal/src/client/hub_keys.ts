/**
 * The keys of hubs, by which what they stamped and vouched for is checked: each pinned when it is first told. The twin of
 * `connectors/hub_keys.py`.
 */

import { account } from "../identifiers.ts";
import { broken, equal, KEY_BYTES, stale, unb64 } from "../primitives.ts";
import type { Hub } from "./api.ts";
import { type Database, getState, setState } from "./database.ts";
import type { Keyring } from "./keyring.ts";

const PINNED = "hub-key ";

/** The own hub's key from the keyring; another's as the own hub first told it, kept for ever in the database. */
export class HubKeys {
  readonly #db: Database;
  readonly #hub: Hub;
  readonly #known: Map<string, Uint8Array>;

  constructor(db: Database, hub: Hub, keyring: Keyring) {
    this.#db = db;
    this.#hub = hub;
    this.#known = new Map([[account(keyring.account).domain, keyring.hubKey]]);
  }

  /** The stamp key of the hub at a domain, once it was learned. Throws `Rejected(stale, hub)` before that. */
  key(domain: string): Uint8Array {
    const found = this.#known.get(domain);
    if (found === undefined) throw stale("hub");
    return found;
  }

  /**
   * Get to know the hubs of these accounts; one that the own hub does not know (yet) is left out. Throws `Problem`;
   * `Rejected(broken, stamp)` where another tab was told another key.
   */
  async learn(accounts: Iterable<string>): Promise<void> {
    const domains = new Set([...accounts].map((name) => account(name).domain));
    const strange = [...domains].filter((domain) => !this.#known.has(domain));
    for (const domain of strange) {
      const pinned = await getState<Uint8Array>(this.#db, PINNED + domain);
      if (pinned !== null) this.#known.set(domain, pinned);
    }
    if (strange.every((domain) => this.#known.has(domain))) return;
    const { peers } = await this.#hub.info();
    for (const domain of strange) {
      const told = peers[domain];
      if (told !== undefined && !this.#known.has(domain)) await this.#pin(domain, unb64(told, KEY_BYTES));
    }
  }

  async #pin(domain: string, told: Uint8Array): Promise<void> {
    const pinned = await getState<Uint8Array>(this.#db, PINNED + domain);
    if (pinned !== null && !equal(pinned, told)) throw broken("stamp");
    await setState(this.#db, PINNED + domain, told);
    this.#known.set(domain, told);
  }
}
