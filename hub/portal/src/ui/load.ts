/** What a page shows: first as it lies here, then as the hub has it now, and again whenever something came. */

import { useEffect, useState } from "preact/hooks";
import type { Reading } from "../client/reading.ts";
import { reportUnforeseen } from "../problems.ts";
import { type Task, useTask } from "./task.ts";

export type Loaded<T> = {
  /** The newest there is, or `null`. */
  readonly value: T | null;
  /** Bringing it up to date: under way, or why it could not be. */
  readonly fresh: Task<[]>;
};

/** Whoever acts: takes in what is new, and tells when anything changed. */
type Follows = { catchUp(): Promise<void>; readonly reading: Reading };

/** `local`: from what is held here. `fetch`: brings what is new beside the chains, before it is read again. */
export function useLoaded<T>(client: Follows, local: () => Promise<T>, fetch: () => Promise<void> = nothing): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const read = async () => setValue(await local());
  const fresh = useTask(async () => {
    await read();
    await fetch();
    await client.catchUp();
    await read();
  });
  useEffect(() => {
    void fresh.run();
    // What does not fit together yet, or is closed to her since, is told by what she does next.
    return client.reading.subscribe(() => void read().catch(reportUnforeseen));
  }, []);
  return { value, fresh };
}

async function nothing(): Promise<void> {}
