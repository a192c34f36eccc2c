/** Where the bundle starts: as the portal in a page, or as a worker that does one task beside it. */

import { render } from "preact";
import { App } from "./app.tsx";
import { start } from "./client/device.ts";
import { inWorker, serve } from "./client/work.ts";
import { language } from "./text.ts";

async function show(): Promise<void> {
  const place = document.getElementById("portal");
  if (place === null) throw new TypeError("this page has no place for the portal");
  document.documentElement.lang = language();
  render(<App hub={document.title} first={await start()} />, place);
}

if (inWorker) serve();
else await show();
