/** A signal by which what waits in the background ends with the part of the page that waits for it. */

import { useEffect, useState } from "preact/hooks";

export function useStop(): AbortSignal {
  const [stop] = useState(() => new AbortController());
  useEffect(() => () => stop.abort(), []);
  return stop.signal;
}
