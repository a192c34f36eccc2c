/** The importer's door: exports of wearables as FHIR, sorted into categories, in a worker or without one. */

export { Problem } from "../problems.ts";
export { emptyReport, read, type Batch, type Report } from "./importer.ts";
export { importBy, type Sink } from "./importing.ts";
export { deletions, MemoryLedger, type Ledger, type Mark } from "./ledger.ts";
