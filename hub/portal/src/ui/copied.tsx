/** A text that is long and means nothing to a reader: to be copied, and pasted elsewhere. */

import { useState } from "preact/hooks";
import { text } from "../text.ts";
import { Button } from "./button.tsx";

export function Copied({ label, value }: { label: string; value: string }) {
  const [told, tell] = useState("");
  const copy = async () => {
    await navigator.clipboard.writeText(value).then(
      () => tell(text("copy.done")),
      () => tell(text("copy.by-hand")),
    );
  };
  return (
    <>
      <p class="code shown" role="group" aria-label={label}>
        {value}
      </p>
      <div class="actions">
        <Button onClick={() => void copy()}>{text("copy.copy")}</Button>
        <span role="status">{told}</span>
      </div>
    </>
  );
}
