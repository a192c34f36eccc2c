/** For someone outside: SMART Health Links for those who have no account, made, seen and revoked. */

import { useEffect, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { extend, type HealthLink, list, type Noted, revoke } from "../client/health_links.ts";
import { NUMBER } from "../client/log_words.ts";
import { moment, text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { Done } from "../ui/done.tsx";
import { Icon } from "../ui/icon.tsx";
import { ProblemNotice } from "../ui/notice.tsx";
import { QrCode } from "../ui/qr.tsx";
import { Heading } from "../ui/step.tsx";
import { Sure, useAsking } from "../ui/sure.tsx";
import { useTask } from "../ui/task.ts";
import { LinkForm } from "./link_form.tsx";
import { Waiting } from "./share.tsx";

/** So many days a link is extended by. */
const MORE_DAYS = 7;

export function Outside({ client }: { client: Client }) {
  const [links, setLinks] = useState<readonly HealthLink[] | null>(null);
  const [shown, show] = useState<Noted | null>(null);
  const [said, say] = useState("");
  const [seen, setSeen] = useState(0);
  const loading = useTask(async () => setLinks(await list(client)));
  useEffect(() => void loading.run(), []);
  const done = (sentence: string) => {
    say(sentence);
    show(null);
    void loading.run();
  };
  const finish = () => {
    done("");
    setSeen(seen + 1);
  };
  return (
    <>
      <p>{text("outside.why")}</p>
      {shown !== null && <Ready key={shown.link} noted={shown} onDone={finish} />}
      <section class="card">
        <Heading focus={seen > 0} key={seen}>
          {text("outside.now")}
        </Heading>
        {said && <Done key={said} said={said} />}
        {links === null && <Waiting problem={loading.problem} />}
        {links !== null && <ProblemNotice problem={loading.problem} />}
        {links?.length === 0 && <p>{text("outside.nobody")}</p>}
        {links !== null && links.length > 0 && (
          <ul class="plain">
            {links.map((link) => (
              <OneLink key={link.name} client={client} link={link} onShow={show} onDone={done} />
            ))}
          </ul>
        )}
      </section>
      {shown === null && (
        <LinkForm
          client={client}
          onMade={(noted) => {
            say("");
            show(noted);
            void loading.run();
          }}
        />
      )}
    </>
  );
}

/** A link as it is handed over; the passcode goes another way, so it is not on the paper. */
function Ready({ noted: { label, link, passcode }, onDone }: { noted: Noted; onDone: () => void }) {
  const [copied, setCopied] = useState(false);
  const copying = useTask(async () => {
    await navigator.clipboard.writeText(link);
    setCopied(true);
  });
  return (
    <section class="card">
      <Heading>{text("outside.ready")}</Heading>
      <p>{text("outside.ready-why")}</p>
      <article class="sheet account handed">
        <QrCode content={link} label={text("outside.qr")} />
        <div>
          <h3>{label || text("link.title")}</h3>
          <p>{text("outside.sheet")}</p>
          <p class="code">{link}</p>
        </div>
      </article>
      <div class="words">
        <p>{text("outside.passcode-tell")}</p>
        <p class="code">{passcode}</p>
      </div>
      <ProblemNotice problem={copying.problem} />
      <p role="status" class="unseen">
        {copied && text("outside.copied")}
      </p>
      <div class="actions">
        <Button look="primary" busy={copying.busy} onClick={() => void copying.run()}>
          {text(copied ? "outside.copied" : "outside.copy")}
        </Button>
        <Button onClick={() => print()}>
          <Icon name="print" />
          {text("grant.print")}
        </Button>
        <Button onClick={onDone}>{text("grant.finish")}</Button>
      </div>
    </section>
  );
}

type OneLinkProps = {
  readonly client: Client;
  readonly link: HealthLink;
  readonly onShow: (noted: Noted) => void;
  readonly onDone: (said: string) => void;
};

function OneLink({ client, link, onShow, onDone }: OneLinkProps) {
  const { asked, kept, ask, keep } = useAsking();
  const { name, noted, until, left, opened, opened_at } = link;
  const number = name.slice(0, NUMBER);
  const label = noted?.label || text("outside.number", { number });
  const extending = useTask(async () => {
    await extend(client, link, MORE_DAYS);
    onDone(text("outside.extended", { label }));
  });
  const revoking = useTask(async () => {
    await revoke(client, name);
    onDone(text("outside.revoked", { label }));
  });
  const read = opened === 0 ? text("outside.unopened") : text("outside.opened", { count: opened, when: moment(opened_at) });
  return (
    <li>
      <h3>{label}</h3>
      <p>{left === 0 ? text("outside.closed") : text("outside.open", { until: moment(until) })}</p>
      <p class="hint">
        {read} {text("outside.in-log", { number })}
      </p>
      <ProblemNotice problem={extending.problem} />
      {asked ? (
        <Sure
          question={text("outside.revoke-of", { label })}
          task={revoking}
          yes={text("share.withdraw-now")}
          no={text("share.keep")}
          onNo={keep}
        >
          <p>{text("outside.revoke-why")}</p>
        </Sure>
      ) : (
        <div class="actions">
          {noted !== null && left > 0 && (
            <Button onClick={() => onShow(noted)} label={text("outside.show-of", { label })}>
              {text("outside.show")}
            </Button>
          )}
          {left > 0 && (
            <Button busy={extending.busy} onClick={() => void extending.run()} label={text("outside.extend-of", { label })}>
              {text("outside.extend")}
            </Button>
          )}
          <Button focus={kept} onClick={ask} label={text("outside.revoke-of", { label })}>
            {text("share.withdraw")}
          </Button>
        </div>
      )}
    </li>
  );
}
