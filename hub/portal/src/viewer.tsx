/** Where the page for somebody without an account starts: a SMART Health Link is opened, and shown as My data are. */

import { useEffect, useState } from "preact/hooks";
import { entriesOf } from "./collection.ts";
import type { Stored } from "./client/stored.ts";
import { fetchFile, type Payload, read } from "./health_link.ts";
import { Paper } from "./pages/paper.tsx";
import { Record, titleOf } from "./pages/record.tsx";
import { Problem } from "./problems.ts";
import { usePath } from "./router.ts";
import { show } from "./show.tsx";
import { type Language, language, moment, speak, text } from "./text.ts";
import { Button } from "./ui/button.tsx";
import { Field } from "./ui/field.tsx";
import { Form } from "./ui/form.tsx";
import { Footer, Header, Main } from "./ui/frame.tsx";
import { Icon } from "./ui/icon.tsx";
import { Notice, ProblemNotice } from "./ui/notice.tsx";
import type { Shown } from "./ui/shown.ts";
import { useTask } from "./ui/task.ts";

const VERSION = 1;
/** Behind this and a slash stands which part is shown. */
const DATA = "data";

/** What a link brought; `file` as it was sealed. */
type Opened = { readonly label: string; readonly file: Uint8Array; readonly entries: readonly Stored[] };

function Viewer({ hub }: { hub: string }) {
  const [, setLanguage] = useState(language());
  const speaking = useTask(async (next: Language) => {
    await speak(next);
    setLanguage(next);
  });
  const [payload, setPayload] = useState(() => read(location.hash));
  const [opened, setOpened] = useState<Opened | null>(null);
  const path = usePath();
  useEffect(() => {
    const next = read(location.hash);
    if (next === null) return;
    setPayload(next);
    setOpened(null);
  }, [path]);
  const open = (one: Opened) => {
    // The key leaves the address, and with it the history of this browser.
    location.replace(`#/${DATA}`);
    setOpened(one);
  };
  const place = opened !== null && path.startsWith(`${DATA}/`) ? path.slice(DATA.length + 1) : "";
  return (
    <>
      <Header hub={hub} onLanguage={speaking.run} />
      <Main name={text(titleOf(place) ?? "link.title")} hub={hub} key={`${opened === null} ${place}`}>
        <ProblemNotice problem={speaking.problem} />
        {opened !== null ? (
          <Found opened={opened} place={place} />
        ) : payload !== null ? (
          <Opening payload={payload} onOpened={open} />
        ) : (
          <Pasting onLink={setPayload} />
        )}
      </Main>
      <Footer said={text("link.sealed")} />
    </>
  );
}

/** There is no link in the address: it may have got lost on its way here. */
function Pasting({ onLink }: { onLink: (payload: Payload) => void }) {
  const [typed, type] = useState("");
  const [error, setError] = useState("");
  const reading = useTask(async () => {
    const payload = read(typed);
    setError(payload === null ? text("link.none") : "");
    if (payload !== null) onLink(payload);
  });
  return (
    <section class="card">
      <p>{text("link.paste-why")}</p>
      <Form task={reading} submit={text("link.go-on")}>
        <Field label={text("link.paste")} value={typed} onInput={type} error={error} code />
      </Form>
    </section>
  );
}

type OpeningProps = { readonly payload: Payload; readonly onOpened: (opened: Opened) => void };

/** Nothing is asked of the hub before she who has the link says who she is. */
function Opening({ payload, onOpened }: OpeningProps) {
  const { label = "", flag = "", url, v = VERSION } = payload;
  const [recipient, setRecipient] = useState("");
  const [passcode, setPasscode] = useState("");
  const [refused, setRefused] = useState("");
  const [tried, setTried] = useState(false);
  const asksCode = flag.includes("P");
  const lacks = { name: recipient.trim() === "", code: asksCode && passcode.trim() === "" };
  const opening = useTask(async () => {
    setTried(true);
    setRefused("");
    if (lacks.name || lacks.code) return;
    try {
      const file = await fetchFile(payload, recipient.trim(), passcode.trim());
      onOpened({ label, file, entries: entriesOf(file) });
    } catch (error) {
      const why = reason(error);
      if (why === "") throw error;
      setRefused(why);
    }
  });
  const { host, origin } = new URL(url);
  if (origin !== location.origin || v > VERSION) return <Notice mood="warning">{text("link.elsewhere", { host })}</Notice>;
  const error = (isLacking: boolean) => (tried && isLacking ? text("link.needed") : "");
  return (
    <section class="card">
      {label && <p class="lead">{label}</p>}
      <p>{text("link.why")}</p>
      <Form task={opening} submit={text("link.open")}>
        <Field
          label={text("link.name")}
          hint={text("link.name-hint")}
          value={recipient}
          onInput={setRecipient}
          error={error(lacks.name)}
          autocomplete="organization"
        />
        {asksCode && (
          <Field
            label={text("link.code")}
            hint={text("link.code-hint")}
            value={passcode}
            onInput={setPasscode}
            error={error(lacks.code)}
            code
          />
        )}
        {refused && <Notice mood="bad">{refused}</Notice>}
      </Form>
    </section>
  );
}

/** Why a link was not opened, where more can be said than that something went wrong. */
function reason(error: unknown): string {
  if (!(error instanceof Problem)) return "";
  const left = error.extra["remainingAttempts"];
  if (error.code === "not-found" || left === 0) return text(left === 0 ? "link.closed" : "link.gone");
  return error.code === "unauthenticated" ? text("link.wrong", { left: Number(left) }) : "";
}

/** Who wrote what is not told by a link. */
function recordOf(entries: readonly Stored[]): Shown {
  const whole = { loading: false, problem: null, refused: 0, missing: 0 };
  return { patient: "", path: DATA, entries, nameOf: () => "", note: null, purpose: "", ...whole };
}

function Found({ opened: { label, file, entries }, place }: { opened: Opened; place: string }) {
  const [printing, print] = useState(false);
  const [url, setUrl] = useState("");
  const [since] = useState(() => Date.now() / 1000);
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([new Uint8Array(file)], { type: "application/fhir+json" }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return (
    <>
      {place === "" && (
        <section class="card shared">
          {label && <p class="lead">{label}</p>}
          <p>{text("link.chosen")}</p>
          <div class="actions">
            <Button onClick={() => print(true)}>
              <Icon name="print" />
              {text("take.print")}
            </Button>
            <a class="button secondary" href={url} download="health-link.json">
              {text("take.bundle")}
            </a>
          </div>
        </section>
      )}
      <Record
        record={recordOf(entries)}
        actions={null}
        place={place}
        empty={<Notice>{text("data.none-found")}</Notice>}
      />
      {printing && (
        <Paper
          lead={[label, text("link.of", { when: moment(since) })].filter(Boolean).join(" · ")}
          entries={entries}
          onPrinted={() => print(false)}
        />
      )}
    </>
  );
}

await show(async (hub) => <Viewer hub={hub} />);
