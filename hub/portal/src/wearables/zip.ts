/**
 * Zip files, with Zip64: the central directory, and single files out of it, checksum and length checked.
 *
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, read as Python's `zipfile` reads it. Everything here
 * throws a plain `Error` for what is not whole; `archive.ts` makes a refusal of it.
 */

export const STORED = 0;
export const DEFLATED = 8;

/** One file of a zip; sizes in bytes, `offset` of its own header. */
export type Entry = {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly checksum: number;
  readonly packedSize: number;
  readonly size: number;
  readonly offset: number;
  /** Where the next file, or the directory, begins. */
  readonly before: number;
};

type Sizes = Pick<Entry, "packedSize" | "size" | "offset">;

const END = 0x06054b50;
const END_SIZE = 22;
const END_64 = 0x06064b50;
const END_64_SIZE = 56;
const LOCATOR_64 = 0x07064b50;
const LOCATOR_64_SIZE = 20;
const CENTRAL = 0x02014b50;
const CENTRAL_SIZE = 46;
const LOCAL = 0x04034b50;
const LOCAL_SIZE = 30;
const LONGEST_COMMENT = 1 << 16;
const ALL_ONES = 0xffffffff;
const NEWEST_VERSION = 63;
const UTF8_NAME = 0x800;
/** Encrypted, patched, strongly encrypted. */
const UNREADABLE = 0x1 | 0x20 | 0x40;
// What code page 437 has above ASCII.
const CP437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" +
  "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

type Directory = { readonly start: number; readonly size: number; readonly moved: number };

/** All entries, folders too, in the order of the directory. */
export async function directory(file: Blob): Promise<Entry[]> {
  const { start, size, moved } = await ending(file);
  if (start < 0) throw new Error("bad offset");
  const view = await viewOf(file, start, start + size);
  const found: Omit<Entry, "before">[] = [];
  for (let at = 0; at < size; ) {
    if (view.getUint32(at, true) !== CENTRAL) throw new Error("bad magic number");
    if (view.getUint8(at + 6) > NEWEST_VERSION) throw new Error("too new");
    const lengths = [28, 30, 32].map((place) => view.getUint16(at + place, true)) as [number, number, number];
    const [name, extra, comment] = lengths;
    const flags = view.getUint16(at + 8, true);
    const place = at + CENTRAL_SIZE;
    const entry = {
      name: text(slice(view, place, name), flags),
      flags,
      method: view.getUint16(at + 10, true),
      checksum: view.getUint32(at + 16, true),
      ...sizes(view, at, place + name, extra),
    };
    found.push({ ...entry, offset: entry.offset + moved });
    at = place + name + extra + comment;
  }
  const offsets = found.map((entry) => entry.offset).sort((a, b) => a - b);
  const ends = new Map(offsets.map((offset, place) => [offset, offsets[place + 1] ?? start]));
  return found.map((entry) => {
    return { ...entry, name: entry.name.split("\0")[0] ?? "", before: ends.get(entry.offset) ?? start };
  });
}

/** Where the packed bytes of a file begin and end. */
export async function packed(file: Blob, entry: Entry): Promise<{ readonly start: number; readonly end: number }> {
  const view = await viewOf(file, entry.offset, entry.offset + LOCAL_SIZE);
  if (view.getUint32(0, true) !== LOCAL || entry.flags & UNREADABLE) throw new Error("not readable");
  const [length, extra] = [view.getUint16(26, true), view.getUint16(28, true)];
  const name = await viewOf(file, entry.offset + LOCAL_SIZE, entry.offset + LOCAL_SIZE + length);
  const named = text(slice(name, 0, length), view.getUint16(6, true)).split("\0")[0];
  const start = entry.offset + LOCAL_SIZE + length + extra;
  const end = start + entry.packedSize;
  if (named !== entry.name || end > entry.before) throw new Error("not as the directory says");
  return { start, end };
}

/**
 * A file's bytes from its packed ones.
 *
 * They go through the platform's gzip, which checks what deflate alone does not: checksum and length stand at its end.
 */
