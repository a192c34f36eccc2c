/** Buttons, and links that look like them. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

export type Look = "primary" | "secondary" | "danger" | "plain";

export type ButtonProps = {
  readonly children: ComponentChildren;
  readonly look?: Look;
  readonly type?: "button" | "submit";
  /** What it does is under way: it says so, and does not do it twice. */
  readonly busy?: boolean;
  readonly onClick?: () => void;
  /** Somebody comes back to it: it takes the focus. */
  readonly focus?: boolean;
  /** What it does, said more fully than its words do, beginning with the same, or than its sign does. */
  readonly label?: string;
};

export function Button(props: ButtonProps) {
  const { children, look = "secondary", type = "button", busy = false, focus = false, onClick, label } = props;
  const button = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    if (focus) button.current?.focus();
  }, [focus]);
  return (
    <button
      ref={button}
      type={type}
      class={`button ${look}`}
      aria-disabled={busy}
      aria-label={label}
      onClick={busy ? refuse : onClick}
    >
      {busy && <span class="spinner" aria-hidden="true" />}
      {children}
    </button>
  );
}

/** A disabled button would drop the focus; a busy one keeps it and does nothing. */
function refuse(event: Event): void {
  event.preventDefault();
}

export type LinkButtonProps = Pick<ButtonProps, "children" | "look" | "label"> & { readonly to: string };

export function LinkButton({ to, look = "secondary", label, children }: LinkButtonProps) {
  return (
    <a class={`button ${look}`} href={`#/${to}`} aria-label={label}>
      {children}
    </a>
  );
}
