/** The portal: the frame around all pages, and which of them is shown. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isClosed, isClosing } from "./client/closing.ts";
import { type Device, lookUp } from "./client/device.ts";
import { useIdle } from "./idle.ts";
import { Arriving } from "./pages/arriving.tsx";
import { CLOSING, ENTRANCES, pagesFor, RECOVERY } from "./pages/index.ts";
import { Unlock } from "./pages/unlock.tsx";
import { type Page, PortalContext, tabs, tellTabs } from "./portal.ts";
import { go, usePath } from "./router.ts";
import { type Key, type Language, language, speak, text } from "./text.ts";
import { Button } from "./ui/button.tsx";
import { Footer, Header, Main } from "./ui/frame.tsx";
import { Icon } from "./ui/icon.tsx";
import { ProblemNotice } from "./ui/notice.tsx";
import { useRefresh } from "./ui/reading.ts";
import { Sending } from "./ui/sending.tsx";
import { useTask } from "./ui/task.ts";

export function App({ hub, first }: { hub: string; first: Device }) {
  const [device, enter] = useState(first);
  const [, setLanguage] = useState(language());
  const speaking = useTask(async (next: Language) => {
    await speak(next);
    setLanguage(next);
  });
  const path = usePath();
  const dropSecrets = () => void lookUp(first.db).then(enter);
  const lock = () => {
    tellTabs();
    dropSecrets();
  };
  useEffect(() => {
    // Who locks one tab means all of them.
    tabs.onmessage = dropSecrets;
  }, []);
  useEffect(() => (device.state === "open" ? () => device.client.close() : undefined), [device]);
  useRefresh(device.state === "open" ? device.client : null);
  useEnd(device);
  useIdle(device.state === "open", lock);
  const { title, view } = shown(device, path);
  return (
    <PortalContext.Provider value={{ device, enter }}>
      <Header hub={hub} onLanguage={speaking.run}>
        {device.state === "open" && (
          <Button look="plain" onClick={lock}>
            <Icon name="lock" />
            {text("frame.lock")}
          </Button>
        )}
      </Header>
      {device.state === "open" && <Navigation pages={pagesFor(device.client)} path={path} />}
      <Main name={text(title)} hub={hub} key={`${device.state} ${path}`}>
        <ProblemNotice problem={speaking.problem} />
        {device.state === "open" && <Sending client={device.client} />}
        {view}
      </Main>
      <Footer said={text("frame.sealed")} />
    </PortalContext.Provider>
  );
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

function shown(device: Device, path: string): { title: Key; view: ComponentChildren } {
  const place = path.split("/")[0];
  if (device.state === "begun") return { title: "arriving.title", view: <Arriving client={device.client} /> };
  if (device.state === "locked" && place !== RECOVERY.path) {
    return { title: "unlock.title", view: <Unlock label={device.label} /> };
  }
  if (device.state !== "open") {
    const { title, view: View } = ENTRANCES.find((page) => page.path === place) ?? ENTRANCES[0];
    return { title, view: <View /> };
  }
  const pages = pagesFor(device.client);
  const { title, place: titleOf, view: View } = pages.find((page) => page.path === place) ?? pages[0];
  return { title: titleOf?.(path.slice(path.indexOf("/") + 1)) ?? title, view: <View client={device.client} /> };
}

function Navigation({ pages, path }: { pages: readonly Page[]; path: string }) {
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
