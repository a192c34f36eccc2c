/** An action that takes a while: whether it is under way, and what went wrong with it. */

import { useRef, useState } from "preact/hooks";
import { Problem } from "../problems.ts";
import { Rejected } from "../rejected.ts";

export type Task<A extends readonly unknown[]> = {
  readonly run: (...given: A) => Promise<void>;
  readonly busy: boolean;
  /** What the last run threw, or `null`. */
  readonly problem: unknown;
};

export function useTask<A extends readonly unknown[]>(action: (...given: A) => Promise<void>): Task<A> {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const running = useRef(false);
  const run = async (...given: A) => {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    setProblem(null);
    await action(...given).catch((error: unknown) => {
      setProblem(error);
      // What nobody foresaw is for the console, too.
      if (!(error instanceof Problem || error instanceof Rejected)) reportError(error);
    });
    running.current = false;
    setBusy(false);
  };
  return { run, busy, problem };
}
