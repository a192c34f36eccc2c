/** What a page shows: first as it lies here, then as the hub has it now, and again whenever something came. */

import { useEffect, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { type Task, useTask } from "./task.ts";

export type Loaded<T> = {
  /** The newest there is, or `null`. */
  readonly value: T | null;
  /** Bringing it up to date: under way, or why it could not be. */
  readonly fresh: Task<[]>;
};

/** `local`: from what is held here. `fetch`: brings what is new beside the chains, before it is read again. */
export function useLoaded<T>(client: Client, local: () => Promise<T>, fetch: () => Promise<void> = nothing): Loaded<T> {
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
    return client.reading.subscribe(() => void read());
  }, []);
  return { value, fresh };
}

async function nothing(): Promise<void> {}
