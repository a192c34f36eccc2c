/** A table with a caption and headed columns; on a phone it scrolls inside its own frame. */

import type { ComponentChildren } from "preact";

export type Row = { readonly key: string; readonly cells: readonly ComponentChildren[] };

type TableProps = { readonly caption: string; readonly head: readonly string[]; readonly rows: readonly Row[] };

export function Table({ caption, head, rows }: TableProps) {
  return (
    <div class="scrolls" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, cells: [first, ...rest] }) => (
            <tr key={key}>
              <th scope="row">{first}</th>
              {rest.map((cell, i) => (
                <td key={i}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
