/** An action that takes a while: whether it is under way, and what went wrong with it. */

import { useRef, useState } from "preact/hooks";
import { reportUnforeseen } from "../problems.ts";

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
      reportUnforeseen(error);
    });
    running.current = false;
    setBusy(false);
  };
  return { run, busy, problem };
}
