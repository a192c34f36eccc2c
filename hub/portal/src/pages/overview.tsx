/** The first page of an open device: whose it is, and what is here. */

import type { Client } from "../client/client.ts";
import { text } from "../text.ts";
import { QrCode } from "../ui/qr.tsx";

export function Overview({ client }: { client: Client }) {
  const card = String(client.card);
  return (
    <section class="card account">
      <QrCode content={card} label={text("overview.qr")} />
      <div>
        <h2>{text("overview.card")}</h2>
        <p>{text("overview.card-why")}</p>
        <p class="code">{card}</p>
      </div>
    </section>
  );
}
