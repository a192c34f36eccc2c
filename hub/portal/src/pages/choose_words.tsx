/** Six words are suggested, and typed: what protects an account. */

import { useState } from "preact/hooks";
import { stretch } from "../client/work.ts";
import { PASSPHRASE_WORDS, type PassphraseKeys } from "../keys.ts";
import { text } from "../text.ts";
import { Address } from "../ui/address.tsx";
import { Button } from "../ui/button.tsx";
import { Form } from "../ui/form.tsx";
import { Notice } from "../ui/notice.tsx";
import { Passphrase } from "../ui/passphrase.tsx";
import { useTask } from "../ui/task.ts";
import { suggestion, tidy, wordCount } from "../passphrase_words.ts";

type ChooseWordsProps = { readonly account: string; readonly onChosen: (keys: PassphraseKeys) => Promise<void> };

export function ChooseWords({ account, onChosen }: ChooseWordsProps) {
  const [words, setWords] = useState(suggestion);
  const [typed, type] = useState("");
  const [short, setShort] = useState(false);
  const choosing = useTask(async () => {
    const passphrase = tidy(typed);
    setShort(wordCount(passphrase) < PASSPHRASE_WORDS);
    if (account && wordCount(passphrase) >= PASSPHRASE_WORDS) await onChosen(await stretch(account, passphrase));
  });
  return (
    <>
      <p>{text("words.why")}</p>
      <div class="words">
        <p id="suggestion">{text("words.suggestion")}</p>
        <p class="code" aria-labelledby="suggestion" role="status" lang="">
          {words}
        </p>
        <Button look="plain" onClick={() => setWords(suggestion())}>
          {text("words.others")}
        </Button>
      </div>
      <Form task={choosing} submit={text("words.go-on")}>
        <Address account={account} hint={account.startsWith("p-") ? text("words.address-why") : ""} />
        <Passphrase
          hint={text("words.hint")}
          value={typed}
          onInput={type}
          error={short ? text("words.too-short") : ""}
          fresh
        />
        {choosing.busy && <Notice>{text("account.stretching")}</Notice>}
      </Form>
    </>
  );
}
