/** A question with answers to tick: one of them, or any number. Nothing is ticked that was not chosen. */

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

export type Answer<V> = { readonly value: V; readonly label: string; readonly hint?: string };

type AnswersProps<V> = {
  readonly legend: string;
  readonly answers: readonly Answer<V>[];
  readonly hint?: string;
  readonly error?: string;
  readonly isChosen: (value: V) => boolean;
  readonly onChoose: (value: V) => void;
  readonly many?: boolean;
  readonly children?: ComponentChildren;
};

export function Answers<V extends string | number>(props: AnswersProps<V>) {
  const { legend, answers, hint, error, isChosen, onChoose, many = false, children } = props;
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <fieldset aria-describedby={described || undefined} aria-invalid={error ? "true" : undefined}>
      <legend>{legend}</legend>
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      <div class="answers">
        {answers.map(({ value, label, hint: more }) => (
          <div class="answer" key={value}>
            <input
              type={many ? "checkbox" : "radio"}
              id={`${id}-${value}`}
              name={id}
              checked={isChosen(value)}
              aria-describedby={more ? `${id}-${value}-hint` : undefined}
              onChange={() => onChoose(value)}
            />
            <label for={`${id}-${value}`}>{label}</label>
            {more && (
              <p class="hint" id={`${id}-${value}-hint`}>
                {more}
              </p>
            )}
          </div>
        ))}
      </div>
      {children}
      {error && (
        <p class="error" id={`${id}-error`} role="alert">
          {error}
        </p>
      )}
    </fieldset>
  );
}

/** A set with a value in it or no longer in it. */
export function toggled<V>(all: ReadonlySet<V>, value: V): ReadonlySet<V> {
  const next = new Set(all);
  if (!next.delete(value)) next.add(value);
  return next;
}
