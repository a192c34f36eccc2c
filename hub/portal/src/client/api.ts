/**
 * The only HTTP caller: the hub as one of its participants sees it. The twin of `connectors/hub_client.py`.
 *
 * What comes back is parsed, never trusted: chains are replayed and envelopes opened by those who asked.
 */

import { b64, concat, le32, unb64 } from "../primitives.ts";
import type { Written } from "../steps.ts";
import { Problem } from "../problems.ts";
import { Transport, understood } from "./transport.ts";

export type { Credentials, HubInfo } from "./transport.ts";

const BYTES = "application/octet-stream";

export type Wraps = { readonly [name: string]: Uint8Array };

export type SealedVault = { readonly version: number; readonly sealed: Uint8Array; readonly wraps: Wraps };

/** An entry of the directory; `type`: practice, hospital, emergency, care, pharmacy, laboratory, payer and others. */
export type Organisation = {
  readonly account: string;
  readonly name: string;
  readonly type: string;
  readonly fingerprint: string;
};

/** What became of one deposited envelope; `last`: where the hub has the device, if it told so. */
export type Deposited = {
  readonly status: number;
  readonly reason: string;
  readonly stamp: Uint8Array;
  readonly last: { readonly seq: number; readonly hash: string } | null;
};

/** That something was read of a patient: when (Unix seconds), for what, and sealed to her the rest. */
export type ReadReport = {
  readonly acc: string;
  readonly at: number;
  readonly purpose: string;
  readonly sealed: Uint8Array;
};

/** A SMART Health Link at the hub. `left`: wrong passcodes until it is closed; `opened_at`: 0 for never. */
export type KeptLink = { readonly name: string; readonly sealed: Uint8Array } & {
  readonly [member in "at" | "until" | "size" | "left" | "opened" | "opened_at"]: number;
};

/** What the hub is given of a link: `file` a JWE, `sealed` what she notes for herself. */
export type NewLink = Pick<KeptLink, "until" | "sealed"> & { readonly passcode: string; readonly file: string };

/** An event of the feed, as it came: `type` says what else it holds. */
export type FeedEvent = { readonly type: string; readonly [member: string]: unknown };
export type FeedPage = {
  readonly events: readonly FeedEvent[];
  readonly next: string;
  readonly permits: { readonly [set: string]: string };
};

/** Methods throw `Problem`; `busy` when the hub cannot be reached. */
export class Hub extends Transport {
  /** Create an account: its first statements, its first device's registration, an organisation's code of admission. */
  async enrol(frames: readonly Uint8Array[], registration: Uint8Array, admission = ""): Promise<void> {
    const json = { frames: frames.map(b64), client: b64(registration), ...(admission && { admission }) };
    await this.json("/v1/accounts", { json, token: null });
  }

  /** Register a further device's token key. */
  async register(registration: Uint8Array): Promise<void> {
    await this.json("/v1/clients", { json: { frame: b64(registration) }, token: null });
  }

  // --- chains -----------------------------------------------------------------------------------------------------

  /** Append statements, all or nothing. `wraps` (all that shall count) and `fetch` (SHA-256) go with a vault. */
  async post(written: readonly Written[], wraps: Wraps = {}, fetch: Uint8Array | null = null, token?: string) {
    const statements = written.map(({ frame, blob }) => ({ frame: b64(frame), ...(blob && { blob: b64(blob) }) }));
    const named = Object.entries(wraps).map(([name, wrap]) => [name, b64(wrap)]);
    const json = {
      statements,
      ...(named.length > 0 && { wraps: Object.fromEntries(named) }),
      ...(fetch && { fetch: b64(fetch) }),
    };
    await this.call("/v1/statements", { json, ...(token && { token }) });
  }

  /** The frames of a chain behind a position. `fingerprint`: from a card, at first contact. */
  async chain(kind: string, acc: string, oth = "", more: { after?: number; fingerprint?: string; token?: string } = {}) {
    const { after = -1, fingerprint = "", token } = more;
    const path = `/v1/chains/${kind}/${acc}${oth && `/${oth}`}`;
    const query = { after: String(after), ...(fingerprint && { fp: fingerprint }) };
    const answer = await this.json<{ frames: string[] }>(path, { query, ...(token && { token }) });
    return understood(() => answer.frames.map((frame) => unb64(frame)));
  }

