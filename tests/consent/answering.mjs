// How the twin under test answers, in Node.js and in a browser.

import { primitives, problems } from "../../hub/static/portal/consent.js";

/** Answers a question `[what, arguments]`: `{"ok": value}`, what was refused and why, or `{"failed"}`. */
export function answerWith(answers) {
  return ([what, args]) => {
    try {
      return { ok: answers[what](args) };
    } catch (error) {
      if (error instanceof primitives.Rejected) return { kind: error.kind, reason: error.reason };
      if (error instanceof problems.Problem) {
        return { problem: error.code, detail: error.message, expression: error.expression };
      }
      return { failed: `${what}: ${error}` };
    }
  };
}
