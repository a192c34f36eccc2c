/**
 * Who of several that were measured at once has which id. The twin of `coincident.py`, which says why a key says no more
 * than what was measured and when.
 */

import { grouped } from "./daily.ts";
import { atPlace, type Item } from "./day.ts";
import { content, type Ledger, type Mark } from "./ledger.ts";
import { numbered } from "./observations.ts";

/**
 * Each item under the id of its place among those of its key.
 *
 * What went out just so stays where it is. The others take what places are free, then new ones: so what is told
 * otherwise than before, also because she has corrected it, replaces what it was. `seen` are the marks of the keys, and
 * learns those of further places.
 */
export async function placed(items: readonly Item[], ledger: Ledger, seen: Map<string, Mark>): Promise<Item[]> {
  const groups = grouped(items, ({ key }) => key);
  const doubtful = [...groups].filter(([, group]) => group.length > 1 || isChanged(group[0]!, seen));
  const known = await knownOf(doubtful.map(([key]) => key), ledger, seen);
  return [...groups].flatMap(([key, group]) => {
    const marks = known.get(key);
    return marks === undefined ? group : inPlace(group, marks);
  });
}

/** Whether something else went out under its key. */
function isChanged({ key, resource }: Item, seen: ReadonlyMap<string, Mark>): boolean {
  const mark = seen.get(key);
  return mark !== undefined && mark.content !== content(resource);
}

/** What went out of each key, by place. There are no gaps. */
async function knownOf(
  keys: readonly string[],
  ledger: Ledger,
  seen: Map<string, Mark>,
): Promise<ReadonlyMap<string, readonly Mark[]>> {
  const known = new Map(keys.map((key): [string, Mark[]] => [key, []]));
  for (let [left, place] = [keys, 0]; left.length > 0; place += 1) {
    if (place > 0) {
      for (const [key, mark] of await ledger.seen(left.map((key) => numbered(key, place)))) seen.set(key, mark);
    }
    left = left.filter((key) => {
      const mark = seen.get(numbered(key, place));
      if (mark !== undefined) known.get(key)?.push(mark);
      return mark !== undefined;
    });
  }
  return known;
}

function inPlace(group: readonly Item[], known: readonly Mark[]): Item[] {
  const found = new Map<number, Item>();
  const others: Item[] = [];
  for (const item of group) {
    const same = known.findIndex((mark, place) => {
      return !found.has(place) && mark.content === content(atPlace(item, place).resource);
    });
    if (same < 0) others.push(item);
    else found.set(same, item);
  }
  let place = 0;
  for (const item of others) {
    while (found.has(place)) place += 1;
    found.set(place, item);
  }
  return [...found].sort(([a], [b]) => a - b).map(([at, item]) => atPlace(item, at));
}
