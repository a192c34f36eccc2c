/** What, for what, from when, until when: by a usual choice, each part of which may be changed. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Side } from "../client/side.ts";
import { agreementOf, byTemplate, lawful, type Offer, presets, withCategories, withWhole } from "../client/offers.ts";
import { dayOf } from "../dates.ts";
import { seconds } from "../fhir_consent.ts";
import { closedTo } from "../floor.ts";
import { language, text } from "../text.ts";
import { Answers, toggled } from "../ui/answers.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { useTask } from "../ui/task.ts";
import * as words from "../words.ts";
import { capital, Categories } from "./categories.tsx";
import type { Party } from "./granting.tsx";

const OWN = "own";
/** For what she may allow it, besides what is asked for. */
const PURPOSES = ["TREAT", "CAREMGT", "HPAYMT", "PATRQT", "HRESCH"];

type Props = {
  readonly client: Side;
  readonly party: Party;
  readonly offer: Offer | null;
  readonly onOffer: (offer: Offer) => void;
  readonly beside: ComponentChildren;
};

/** What is not decided yet is `null`. */
type Lasts = "day" | "ever" | null;

export function Terms({ client, party, offer: given, onOffer, beside }: Props) {
  const [preset, setPreset] = useState(given ? OWN : "");
  const [offer, change] = useState<Offer>(given ?? nothing(party));
  const [lasts, setLasts] = useState<Lasts>(given ? (given.end ? "day" : "ever") : null);
  const [isScopeChosen, setScopeChosen] = useState(given !== null);
  const [tried, setTried] = useState(false);
  const purposes = [...new Set([...PURPOSES, ...(given?.purposes ?? [])])];
  const choosePreset = (id: string) => {
    setPreset(id);
    const found = presets(party.type).find((one) => one.id === id);
    const { account, fingerprint, type } = party;
    change(found ? lawful(byTemplate(account, fingerprint, found, client.hub.now), type) : nothing(party));
    setLasts(found ? "day" : null);
    setScopeChosen(found !== undefined);
  };
  const lacks = {
    what: offer.categories.size === 0,
    why: offer.purposes.length === 0,
    scope: !isScopeChosen,
    end: lasts === null || (lasts === "day" && !isToCome(offer.end, client.hub.now)),
  };
  const going = useTask(async () => {
    setTried(true);
    if (preset && !Object.values(lacks).some(Boolean)) onOffer({ ...offer, end: lasts === "ever" ? "" : offer.end });
  });
  const error = (isLacking: boolean) => (tried && isLacking ? text("grant.choose") : "");
  return (
    <Form task={going} submit={text("grant.look")} beside={beside}>
      <p class="lead">{party.name}</p>
      {given === null && (
        <Answers
          legend={text("grant.preset")}
          answers={[
            ...presets(party.type).map((one) => ({ value: one.id, label: one.title[language()] })),
            { value: OWN, label: text("grant.own") },
          ]}
          isChosen={(id) => id === preset}
          onChoose={choosePreset}
          error={error(preset === "")}
        />
      )}
      {preset && (
        <details open={preset === OWN} key={preset}>
          <summary>{text("grant.details")}</summary>
          <Categories
            legend={text("grant.categories")}
            chosen={offer.categories}
            onChange={(categories) => change(withCategories(offer, categories))}
            error={error(lacks.what)}
            closed={closedTo(party.type)}
          />
          <Answers
            legend={text("grant.purposes")}
            answers={purposes.map((value) => ({ value, label: capital(words.purpose(value, language())) }))}
            isChosen={(value) => offer.purposes.includes(value)}
            onChoose={(value) => change({ ...offer, purposes: [...toggled(new Set(offer.purposes), value)] })}
            error={error(lacks.why)}
            many
          />
          <Answers
            legend={text("grant.scope")}
            answers={[
              { value: "whole", label: text("grant.whole") },
              { value: "new", label: text("grant.from-now"), hint: text("grant.from-now-hint") },
            ]}
            isChosen={(value) => isScopeChosen && (value === "whole") === offer.whole}
            onChoose={(value) => {
              setScopeChosen(true);
              change(withWhole(offer, value === "whole"));
            }}
            error={error(lacks.scope)}
          />
          <Answers<"day" | "ever">
            legend={text("grant.end")}
            answers={[
              { value: "day", label: text("grant.until-day") },
              { value: "ever", label: text("grant.until-withdrawn") },
            ]}
            isChosen={(value) => value === lasts}
            onChoose={setLasts}
            error={error(lacks.end)}
          >
            {lasts === "day" && (
              <Field
                label={text("grant.last-day")}
                kind="date"
                value={offer.end.slice(0, 10)}
                onInput={(end) => change({ ...offer, end })}
              />
            )}
          </Answers>
          <Answers
            legend={text("grant.writing")}
            answers={[{ value: "writes", label: text("grant.writes") }]}
            isChosen={() => offer.writes}
            onChoose={() => change({ ...offer, writes: !offer.writes })}
            many
          />
        </details>
      )}
      <p role="status" class="sentence">
        {!preset || Object.values(lacks).some(Boolean) ? "" : told(party, offer, lasts)}
      </p>
    </Form>
  );
}

function nothing({ account: to, fingerprint }: Party): Offer {
  return { to, fingerprint, categories: new Set(), purposes: [], end: "", policy: "", whole: true, writes: false };
}

function isToCome(end: string, now: number): boolean {
  return end.slice(0, 10) >= dayOf(now);
}

function told(party: Party, offer: Offer, lasts: Lasts): string {
  const [, until] = seconds(agreementOf({ ...offer, end: lasts === "ever" ? "" : offer.end }, "", language()));
  return words.rule(party.name, offer.categories, offer.purposes, until, language());
}
