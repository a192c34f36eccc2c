/**
 * BLAKE2b with a person (RFC 7693), 16 bytes: the names of readings, and what the ledger remembers of them.
 *
 * libsodium's JavaScript has no hash with a person, and what another program brought in is found again by these very
 * names. Nothing secret goes through here.
 */

const BLOCK = 128;
const SIZE = 16;
const LABEL = 16;
// 64-bit words as two halves, the lower first.
const IV = new Int32Array([
  0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85, 0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a,
  0xade682d1, 0x510e527f, 0x2b3e6c1f, 0x9b05688c, 0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19,
]);
/** The order of the message's words in each round, as hexadecimal digits. */
const ROUNDS = [
  "0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8", "905724afe1bc683d",
  "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a", "6fe9b308c2d714a5", "a2847615fb9e3cd0",
  "0123456789abcdef", "ea489fd61c02b753",
].map((round) => Uint8Array.from(round, (digit) => 2 * Number.parseInt(digit, 16)));
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const encoder = new TextEncoder();
const beginnings = new Map<string, Int32Array>();
const state = new Int32Array(32);
const message = new Int32Array(32);

/** 16 bytes over `data` as hexadecimal digits; `person` is ASCII of at most 16 characters. */
export function digest(data: Uint8Array, person: string): string {
  const hash = beginning(person).slice();
  const last = Math.max(0, Math.ceil(data.length / BLOCK) - 1) * BLOCK;
  for (let at = 0; at < last; at += BLOCK) compress(hash, data, at, at + BLOCK, false);
  const end = new Uint8Array(BLOCK);
  end.set(data.subarray(last));
  compress(hash, end, 0, data.length, true);
  let text = "";
  for (let i = 0; i < SIZE; i += 1) text += HEX[(hash[i >> 2]! >>> (8 * (i & 3))) & 255];
  return text;
}

/** What a hash of a person begins with: no key, no salt, no tree. */
function beginning(person: string): Int32Array {
  let found = beginnings.get(person);
  if (found === undefined) {
    const parameters = new DataView(new ArrayBuffer(64));
    [SIZE, 0, 1, 1].forEach((byte, at) => parameters.setUint8(at, byte));
    encoder.encode(person.padEnd(LABEL, "\0")).forEach((byte, at) => parameters.setUint8(48 + at, byte));
    found = IV.map((word, i) => word ^ parameters.getInt32(4 * i, true));
    beginnings.set(person, found);
  }
  return found;
}

/** `count`: bytes up to the end of this block. */
function compress(hash: Int32Array, data: Uint8Array, at: number, count: number, isLast: boolean): void {
  for (let i = 0; i < 32; i += 1) {
    const byte = at + 4 * i;
    message[i] = data[byte]! | (data[byte + 1]! << 8) | (data[byte + 2]! << 16) | (data[byte + 3]! << 24);
  }
  state.set(hash);
  state.set(IV, 16);
  state[24] = state[24]! ^ count % 2 ** 32;
  state[25] = state[25]! ^ Math.floor(count / 2 ** 32);
  if (isLast) {
    state[28] = ~state[28]!;
    state[29] = ~state[29]!;
  }
  for (const s of ROUNDS) {
    mix(0, 8, 16, 24, s[0]!, s[1]!);
    mix(2, 10, 18, 26, s[2]!, s[3]!);
    mix(4, 12, 20, 28, s[4]!, s[5]!);
    mix(6, 14, 22, 30, s[6]!, s[7]!);
    mix(0, 10, 20, 30, s[8]!, s[9]!);
    mix(2, 12, 22, 24, s[10]!, s[11]!);
    mix(4, 14, 16, 26, s[12]!, s[13]!);
    mix(6, 8, 18, 28, s[14]!, s[15]!);
  }
  for (let i = 0; i < 16; i += 1) hash[i] = hash[i]! ^ state[i]! ^ state[i + 16]!;
}

/** G of RFC 7693, 3.1, written out for speed. The places name the lower half of a word. */
function mix(a: number, b: number, c: number, d: number, x: number, y: number): void {
  let al = state[a]!;
  let ah = state[a + 1]!;
  let bl = state[b]!;
  let bh = state[b + 1]!;
  let cl = state[c]!;
  let ch = state[c + 1]!;
  let dl = state[d]!;
  let dh = state[d + 1]!;
  let ml = message[x]!;

  al = (al + bl) | 0;
  ah = (ah + bh + carry(al, bl)) | 0;
  al = (al + ml) | 0;
  ah = (ah + message[x + 1]! + carry(al, ml)) | 0;
  let low = dl ^ al;
  // d is turned to the right by 32, b by 24, d by 16, b by 63.
  dl = dh ^ ah;
  dh = low;
  cl = (cl + dl) | 0;
  ch = (ch + dh + carry(cl, dl)) | 0;
  low = bl ^ cl;
  bh ^= ch;
  bl = (low >>> 24) | (bh << 8);
  bh = (bh >>> 24) | (low << 8);

  ml = message[y]!;
  al = (al + bl) | 0;
  ah = (ah + bh + carry(al, bl)) | 0;
  al = (al + ml) | 0;
  ah = (ah + message[y + 1]! + carry(al, ml)) | 0;
  low = dl ^ al;
  dh ^= ah;
  dl = (low >>> 16) | (dh << 16);
  dh = (dh >>> 16) | (low << 16);
  cl = (cl + dl) | 0;
  ch = (ch + dh + carry(cl, dl)) | 0;
  low = bl ^ cl;
  bh ^= ch;
  bl = (low << 1) | (bh >>> 31);
  bh = (bh << 1) | (low >>> 31);

  state[a] = al;
  state[a + 1] = ah;
  state[b] = bl;
  state[b + 1] = bh;
  state[c] = cl;
  state[c + 1] = ch;
  state[d] = dl;
  state[d + 1] = dh;
}

/** Whether a sum of halves went over, by one of those that were added. */
function carry(total: number, added: number): number {
  return total >>> 0 < added >>> 0 ? 1 : 0;
}
