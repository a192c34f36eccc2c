/** Asked once more before something ends: what it is, what that means, and yes or no. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Button } from "./button.tsx";
import { ProblemNotice } from "./notice.tsx";
import { Heading } from "./step.tsx";
import type { Task } from "./task.ts";

/** A question that a button opens: whether it is asked now, and whether it was answered by no. */
export type Asking = {
  readonly asked: boolean;
  /** For the button: with the question goes what had the focus, so that the button takes it. */
  readonly kept: boolean;
  readonly ask: () => void;
  readonly keep: () => void;
};

export function useAsking(): Asking {
  const [stage, setStage] = useState<"" | "asked" | "kept">("");
  const [ask, keep] = [() => setStage("asked"), () => setStage("kept")];
  return { asked: stage === "asked", kept: stage === "kept", ask, keep };
}

type SureProps = {
  readonly question: string;
  readonly task: Task<[]>;
  readonly yes: string;
  readonly no: string;
  readonly onNo: () => void;
  /** What it means. */
  readonly children: ComponentChildren;
};

export function Sure({ question, task, yes, no, onNo, children }: SureProps) {
  return (
    <div class="panel">
      <Heading>{question}</Heading>
      {children}
      <ProblemNotice problem={task.problem} />
      <div class="actions">
        <Button look="danger" busy={task.busy} onClick={() => void task.run()}>
          {yes}
        </Button>
        <Button onClick={onNo}>{no}</Button>
      </div>
    </div>
  );
}
