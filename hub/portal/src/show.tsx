/** A page begins: it learns what it says, and is shown in its place. */

import { type ComponentChildren, render } from "preact";
import * as text from "./text.ts";

const NOT_LOADED = [
  ["de", "Diese Seite konnte nicht geladen werden. Bitte laden Sie sie neu."],
  ["en", "This page could not be loaded. Please load it again."],
] as const;

/** `hub`: what people call it. */
export async function show(page: (hub: string) => Promise<ComponentChildren>): Promise<void> {
  const place = document.getElementById("portal");
  if (place === null) throw new TypeError("this page has no place for what it shows");
  try {
    await text.begin();
  } catch (error) {
    // It has no words yet but these.
    render(NOT_LOADED.map(([lang, said]) => <p lang={lang}>{said}</p>), place);
    throw error;
  }
  render(await page(document.title), place);
}
