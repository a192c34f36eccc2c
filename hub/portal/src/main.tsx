/** Where the bundle starts: as the portal in a page, or as a worker that does one task beside it. */

import { render } from "preact";
import { App } from "./app.tsx";
import { start } from "./client/device.ts";
import { inWorker, serve } from "./client/work.ts";
import * as text from "./text.ts";

const NOT_LOADED = [
  ["de", "Diese Seite konnte nicht geladen werden. Bitte laden Sie sie neu."],
  ["en", "This page could not be loaded. Please load it again."],
] as const;

async function show(): Promise<void> {
  const place = document.getElementById("portal");
  if (place === null) throw new TypeError("this page has no place for the portal");
  try {
    await text.begin();
  } catch (error) {
    // It has no words yet but these.
    render(NOT_LOADED.map(([lang, said]) => <p lang={lang}>{said}</p>), place);
    throw error;
  }
  render(<App hub={document.title} first={await start()} />, place);
}

if (inWorker) serve();
else await show();
