/** The field for the six words: hidden while typed, unless she asks to see them. */

import { text } from "../text.ts";
import { Field, type FieldProps } from "./field.tsx";

type PassphraseProps = Pick<FieldProps, "value" | "hint" | "error"> & {
  readonly onInput: (value: string) => void;
  /** They are chosen here, so that a password manager offers to keep them. */
  readonly fresh?: boolean;
};

export function Passphrase({ fresh = false, ...field }: PassphraseProps) {
  const autocomplete = fresh ? "new-password" : "current-password";
  return <Field {...field} label={text("account.passphrase")} autocomplete={autocomplete} secret />;
}
