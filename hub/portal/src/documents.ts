/**
 * A file as a DocumentReference with its bytes inside: plain R4, no profile
 * (https://hl7.org/fhir/R4/documentreference.html). The twin of `fhir_profiles/documents.py`.
 */

import { Problem } from "./problems.ts";
import { MAX_OBJECT } from "./objects.ts";
import type { Performer } from "./notes.ts";
import { ascii, utf8 } from "./primitives.ts";
import { identity } from "./wearables/observations.ts";

/** Bytes of a document: base64 makes four of three, and the resource around it has some. */
export const MAX_FILE = Math.floor(MAX_OBJECT / 4) * 3 - 64 * 1024;

const MAGIC = [
  ["application/pdf", ascii("%PDF-")],
  ["image/jpeg", Uint8Array.of(0xff, 0xd8, 0xff)],
  ["image/png", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)],
] as const;
const TEXT = "text/plain; charset=utf-8";
/** What is no sign of a text, but for white space. */
const UNPRINTABLE = /(?![\t\n\r\f ])[\p{C}\p{Z}]/u;

/** What a file is, told by its bytes: PDF, JPEG, PNG or plain text in UTF-8. Throws `Problem(media-type)`. */
export function mediaType(content: Uint8Array): string {
  const known = MAGIC.find(([, magic]) => magic.every((byte, i) => content[i] === byte));
  if (known !== undefined) return known[0];
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
    if (text !== "" && !UNPRINTABLE.test(text)) return TEXT;
  } catch {
    // It is no UTF-8.
  }
  throw new Problem("media-type", "this is no PDF, JPEG, PNG or text in UTF-8: save it as a PDF");
}

/** A document that a person has: `created` is when it was made, `now` when it comes into the record. */
export type Document = {
  readonly content: Uint8Array<ArrayBuffer>;
  readonly title: string;
  readonly created: Date;
  readonly now: Date;
  /** Who brings it in, where it is not the patient herself. */
  readonly by?: Performer;
};

/** The resource as one JSON line, and its id; `patient` is the patient's id. Throws `Problem`. */
export async function documentReference(patient: string, { content, title, created, now, by }: Document) {
  if (content.length > MAX_FILE) throw new Problem("too-large", `a file may have ${MAX_FILE} bytes`);
  if (content.length === 0) throw new Problem("invalid", "the file is empty");
  const id = identity(patient, "file", hex(await digest("SHA-256", content)));
  const attachment = {
    contentType: mediaType(content),
    data: base64(content),
    size: content.length,
    hash: base64(await digest("SHA-1", content)),
    title,
    creation: utc(created),
  };
  const resource = {
    resourceType: "DocumentReference",
    id,
    status: "current",
    subject: { reference: `Patient/${patient}` },
    date: utc(now),
    ...(by && { author: [by] }),
    description: title,
    content: [{ attachment }],
  };
  return { id, line: utf8(JSON.stringify(resource)) };
}

async function digest(name: "SHA-1" | "SHA-256", content: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest(name, content));
}

function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Standard base64, a piece at a time: a long argument list would not fit. */
function base64(data: Uint8Array): string {
  const pieces: string[] = [];
  for (let start = 0; start < data.length; start += 0x6000) {
    pieces.push(btoa(String.fromCharCode(...data.subarray(start, start + 0x6000))));
  }
  return pieces.join("");
}

function utc(moment: Date): string {
  return `${moment.toISOString().slice(0, 19)}+00:00`;
}
