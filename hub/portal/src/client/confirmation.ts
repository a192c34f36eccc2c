/**
 * Confirmation: the home hub's signed word that the chains held here are all there is (PROTOCOL.md 5.8). The twin of
 * `connectors/gateway/confirmation.py`.
 *
 * It counts from the moment of asking, by the own clock; nobody in between can lengthen it, and silence confirms nothing.
 */

import * as heads from "../heads.ts";
import { account, newId } from "../identifiers.ts";
import { broken, Rejected } from "../primitives.ts";
import { Problem } from "../problems.ts";
import type { Position } from "../shapes.ts";
import { chainId, type ChainKind } from "../statements.ts";
import type { Hub } from "./api.ts";
import type { ChainStore } from "./chain_store.ts";
import { type Database, getState, setState } from "./database.ts";
import type { HubKeys } from "./hub_keys.ts";

/** So long a confirmation counts; then nothing is shown of what the patient granted. */
export const CONFIRMED_SECONDS = 900;
/** After this a patient who was confirmed is asked for again. */
const AGAIN_SECONDS = 60;
/** So many fit into one question: the relation, and the patient's account. */
const PATIENTS = heads.MAX_CHAINS / 2;
/** Chains that have grown are asked for again at once; a hub that keeps growing them waits for the next turn. */
const MAX_TURNS = 4;
const KEPT = "confirmed";

type ChainName = readonly [kind: ChainKind, acc: string, oth: string];
type Around = {
  readonly account: string;
  readonly db: Database;
  readonly hub: Hub;
  readonly chains: ChainStore;
  readonly hubKeys: HubKeys;
};

/** Who was confirmed when. */
export class Confirmation {
  readonly #around: Around;
  #confirmed = new Map<string, number>();

  constructor(around: Around) {
    this.#around = around;
  }

  /** What was confirmed before this page started. */
  async load(): Promise<void> {
    this.#confirmed = new Map((await getState<[string, number][]>(this.#around.db, KEPT)) ?? []);
  }

  /** Whether what this patient granted may be opened and shown at this moment. */
  confirmed(patient: string): boolean {
    const [at, now] = [this.#confirmed.get(patient) ?? 0, clock()];
    return now - CONFIRMED_SECONDS < at && at <= now;
  }

  /**
   * Ask for those of these patients who are due. Returns whose chains have grown, and who is confirmed and was not. Throws
   * `Problem` where the hub cannot be asked: what is not confirmed in time is not shown.
   */
  async turn(patients: Iterable<string>): Promise<Set<string>> {
    const moved = new Set<string>();
    let due = [...patients].filter((patient) => this.#isDue(patient));
    for (let turn = 0; due.length > 0 && turn < MAX_TURNS; turn += 1) {
      const lapsed = due.filter((patient) => !this.confirmed(patient));
      const grown: string[] = [];
      for (let start = 0; start < due.length; start += PATIENTS) {
        grown.push(...(await this.#question(due.slice(start, start + PATIENTS))));
      }
      for (const patient of grown) moved.add(patient);
      for (const patient of lapsed) if (this.confirmed(patient)) moved.add(patient);
      due = grown;
    }
    return moved;
  }

  #isDue(patient: string): boolean {
    const [at, now] = [this.#confirmed.get(patient) ?? 0, clock()];
    return at > now || at + AGAIN_SECONDS <= now;
  }

  /** One question; returns whose chains have grown. */
  async #question(patients: readonly string[]): Promise<string[]> {
    const { account: me, db, hub, hubKeys } = this.#around;
    await hubKeys.learn(patients);
    const chains = patients.flatMap((acc): ChainName[] => [
      ["rel", acc, me],
      ["acct", acc, ""],
    ]);
    const [asked, nonce] = [clock(), newId()];
    const held = new Map(chains.map((chain) => [chainId(...chain), this.#head(chain)]));
    const words = this.#words(nonce, await hub.heads(nonce, chains));
    const grown = new Set<string>();
    for (const patient of patients) {
      const own = chains.filter(([, acc]) => acc === patient);
      const told = own.map((chain) => words.get(account(patient).domain)?.get(chainId(...chain)));
      if (own.every((chain, i) => isSame(this.#head(chain), told[i]))) this.#confirmed.set(patient, asked);
      for (const [i, chain] of own.entries()) if (await this.#follow(chain, told[i], held)) grown.add(patient);
    }
    await setState(db, KEPT, [...this.#confirmed]);
    return [...grown];
  }

  #head([kind, acc, oth]: ChainName): Position | null {
    return this.#around.chains.head(kind, acc, oth);
  }

  /** What each hub says, by its domain: beyond it its word does not count. What does not hold says nothing. */
  #words(nonce: string, frames: readonly Uint8Array[]): Map<string, ReadonlyMap<string, Position>> {
    const found = new Map<string, ReadonlyMap<string, Position>>();
    for (const frame of frames) {
      try {
        const word = heads.parse(frame);
        const hub = String(word.frame.header["hub"]);
        word.verify(this.#around.hubKeys.key(hub), { hub, to: this.#around.account, nonce });
        found.set(hub, word.heads);
      } catch (error) {
        if (!(error instanceof Rejected)) throw error;
      }
    }
    return found;
  }

  /**
   * Where a copy is shorter than its head, fetch what is missing; whether it has grown, also since the question (`held`:
   * heads as of then). One that differs is not confirmed.
   */
  async #follow(chain: ChainName, told: Position | undefined, held: ReadonlyMap<string, Position | null>): Promise<boolean> {
    const [kind, acc, oth] = chain;
    const here = this.#head(chain);
    if (told === undefined || isSame(here, told)) return false;
    if (here !== null && !isSame(here, held.get(chainId(...chain)) ?? undefined)) return true; // the word is of before
    try {
      if (here !== null && here[0] >= told[0]) throw broken(here[0] === told[0] ? "fork" : "rollback");
      await this.#around.chains.refresh(kind, acc, oth);
    } catch (error) {
      const isHidden = error instanceof Problem && error.code === "not-found";
      if (!isHidden && !(error instanceof Rejected)) throw error;
      this.#confirmed.delete(acc);
      return false;
    }
    return !isSame(here, this.#head(chain) ?? undefined);
  }
}

/** Unix seconds by the own clock. */
function clock(): number {
  return Math.floor(Date.now() / 1000);
}

function isSame(one: Position | null, other: Position | undefined): boolean {
  return one !== null && other !== undefined && one[0] === other[0] && one[1] === other[1];
}
