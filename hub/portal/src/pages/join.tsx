/** An account that exists comes to this browser by another device: a QR code, digits to compare, and six words. */

import { useEffect, useState } from "preact/hooks";
import * as pairing from "../client/pairing.ts";
import type { Added, Newcomer } from "../client/pairing.ts";
import { stretch } from "../client/work.ts";
import { deviceLabel } from "../device_label.ts";
import { digits, type Reply } from "../pairing.ts";
import { tidy } from "../passphrase_words.ts";
import { usePortal } from "../portal.ts";
import { text } from "../text.ts";
import { Address } from "../ui/address.tsx";
import { Button } from "../ui/button.tsx";
import { Copied } from "../ui/copied.tsx";
import { Digits } from "../ui/digits.tsx";
import { Form } from "../ui/form.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { Passphrase } from "../ui/passphrase.tsx";
import { QrCode } from "../ui/qr.tsx";
import { Step, STEPS } from "../ui/step.tsx";
import { useStop } from "../ui/stop.ts";
import { useTask } from "../ui/task.ts";
import { ChooseWords } from "./choose_words.tsx";

export function Join() {
  const [tries, again] = useState(0);
  return <Joining key={tries} again={() => again(tries + 1)} />;
}

function Joining({ again }: { again: () => void }) {
  const stop = useStop();
  const [shown, show] = useState<Newcomer | null>(null);
  const [reply, setReply] = useState<Reply | null>(null);
  const [added, setAdded] = useState<Added | null>(null);
  const inviting = useTask(async () => {
    const made = await pairing.newcomer(deviceLabel());
    show(made);
    setReply(await pairing.hearReply(made, stop));
  });
  useEffect(() => void inviting.run(), []);
  const stage = added ? 3 : reply ? 2 : 1;
  const name = ["join.show", "join.compare", "words.title"] as const;
  return (
    <section class="card">
      <Step key={stage} number={stage} of={STEPS} name={text(name[stage - 1]!)} />
      {inviting.problem !== null ? (
        <Failed problem={inviting.problem} again={again} />
      ) : added ? (
        <Words added={added} />
      ) : shown && reply ? (
        <Compare newcomer={shown} reply={reply} onAdded={setAdded} again={again} />
      ) : (
        shown && <Shown invitation={String(shown.invitation)} />
      )}
    </section>
  );
}

function Failed({ problem, again }: { problem: unknown; again: () => void }) {
  return (
    <>
      <ProblemNotice problem={problem} />
      <div class="actions">
        <Button look="primary" onClick={again}>
          {text("join.again")}
        </Button>
      </div>
    </>
  );
}

function Shown({ invitation }: { invitation: string }) {
  return (
    <>
      <ol>
        <li>{text("join.open-other")}</li>
        <li>{text("join.scan-this")}</li>
      </ol>
      <div class="invitation">
        <QrCode content={invitation} label={text("join.qr")} />
        <Notice>{text("join.waits")}</Notice>
      </div>
      <details>
        <summary>{text("join.no-camera")}</summary>
        <p>{text("join.as-text")}</p>
        <Copied label={text("join.text")} value={invitation} />
      </details>
    </>
  );
}

type CompareProps = {
  readonly newcomer: Newcomer;
  readonly reply: Reply;
  readonly onAdded: (added: Added) => void;
  readonly again: () => void;
};

/** She says so here, too: else somebody who saw the QR code could bring this browser into an account of his own. */
function Compare({ newcomer, reply, onAdded, again }: CompareProps) {
  const stop = useStop();
  const moving = useTask(async () => onAdded(await pairing.moveIn(newcomer, reply, stop)));
  if (moving.problem !== null) return <Failed problem={moving.problem} again={again} />;
  return (
    <>
      <p>{text("join.compare-why")}</p>
      <Digits digits={digits(newcomer.invitation, reply, newcomer.reveal)} label={text("join.digits")} />
      {moving.busy ? (
        <Notice>{text("join.confirm-there")}</Notice>
      ) : (
        <div class="actions">
          <Button look="primary" onClick={() => void moving.run()}>
            {text("join.same")}
          </Button>
          <Button look="danger" onClick={again}>
            {text("join.differ")}
          </Button>
        </div>
      )}
    </>
  );
}

function Words({ added }: { added: Added }) {
  const { device, comeIn } = usePortal();
  const { account } = added.keyring;
  const [typed, type] = useState("");
  const [fresh, chooseFresh] = useState(!pairing.hasWords(added));
  const keeping = useTask(async () => {
    await comeIn(await pairing.keepUnderWords(device.db, added, await stretch(account, tidy(typed))));
  });
  if (fresh) {
    return (
      <ChooseWords
        account={account}
        onChosen={async (keys) => comeIn(await pairing.keepUnderNewWords(device.db, added, keys))}
      />
    );
  }
  return (
    <>
      <p>{text("join.words-why")}</p>
      <Form
        task={keeping}
        submit={text("join.finish")}
        beside={<Button onClick={() => chooseFresh(true)}>{text("join.new-words")}</Button>}
      >
        <Address account={account} />
        <Passphrase value={typed} onInput={type} />
        {keeping.busy && <Notice>{text("account.stretching")}</Notice>}
      </Form>
    </>
  );
}
