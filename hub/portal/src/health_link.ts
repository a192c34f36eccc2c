/**
 * SMART Health Links: what stands in a link, and the sealed file behind it.
 *
 * HL7, SMART Health Cards and Links 1.0 (https://hl7.org/fhir/uv/smart-health-cards-and-links/STU1/). All of it is done
 * by the browser's own cryptography, so that the page for somebody without an account needs no libsodium.
 */

import { Problem } from "./problems.ts";
import { broken } from "./rejected.ts";
import { utf8, utf8Text } from "./utf8.ts";

const SCHEME = "shlink:/";
const HEADER = { alg: "dir", enc: "A256GCM", cty: "application/fhir+json" };
const IV_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** So much a file may come to when it is unpacked. */
const MAX_BYTES = 128 * 1024 * 1024;
const PIECE = 0x8000;

/** `url`: where the manifest is; `key`: 32 bytes, base64url; `flag`: letters, `P` where there is a passcode. */
export type Payload = {
  readonly url: string;
  readonly key: string;
  readonly flag?: string;
  readonly label?: string;
  readonly v?: number;
};

type Bytes = Uint8Array<ArrayBuffer>;

/** The link that opens in a browser at `viewer`, and in every other program that knows SMART Health Links. */
export function write(payload: Payload, viewer: string): string {
  return `${viewer}#${SCHEME}${base64url(utf8(JSON.stringify(payload)))}`;
}

/** What stands in a link, with or without an address before it; `null` where it is none. */
export function read(link: string): Payload | null {
  const at = link.indexOf(SCHEME);
  if (at < 0) return null;
  try {
    const coded = link.slice(at + SCHEME.length).trim();
    const { url, key, flag = "", label = "", v = 1 } = Object(JSON.parse(utf8Text(bytesOf(coded), "fields")));
    const hasKey = typeof key === "string" && bytesOf(key).length === KEY_BYTES;
    if (!hasKey || typeof url !== "string" || !URL.canParse(url)) return null;
    return { url, key, flag: String(flag), label: String(label), v: Number(v) };
  } catch {
    return null; // whoever made it may have written what he likes
  }
}

/** Random bytes of the browser's, base64url: a key, or the secret in an address. */
export function fresh(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(KEY_BYTES)));
}

/** The name by which the hub knows a secret without having it. */
export async function nameOf(secret: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes(utf8(secret)))));
}

/** Seal a file: a JWE in its compact form (RFC 7516). */
export async function seal(key: string, content: Uint8Array): Promise<string> {
  const header = base64url(utf8(JSON.stringify(HEADER)));
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const with_ = { name: "AES-GCM", iv, additionalData: bytes(utf8(header)) };
  const sealed = new Uint8Array(await crypto.subtle.encrypt(with_, await keyOf(key, "encrypt"), bytes(content)));
  const [ciphertext, tag] = [sealed.subarray(0, -TAG_BYTES), sealed.subarray(-TAG_BYTES)];
  return `${header}..${base64url(iv)}.${base64url(ciphertext)}.${base64url(tag)}`;
}

/** Open a sealed file. Throws `Rejected(broken, seal)` for what does not fit the key. */
export async function open(key: string, jwe: string): Promise<Uint8Array> {
  try {
    const [header = "", wrapped, iv = "", ciphertext = "", tag = ""] = jwe.trim().split(".");
    const { alg, enc, zip } = Object(JSON.parse(utf8Text(bytesOf(header), "fields")));
    if (wrapped !== "" || alg !== HEADER.alg || enc !== HEADER.enc) throw broken("fields");
    const with_ = { name: "AES-GCM", iv: bytesOf(iv), additionalData: bytes(utf8(header)) };
    const sealed = new Blob([bytesOf(ciphertext), bytesOf(tag)]);
    const opened = await crypto.subtle.decrypt(with_, await keyOf(key, "decrypt"), await sealed.arrayBuffer());
    return zip === "DEF" ? await inflated(opened) : new Uint8Array(opened);
  } catch {
    throw broken("seal");
  }
}

async function inflated(packed: ArrayBuffer): Promise<Uint8Array> {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const pieces: Bytes[] = [];
  let size = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    pieces.push(next.value);
    if ((size += next.value.length) > MAX_BYTES) throw broken("limits");
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

async function keyOf(key: string, use: "encrypt" | "decrypt"): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", bytesOf(key), "AES-GCM", false, [use]);
}

// --- over the network -----------------------------------------------------------------------------------------------

/**
 * The first file behind a link, opened. `recipient`: who asks, as the one who made the link sees it.
 *
 * Throws `Problem`: `unauthenticated` with `remainingAttempts` for a wrong passcode, `not-found`, `too-many`, `busy`; or
 * `Rejected` for a file that the link's key does not open.
 */
export async function fetchFile({ url, key }: Payload, recipient: string, passcode: string): Promise<Uint8Array> {
  const body = JSON.stringify({ recipient, ...(passcode && { passcode }) });
  const answer = await asked(url, { method: "POST", body, headers: { "Content-Type": "application/json" } });
  const manifest: { readonly files?: readonly { readonly location?: string; readonly embedded?: string }[] } =
    await answer.json().catch(() => ({}));
  const [file] = manifest.files ?? [];
  if (file?.embedded) return open(key, file.embedded);
  if (!file?.location) throw new Problem("busy", "the answer is not understood");
  return open(key, await (await asked(file.location, {})).text());
}

const CODES: { readonly [status: number]: "unauthenticated" | "not-found" | "too-many" } = {
  401: "unauthenticated",
  404: "not-found",
  429: "too-many",
};

async function asked(url: string, options: RequestInit): Promise<Response> {
  const answer = await fetch(url, { ...options, credentials: "omit", redirect: "error" }).catch(() => null);
  if (answer?.ok) return answer;
  const said: { readonly [member: string]: unknown } = (await answer?.json().catch(() => null)) ?? {};
  throw new Problem(CODES[answer?.status ?? 0] ?? "busy", "the link was not opened", null, said);
}

// --- bytes ----------------------------------------------------------------------------------------------------------

function base64url(data: Uint8Array): string {
  let text = "";
  for (let at = 0; at < data.length; at += PIECE) text += String.fromCharCode(...data.subarray(at, at + PIECE));
  return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function bytesOf(text: string): Bytes {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  const data = new Uint8Array(plain.length);
  for (let at = 0; at < plain.length; at += 1) data[at] = plain.charCodeAt(at);
  return data;
}

/** As the browser's cryptography wants them: bytes that are surely not shared memory. */
function bytes(data: Uint8Array): Bytes {
  return data as Bytes;
}
