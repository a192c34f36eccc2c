/** Long work in slices, so that the page never freezes. */

const SLICE_MS = 30;

/** To be awaited between two pieces of work: whenever a slice is over the page gets its turn. */
export function pace(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since <= SLICE_MS) return;
    await new Promise((go) => setTimeout(go));
    since = performance.now();
  };
}
