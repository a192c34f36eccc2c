/** The page's side of an import: it gives the worker a file, and takes batches, one after the other. */

import type { Batch, Report } from "./importer.ts";
import type { Ledger } from "./ledger.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { Problem } from "../problems.ts";

/** Where batches go, and what is known of earlier ones. */
export type Sink = Ledger & {
  /** Queue the batch and its marks, both or neither; the next one comes when this is done. */
  put(batch: Batch): Promise<void>;
  progress?(position: number, size: number, records: number): void;
};

/**
 * Import a file by a worker of its own, which ends with the import.
 *
 * Throws `Problem` for a file that cannot be read (`invalid`, `not-supported`, `too-large`) and for a worker that fails
 * (`internal`), and whatever the sink throws, or the reason of `signal` when that ends the import. After each of them,
 * and after a page that was closed, the same file can be imported again: what was put is known, the rest comes.
 */
export async function importBy(
  worker: Worker,
  file: Blob,
  patient: string,
  sink: Sink,
  signal?: AbortSignal,
): Promise<Report> {
  try {
    return await new Promise<Report>((resolve, reject) => {
      signal?.throwIfAborted();
      signal?.addEventListener("abort", () => reject(signal.reason));
      const say = (message: ToWorker): void => worker.postMessage(message);
      worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
        if ("ready" in data) say({ type: "start", file, patient });
        else heard(data, sink, say, resolve).catch(reject);
      });
      worker.addEventListener("error", () => reject(new Problem("internal", "no worker for the import")));
    });
  } finally {
    worker.terminate();
  }
}

async function heard(
  message: Exclude<FromWorker, { readonly ready: true }>,
  sink: Sink,
  say: (message: ToWorker) => void,
  done: (report: Report) => void,
): Promise<void> {
  switch (message.type) {
    case "progress":
      sink.progress?.(message.position, message.size, message.records);
      return;
    case "seen":
      say({ type: "known", marks: [...(await sink.seen(message.keys)).values()] });
      return;
    case "batch": {
      const { category, key, body, marks } = message;
      await sink.put({ category, key, resources: split(body), marks });
      say({ type: "taken" });
      return;
    }
    case "done":
      done(message.report);
      return;
    case "refused":
      throw new Problem(message.code, message.detail);
    case "failed":
      throw new Problem("internal", "the import failed");
  }
}

/** The lines of NDJSON. */
function split(body: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let start = 0; start <= body.length && body.length > 0; ) {
    const end = body.indexOf(10, start);
    found.push(body.subarray(start, end < 0 ? body.length : end));
    start = end < 0 ? body.length + 1 : end + 1;
  }
  return found;
}
