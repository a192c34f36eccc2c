/** A QR code, drawn as one path. */

import { useEffect, useState } from "preact/hooks";
import { part } from "../parts.ts";
import { Problem } from "../problems.ts";

const BORDER = 2;

/** `label` says to those who do not see it what it holds. */
export function QrCode({ content, label }: { content: string; label: string }) {
  const [rows, setRows] = useState<readonly (readonly boolean[])[]>([]);
  useEffect(() => {
    const draw = async () => setRows((await part("qr_draw"))(content, "raw", { ecc: "medium", border: BORDER }));
    void draw().catch((error: unknown) => {
      if (!(error instanceof Problem)) throw error; // without the hub there is the text beside it
    });
  }, [content]);
  const dots = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  return (
    <svg class="qr" viewBox={`0 0 ${rows.length} ${rows.length}`} role="img" aria-label={label}>
      <path d={dots} />
    </svg>
  );
}