export async function* inflated(chunks: AsyncGenerator<Uint8Array>, entry: Entry): AsyncGenerator<Uint8Array> {
  const source = gzip(entry.method === STORED ? storedBlocks(chunks) : chunks, entry);
  const stream = new ReadableStream<BufferSource>({
    async pull(controller) {
      const next = await source.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value as Uint8Array<ArrayBuffer>);
    },
    async cancel() {
      await source.return(undefined);
    },
  });
  const reader = stream.pipeThrough(new DecompressionStream("gzip")).getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** RFC 1952: head, deflated bytes, checksum, length. */
async function* gzip(deflated: AsyncGenerator<Uint8Array>, entry: Entry): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
  yield* deflated;
  const end = new DataView(new ArrayBuffer(8));
  end.setUint32(0, entry.checksum, true);
  end.setUint32(4, entry.size % 2 ** 32, true);
  yield new Uint8Array(end.buffer);
}

/** RFC 1951, 3.2.4: bytes that are not packed, as blocks of deflate; an empty block is the last. */
async function* storedBlocks(chunks: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += 0xffff) {
      const part = chunk.subarray(at, at + 0xffff);
      yield Uint8Array.of(0, part.length, part.length >> 8, ~part.length, ~part.length >> 8);
      yield part;
    }
  }
  yield Uint8Array.of(1, 0, 0, 0xff, 0xff);
}

/** What the end of the file says of the directory; `moved`: how far all of it was pushed on by bytes before it. */
async function ending(file: Blob): Promise<Directory> {
  const from = Math.max(0, file.size - LONGEST_COMMENT - END_SIZE);
  const tail = await viewOf(file, from, file.size);
  let at = tail.byteLength - END_SIZE;
  while (at >= 0 && tail.getUint32(at, true) !== END) at -= 1;
  if (at < 0) throw new Error("not a zip file");
  const [size, offset, end] = [tail.getUint32(at + 12, true), tail.getUint32(at + 16, true), from + at];
  const larger = end < LOCATOR_64_SIZE ? undefined : await ending64(file, end);
  const found = larger ?? { size, offset, length: 0 };
  const start = end - found.length - found.size;
  return { start, size: found.size, moved: start - found.offset };
}

async function ending64(
  file: Blob,
  end: number,
): Promise<{ readonly size: number; readonly offset: number; readonly length: number } | undefined> {
  const locator = await viewOf(file, end - LOCATOR_64_SIZE, end);
  if (locator.getUint32(0, true) !== LOCATOR_64) return undefined;
  if (locator.getUint32(4, true) !== 0 || locator.getUint32(16, true) > 1) throw new Error("several disks");
  const length = LOCATOR_64_SIZE + END_64_SIZE;
  if (end < length) throw new Error("cut off");
  const view = await viewOf(file, end - length, end - LOCATOR_64_SIZE);
  if (view.getUint32(0, true) !== END_64) return undefined;
  return { size: integer(view, 40), offset: integer(view, 48), length };
}

/** Sizes and offset of an entry, out of its extra field where they do not fit into 32 bits. */
function sizes(view: DataView, at: number, extra: number, length: number): Sizes {
  const found = {
    size: view.getUint32(at + 24, true),
    packedSize: view.getUint32(at + 20, true),
    offset: view.getUint32(at + 42, true),
  };
  const end = extra + length;
  for (let field = extra; field + 4 <= end; ) {
    const [kind, bytes] = [view.getUint16(field, true), view.getUint16(field + 2, true)];
    let place = field + 4;
    field = place + bytes;
    if (field > end) throw new Error("corrupt extra field");
    if (kind !== 1) continue;
    for (const name of ["size", "packedSize", "offset"] as const) {
      if (found[name] !== ALL_ONES) continue;
      if (place + 8 > field) throw new Error("corrupt extra field");
      found[name] = integer(view, place);
      place += 8;
    }
  }
  return found;
}

function integer(view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at, true));
  if (!Number.isSafeInteger(value)) throw new Error("larger than any file");
  return value;
}

function text(name: Uint8Array, flags: number): string {
  if (flags & UTF8_NAME) return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(name);
  return [...name].map((byte) => (byte < 128 ? String.fromCharCode(byte) : CP437[byte - 128])).join("");
}

function slice(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length);
}

/** Bytes of the file; it ends where it ends, and what is read beyond throws. */
async function viewOf(file: Blob, start: number, end: number): Promise<DataView> {
  return new DataView(await file.slice(start, end).arrayBuffer());
}
