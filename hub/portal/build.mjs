// Builds the bundle with esbuild: `npm run build`. The same bytes from the same sources, wherever it runs.

import { readFile } from "node:fs/promises";
import { build } from "esbuild";

/** Where libsodium decodes its WebAssembly, a function called with the base64 of it. */
const DECODED = /\((\w)\?\?=\(\w=>\{for\(.{1,400}?return \w\}\)\("([A-Za-z0-9+/=]{1000,})"\)/;

/** Runs in the bundle. */
const bytes = (text) => {
  const made = new Uint8Array(text.length);
  for (let i = 0; i < made.length; i += 1) made[i] = text.charCodeAt(i);
  return made;
};

/**
 * libsodium's WebAssembly as a string of one character a byte, instead of base64: what is compressed on its way is then
 * aligned as the code is, and 29 KB smaller.
 */
const plainWasm = {
  name: "plain-wasm",
  setup({ onLoad }) {
    onLoad({ filter: /libsodium-sumo\.mjs$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const found = DECODED.exec(source);
      if (found === null) throw new Error("libsodium decodes its WebAssembly in another way than it did");
      const [all, name, base64] = found;
      const text = JSON.stringify(Buffer.from(base64, "base64").toString("latin1"));
      return { contents: source.replace(all, () => `(${name}??=(${bytes})(${text})`), loader: "js" };
    });
  },
};

await build({
  entryPoints: [
    { in: "src/index.ts", out: "consent" },
    { in: "src/main.tsx", out: "portal" },
    { in: "style/portal.css", out: "portal" },
    { in: "style/icon.svg", out: "icon" },
  ],
  outdir: "../static/portal",
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  minify: true,
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".txt": "text", ".svg": "copy" },
  plugins: [plainWasm],
  logLevel: "warning",
});
