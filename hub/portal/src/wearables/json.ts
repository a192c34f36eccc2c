/** JSON whose numbers keep their digits: a `Digits` is written as it stands. */

/** A number by its digits. */
export class Digits {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Json = string | number | Digits | readonly Json[] | { readonly [name: string]: Json };

/** The JSON text of a value, members in the order in which they were put. */
export function dump(value: Json): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") return String(value);
  if (value instanceof Digits) return value.text;
  if (isList(value)) return `[${value.map(dump).join(",")}]`;
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${dump(member)}`);
  return `{${members.join(",")}}`;
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}
