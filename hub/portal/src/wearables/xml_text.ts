/**
 * From Apple's bytes to XML that a strict parser takes: without DOCTYPE, without characters that XML forbids.
 *
 * iOS 16 writes a DOCTYPE that is not well formed, and apps leave control characters in names. The twin of
 * `connectors/wearables/xml_text.py`; it gives out text, decoded strictly, since the parser here reads text.
 */

import { Problem } from "../problems.ts";

const DOCTYPE_LIMIT = 1 << 20;
const LONGEST_REFERENCE = 11;
const FIRST_OF_NONCHARACTERS = 0xef;
const NONCHARACTERS = /[\ufffe\uffff]/;
const REFERENCE = /&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));/g;
// A DOCTYPE ends at `>`, or with an internal subset at `]>`; what stands inside the subset need not be well formed.
const DOCTYPE_END = /<!DOCTYPE[^[>]*(?:>|\[[^]*?\][\t-\r ]*>)/y;
const ROOT = /<[A-Za-z_]/;
const COMMENT = /<!--[^]*?(?:-->|$)/g;
const ENTITIES = "The export declares XML entities, which no export of Apple Health does.";

/** A DOCTYPE or an entity where none may be. */
export function declared(): Problem {
  return new Problem("invalid", ENTITIES);
}

/**
 * The same document as text, fit for a strict parser.
 *
 * Throws `Problem(invalid)` for a DOCTYPE that declares entities, one without end, and for what is not UTF-8.
 */
export class Mending {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /** The beginning, while it is not known where the DOCTYPE ends, a character a byte; then `undefined`. */
  #head: string | undefined = "";
  #held = "";
  #suspicious = false;

  /** The next chunk of the file; gives what can be told of it. */
  feed(chunk: Uint8Array): string {
    if (this.#head === undefined) return this.#mended(chunk, false);
    this.#head += latin1(chunk);
    if (/^(?:\xff\xfe|\xfe\xff)/.test(this.#head)) throw new Problem("invalid", "The export is not in UTF-8.");
    const rest = afterProlog(this.#head);
    if (rest === undefined) {
      if (this.#head.length > DOCTYPE_LIMIT) throw new Problem("invalid", "The head of the export has no end.");
      return "";
    }
    this.#head = undefined;
    return this.#mended(Uint8Array.from(rest, (character) => character.charCodeAt(0)), false);
  }

  /** What was held back at the end of the file. */
  end(): string {
    if (this.#head !== undefined) throw new Problem("invalid", "The export ends before its data begin.");
    return this.#mended(new Uint8Array(), true);
  }

  #mended(chunk: Uint8Array, isLast: boolean): string {
    const { data, suspicious } = withoutControls(chunk);
    const decoded = this.#decoded(data, isLast);
    const isSuspicious = suspicious || this.#suspicious;
    if (isSuspicious && NONCHARACTERS.test(decoded)) throw new Problem("invalid", "The export is not well formed.");
    // Its other bytes may come with the next chunk.
    this.#suspicious = suspicious || (isSuspicious && decoded === "");
    let text = this.#held + decoded;
    this.#held = "";
    const last = text.lastIndexOf("&");
    if (!isLast && last >= text.length - LONGEST_REFERENCE && last >= 0 && !text.includes(";", last)) {
      this.#held = text.slice(last);
      text = text.slice(0, last);
    }
    return text.includes("&#") ? text.replace(REFERENCE, allowed) : text;
  }

  #decoded(data: Uint8Array, isLast: boolean): string {
    try {
      return this.#decoder.decode(data, { stream: !isLast });
    } catch {
      throw new Problem("invalid", "The export is not well formed.");
    }
  }
}

/** `head` without its DOCTYPE, or `undefined` while more is needed to tell. */
function afterProlog(head: string): string | undefined {
  // Comments are blanked at equal length, so that places found in one count in the other.
  const bare = head.replace(COMMENT, (comment) => " ".repeat(comment.length));
  const start = bare.indexOf("<!DOCTYPE");
  const root = bare.search(ROOT);
  if (start < 0) return root < 0 ? undefined : head;
  if (root >= 0 && root < start) return head;
  DOCTYPE_END.lastIndex = start;
  const end = DOCTYPE_END.exec(head);
  if ((end?.[0] ?? head.slice(start)).includes("<!ENTITY")) throw declared();
  return end === null ? undefined : head.slice(0, start) + head.slice(start + end[0].length);
}

/** The bytes without control characters; `suspicious`: among them may be characters that are none. */
function withoutControls(chunk: Uint8Array): { readonly data: Uint8Array; readonly suspicious: boolean } {
  let suspicious = false;
  for (let i = 0; i < chunk.length; i += 1) {
    const byte = chunk[i]!;
    if (byte === FIRST_OF_NONCHARACTERS) suspicious = true;
    else if (isControl(byte)) return { data: chunk.filter((each) => !isControl(each)), suspicious: true };
  }
  return { data: chunk, suspicious };
}

function isControl(byte: number): boolean {
  return byte < 32 && byte !== 9 && byte !== 10 && byte !== 13;
}

/** A reference to a character that XML forbids goes. */
function allowed(reference: string, hexadecimal: string | undefined, decimal: string | undefined): string {
  const code = hexadecimal === undefined ? Number(decimal) : Number.parseInt(hexadecimal, 16);
  const half = code >= 0xd800 && code < 0xe000;
  return isControl(code) || half || code === 0xfffe || code === 0xffff ? "" : reference;
}

function latin1(data: Uint8Array): string {
  let text = "";
  for (let start = 0; start < data.length; start += 8192) {
    text += String.fromCharCode(...data.subarray(start, start + 8192));
  }
  return text;
}
