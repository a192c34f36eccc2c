/** Entries that may be shown: of another patient's record each one is noted for her first. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Stored } from "../client/stored.ts";
import type { Shown } from "./shown.ts";

/** Of these entries those that may be shown: of another's record what was noted for her before. */
export function useNoted({ patient, note }: Pick<Shown, "patient" | "note">, entries: readonly Stored[]): readonly Stored[] {
  const asked = useRef(new Set<string>());
  const [noted, setNoted] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    if (note === null) return;
    const fresh = entries.filter((one) => !asked.current.has(keyOf(one)));
    for (const one of fresh) asked.current.add(keyOf(one));
    if (fresh.length > 0) void note(fresh).then(() => setNoted(new Set(asked.current)));
  }, [patient, entries]);
  return useMemo(() => (note === null ? entries : entries.filter((one) => noted.has(keyOf(one)))), [entries, noted]);
}

/** By which an entry is the same one among all of a record. */
export function keyOf({ author, resource }: Stored): string {
  return `${author} ${String(resource["resourceType"])}/${String(resource["id"])}`;
}
