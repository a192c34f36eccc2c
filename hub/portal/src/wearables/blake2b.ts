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
// prettier-ignore
const IV = new Uint32Array([
  0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85, 0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a,
  0xade682d1, 0x510e527f, 0x2b3e6c1f, 0x9b05688c, 0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19,
]);
/** The order of the message's words in each round, as hexadecimal digits. */
// prettier-ignore
const ROUNDS = [
  "0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8", "905724afe1bc683d",
  "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a", "6fe9b308c2d714a5", "a2847615fb9e3cd0",
  "0123456789abcdef", "ea489fd61c02b753",
].map((round) => Uint8Array.from(round, (digit) => 2 * Number.parseInt(digit, 16)));
/** The four columns, then the four diagonals of the state. */
// prettier-ignore
const QUARTERS = [
  [0, 8, 16, 24], [2, 10, 18, 26], [4, 12, 20, 28], [6, 14, 22, 30],
  [0, 10, 20, 30], [2, 12, 22, 24], [4, 14, 16, 26], [6, 8, 18, 28],
] as const;

const state = new Uint32Array(32);
const message = new Uint32Array(32);

/** 16 bytes over `data` as hexadecimal digits; `person` is ASCII of at most 16 characters. */
export function digest(data: Uint8Array, person: string): string {
  const hash = IV.slice();
  const parameters = new Uint8Array(64);
  parameters.set([SIZE, 0, 1, 1]);
  parameters.set(new TextEncoder().encode(person.padEnd(LABEL, "\0")), 48);
  const words = new DataView(parameters.buffer);
  for (let i = 0; i < 16; i += 1) hash[i] = hash[i]! ^ words.getUint32(4 * i, true);
  const last = Math.max(0, Math.ceil(data.length / BLOCK) - 1) * BLOCK;
  for (let at = 0; at < last; at += BLOCK) compress(hash, data, at, at + BLOCK, false);
  const end = new Uint8Array(BLOCK);
  end.set(data.subarray(last));
  compress(hash, end, 0, data.length, true);
  return [...new Uint8Array(hash.buffer, 0, SIZE)].map((byte) => HEX[byte]).join("");
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** `hash` is read as bytes at the end: browsers run on little-endian machines only. */
function compress(hash: Uint32Array, data: Uint8Array, at: number, count: number, isLast: boolean): void {
  for (let i = 0; i < 32; i += 1) {
    const byte = at + 4 * i;
    message[i] = data[byte]! | (data[byte + 1]! << 8) | (data[byte + 2]! << 16) | (data[byte + 3]! << 24);
  }
  state.set(hash);
  state.set(IV, 16);
  state[24] = state[24]! ^ count % 0x100000000;
  state[25] = state[25]! ^ Math.floor(count / 0x100000000);
  if (isLast) {
    state[28] = ~state[28]!;
    state[29] = ~state[29]!;
  }
  for (const round of ROUNDS) {
    for (let quarter = 0; quarter < 8; quarter += 1) mix(quarter, round[2 * quarter]!, round[2 * quarter + 1]!);
  }
  for (let i = 0; i < 16; i += 1) hash[i] = hash[i]! ^ state[i]! ^ state[i + 16]!;
}

function mix(quarter: number, x: number, y: number): void {
  const [a, b, c, d] = QUARTERS[quarter]!;
  add(a, b, x);
  rotate(d, a, 32);
  add(c, d, -1);
  rotate(b, c, 24);
  add(a, b, y);
  rotate(d, a, 16);
  add(c, d, -1);
  rotate(b, c, 63);
}

/** state[to] += state[from] + message[word] in 64 bits; no word where it is negative. */
function add(to: number, from: number, word: number): void {
  const low = state[to]! + state[from]! + (word < 0 ? 0 : message[word]!);
  const high = state[to + 1]! + state[from + 1]! + (word < 0 ? 0 : message[word + 1]!);
  state[to] = low;
  state[to + 1] = high + Math.floor(low / 0x100000000);
}

/** state[to] = (state[to] ^ state[by]) rotated to the right. */
function rotate(to: number, by: number, bits: number): void {
  const low = state[to]! ^ state[by]!;
  const high = state[to + 1]! ^ state[by + 1]!;
  if (bits === 32) {
    state[to] = high;
    state[to + 1] = low;
  } else if (bits === 63) {
    state[to] = (low << 1) | (high >>> 31);
    state[to + 1] = (high << 1) | (low >>> 31);
  } else {
    state[to] = (low >>> bits) | (high << (32 - bits));
    state[to + 1] = (high >>> bits) | (low << (32 - bits));
  }
}
