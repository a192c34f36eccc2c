/** Of the closed list of errors (`fhir_profiles/problems.py`) those that are met before anything is sent. */

export type Code = "not-found" | "structure" | "unprocessable" | "value";

/** An error out of the closed list: a sentence without content, and the place by FHIRPath, if there is one. */
export class Problem extends Error {
  readonly code: Code;
  readonly expression: string | null;

  constructor(code: Code, detail: string, expression: string | null = null) {
    super(detail);
    this.code = code;
    this.expression = expression;
  }
}
