/**
 * The import's worker: a file comes in, batches go out (`messages.ts`). Nothing of the file is kept anywhere.
 *
 * The same script is the door for programs that import without a worker (`read`), and for the page (`importFile`).
 */

import { emptyReport, joined, read, type Batch } from "./importer.ts";
import { MemoryLedger, type Mark } from "./ledger.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { Problem } from "./problems.ts";

export { importFile } from "./importing.ts";
export { emptyReport, MemoryLedger, Problem, read };

const BETWEEN_PROGRESS = 100;

type Scope = {
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToWorker>) => void): void;
};

/** Answers one page; between a question and its answer the import waits. */
class Conversation {
  readonly #scope: Scope;
  #answer: ((message: ToWorker) => void) | undefined;

  constructor(scope: Scope) {
    this.#scope = scope;
    scope.addEventListener("message", ({ data }) => {
      if (data.type === "start") void this.#run(data.file, data.patient);
      else this.#answer?.(data);
    });
  }

  async #run(file: Blob, patient: string): Promise<void> {
    const report = emptyReport();
    let told = 0;
    const progress = (position: number, records: number): void => {
      if (performance.now() - told < BETWEEN_PROGRESS) return;
      told = performance.now();
      this.#scope.postMessage({ type: "progress", position, size: file.size, records });
    };
    try {
      const ledger = { seen: (keys: readonly string[]) => this.#seen(keys) };
      for await (const batch of read(file, patient, { ledger, report, progress })) await this.#put(batch);
      this.#scope.postMessage({ type: "done", report });
    } catch (error) {
      // What else is thrown could carry content; the page is told only that it was.
      const isProblem = error instanceof Problem;
      this.#scope.postMessage(
        isProblem ? { type: "refused", code: error.code, detail: error.message } : { type: "failed" },
      );
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
      this.#scope.postMessage(question, transfer);
    });
  }
}

if ("DedicatedWorkerGlobalScope" in globalThis) new Conversation(globalThis as unknown as Scope);
