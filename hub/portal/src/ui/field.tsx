/** A labelled line of input, with a hint and what is wrong with it, both read out with it. */

import { useId, useState } from "preact/hooks";
import { text } from "../text.ts";

export type FieldProps = {
  readonly label: string;
  readonly value: string;
  readonly onInput?: (value: string) => void;
  readonly hint?: string;
  readonly error?: string;
  readonly autocomplete?: string;
  readonly code?: boolean;
  /** What is typed, where that is not just a line of text. */
  readonly kind?: "date" | "decimal" | "datetime-local" | "search" | "lines";
  /** Hidden while typed, unless she asks to see it. */
  readonly secret?: boolean;
};

const INPUTS = {
  text: { type: "text" },
  date: { type: "date" },
  decimal: { type: "text", inputMode: "decimal" },
  "datetime-local": { type: "datetime-local" },
  search: { type: "search" },
} as const;

export function Field(props: FieldProps) {
  const { label, value, onInput, hint, error, autocomplete = "off", code, secret, kind } = props;
  const id = useId();
  const [shown, show] = useState(!secret);
  const isLines = kind === "lines";
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  const isWrong = error ? ("true" as const) : ("false" as const);
  const said = { id, value, "aria-invalid": isWrong, "aria-describedby": described || undefined };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      <div class="line">
        {isLines ? (
          <textarea {...said} rows={6} onInput={(event) => onInput?.(event.currentTarget.value)} />
        ) : (
          <input
            {...(shown ? INPUTS[kind ?? "text"] : { type: "password" as const })}
            {...said}
            class={code ? "code" : ""}
            autocomplete={autocomplete as "off"}
            autocapitalize="none"
            spellcheck={false}
            onInput={(event) => onInput?.(event.currentTarget.value)}
          />
        )}
        {secret && (
          <button type="button" class="button plain" aria-pressed={shown} onClick={() => show(!shown)}>
            {text("field.show")}
          </button>
        )}
      </div>
      {error && (
        <p class="error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}
