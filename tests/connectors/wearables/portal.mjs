// The portal's importer as a process: a request a line, an answer a line.
//
// {"path", "patient", "known"} and options of `read` → {"batches", "report"} or {"refused"}; `known` are marks.

import { openAsBlob } from "node:fs";
import { createInterface } from "node:readline";

const { wearables } = await import("../../../hub/static/portal/consent.js");
const { emptyReport, MemoryLedger, Problem, read } = wearables;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await imported(JSON.parse(line)))}\n`);
}

async function imported({ path, patient, known, ...options }) {
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
