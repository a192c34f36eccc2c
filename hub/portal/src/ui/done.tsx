/** What was done just now. It takes the focus, and is so read out; a `key` for each time shows it anew. */

import type { ComponentChildren } from "preact";
import { type Mood, Notice } from "./notice.tsx";
import { Heading } from "./step.tsx";

type DoneProps = { readonly said: string; readonly mood?: Mood; readonly children?: ComponentChildren };

export function Done({ said, mood = "good", children }: DoneProps) {
  return (
    <Notice mood={mood}>
      <Heading look="told">{said}</Heading>
      {children}
    </Notice>
  );
}
