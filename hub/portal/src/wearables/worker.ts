/** An import in a worker: a file comes in, batches go out (`messages.ts`). Nothing of the file is kept anywhere. */

import { Problem } from "../problems.ts";
import { emptyReport, joined, read, type Batch } from "./importer.ts";
import type { Mark } from "./ledger.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

const MILLISECONDS_BETWEEN_PROGRESS = 100;

type Tell = (message: FromWorker, transfer: Transferable[]) => void;

/** What the worker says to one page; between a question and its answer the import waits. */
export class Conversation {
  readonly #tell: Tell;
  #answer: ((message: ToWorker) => void) | undefined;

  constructor(tell: Tell) {
    this.#tell = tell;
  }

  /** The page said something. */
  hear(message: ToWorker): void {
    if (message.type === "start") void this.#run(message.file, message.patient);
    else this.#answer?.(message);
  }

  async #run(file: Blob, patient: string): Promise<void> {
    const report = emptyReport();
    let told = 0;
    const progress = (position: number, records: number): void => {
      if (performance.now() - told < MILLISECONDS_BETWEEN_PROGRESS) return;
      told = performance.now();
      this.#tell({ type: "progress", position, size: file.size, records }, []);
    };
    try {
      const ledger = { seen: (keys: readonly string[]) => this.#seen(keys) };
      for await (const batch of read(file, patient, { ledger, report, progress })) await this.#put(batch);
      this.#tell({ type: "done", report }, []);
    } catch (error) {
      // What else is thrown could carry content; the page is told only that it was.
      const isProblem = error instanceof Problem;
      this.#tell(isProblem ? { type: "refused", code: error.code, detail: error.message } : { type: "failed" }, []);
    }
  }

  async #seen(keys: readonly string[]): Promise<ReadonlyMap<string, Mark>> {
    if (keys.length === 0) return new Map();
    const answer = await this.#asked({ type: "seen", keys });
    return new Map(answer.type === "known" ? answer.marks.map((mark) => [mark.key, mark]) : []);
  }

  async #put({ category, key, resources, marks }: Batch): Promise<void> {
    const body = joined(resources);
    await this.#asked({ type: "batch", category, key, body, marks }, [body.buffer]);
  }

  #asked(question: FromWorker, transfer: Transferable[] = []): Promise<ToWorker> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#tell(question, transfer);
    });
  }
}
