// The page of `import_in_chromium.py`: gives an export to the portal's worker, and takes what it makes of it.

import { wearables } from "../../hub/static/portal/consent.js";

const policy = trustedTypes.createPolicy("obhut", { createScriptURL: (url) => url });
const longest = [0];
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) longest[0] = Math.max(longest[0], duration);
}).observe({ type: "longtask" });

const ledger = new wearables.MemoryLedger();
const queued = [];

/** Import what stands at a path; what was put before is known. Gives how many batches are queued then, and the report. */
globalThis.goneOn = async (path, patient, most) => {
  const put = async (batch) => {
    if (most-- === 0) throw new RangeError("the page is closed");
    ledger.add(batch.marks);
    queued.push(batch);
  };
  const file = await (await fetch(path)).blob();
  try {
    const sink = { seen: (keys) => ledger.seen(keys), put };
    return [await wearables.importBy(started(), file, patient, sink), queued.length];
  } catch (error) {
    return [error.message, queued.length];
  }
};

/** Every resource that is queued, in order of their text. */
globalThis.queuedLines = () => {
  const decoder = new TextDecoder();
  return queued.flatMap(({ resources }) => resources.map((resource) => decoder.decode(resource))).sort();
};

/** Import what stands at a path. Gives the report, or the refusal; a digest of all lines in order; times in ms. */
globalThis.imported = async (path, patient) => {
  const file = await (await fetch(path)).blob();
  const ledger = new wearables.MemoryLedger();
  const batches = [];
  const progress = [];
  const sink = {
    seen: (keys) => ledger.seen(keys),
    put: async (batch) => {
      ledger.add(batch.marks);
      batches.push(batch);
    },
    progress: (position, size, records) => progress.push([position, size, records]),
  };
  longest[0] = 0;
  const begin = performance.now();
  try {
    const report = await wearables.importBy(started(), file, patient, sink);
    const took = performance.now() - begin;
    const lines = batches.flatMap(({ category, key, resources }) => [`${category} ${key}`, ...resources, ""]);
    const blob = new Blob(lines.flatMap((line) => [line, "\n"]));
    return { report, progress, took, longest: longest[0], digest: await digestOf(blob) };
  } catch (error) {
    return { refused: error.code, detail: error.message };
  }
};
document.title = "ready";

function started() {
  return new Worker(policy.createScriptURL("/hub/static/portal/portal.js"), { type: "module" });
}

async function digestOf(blob) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
