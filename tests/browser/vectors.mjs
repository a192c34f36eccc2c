// The page of `test_vectors_in_chromium.py`: runs files of vectors with the portal's bundle.

import { keys, primitives } from "../../hub/static/portal/consent.js";
import { answerWith } from "../consent/answering.mjs";
import { answers } from "../consent/twin_consents.mjs";
import { KINDS, verdicts } from "../consent/verdicts.mjs";

globalThis.verdictsOn = async (path) => verdicts(await (await fetch(path)).json());
globalThis.kinds = KINDS;
globalThis.ask = (questions) => questions.map(answerWith(answers));
globalThis.wrapKey = (account, passphrase, memory) => {
  return primitives.b64(keys.PassphraseKeys.derive(account, passphrase, memory).wrapKey);
};
globalThis.evaluated = evaluated();
document.title = "ready";

/** What the policy that the page came with says to evaluating text. */
function evaluated() {
  try {
    return eval("'done'");
  } catch (error) {
    return error.name;
  }
}
