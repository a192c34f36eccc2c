// The portal's importer as a process: a request a line, an answer a line.
//
// {"path", "patient", "known", "piece"} and options of `read` → {"batches", "report"} or {"refused"}; `known` are marks,
// `piece` is how many bytes come out of a zip at a time.

import { openAsBlob } from "node:fs";
import { createInterface } from "node:readline";

const { wearables } = await import("../../../hub/static/portal/consent.js");
const { emptyReport, MemoryLedger, Problem, read } = wearables;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const whole = globalThis.DecompressionStream;

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await imported(JSON.parse(line)))}\n`);
}

async function imported({ path, patient, known, piece, ...options }) {
  globalThis.DecompressionStream = piece ? inPieces(piece) : whole;
  const report = emptyReport();
  const ledger = new MemoryLedger();
  ledger.add(known.map(([key, content, at]) => ({ key, content, at })));
  const batches = [];
  try {
    for await (const batch of read(await openAsBlob(path), patient, { ledger, report, ...options })) {
      ledger.add(batch.marks);
      batches.push({
        ...batch,
        resources: batch.resources.map((resource) => decoder.decode(resource)),
        marks: batch.marks.map(({ key, content, at }) => [key, content, at]),
      });
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { refused: error.code, detail: error.message };
  }
  return { batches, report };
}

/** A DecompressionStream whose bytes come a few at a time. */
function inPieces(piece) {
  return class {
    constructor(format) {
      const cut = new TransformStream({
        transform(chunk, controller) {
          for (let at = 0; at < chunk.length; at += piece) controller.enqueue(chunk.subarray(at, at + piece));
        },
      });
      const { readable, writable } = new whole(format);
      Object.assign(this, { writable, readable: readable.pipeThrough(cut) });
    }
  };
}
