/** Headings of parts that take the place of others: they take the focus, and are so read out. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { text } from "../text.ts";

/** Every way in has three steps: words, sheet, proof. */
export const STEPS = 3;

/** The heading of one step of several; the first one does not take the focus unless it is asked to. */
export function Step({ number, of, name, focus = number > 1 }: StepProps) {
  return (
    <Heading focus={focus} look="step">
      {text("step.heading", { number, of, name })}
    </Heading>
  );
}

type StepProps = { readonly number: number; readonly of: number; readonly name: string; readonly focus?: boolean };

type HeadingProps = { readonly children: ComponentChildren; readonly focus?: boolean; readonly look?: string };

export function Heading({ children, focus = true, look = "" }: HeadingProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    if (focus) heading.current?.focus();
  }, []);
  return (
    <h2 class={look} ref={heading} tabIndex={-1}>
      {children}
    </h2>
  );
}
