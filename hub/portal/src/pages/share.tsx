/** Sharing: who may see what now, who asks, and how that changes. */

import { useEffect, useState } from "preact/hooks";
import type { Side } from "../client/side.ts";
import { Directory } from "../client/directory.ts";
import { declared, type Emergency } from "../client/emergency.ts";
import { ifWithdrawn } from "../client/insight.ts";
import { byGrant, byRequest, lawful, type Offer } from "../client/offers.ts";
import { type Overview, overview, type Told } from "../client/overview.ts";
import { unpermit } from "../client/permits.ts";
import { agreedIn, put, refuse, type Request, requests, withdraw } from "../client/sharing.ts";
import type { FinerRules } from "../finer_rules.ts";
import { newId } from "../identifiers.ts";
import { lines, type Preview } from "../preview.ts";
import { language, text } from "../text.ts";
import { Button, LinkButton } from "../ui/button.tsx";
import { Done } from "../ui/done.tsx";
import { useLoaded } from "../ui/load.ts";
import { Notice, Outdated, ProblemNotice } from "../ui/notice.tsx";
import { Heading } from "../ui/step.tsx";
import { Sure, useAsking } from "../ui/sure.tsx";
import { useTask } from "../ui/task.ts";
import * as words from "../words.ts";
import { EmergencyNotice } from "./emergencies.tsx";
import { Granting } from "./granting.tsx";
import { ReceiptFile } from "./granting_receipt.tsx";

/** What a grant is made from: nothing, a request to answer, or a grant to change. */
export type Draft = { readonly offer: Offer | null; readonly request: Request | null; readonly replaces: Told | null };

type Shared = Overview & {
  readonly requests: readonly Request[];
  readonly emergencies: readonly Emergency[];
  readonly directory: Directory;
};

/** So long before its end she is told that a grant ends. */
const SOON_SECONDS = 7 * 24 * 3600;
const NEW: Draft = { offer: null, request: null, replaces: null };

export function Share({ client }: { client: Side }) {
  const [draft, setDraft] = useState<Draft | null>(null);
  const [back, setBack] = useState(false);
  const local = async () => ({
    ...(await overview(client)),
    requests: await requests(client),
    directory: await Directory.kept(client.db),
    emergencies: await declared(client),
  });
  const { value, fresh } = useLoaded<Shared>(client, local, () => Directory.renew(client));
  const done = () => {
    setDraft(null);
    setBack(true);
    void fresh.run();
  };
  if (value === null) return <Waiting problem={fresh.problem} />;
  if (draft !== null) return <Granting client={client} directory={value.directory} draft={draft} onDone={done} />;
  return (
    <>
      <Outdated problem={fresh.problem} away="share.old" />
      <p class="unseen" role="status">
        {value.requests.length > 0 && text("share.waiting", { count: value.requests.length })}
      </p>
      <EmergencyNotice emergencies={value.emergencies} isOwn={client.isOwn} />
      <Requests client={client} shared={value} onAnswer={setDraft} onDone={done} />
      <Now client={client} shared={value} focus={back} onDraft={setDraft} onDone={() => void fresh.run()} />
      <HeldBack shared={value} />
      <Writers client={client} shared={value} onDone={() => void fresh.run()} />
      {client.isOwn && (
        <section class="card">
          <h2>{text("share.more")}</h2>
          <div class="actions">
            <LinkButton to="outside">{text("outside.title")}</LinkButton>
            <LinkButton to="relatives">{text("relatives.title")}</LinkButton>
            <LinkButton to="emergency">{text("emergency.title")}</LinkButton>
          </div>
        </section>
      )}
    </>
  );
}

/** Before anything is known. */
export function Waiting({ problem }: { problem: unknown }) {
  return problem === null ? <Notice>{text("share.loading")}</Notice> : <ProblemNotice problem={problem} />;
}

/** The one sentence of a rule. */
export function sentence(name: string, { categories, purposes, until }: Pick<Told, "categories" | "purposes" | "until">) {
  return words.rule(name, categories, purposes, until, language());
}

// --- who asks ---------------------------------------------------------------------------------------------------------

