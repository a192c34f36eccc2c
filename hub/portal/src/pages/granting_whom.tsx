/** To whom: found in the directory by words, or by its card. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Organisation } from "../client/api.ts";
import type { Directory } from "../client/directory.ts";
import { card, type Card } from "../identifiers.ts";
import { Rejected } from "../primitives.ts";
import { type Key, text } from "../text.ts";
import { Answers } from "../ui/answers.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Scanner } from "../ui/scanner.tsx";
import { useTask } from "../ui/task.ts";
import type { Party } from "./granting.tsx";

const MOST_SHOWN = 20;

type Props = {
  readonly directory: Directory;
  readonly onChosen: (party: Party) => void;
  readonly beside: ComponentChildren;
};

export function Counterpart({ directory, onChosen, beside }: Props) {
  const [typed, type] = useState("");
  const [chosen, choose] = useState("");
  const [error, setError] = useState("");
  const scanned = cardOf(typed);
  const found = scanned === null ? directory.find(typed).slice(0, MOST_SHOWN) : [];
  const going = useTask(async () => {
    if (scanned !== null) return onChosen(byCard(scanned, directory));
    const one = found.find(({ account }) => account === chosen);
    setError(one === undefined ? text("grant.choose") : "");
    if (one !== undefined) onChosen({ ...one, fingerprint: "" });
  });
  return (
    <Form task={going} submit={text("grant.go-on")} beside={beside}>
      <Scanner label={text("grant.scan")} onRead={typesCard(type)} />
      <Field label={text("grant.search")} hint={text("grant.search-hint")} value={typed} onInput={type} />
      <p role="status" class="hint">
        {scanned !== null ? text("grant.is-card") : text("grant.found", { number: found.length })}
      </p>
      {found.length > 0 && (
        <Answers
          legend={text("grant.results")}
          answers={found.map((one) => ({ value: one.account, label: one.name, hint: described(one) }))}
          isChosen={(account) => account === chosen}
          onChoose={choose}
          error={error}
        />
      )}
    </Form>
  );
}

const TYPES: { readonly [type: string]: Key } = {
  practice: "type.practice",
  hospital: "type.hospital",
  emergency: "type.emergency",
  care: "type.care",
  pharmacy: "type.pharmacy",
  laboratory: "type.laboratory",
  payer: "type.payer",
  "public-health": "type.public-health",
  occupational: "type.occupational",
};

/** Its kind in words, and the address by which two of the same name differ. */
function described({ type, account }: Organisation): string {
  return `${text(TYPES[type] ?? "type.service")} · ${account}`;
}

/** The card that a text is, as scanned or copied. */
export function cardOf(typed: string): Card | null {
  try {
    return card(typed);
  } catch (error) {
    if (error instanceof Rejected) return null;
    throw error;
  }
}

/** For a scanner: a card is put where it could have been typed, and nothing else is taken. */
export function typesCard(type: (text: string) => void): (content: string) => boolean {
  return (content) => {
    const isCard = cardOf(content) !== null;
    if (isCard) type(content);
    return isCard;
  };
}

function byCard({ account, fingerprint }: Card, directory: Directory): Party {
  return { account: String(account), fingerprint, ...directory.about(String(account)) };
}
