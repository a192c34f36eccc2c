/** All of it once more, before it is signed: what will be seen, what stays closed, and the text of the consent. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { NAMES } from "../categories.ts";
import type { Side } from "../client/side.ts";
import { getState, setState } from "../client/database.ts";
import { ifGranted } from "../client/insight.ts";
import { agreementOf, known, type Offer } from "../client/offers.ts";
import { permit, writers } from "../client/permits.ts";
import { replace } from "../client/renewal.ts";
import { put } from "../client/sharing.ts";
import { seconds } from "../fhir_consent.ts";
import { newId } from "../identifiers.ts";
import { lines, type Preview } from "../preview.ts";
import { text as fullText } from "../template.ts";
import { language, text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { ReadingNotices } from "../ui/reading_notices.tsx";
import { useOwn } from "../ui/shown.ts";
import { useTask } from "../ui/task.ts";
import * as words from "../words.ts";
import { Opened } from "./categories.tsx";
import type { Party } from "./granting.tsx";
import type { Draft } from "./share.tsx";

/** That the note on what may be lacking in care was shown; it is shown once. */
const NOTED = "care-note";

/** What was signed: a grant, and whether only now the counterpart may write. */
export type Signed = { readonly gid: string; readonly permitted: boolean };

type Props = {
  readonly client: Side;
  readonly party: Party;
  readonly offer: Offer;
  readonly draft: Draft;
  readonly beside: ComponentChildren;
  readonly onBack: () => void;
  readonly onSigned: (signed: Signed) => void;
};

export function Review({ client, party, offer, draft, beside, onBack, onSigned }: Props) {
  const [gid] = useState(newId);
  const [wrote] = useState(() => writers(client).includes(offer.to));
  const agreed = agreementOf(offer, client.account, language());
  const signing = useTask(async () => {
    const { request, replaces } = draft;
    const manner = { ...offer, request, gid };
    const made = await (replaces ? replace(client, replaces.gid, agreed, manner) : put(client, agreed, manner));
    if (offer.writes) await permit(client, offer.to, offer.fingerprint);
    onSigned({ gid: made, permitted: offer.writes && !wrote });
  });
  const [, until] = seconds(agreed);
  return (
    <>
      <p>{words.rule(party.name, offer.categories, offer.purposes, until, language())}</p>
      <p>{text(offer.whole ? "grant.review-whole" : "grant.review-new")}</p>
      {offer.writes && <p>{text("grant.review-writes", { who: party.name })}</p>}
      <Foresight {...{ client, party, offer, draft }} />
      {draft.request !== null && <Besides draft={draft} offer={offer} />}
      {offer.categories.size < NAMES.length && <CareNote client={client} />}
      <Text offer={offer} until={until} />
      <p class="hint">{text("grant.any-time")}</p>
      <ProblemNotice problem={signing.problem} />
      <div class="actions">
        <Button look="primary" busy={signing.busy} onClick={() => void signing.run()}>
          {text("grant.sign")}
        </Button>
        <Button onClick={onBack}>{text("grant.change")}</Button>
        {beside}
      </div>
      {signing.busy && <Notice>{text("grant.signing")}</Notice>}
    </>
  );
}

/** What of the record she opened here will be seen, and what not. */
function Foresight({ client, party, offer, draft }: Pick<Props, "client" | "party" | "offer" | "draft">) {
  const record = useOwn(client);
  const [preview, setPreview] = useState<Preview | null>(null);
  useEffect(() => void ifGranted(client, offer, draft.replaces?.gid).then(setPreview), [record.entries]);
  return (
    <>
      {preview !== null && record.entries.length > 0 && (
        <p class="sentence">{lines({ ...preview, counterpart: party.name }, language()).join(" ")}</p>
      )}
      <ReadingNotices record={record} />
      <Opened categories={offer.categories} />
    </>
  );
}

/** What was asked for and is not in the offer. */
function Besides({ draft: { request }, offer }: Pick<Props, "draft" | "offer">) {
  const left = [...(request?.asks.categories ?? [])].filter((category) => !offer.categories.has(category));
  if (left.length === 0) return null;
  return <Notice>{text("grant.asked-too", { what: words.categories(left, language()) })}</Notice>;
}

/** What a carer does not see may be lacking: told once, without pressure. */
function CareNote({ client }: { client: Side }) {
  const [isNew, setNew] = useState(false);
  useEffect(() => {
    void getState<boolean>(client.db, NOTED).then(async (noted) => {
      setNew(noted === null);
      await setState(client.db, NOTED, true);
    });
  }, []);
  return isNew ? <Notice>{text("grant.care")}</Notice> : null;
}

/** The text that is signed with it, word for word. */
function Text({ offer, until }: { offer: Offer; until: number }) {
  const found = known(offer.policy);
  if (found === null) return null;
  const about = { who: offer.to, what: offer.categories, why: offer.purposes, until };
  return (
    <details>
      <summary>{text("grant.text")}</summary>
      {fullText(found, about, language())
        .split("\n\n")
        .map((paragraph) => (
          <p key={paragraph}>{paragraph}</p>
        ))}
    </details>
  );
}