type PartProps = { readonly client: Side; readonly shared: Shared; readonly onDone: () => void };

function Requests({ client, shared, onAnswer, onDone }: PartProps & { onAnswer: (draft: Draft) => void }) {
  if (shared.requests.length === 0) return null;
  return (
    <section class="card">
      <h2>{text("share.requests")}</h2>
      <ul class="plain">
        {shared.requests.map((request) => (
          <OneRequest key={request.received.id} {...{ client, shared, request, onAnswer, onDone }} />
        ))}
      </ul>
    </section>
  );
}

type OneRequestProps = PartProps & { readonly request: Request; readonly onAnswer: (draft: Draft) => void };

function OneRequest({ client, shared, request, onAnswer, onDone }: OneRequestProps) {
  const { asks } = request;
  const name = shared.directory.name(asks.counterpart);
  const refusing = useTask(async () => {
    await refuse(client, request);
    onDone();
  });
  const offer = lawful(byRequest(request, client.hub.now), shared.directory.about(asks.counterpart).type);
  return (
    <li>
      <h3>{name}</h3>
      <p>
        {text("share.asks", {
          what: words.categories(asks.categories, language()),
          why: words.purposes(asks.purposes, language()),
        })}
      </p>
      <ProblemNotice problem={refusing.problem} />
      <div class="actions">
        <Button
          onClick={() => onAnswer({ offer, request, replaces: null })}
          label={text("share.answer-of", { who: name })}
        >
          {text("share.answer")}
        </Button>
        <Button busy={refusing.busy} onClick={() => void refusing.run()} label={text("share.refuse-of", { who: name })}>
          {text("share.refuse")}
        </Button>
      </div>
    </li>
  );
}

// --- who may see what -------------------------------------------------------------------------------------------------

type NowProps = PartProps & { readonly focus: boolean; readonly onDraft: (draft: Draft) => void };

function Now({ client, shared, focus, onDraft, onDone }: NowProps) {
  const [ended, setEnded] = useState<Told | null>(null);
  // Who acts for her has no page of its own for emergencies, but ends what opens in one.
  const grants = shared.grants.filter((one) => !one.emergency || !client.isOwn);
  return (
    <section class="card">
      <Heading focus={focus}>{text("share.now")}</Heading>
      {ended !== null && (
        <Ended
          client={client}
          name={shared.directory.name(ended.to)}
          ended={ended}
          onUndone={() => {
            setEnded(null);
            onDone();
          }}
        />
      )}
      {grants.length === 0 && <p>{text("share.nobody")}</p>}
      {grants.length > 0 && (
        <ul class="plain">
          {grants.map((told) => (
            <OneGrant
              key={told.gid}
              {...{ client, told, onDraft }}
              name={shared.directory.name(told.to)}
              onEnded={() => {
                setEnded(told);
                onDone();
              }}
            />
          ))}
        </ul>
      )}
      <div class="actions">
        <Button look="primary" onClick={() => onDraft(NEW)}>
          {text("share.new")}
        </Button>
      </div>
    </section>
  );
}

type OneGrantProps = {
  readonly client: Side;
  readonly told: Told;
  readonly name: string;
  readonly onDraft: (draft: Draft) => void;
  readonly onEnded: () => void;
};

function OneGrant({ client, told, name, onDraft, onEnded }: OneGrantProps) {
  const { asked, kept, ask, keep } = useAsking();
  const offer = told.emergency ? null : byGrant(told);
  return (
    <li>
      <h3>{name}</h3>
      <p>{sentence(name, told)}</p>
      <p class="hint">{about(told)}</p>
      {told.until <= client.hub.now + SOON_SECONDS && <Notice mood="warning">{text("share.ends-soon")}</Notice>}
      {asked ? (
        <Withdrawal {...{ client, told, name, onEnded }} onCancel={keep} />
      ) : (
        <div class="actions">
          <Button focus={kept} onClick={ask} label={text("share.withdraw-of", { who: name })}>
            {text("share.withdraw")}
          </Button>
          {offer !== null && (
            <Button
              onClick={() => onDraft({ offer, request: null, replaces: told })}
              label={text("share.change-of", { who: name })}
            >
              {text("share.change")}
            </Button>
          )}
          {told.terms !== null && (
            <ReceiptFile client={client} gid={told.gid} label={text("grant.file-of", { who: name })} />
          )}
        </div>
      )}
    </li>
  );
}

