// Builds the bundle with esbuild: `npm run build`. The same bytes from the same sources, wherever it runs.

import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const OUT = "../static/portal";

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

/** The wrapper's functions and their names, as two lists of the same length. */
const WRAPPED = /for\(var (\w)=(\["crypto[^\]]*\]),(\w)=\[([\w$,]+)\],/;

/**
 * Of the functions around libsodium those that `primitives.ts` calls, or libsodium's own trial at the start; the others,
 * unnamed then, fall out of the bundle.
 */
const usedWrappers = {
  name: "used-wrappers",
  setup({ onLoad }) {
    onLoad({ filter: /libsodium-wrappers\.mjs$/ }, async ({ path }) => {
      const [source, caller] = await Promise.all([path, "src/primitives.ts"].map((name) => readFile(name, "utf8")));
      const found = WRAPPED.exec(source);
      if (found === null) throw new Error("libsodium names its functions in another way than it did");
      const [all, one, listed, other, functions] = found;
      const [names, made] = [JSON.parse(listed), functions.split(",")];
      const used = names.map((name) => caller.includes(`sodium.${name}(`) || source.includes(`.${name}(`));
      const kept = (list) => list.filter((_, i) => used[i]);
      const less = `for(var ${one}=${JSON.stringify(kept(names))},${other}=[${kept(made)}],`;
      return { contents: source.replace(all, () => less), loader: "js" };
    });
  },
};

/** What is said in a language, as a file beside the script, which names it by its hash. */
async function catalogue(language) {
  const texts = JSON.parse(await readFile(`src/texts/${language}.json`, "utf8"));
  const words = (await readFile(`src/texts/words.${language}.txt`, "utf8")).split(/\s+/).filter(Boolean);
  const content = JSON.stringify({ texts, words });
  await writeFile(`${OUT}/texts.${language}.json`, content);
  return [language, published(`texts.${language}.json`, content)];
}

/** Where the hub serves a file, and by what a browser checks it. */
function published(name, content) {
  const digest = createHash("sha256").update(content).digest();
  return { path: `/portal/${digest.toString("hex")}/${name}`, integrity: `sha256-${digest.toString("base64")}` };
}

await mkdir(OUT, { recursive: true });
const catalogues = Object.fromEntries(await Promise.all(["de", "en"].map(catalogue)));

const options = {
  outdir: OUT,
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  minify: true,
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".svg": "copy" },
  plugins: [plainWasm, usedWrappers],
  logLevel: "warning",
};

// What the pages load when they need it (`src/parts.ts`), and by what they check it.
const parts = ["qr_draw", "qr_read"];
await build({ ...options, entryPoints: parts.map((name) => ({ in: `src/parts/${name}.ts`, out: name })) });
const built = parts.map(async (name) => [name, published(`${name}.js`, await readFile(`${OUT}/${name}.js`))]);
const PARTS = JSON.stringify(Object.fromEntries(await Promise.all(built)));

await build({
  ...options,
  define: { PARTS, CATALOGUES: JSON.stringify(catalogues) },
  entryPoints: [
    { in: "src/index.ts", out: "consent" },
    { in: "src/main.tsx", out: "portal" },
    { in: "src/viewer.tsx", out: "link" },
    { in: "style/portal.css", out: "portal" },
    { in: "style/icon.svg", out: "icon" },
  ],
});
