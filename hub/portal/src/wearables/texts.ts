/** Text as Python sees it: its white space, its decimal digits, its order of strings. */

const SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const SPACES = new RegExp(`${SPACE}+`);
const OUTER_SPACE = new RegExp(`^${SPACE}+|${SPACE}+$`, "g");
const LINE_END = /\r\n|[\n-\r\x1c-\x1e\x85\u2028\u2029]/;
const DIGIT = /^\p{Nd}$/u;

/** `str.strip`. */
export function stripped(text: string): string {
  return text.replace(OUTER_SPACE, "");
}

/** `str.split` without arguments. */
export function words(text: string): string[] {
  return text.split(SPACES).filter((word) => word !== "");
}

/** `str.splitlines`, but for an empty line at the end, which means nothing here. */
export function lines(text: string): string[] {
  return text.split(LINE_END);
}

/** Digits of any script as those of ASCII; `str.isdecimal` says yes to all of them. */
export function asciiDigits(text: string): string {
  return text.replace(/[^\x00-\x7f]/gu, (character) => {
    if (!DIGIT.test(character)) return character;
    const code = character.codePointAt(0) ?? 0;
    // Unicode keeps the ten digits of a script together, in order, from zero.
    let zero = code;
    while (DIGIT.test(String.fromCodePoint(zero - 1))) zero -= 1;
    return String((code - zero) % 10);
  });
}

/** Order by code points, as Python sorts; JavaScript's own order puts what is beyond U+FFFF too early. */
export function byCodePoints(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  const [left, right] = [rank(a.charCodeAt(at)), rank(b.charCodeAt(at))];
  return at < a.length && at < b.length ? left - right : a.length - b.length;
}

/** Halves of a pair go behind all other units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

/** A copy that does not keep alive the text that it was cut from. */
export function detached(text: string): string {
  return ` ${text}`.slice(1);
}
