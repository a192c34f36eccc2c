/** What was signed, to keep; and a step back, while it is fresh. */

import { useEffect, useState } from "preact/hooks";
import type { Side } from "../client/side.ts";
import type { Offer } from "../client/offers.ts";
import { overview, type Told } from "../client/overview.ts";
import { unpermit, writers } from "../client/permits.ts";
import { receipt } from "../client/receipt.ts";
import { withdraw } from "../client/sharing.ts";
import { consentId } from "../fhir_consent.ts";
import { joint } from "../guardians.ts";
import { language, text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { Icon } from "../ui/icon.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { useTask } from "../ui/task.ts";
import * as words from "../words.ts";
import type { Party } from "./granting.tsx";
import type { Signed } from "./granting_review.tsx";

type Props = {
  readonly client: Side;
  readonly party: Party;
  readonly offer: Offer;
  readonly signed: Signed;
  readonly replaced: boolean;
  readonly onDone: () => void;
};

/** The receipt as a file, which proves by itself what was signed. */
export function ReceiptFile({ client, gid, label }: { client: Side; gid: string; label?: string }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    let made = "";
    void receipt(client, gid).then((bundle) => {
      made = URL.createObjectURL(new Blob([new Uint8Array(bundle)], { type: "application/fhir+json" }));
      setUrl(made);
    });
    return () => URL.revokeObjectURL(made);
  }, [gid]);
  if (url === "") return null;
  return (
    <a class="button secondary" href={url} download={`${consentId(gid)}.json`} aria-label={label}>
      {text("grant.file")}
    </a>
  );
}

/** What holds of what was signed, of which guardians may hold back some or all: null for nothing, undefined before it is known. */
function useHeld(client: Side, gid: string): Told | null | undefined {
  const [held, hold] = useState<Told | null>();
  useEffect(() => {
    void overview(client).then(({ grants }) => hold(grants.find((one) => one.gid === gid) ?? null));
  }, [client, gid]);
  return held;
}

export function Receipt({ client, party, offer, signed, replaced, onDone }: Props) {
  const { gid, permitted } = signed;
  const undoing = useTask(async () => {
    if (permitted && writers(client).includes(offer.to)) await unpermit(client, offer.to);
    await withdraw(client, offer.to, gid);
    onDone();
  });
  const held = useHeld(client, gid);
  if (held === undefined) return null;
  if (held === null) {
    return (
      <>
        <Notice mood="warning">{text("grant.refused-by-another")}</Notice>
        <div class="actions">
          <Button look="primary" onClick={onDone}>
            {text("grant.finish")}
          </Button>
        </div>
      </>
    );
  }
  const { categories, purposes, until } = held;
  // Of what guardians grant together taking it back is a refusal, and no step back.
  const isJoint = joint(client.record, offer.to, client.hub.now)[0] === gid;
  return (
    <>
      <Notice mood="good">{text("grant.done")}</Notice>
      {categories.size < offer.categories.size && <Notice mood="warning">{text("grant.narrower")}</Notice>}
      <article class="sheet">
        <h3>{text("grant.receipt")}</h3>
        <p>{words.rule(party.name, categories, purposes, until, language())}</p>
        <dl>
          <dt>{text("grant.for-whom")}</dt>
          <dd class="code">{offer.to}</dd>
          <dt>{text("grant.signed-at")}</dt>
          <dd>{words.moment(client.hub.now, language())}</dd>
          <dt>{text("grant.number")}</dt>
          <dd class="code">{consentId(gid)}</dd>
        </dl>
      </article>
      <ProblemNotice problem={undoing.problem} />
      <div class="actions">
        <Button look="primary" onClick={onDone}>
          {text("grant.finish")}
        </Button>
        <Button onClick={() => print()}>
          <Icon name="print" />
          {text("grant.print")}
        </Button>
        <ReceiptFile client={client} gid={gid} />
        {!replaced && !isJoint && (
          <Button busy={undoing.busy} onClick={() => void undoing.run()}>
            {text("share.undo")}
          </Button>
        )}
      </div>
    </>
  );
}