  /** The whole chains of those whom an account's chain relies on, by their names: delegates who signed in it. */
  async cited(acc: string, fingerprint = "", token?: string): Promise<Map<string, Uint8Array[]>> {
    const query = fingerprint ? { fp: fingerprint } : {};
    const path = `/v1/chains/acct/${acc}`;
    const answer = await this.json<{ cited?: { [name: string]: string[] } }>(path, { query, ...(token && { token }) });
    return understood(() => new Map(Object.entries(answer.cited ?? {}).map(([name, all]) => [name, all.map((frame) => unb64(frame))])));
  }

  /** Where chains (kind, account, other; at most 250) end: a frame of each home hub that answers the nonce. */
  async heads(nonce: string, chains: readonly (readonly [kind: string, acc: string, oth: string])[]): Promise<Uint8Array[]> {
    const { frames } = await this.json<{ frames: string[] }>("/v1/heads", { json: { nonce, chains } });
    return understood(() => frames.map((frame) => unb64(frame)));
  }

  /** A bundle by its hash. */
  async bundle(acc: string, lst: string): Promise<Uint8Array> {
    const response = await this.call(`/v1/bundles/${acc}/${lst}`, {});
    return new Uint8Array(await response.arrayBuffer());
  }

  /** The sets of a patient, for her side. */
  async sets(acc: string): Promise<string[]> {
    const { sets } = await this.json<{ sets: unknown[] }>(`/v1/sets/${acc}`);
    return understood(() => sets.map(String));
  }

  /** With whom a patient has relations, for her side. */
  async counterparts(acc: string): Promise<string[]> {
    const { relations } = await this.json<{ relations: [string, string][] }>(`/v1/relations/${acc}`);
    return understood(() => relations.filter(([owner]) => owner === acc).map(([, oth]) => String(oth)));
  }

  /** Version, ciphertext and wraps of the vault. */
  async vault(acc: string, token?: string): Promise<SealedVault> {
    type Answer = { ver: number; ciphertext: string; wraps: { [name: string]: string } };
    const answer = await this.json<Answer>(`/v1/vault/${acc}`, token ? { token } : {});
    return understood(() => ({
      version: answer.ver,
      sealed: unb64(answer.ciphertext),
      wraps: Object.fromEntries(Object.entries(answer.wraps).map(([name, wrap]) => [name, unb64(wrap)])),
    }));
  }

  // --- people -----------------------------------------------------------------------------------------------------

  /** Let the passphrase's sign-in key fetch the sealed vault. */
  async setSignIn(key: Uint8Array): Promise<void> {
    await this.call("/v1/sign-in", { method: "PUT", json: { key: b64(key) } });
  }

  /** A short token for the sealed vault, by the passphrase's sign-in key. */
  async signIn(account: string, key: Uint8Array): Promise<string> {
    const json = { account, key: b64(key) };
    return (await this.json<{ access_token: string }>("/v1/sign-in", { json, token: null })).access_token;
  }

  /** A short token for the sealed vault, by the recovery sheet. */
  async recover(account: string, fetchToken: Uint8Array): Promise<string> {
    const json = { account, token: b64(fetchToken) };
    return (await this.json<{ access_token: string }>("/v1/recover", { json, token: null })).access_token;
  }

  // --- two devices while one is added --------------------------------------------------------------------------------

  /** What the account's device says first; `conflict` where another was quicker. */
  async putReply(place: string, sealed: Uint8Array): Promise<void> {
    await this.call(`/v1/pairings/${place}/reply`, { method: "PUT", json: { sealed: b64(sealed) } });
  }

  /** What the new device answers. */
  async putReveal(place: string, sealed: Uint8Array): Promise<void> {
    await this.call(`/v1/pairings/${place}/reveal`, { method: "PUT", json: { sealed: b64(sealed) }, token: null });
  }

  /** What lies at a place: nothing before the reply, and nothing after the end. */
  async pairing(place: string): Promise<{ readonly [word in "reply" | "reveal"]: Uint8Array | null }> {
    const answer = await this.json<{ [word: string]: string }>(`/v1/pairings/${place}`, { token: null });
    const word = (name: string) => (answer[name] === undefined ? null : unb64(answer[name]));
    return understood(() => ({ reply: word("reply"), reveal: word("reveal") }));
  }

  /** The account's device is done. */
  async endPairing(place: string): Promise<void> {
    await this.call(`/v1/pairings/${place}`, { method: "DELETE" });
  }

  // --- envelopes --------------------------------------------------------------------------------------------------

