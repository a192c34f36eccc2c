/** What is around every page: header, heading, footer. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { type Language, LANGUAGES, language, text } from "../text.ts";

type HeaderProps = {
  readonly hub: string;
  readonly onLanguage: (next: Language) => Promise<void>;
  /** What stands beside the choice of language. */
  readonly children?: ComponentChildren;
};

export function Header({ hub, onLanguage, children }: HeaderProps) {
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        {text("frame.skip")}
      </a>
      <header>
        <a class="brand" href="#/">
          {hub}
        </a>
        <div class="tools">
          <LanguageSwitch onChange={onLanguage} />
          {children}
        </div>
      </header>
    </>
  );
}

/** A new page is announced by its heading, which takes the focus; the first one leaves the focus where it is. */
export function Main({ name, hub, children }: { name: string; hub: string; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  // With the page itself and not a moment later: else the focus leaves a field in which somebody types already.
  useLayoutEffect(() => {
    if (arrived) heading.current?.focus();
    arrived = true;
  }, []);
  useEffect(() => {
    document.title = `${name} · ${hub}`;
  }, [name, hub]);
  return (
    <main id="main" tabIndex={-1}>
      <h1 ref={heading} tabIndex={-1}>
        {name}
      </h1>
      {children}
    </main>
  );
}

let arrived = false;

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

const NAMES = { de: "Deutsch", en: "English" } as const;

/** A button with the name of the language that is not spoken now. */
function LanguageSwitch({ onChange }: { onChange: (next: Language) => Promise<void> }) {
  const others = LANGUAGES.filter((name) => name !== language());
  return others.map((name) => (
    <button
      key={name}
      type="button"
      class="button plain"
      lang={name}
      onClick={() => void onChange(name)}
    >
      {NAMES[name]}
    </button>
  ));
}

/** The SHA-256 of this very script stands in its address, which the browser checked it against. */
export function Footer({ said }: { said: string }) {
  const digest = import.meta.url.split("/").at(-2) ?? "";
  return (
    <footer>
      <p>{said}</p>
      <p>
        {text("frame.bundle")} <a href="/portal/bundle.json">SHA-256</a> <code>{digest}</code>
      </p>
    </footer>
  );
}
