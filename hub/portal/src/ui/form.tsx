/** A form that never leaves the page: what is entered goes to a task, by Enter too. */

import type { ComponentChildren } from "preact";
import { Button } from "./button.tsx";
import { ProblemNotice } from "./notice.tsx";
import type { Task } from "./task.ts";

type FormProps = {
  readonly task: Task<[]>;
  readonly submit: string;
  readonly children: ComponentChildren;
  /** What stands beside the button. */
  readonly beside?: ComponentChildren;
};

export function Form({ task, submit, children, beside }: FormProps) {
  const send = (event: Event) => {
    event.preventDefault();
    void task.run();
  };
  return (
    <form onSubmit={send} noValidate>
      {children}
      <ProblemNotice problem={task.problem} />
      <div class="actions">
        <Button type="submit" look="primary" busy={task.busy}>
          {submit}
        </Button>
        {beside}
      </div>
    </form>
  );
}