  /** Deposit a batch of envelopes (at most 100 and 8 MiB); an answer for each, in order. */
  async deposit(frames: readonly Uint8Array[]): Promise<Deposited[]> {
    type Result = { status: number; reason?: string; stamp?: string; seq?: number; hash?: string };
    const body = bytes(concat(...frames.flatMap((frame) => [le32(frame.length), frame])));
    const { results } = await this.json<{ results: Result[] }>("/v1/envelopes", { body, type: BYTES });
    return understood(() =>
      results.map(({ status, reason = "", stamp, seq, hash = "" }) => ({
        status,
        reason,
        stamp: stamp === undefined ? new Uint8Array() : unb64(stamp),
        last: seq === undefined ? null : { seq, hash },
      })),
    );
  }

  /** Put the object that the envelope `bid` will name. */
  async putObject(stream: string, bid: string, object: Uint8Array): Promise<void> {
    await this.call(`/v1/objects/${stream}/${bid}`, { method: "PUT", body: bytes(object), type: BYTES });
  }

  /** The sealed object that an envelope names. */
  async object(acc: string, stream: string, bid: string): Promise<Uint8Array> {
    const response = await this.call(`/v1/objects/${acc}/${stream}/${bid}`, {});
    return new Uint8Array(await response.arrayBuffer());
  }

  // --- others -----------------------------------------------------------------------------------------------------

  /** All organisations and services that the hub knows, page by page. */
  async organisations(): Promise<Organisation[]> {
    type Page = { readonly organisations: readonly Organisation[]; readonly next: string | null };
    const found: Organisation[] = [];
    let after: string | null = "";
    while (after !== null) {
      const { organisations, next }: Page = await this.json("/v1/directory", { query: { after } });
      found.push(...organisations);
      after = next;
    }
    return found;
  }

  /** Send a sealed message; to a person without a relation only with the fingerprint of her card. */
  async message(to: string, sealed: Uint8Array, fingerprint = ""): Promise<void> {
    await this.call("/v1/messages", { json: { to, frame: b64(sealed), ...(fingerprint && { fp: fingerprint }) } });
  }

  // --- the access log ---------------------------------------------------------------------------------------------

  /** A page of an account's access log behind an entry, as JSON, and its head, which the hub signs. */
  async log(acc: string, after = 0): Promise<{ readonly entries: readonly unknown[]; readonly head: Uint8Array }> {
    const answer = await this.json<{ entries: unknown[]; head: string }>(`/v1/log/${acc}`, { query: { after: String(after) } });
    return understood(() => ({ entries: [...answer.entries], head: unb64(answer.head) }));
  }

  /** Report what was read of patients: sealed to each, at most 100 at once. */
  async reportReads(reports: readonly ReadReport[]): Promise<void> {
    const json = { reports: reports.map(({ sealed, ...open }) => ({ ...open, sealed: b64(sealed) })) };
    await this.call("/v1/reads", { json });
  }

  /** Say against an entry of the own log that it was not right: a sealed message to whom it is about. */
  async objectTo(entry: number, sealed: Uint8Array): Promise<void> {
    await this.call("/v1/objections", { json: { entry, frame: b64(sealed) } });
  }

  // --- SMART Health Links -------------------------------------------------------------------------------------------

  /** The account's links, the newest first. */
  async healthLinks(): Promise<KeptLink[]> {
    type Answer = { links: (Omit<KeptLink, "sealed"> & { sealed: string })[] };
    const { links } = await this.json<Answer>("/v1/health-links");
    return understood(() => links.map((link) => ({ ...link, sealed: unb64(link.sealed) })));
  }

  /** Keep a sealed file for whoever comes with the secret of which `name` is the hash, and the passcode. */
  async putHealthLink(name: string, { sealed, ...rest }: NewLink): Promise<void> {
    await this.call(`/v1/health-links/${name}`, { method: "PUT", json: { ...rest, sealed: b64(sealed) } });
  }

  /** Let a link hold until a moment (Unix seconds). */
  async extendHealthLink(name: string, until: number): Promise<void> {
    await this.call(`/v1/health-links/${name}`, { method: "PATCH", json: { until } });
  }

  /** Close a link for everybody; one that is gone already is closed. */
  async revokeHealthLink(name: string): Promise<void> {
    await this.call(`/v1/health-links/${name}`, { method: "DELETE" }).catch((error: unknown) => {
      if (!(error instanceof Problem && error.code === "not-found")) throw error;
    });
  }

  // --- the feed ---------------------------------------------------------------------------------------------------

  /** The next page of the own feed. `only`: types of event, by comma; `wait`: seconds to wait for news, at most 25. */
  async feed(after: string, only: string, wait = 0): Promise<FeedPage> {
    const query = { wait: String(wait), only, ...(after && { after }) };
    return this.json("/v1/feed", { query });
  }
}

/** As `fetch` wants them: bytes that are surely not shared memory. */
function bytes(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return data as Uint8Array<ArrayBuffer>;
}
