/** What was done just now. It takes the focus, and is so read out; a `key` for each time shows it anew. */

import type { ComponentChildren } from "preact";
import { Notice } from "./notice.tsx";
import { Heading } from "./step.tsx";

export function Done({ said, children }: { said: string; children?: ComponentChildren }) {
  return (
    <Notice mood="good">
      <Heading look="told">{said}</Heading>
      {children}
    </Notice>
  );
}
