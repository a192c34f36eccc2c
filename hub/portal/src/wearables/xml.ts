/**
 * A strict parser of XML without declarations (https://www.w3.org/TR/2008/REC-xml-20081126/), chunk by chunk.
 *
 * As strict as the expat of the Python importer: an export that breaks off, or is not well formed, is refused, not
 * shortened. It scans for what follows and looks at each character once, or not at all.
 */

import { Problem } from "../problems.ts";
import { declared } from "./xml_text.ts";

const MAX_TOKEN = 4 << 20;
const [TAB, LF, CR, SPACE] = [9, 10, 13, 32];
const [SLASH, EQUALS, GREATER] = [47, 61, 62];
const [QUOTE, APOSTROPHE] = [34, 39];

const NAME_START =
  ":A-Z_a-z\\xc0-\\xd6\\xd8-\\xf6\\xf8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c\\u200d\\u2070-\\u218f" +
  "\\u2c00-\\u2fef\\u3001-\\ud7ff";
const NAME = new RegExp(`^[${NAME_START}][-.0-9\\xb7\\u0300-\\u036f\\u203f\\u2040${NAME_START}]*$`);
const S = "[\\t\\n\\r ]";
const DECLARATION = new RegExp(
  `^${pseudo("version", "[-.\\w]*")}(?:${pseudo("encoding", "[A-Za-z][-.\\w]*")})?` +
    `(?:${pseudo("standalone", "(?:yes|no)")})?${S}*$`,
);
const SPECIAL = /[<&\t\n\r]/;
const REFERENCE = /&(?:(amp|lt|gt|quot|apos);|#([0-9]+);|#x([0-9a-fA-F]+);)?/g;
const NAMED: { readonly [name: string]: string } = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** The attributes of an element, in the order of the file. */
export class Attributes {
  readonly names: string[] = [];
  readonly values: string[] = [];

  get(name: string): string | undefined {
    const at = this.names.indexOf(name);
    return at < 0 ? undefined : this.values[at];
  }
}

/** Who is told of elements. */
export type Handler = {
  start(name: string, attributes: Attributes): void;
  end(name: string): void;
};

/** Thrown, and caught here, where a token goes on in the next chunk. */
const CUT = Symbol("cut");

export class Parser {
  readonly #handler: Handler;
  readonly #open: string[] = [];
  #text = "";
  #at = 0;
  #isBeginning = true;
  #isOver = false;

  constructor(handler: Handler) {
    this.#handler = handler;
  }

  /**
   * Read on. The first text that is not empty holds all that stands before the root.
   *
   * Throws `Problem(invalid)` for what is not well formed, or holds a declaration.
   */
  feed(text: string): void {
    this.#text = this.#at < this.#text.length ? this.#text.slice(this.#at) + text : text;
    this.#at = 0;
    if (this.#isBeginning && this.#text !== "") this.#beginning();
    const length = text.length;
    while (this.#at < this.#text.length && this.#token());
    if (this.#text.length - this.#at > MAX_TOKEN + length) {
      throw new Problem("invalid", "The export holds an element larger than any of Apple Health.");
    }
  }

  /** The end of the file. Throws `Problem(invalid)` where the document has not ended. */
  end(): void {
    if (!this.#isOver || this.#at < this.#text.length) throw broken();
  }

  /** A byte order mark and the XML declaration, which may stand here only. */
  #beginning(): void {
    const start = this.#text.startsWith("\ufeff") ? 1 : 0;
    this.#isBeginning = false;
    this.#at = start;
    if (!/^<\?xml[\t\n\r ]$/.test(this.#text.slice(start, start + 6))) return;
    const end = this.#text.indexOf("?>", start);
    if (end < 0 || !DECLARATION.test(this.#text.slice(start + 5, end))) throw broken();
    this.#at = end + 2;
  }

  /** One token; whether there may be another in this chunk. */
  #token(): boolean {
    const begin = this.#at;
    try {
      if (this.#text[begin] !== "<") return this.#characters();
      const next = this.#code(begin + 1);
      if (next === SLASH) this.#endTag();
      else if (next === 33) this.#marked();
      else if (next === 63) this.#instruction();
      else this.#startTag();
      return true;
    } catch (thrown) {
      if (thrown !== CUT) throw thrown;
      this.#at = begin;
      return false;
    }
  }

  /** What stands between tags. References at its end may go on in the next chunk, as may `]]>`. */
  #characters(): boolean {
    const next = this.#text.indexOf("<", this.#at);
    let end = next < 0 ? this.#text.length : next;
    if (this.#open.length === 0) {
      if (!isSpace(this.#text, this.#at, end)) throw broken();
    } else if (!isSpace(this.#text, this.#at, end)) {
      const found = this.#text.slice(this.#at, end);
      if (found.includes("]]>")) throw broken();
      if (next < 0) end -= goesOn(found);
      plain(this.#text.slice(this.#at, end));
    }
    this.#at = end;
    return next >= 0;
  }

  #startTag(): void {
    const text = this.#text;
    if (this.#isOver) throw broken();
    let at = this.#name(this.#at + 1);
    const name = text.slice(this.#at + 1, at);
    const attributes = new Attributes();
    for (;;) {
      const before = at;
      at = this.#space(at);
      const code = this.#code(at);
      if (code === GREATER) break;
      if (code === SLASH) {
        if (this.#code(at + 1) !== GREATER) throw broken();
        break;
      }
      if (at === before) throw broken();
      at = this.#attribute(at, attributes);
    }
    if (hasTwice(attributes.names)) throw broken();
    const isEmpty = text.charCodeAt(at) === SLASH;
    this.#at = at + (isEmpty ? 2 : 1);
    this.#handler.start(name, attributes);
    if (isEmpty) this.#ended(name);
    else this.#open.push(name);
  }

  #attribute(start: number, attributes: Attributes): number {
    const text = this.#text;
    const end = this.#name(start);
    let at = this.#space(end);
    if (this.#code(at) !== EQUALS) throw broken();
    at = this.#space(at + 1);
    const quote = this.#code(at);
    if (quote !== QUOTE && quote !== APOSTROPHE) throw broken();
    const close = text.indexOf(quote === QUOTE ? '"' : "'", at + 1);
    if (close < 0) throw CUT;
    const value = text.slice(at + 1, close);
    attributes.names.push(text.slice(start, end));
    attributes.values.push(SPECIAL.test(value) ? plain(value.replace(/\r\n|[\t\n\r]/g, " ")) : value);
    return close + 1;
  }

  #endTag(): void {
    const end = this.#name(this.#at + 2);
    const close = this.#space(end);
    if (this.#code(close) !== GREATER) throw broken();
    const name = this.#text.slice(this.#at + 2, end);
    if (this.#open.pop() !== name) throw broken();
    this.#at = close + 1;
    this.#ended(name);
  }

  #ended(name: string): void {
    if (this.#open.length === 0) this.#isOver = true;
    this.#handler.end(name);
  }

  /** A comment or a section of characters; a DOCTYPE is refused. */
  #marked(): void {
    const text = this.#text;
    const head = text.slice(this.#at, this.#at + 9);
    if (head.startsWith("<!--")) {
      const end = text.indexOf("--", this.#at + 4);
      if (end < 0 || end + 2 >= text.length) throw CUT;
      if (text.charCodeAt(end + 2) !== GREATER) throw broken();
      this.#at = end + 3;
    } else if (head === "<![CDATA[" && this.#open.length > 0) {
      const end = text.indexOf("]]>", this.#at + 9);
      if (end < 0) throw CUT;
      this.#at = end + 3;
    } else if (head === "<!DOCTYPE") {
      throw declared();
    } else if (head.length < 9 && ["<!--", "<![CDATA[", "<!DOCTYPE"].some((mark) => mark.startsWith(head))) {
      throw CUT;
    } else {
      throw broken();
    }
  }

  #instruction(): void {
    const text = this.#text;
    const end = this.#name(this.#at + 2);
    if (/^xml$/i.test(text.slice(this.#at + 2, end))) throw broken();
    const close = text.indexOf("?>", end);
    if (close < 0) throw CUT;
    if (close !== end && !isSpace(text, end, end + 1)) throw broken();
    this.#at = close + 2;
  }

  /** The place behind the name that begins at `start`. */
  #name(start: number): number {
    const text = this.#text;
    let at = start;
    let isPlain = true;
    for (let code = text.charCodeAt(at); isName(code); code = text.charCodeAt(at)) {
      if (code > 127) isPlain = false;
      at += 1;
    }
    if (at === text.length) throw CUT;
    const first = text.charCodeAt(start);
    const isFine = isPlain ? at > start && !(first < 58 || first === 0xb7) : NAME.test(text.slice(start, at));
    if (!isFine) throw broken();
    return at;
  }

  #space(start: number): number {
    let at = start;
    for (let code = this.#text.charCodeAt(at); isSpaceCode(code); code = this.#text.charCodeAt(at)) at += 1;
    return at;
  }

  #code(at: number): number {
    if (at >= this.#text.length) throw CUT;
    return this.#text.charCodeAt(at);
  }
}

/** An attribute of the XML declaration. */
function pseudo(name: string, value: string): string {
  return `${S}+${name}${S}*=${S}*(?:"${value}"|'${value}')`;
}

function broken(): Problem {
  return new Problem("invalid", "The export is not well formed.");
}

/** How many characters at the end of a text may be the beginning of a reference, or of `]]>`. */
function goesOn(text: string): number {
  const last = text.lastIndexOf("&");
  if (last >= 0 && !text.includes(";", last)) return text.length - last;
  return text.endsWith("]]") ? 2 : text.endsWith("]") ? 1 : 0;
}

/** Letters, digits, `:`, `_`, `-`, `.`, and whatever is not ASCII. */
function isName(code: number): boolean {
  if (code > 96) return code < 123 || code > 127;
  return code > 44 && (code < 59 ? code !== SLASH : code > 64 && (code < 91 || code === 95));
}

function isSpaceCode(code: number): boolean {
  return code === SPACE || code === LF || code === TAB || code === CR;
}

function isSpace(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (!isSpaceCode(text.charCodeAt(at))) return false;
  return true;
}

function hasTwice(names: readonly string[]): boolean {
  if (names.length > 16) return new Set(names).size < names.length;
  return names.some((name, at) => names.indexOf(name) < at);
}

/** Text with its references put in. Throws `Problem(invalid)` for `<`, and for what refers to nothing. */
function plain(text: string): string {
  if (text.includes("<")) throw broken();
  if (!text.includes("&")) return text;
  return text.replace(REFERENCE, (_, named?: string, decimal?: string, hexadecimal?: string) => {
    if (named !== undefined) return NAMED[named] ?? "";
    return character(decimal === undefined ? Number.parseInt(hexadecimal ?? "", 16) : Number(decimal));
  });
}

function character(code: number): string {
  const isOne = code === TAB || code === LF || code === CR || (code >= SPACE && code < 0x110000);
  if (!isOne || (code >= 0xd800 && code < 0xe000) || code === 0xfffe || code === 0xffff) throw broken();
  return String.fromCodePoint(code);
}