function about({ whole, since, by, grant }: Told): string {
  const day = words.day(since, language());
  const parts = [text(whole === false ? "share.from-then" : "share.from-ever"), text("share.signed", { day })];
  const acc = grant.rules.acc;
  if (by !== acc) parts.push(text("share.by", { who: by }));
  return parts.join(" ");
}

type WithdrawalProps = Omit<OneGrantProps, "onDraft"> & { readonly onCancel: () => void };

function Withdrawal({ client, told, name, onEnded, onCancel }: WithdrawalProps) {
  const ending = useTask(async () => {
    await withdraw(client, told.to, told.gid);
    onEnded();
  });
  const [lost, setLost] = useState<Preview | null>(null);
  useEffect(() => void ifWithdrawn(client, told).then(setLost), []);
  return (
    <Sure
      question={text("share.withdraw-of", { who: name })}
      task={ending}
      yes={text("share.withdraw-now")}
      no={text("share.keep")}
      onNo={onCancel}
    >
      <p>{text("share.ends", { who: name })}</p>
      {lost !== null && <p>{lines({ ...lost, counterpart: name }, language()).join(" ")}</p>}
    </Sure>
  );
}

type EndedProps = { readonly client: Side; readonly name: string; readonly ended: Told; readonly onUndone: () => void };

/** What was withdrawn just now may be granted again as it was, as long as this page is open; not what is for emergencies. */
function Ended({ client, name, ended, onUndone }: EndedProps) {
  const { terms } = ended;
  const [gid] = useState(newId);
  const undoing = useTask(async () => {
    if (terms === null) return;
    const rules = (terms.rules ?? null) as FinerRules | null;
    await put(client, agreedIn(terms), { whole: true, rules, gid });
    onUndone();
  });
  return (
    <Done said={text("share.ended", { who: name })}>
      <ProblemNotice problem={undoing.problem} />
      {terms?.whole && !ended.emergency && (
        <Button busy={undoing.busy} onClick={() => void undoing.run()}>
          {text("share.undo")}
        </Button>
      )}
    </Done>
  );
}

/** Where guardians disagree: what does not open although one of them granted it, and who holds it back. */
function HeldBack({ shared: { heldBack, directory } }: Pick<PartProps, "shared">) {
  if (heldBack.length === 0) return null;
  return (
    <section class="card">
      <h2>{text("share.held-back")}</h2>
      <p>{text("share.narrower")}</p>
      <ul>
        {heldBack.map(({ oth, by, categories, refuses }) => {
          const said = { to: directory.name(oth), by, what: words.categories(categories, language()) };
          return <li key={`${oth} ${by}`}>{text(refuses ? "share.refused-by" : "share.held-by", said)}</li>;
        })}
      </ul>
    </section>
  );
}

// --- who may write ----------------------------------------------------------------------------------------------------

function Writers({ client, shared, onDone }: PartProps) {
  if (shared.writers.length === 0) return null;
  return (
    <section class="card">
      <h2>{text("share.writers")}</h2>
      <ul class="plain">
        {shared.writers.map((account) => (
          <Writer key={account} client={client} account={account} name={shared.directory.name(account)} onDone={onDone} />
        ))}
      </ul>
    </section>
  );
}

type WriterProps = { readonly client: Side; readonly account: string; readonly name: string; readonly onDone: () => void };

function Writer({ client, account, name, onDone }: WriterProps) {
  const ending = useTask(async () => {
    await unpermit(client, account);
    onDone();
  });
  return (
    <li>
      <p>{text("share.writes", { who: name })}</p>
      <ProblemNotice problem={ending.problem} />
      <Button busy={ending.busy} onClick={() => void ending.run()} label={text("share.unpermit-of", { who: name })}>
        {text("share.unpermit")}
      </Button>
    </li>
  );
}
