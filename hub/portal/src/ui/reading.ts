/** The opened record as pages see it: shown anew whenever it changes. */

import { useEffect, useState } from "preact/hooks";
import type { Side } from "../client/side.ts";
import type { Reading } from "../client/reading.ts";

const AGAIN_MS = 60_000;

export function useReading({ reading }: Side): Reading {
  const [, again] = useState(0);
  useEffect(() => reading.subscribe(() => again((count) => count + 1)), [reading]);
  return reading;
}

/** While the device is open: read at once, again each minute, and when she comes back to the page. */
export function useRefresh(client: Side | null): void {
  useEffect(() => {
    if (client === null) return undefined;
    const look = () => {
      if (document.visibilityState === "visible") void client.reading.refresh();
    };
    look();
    const timer = setInterval(look, AGAIN_MS);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [client]);
}
