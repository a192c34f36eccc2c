/** My data: the own record, and the way to those that others granted. */

import type { Client } from "../client/client.ts";
import { usePath } from "../router.ts";
import { text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { useOwn } from "../ui/shown.ts";
import { OthersRecords } from "./patients.tsx";
import { Record } from "./record.tsx";

export function Data({ client }: { client: Client }) {
  const place = usePath().split("/")[1] ?? "";
  return (
    <>
      {place === "" && <OthersRecords client={client} />}
      <Record client={client} record={useOwn(client)} place={place} empty={<Nothing />} />
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
