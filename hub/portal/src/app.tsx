/** The portal: the frame around all pages, and which of them is shown. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Client } from "./client/client.ts";
import { isClosed, isClosing } from "./client/closing.ts";
import { comesTo, type Device, lookUp } from "./client/device.ts";
import { useIdle } from "./idle.ts";
import { ActingBanner, NoLonger } from "./pages/acting.tsx";
import { Arriving } from "./pages/arriving.tsx";
import { CLOSING, ENTRANCES, FOR_ANOTHER, MANAGING, pagesFor, RECOVERY } from "./pages/index.ts";
import { Unlock } from "./pages/unlock.tsx";
import { type Page, PortalContext, tabs, tellTabs, type Told } from "./portal.ts";
import { go, usePath } from "./router.ts";
import { type Language, language, speak, text } from "./text.ts";
import { useActing } from "./ui/acting.ts";
import { Button } from "./ui/button.tsx";
import { Footer, Header, Main } from "./ui/frame.tsx";
import { Icon } from "./ui/icon.tsx";
import { ProblemNotice } from "./ui/notice.tsx";
import { useRefresh } from "./ui/reading.ts";
import { Sending } from "./ui/sending.tsx";
import { useTask } from "./ui/task.ts";

export function App({ hub, first }: { hub: string; first: Device }) {
  const [device, show] = useState(first);
  /** What ends in a page that was locked meanwhile opens nothing. */
  const enter = (next: Device) => {
    if (!clientOf(next)?.locked.aborted) show(next);
  };
  const [, setLanguage] = useState(language());
  const speaking = useTask(async (next: Language) => {
    await speak(next);
    setLanguage(next);
  });
  const [patient, setPatient] = useState("");
  const path = usePath();
  const dropSecrets = () => {
    setPatient("");
    void lookUp(first.db).then(enter);
  };
  const lock = () => {
    tellTabs();
    dropSecrets();
  };
  useEffect(() => {
    // Who locks one tab means all of them; what one was about to do as nobody's it cannot do any more.
    tabs.onmessage = ({ data }: MessageEvent<Told>) => {
      if (data === "account") go("");
      dropSecrets();
    };
  }, []);
  const comeIn = async (client: Client | null) => {
    if (client === null) go("");
    else tellTabs("account");
    enter(await comesTo(first.db, client));
  };
  const unlocked = clientOf(device);
  useEffect(() => () => unlocked?.close(), [unlocked]);
  useRefresh(device.state === "open" ? device.client : null);
  useEnd(device);
  useIdle(device.state === "open", lock);
  const actFor = (next: string) => {
    setPatient(next);
    go("");
  };
  const client = device.state === "open" ? device.client : null;
  const entrance = outside(device, path);
  const above = <ProblemNotice problem={speaking.problem} />;
  return (
    <PortalContext.Provider value={{ device, enter, comeIn, actFor }}>
      <Header hub={hub} onLanguage={speaking.run}>
        {client !== null && (
          <Button look="plain" onClick={lock}>
            <Icon name="lock" />
            {text("frame.lock")}
          </Button>
        )}
      </Header>
      {client === null && (
        <Main name={entrance.name} hub={hub} key={`${device.state} ${path}`}>
          {above}
          {entrance.children}
        </Main>
      )}
      {client !== null && patient === "" && (
        <Inside client={client} hub={hub} path={path} pages={pagesFor(client)}>
          {above}
          <Sending client={client} />
        </Inside>
      )}
      {client !== null && patient !== "" && (
        <ForAnother client={client} patient={patient} hub={hub} path={path}>
          {above}
        </ForAnother>
      )}
      <Footer said={text("frame.sealed")} />
    </PortalContext.Provider>
  );
}

/** Whose secrets are in memory. */
function clientOf(device: Device): Client | null {
  return "client" in device ? device.client : null;
}

/** What she began to close is gone on with; an account that was closed elsewhere is shown as such. */
function useEnd(device: Device): void {
  useEffect(() => {
    if (device.state !== "open") return undefined;
    const { client, db } = device;
    void isClosing(db).then((begun) => begun && go(CLOSING.path));
    return client.reading.subscribe(() => isClosed(client) && go(CLOSING.path));
  }, [device]);
}

type View = { readonly name: string; readonly children: ComponentChildren };

/** What a device shows that is not open. */
function outside(device: Device, path: string): View {
  const place = path.split("/")[0];
  if (device.state === "begun") return { name: text("arriving.title"), children: <Arriving client={device.client} /> };
  if (device.state === "locked" && place !== RECOVERY.path) {
    return { name: text("unlock.title"), children: <Unlock label={device.label} /> };
  }
  const { title, view: Shown } = ENTRANCES.find((page) => page.path === place) ?? ENTRANCES[0];
  return { name: text(title), children: <Shown /> };
}

type InsideProps<S> = {
  readonly client: S;
  readonly hub: string;
  readonly path: string;
  readonly pages: readonly [Page<S>, ...Page<S>[]];
  /** What stands above each page. */
  readonly children?: ComponentChildren;
};

/** The pages of an open device: navigation, and the one of the path. */
function Inside<S extends { readonly account: string }>({ client, hub, path, pages, children }: InsideProps<S>) {
  const place = path.split("/")[0];
  const { title, place: titleOf, view: Shown } = pages.find((page) => page.path === place) ?? pages[0];
  const name = text(titleOf?.(path.slice(path.indexOf("/") + 1)) ?? title);
  return (
    <>
      <Navigation path={path} pages={pages} />
      <Main name={name} hub={hub} key={`${client.account} ${path}`}>
        {children}
        <Shown client={client} />
      </Main>
    </>
  );
}

type ForAnotherProps = {
  readonly client: Client;
  readonly patient: string;
  readonly hub: string;
  readonly path: string;
  readonly children?: ComponentChildren;
};

/** The pages of a patient for whom she acts, as long as she may; for whom it is stands above all of them. */
function ForAnother({ client, patient, hub, path, children }: ForAnotherProps) {
  const { mandate, full, manages } = useActing(client, patient);
  return (
    <>
      <ActingBanner client={client} patient={patient} mandate={mandate} />
      {mandate === null && (
        <Main name={text("acting.over-title")} hub={hub} key="over">
          <NoLonger client={client} patient={patient} />
        </Main>
      )}
      {full !== null && (
        <Inside client={full} hub={hub} path={path} pages={FOR_ANOTHER}>
          {children}
        </Inside>
      )}
      {manages !== null && (
        <Inside client={manages} hub={hub} path={path} pages={MANAGING}>
          {children}
        </Inside>
      )}
    </>
  );
}

type NavigationProps = { readonly path: string; readonly pages: readonly Omit<Page, "view">[] };

function Navigation({ path, pages }: NavigationProps) {
  return (
    <nav aria-label={text("frame.navigation")}>
      {pages.map(
        (page) =>
          page.icon && (
            <a key={page.path} href={`#/${page.path}`} aria-current={page.path === path.split("/")[0] ? "page" : undefined}>
              <Icon name={page.icon} />
              {text(page.short ?? page.title)}
            </a>
          ),
      )}
    </nav>
  );
}
