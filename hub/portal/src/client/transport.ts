/**
 * How the hub is talked to: tokens by SMART Backend Services, repetition while it is busy, problems as it states them.
 *
 * https://hl7.org/fhir/smart-app-launch/backend-services.html
 */

import { newId } from "../identifiers.ts";
import type { SigningKey } from "../keys.ts";
import { b64, Rejected, utf8 } from "../primitives.ts";
import { fromDetails, Problem } from "../problems.ts";

const RETRIES = 4;
const TIMEOUT_MS = 35_000;
const ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/** Who calls: an account's device and the Ed25519 key it signs token requests with. */
export type Credentials = { readonly account: string; readonly device: string; readonly tokenKey: SigningKey };

export type HubInfo = {
  readonly domain: string;
  readonly title: string;
  readonly key: string;
  readonly peers: { readonly [domain: string]: string };
  readonly now: number;
  readonly token_endpoint: string;
};

type Options = {
  readonly method?: string;
  readonly json?: unknown;
  readonly body?: BodyInit;
  readonly type?: string;
  readonly query?: { readonly [name: string]: string };
  /** Of a sign-in or recovery instead of the device's own; `null` for doors without a token. */
  readonly token?: string | null;
};

/**
 * Who talks to the hub as a device of an account. Methods throw `Problem`; `busy` when the hub cannot be reached.
 *
 * `ends`: once it is aborted what is under way ends with its reason, and no answer is heard any more.
 */
export class Transport {
  readonly #credentials: Credentials | null;
  readonly #ends: AbortSignal;
  #token = { text: "", until: 0 };
  #ahead = 0;

  constructor(credentials: Credentials | null = null, ends = new AbortController().signal) {
    this.#credentials = credentials;
    this.#ends = ends;
  }

  /** The hub's Unix second as last heard, by which it judges what is signed; the own clock until it was asked. */
  get now(): number {
    return Math.floor(Date.now() / 1000 + this.#ahead);
  }

  /** Domain, title, public key and time of the hub. */
  async info(): Promise<HubInfo> {
    const info: HubInfo = await this.json("/v1/hub", { token: null });
    this.#ahead = info.now - Date.now() / 1000;
    return info;
  }

  /** One request whose answer is JSON. */
  protected async json<T>(path: string, options: Options = {}): Promise<T> {
    const response = await this.call(path, options);
    try {
      return await response.json();
    } catch {
      throw new Problem("busy", "the hub's answer is not JSON");
    }
  }

  /** One request, repeated with growing pauses while the hub is unreachable or busy: all calls are idempotent. */
  protected async call(path: string, options: Options): Promise<Response> {
    const { json, body = json === undefined ? null : JSON.stringify(json), token, query = {} } = options;
    const { method = body === null ? "GET" : "POST", type = "application/json" } = options;
    const asked = new URLSearchParams(query).toString();
    let refused = new Problem("busy", "the hub cannot be reached; nothing is lost, try again later");
    let isOld = token === undefined && this.#token.text !== "";
    for (let attempt = 0; attempt <= RETRIES; attempt += 1) {
      if (attempt > 0) await new Promise((go) => setTimeout(go, 100 * 4 ** (attempt - 1)));
      const headers = new Headers(body === null ? {} : { "Content-Type": type });
      if (token !== null) headers.set("Authorization", `Bearer ${token ?? (await this.#accessToken())}`);
      this.#ends.throwIfAborted();
      const limit = AbortSignal.timeout(TIMEOUT_MS);
      const signal = AbortSignal.any?.([this.#ends, limit]) ?? limit; // Safari before 17.4 does not know it, and only waits
      // Past the browser's cache: it would keep nothing, but let who asks the same wait for the first answer for up to 20 s.
      const request = { method, body, headers, signal, cache: "no-store", credentials: "omit", redirect: "error" } as const;
      const response = await fetch(asked ? `${path}?${asked}` : path, request).catch(() => null);
      this.#ends.throwIfAborted();
      if (response?.ok) return response;
      if (response !== null) refused = await problemOf(response);
      if (response === null || response.status === 429 || response.status === 503) continue;
      if (response.status === 401 && token === undefined) this.#token = { text: "", until: 0 };
      if (response.status !== 401 || !isOld) break;
      isOld = false; // it may be the token that the hub no longer knows: asked once more with another
    }
    throw refused;
  }

  /** The token that all calls carry: asked for when there is none, or the last one soon ends. */
  async #accessToken(): Promise<string> {
    if (Date.now() / 1000 < this.#token.until - 30) return this.#token.text;
    if (this.#credentials === null) throw new Problem("unauthenticated", "this call needs an account at the hub");
    const { token_endpoint } = await this.info();
    const body = new URLSearchParams({
      grant_type: "client_credentials",
      scope: "system/*.rs",
      client_assertion_type: ASSERTION,
      client_assertion: assertion(this.#credentials, token_endpoint, this.now),
    });
    const type = "application/x-www-form-urlencoded";
    type Answer = { access_token: string; expires_in: number };
    const answer = await this.json<Answer>("/oauth/token", { body: body.toString(), type, token: null });
    this.#token = { text: answer.access_token, until: Date.now() / 1000 + answer.expires_in };
    return answer.access_token;
  }
}

/** https://hl7.org/fhir/smart-app-launch/backend-services.html#step-3-access-token */
function assertion({ account, device, tokenKey }: Credentials, endpoint: string, now: number): string {
  const client = `${account}/${device}`;
  const claims = { iss: client, sub: client, aud: endpoint, exp: now + 240, iat: now, jti: newId() };
  const header = { alg: "Ed25519", typ: "JWT", kid: device };
  const signed = [header, claims].map((part) => b64(utf8(JSON.stringify(part)))).join(".");
  return `${signed}.${b64(tokenKey.sign(utf8(signed)))}`;
}

/** What an answer that is no success says; `busy` where it is no JSON. */
async function problemOf(response: Response): Promise<Problem> {
  try {
    return fromDetails(response.status, await response.json());
  } catch {
    return new Problem("busy", `the hub answered ${response.status} without saying why`);
  }
}

/** An answer in which something is missing or of another shape is `busy`: the hub's fault, not a crash. */
export function understood<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Rejected || error instanceof TypeError) throw new Problem("busy", "the answer is not understood");
    throw error;
  }
}
