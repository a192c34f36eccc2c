/**
 * Parts of the script that are loaded when a page needs them, so that the rest is there sooner.
 *
 * Each is checked against the digest that this script was built with before it is started.
 */

import { Problem } from "./problems.ts";

/** What each part gives. */
type Parts = {
  qr_draw: typeof import("./parts/qr_draw.ts").default;
  qr_read: typeof import("./parts/qr_read.ts").default;
};

/** Where the hub serves each part, and by what the browser checks it. Written in by `build.mjs`. */
declare const PARTS: { readonly [name in keyof Parts]: { readonly path: string; readonly integrity: string } };

/** A part, loaded once. Throws `Problem(busy)` where the hub does not give it. */
export async function part<N extends keyof Parts>(name: N): Promise<Parts[N]> {
  const { path, integrity } = PARTS[name];
  const checked = await fetch(path, { integrity, credentials: "omit" }).catch(() => null);
  if (!checked?.ok) throw new Problem("busy", `the part ${name} cannot be had`);
  return (await import(path)).default;
}
