/** A file to be chosen, or dropped here. */

import { useId, useState } from "preact/hooks";

type FileProps = {
  readonly label: string;
  readonly hint?: string;
  readonly accept: string;
  readonly error?: string;
  /** The name of what was chosen, as long as it is not taken. */
  readonly chosen?: string;
  readonly onFile: (file: File) => void;
};

export function FileField({ label, hint, accept, error, chosen, onFile }: FileProps) {
  const id = useId();
  const [over, setOver] = useState(false);
  const take = (files: FileList | null | undefined) => {
    const file = files?.[0];
    if (file !== undefined) onFile(file);
  };
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div
      class={`field drop ${over ? "over" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer?.files);
      }}
    >
      <label for={id}>{label}</label>
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      <input
        type="file"
        id={id}
        accept={accept}
        aria-invalid={error ? "true" : "false"}
        aria-describedby={described || undefined}
        onChange={(event) => {
          take(event.currentTarget.files);
          event.currentTarget.value = ""; // else the same file could not be chosen again
        }}
      />
      {chosen && (
        <p class="chosen" role="status">
          {chosen}
        </p>
      )}
      {error && (
        <p class="error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}
