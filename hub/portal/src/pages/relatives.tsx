/** Relatives who may act for her: named by their card, for a time, changed, and ended in one step. */

import { useState } from "preact/hooks";
import { type Appointed, appointed, dismiss } from "../client/appointing.ts";
import type { Client } from "../client/client.ts";
import { language, text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { Done } from "../ui/done.tsx";
import { useLoaded } from "../ui/load.ts";
import { Outdated, ProblemNotice } from "../ui/notice.tsx";
import { useTask } from "../ui/task.ts";
import * as words from "../words.ts";
import { Naming } from "./relatives_naming.tsx";
import { Waiting } from "./share.tsx";

export function Relatives({ client }: { client: Client }) {
  const [said, say] = useState("");
  const [times, count] = useState(0);
  const [changed, change] = useState<Appointed | null>(null);
  /** Whom she was about to change, and did not. */
  const [kept, keep] = useState("");
  const { value, fresh } = useLoaded(client, () => appointed(client));
  if (value === null) return <Waiting problem={fresh.problem} />;
  const done = (sentence: string) => {
    say(sentence);
    count(times + 1);
    change(null);
    void fresh.run();
  };
  const ofForm = changed === null ? String(times) : changed.to;
  return (
    <>
      <p>{text("relatives.why")}</p>
      <Outdated problem={fresh.problem} away="share.old" />
      <section class="card">
        <h2>{text("relatives.now")}</h2>
        {said && <Done key={times} said={said} />}
        {value.length === 0 && <p>{text("relatives.nobody")}</p>}
        {value.length > 0 && (
          <ul class="plain">
            {value.map((one) => (
              <Relative
                key={one.to}
                client={client}
                one={one}
                kept={kept === one.to}
                onChange={() => {
                  keep("");
                  change(one);
                }}
                onEnded={() => done(text("relatives.ended"))}
              />
            ))}
          </ul>
        )}
      </section>
      <Naming
        key={ofForm}
        {...{ client, changed }}
        named={value}
        onDone={done}
        onCancel={() => {
          keep(changed?.to ?? "");
          change(null);
        }}
      />
    </>
  );
}

type RelativeProps = {
  readonly client: Client;
  readonly one: Appointed;
  readonly kept: boolean;
  readonly onChange: () => void;
  readonly onEnded: () => void;
};

function Relative({ client, one, kept, onChange, onEnded }: RelativeProps) {
  const { to } = one;
  const ending = useTask(async () => {
    await dismiss(client, to);
    onEnded();
  });
  return (
    <li>
      <h3 class="code">{to}</h3>
      {told(one, client.hub.now).map((sentence) => (
        <p key={sentence}>{sentence}</p>
      ))}
      <ProblemNotice problem={ending.problem} />
      <div class="actions">
        <Button focus={kept} onClick={onChange} label={text("relatives.change-of", { who: to })}>
          {text("relatives.change")}
        </Button>
        <Button busy={ending.busy} onClick={() => void ending.run()} label={text("relatives.end-of", { who: to })}>
          {text("relatives.end")}
        </Button>
      </div>
    </li>
  );
}

/** What somebody may do, as what, and what of her data she reads. */
function told({ end, scope, kind, reads }: Appointed, now: number): readonly string[] {
  if (end <= now) return [text("relatives.over")];
  const may = text(scope === "full" ? "relatives.until-all" : "relatives.until", { until: words.until(end, language()) });
  const sees = reads.size > 0 && scope !== "full" && text("relatives.sees", { what: words.categories(reads, language()) });
  return [may, text(`relatives.kind-${kind}`), sees].filter((one) => one !== false);
}
