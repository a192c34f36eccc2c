/** The first page of an open device: what is in the record, by category, and whose it is. */

import { NAMES } from "../categories.ts";
import type { Client } from "../client/client.ts";
import type { Stored } from "../client/stored.ts";
import { text } from "../text.ts";
import { Notice } from "../ui/notice.tsx";
import { QrCode } from "../ui/qr.tsx";
import { ReadingNotices } from "../ui/reading_notices.tsx";
import { useOwn } from "../ui/shown.ts";
import { ActsFor } from "./acting.tsx";

export function Overview({ client }: { client: Client }) {
  const record = useOwn(client);
  return (
    <>
      <ReadingNotices record={record} />
      <section class="card">
        <h2>{text("overview.record")}</h2>
        {record.entries.length > 0 ? (
          <Counts stored={record.entries} />
        ) : (
          <Notice>{text(record.loading ? "reading.opening" : "overview.empty")}</Notice>
        )}
      </section>
      <ActsFor client={client} />
      <AccountCard card={String(client.card)} why={text("overview.card-why")} />
    </>
  );
}

/** Only categories that hold something: sixteen lines of nothing help nobody. */
function Counts({ stored }: { stored: readonly Stored[] }) {
  const counts = NAMES.map((name, category) => ({
    name,
    count: stored.filter((one) => one.category === category).length,
  }));
  return (
    <ul class="counts">
      {counts.map(
        ({ name, count }) =>
          count > 0 && (
            <li key={name}>
              <span>{text(`category.${name}`)}</span>
              <strong>{text(count === 1 ? "overview.entry" : "overview.entries", { count })}</strong>
            </li>
          ),
      )}
    </ul>
  );
}

/** What is shown at first contact; `why` one shows it. */
export function AccountCard({ card, why }: { card: string; why: string }) {
  return (
    <section class="card account">
      <QrCode content={card} label={text("overview.qr")} />
      <div>
        <h2>{text("overview.card")}</h2>
        <p>{why}</p>
        <p class="code">{card}</p>
      </div>
    </section>
  );
}
