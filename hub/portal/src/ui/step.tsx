/** The heading of one step of several; a step that follows another takes the focus, and is so read out. */

import { useEffect, useRef } from "preact/hooks";
import { text } from "../text.ts";

/** Every way in has three steps: words, sheet, proof. */
export const STEPS = 3;

export function Step({ number, of, name }: { number: number; of: number; name: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (number > 1) heading.current?.focus();
  }, []);
  return (
    <h2 class="step" ref={heading} tabIndex={-1}>
      {text("step.heading", { number, of, name })}
    </h2>
  );
}
