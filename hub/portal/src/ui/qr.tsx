/** A QR code, drawn as one path. */

import encodeQR from "qr";

const BORDER = 2;

/** `label` says to those who do not see it what it holds. */
export function QrCode({ content, label }: { content: string; label: string }) {
  const rows = encodeQR(content, "raw", { ecc: "medium", border: BORDER });
  const dots = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  return (
    <svg class="qr" viewBox={`0 0 ${rows.length} ${rows.length}`} role="img" aria-label={label}>
      <path d={dots} />
    </svg>
  );
}
