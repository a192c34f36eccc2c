/** My data: the own record, and the way to those that others granted. */

import type { Client } from "../client/client.ts";
import { usePath } from "../router.ts";
import { text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { useOwn } from "../ui/shown.ts";
import { useActions } from "./own_entry.tsx";
import { OthersRecords } from "./patients.tsx";
import { Record } from "./record.tsx";

export function Data({ client }: { client: Client }) {
  const place = usePath().split("/")[1] ?? "";
  const record = useOwn(client);
  const actions = useActions(client, record);
  return (
    <>
      {place === "" && <OthersRecords client={client} />}
      <Record
        record={record}
        actions={actions}
        place={place}
        empty={<Nothing />}
        beside={<LinkButton to="take">{text("take.title")}</LinkButton>}
      />
    </>
  );
}

function Nothing() {
  return (
    <section class="card">
      <p>{text("data.nothing")}</p>
      <div class="actions">
        <LinkButton to="bring" look="primary">
          {text("bring.title")}
        </LinkButton>
      </div>
    </section>
  );
}
