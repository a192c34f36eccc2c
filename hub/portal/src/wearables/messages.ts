/** What page and worker say to each other during an import. */

import type { Code } from "../problems.ts";
import type { Category, Report } from "./importer.ts";
import type { Mark } from "./ledger.ts";

/** Page to worker. `start` comes first and once; `known` answers `seen`; `taken` asks for what follows a batch. */
export type ToWorker =
  | { readonly type: "start"; readonly file: Blob; readonly patient: string }
  | { readonly type: "known"; readonly marks: readonly Mark[] }
  | { readonly type: "taken" };

/**
 * Worker to page, one question at a time: after `seen` and `batch` it waits for the answer, so that nothing piles up.
 *
 * `ready` is its first word; `done`, `refused` or `failed` is the last. `body` is NDJSON; its bytes are handed over, not
 * copied.
 */
export type FromWorker =
  | { readonly ready: true }
  | { readonly type: "progress"; readonly position: number; readonly size: number; readonly records: number }
  | { readonly type: "seen"; readonly keys: readonly string[] }
  | {
      readonly type: "batch";
      readonly category: Category;
      readonly key: string;
      readonly body: Uint8Array<ArrayBuffer>;
      readonly marks: readonly Mark[];
    }
  | { readonly type: "done"; readonly report: Report }
  | { readonly type: "refused"; readonly code: Code; readonly detail: string }
  | { readonly type: "failed" };
