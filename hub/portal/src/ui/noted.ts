/** Entries that may be shown: of another patient's record each one is noted for her first, for each purpose. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Stored } from "../client/stored.ts";
import { reportUnforeseen } from "../problems.ts";
import type { Shown } from "./shown.ts";

/** `shown`: what may be shown; `problem`: why the rest could not be noted, or `null`. */
type Noted = { readonly shown: readonly Stored[]; readonly problem: unknown };

type Told = Pick<Shown, "patient" | "purpose" | "note">;

/** Of these entries those that may be shown: of another's record what was noted for her before, for this purpose. */
export function useNoted({ patient, purpose, note }: Told, entries: readonly Stored[]): Noted {
  const asked = useRef(new Set<string>());
  const [noted, setNoted] = useState<ReadonlySet<string>>(new Set());
  const [problem, setProblem] = useState<unknown>(null);
  const nameOf = (one: Stored) => `${patient} ${purpose} ${keyOf(one)}`;
  useEffect(() => {
    if (note === null) return;
    const fresh = entries.filter((one) => !asked.current.has(nameOf(one)));
    if (fresh.length === 0) return;
    const names = fresh.map(nameOf);
    for (const name of names) asked.current.add(name);
    const done = () => {
      setNoted((before) => new Set([...before, ...names]));
      setProblem(null);
    };
    const failed = (error: unknown) => {
      // The next reading tries again.
      for (const name of names) asked.current.delete(name);
      setProblem(error);
      reportUnforeseen(error);
    };
    void note(fresh).then(done, failed);
  }, [patient, purpose, entries]);
  const shown = useMemo(() => {
    return note === null ? entries : entries.filter((one) => noted.has(nameOf(one)));
  }, [patient, purpose, entries, noted]);
  return { shown, problem };
}

/** By which an entry is the same one among all of a record. */
export function keyOf({ author, resource }: Stored): string {
  return `${author} ${String(resource["resourceType"])}/${String(resource["id"])}`;
}
