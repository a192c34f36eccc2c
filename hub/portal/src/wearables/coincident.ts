/**
 * Who of several that were measured at once has which id. The twin of `coincident.py`, which says why a key says no more
 * than what was measured and when.
 */

import { grouped } from "./daily.ts";
import { atPlace, type Item } from "./day.ts";
import { content, saidOf, type Ledger, type Mark } from "./ledger.ts";
import { numbered } from "./observations.ts";

/**
 * Each item under the id of its place among those of its key.
 *
 * What went out just so stays where it is, also where she has deleted it since; so does what a device of that name
 * measured then. The others take what places are free, then new ones: so what is told otherwise than before, also
 * because she has corrected it, replaces what it was. `seen` are the marks of the items, and learns those of further
 * places.
 */
export async function placed(items: readonly Item[], ledger: Ledger, seen: Map<string, Mark>): Promise<Item[]> {
  const groups = grouped(items, ({ key }) => key);
  const doubtful = [...groups].filter(([, group]) => group.length > 1 || isChanged(group[0]!, seen));
  const places = await known(new Map(doubtful.map(([key, group]) => [key, group.length])), ledger, seen);
  return [...groups].flatMap(([key, group]) => {
    const marks = places.get(key);
    return marks === undefined ? group : inPlace(key, group, marks, seen);
  });
}

/** Whether something else went out under its key. */
function isChanged({ key, resource }: Item, seen: ReadonlyMap<string, Mark>): boolean {
  const mark = seen.get(key);
  return mark !== undefined && saidOf(mark) !== content(resource, key);
}

/**
 * What went out of each key, by place; so many places at least are looked at. There are gaps where she deleted here what
 * another device had brought. `seen` is as in `placed`.
 */
export async function known(
  keys: ReadonlyMap<string, number>,
  ledger: Ledger,
  seen: Map<string, Mark>,
): Promise<ReadonlyMap<string, ReadonlyMap<number, Mark>>> {
  const found = new Map([...keys.keys()].map((key): [string, Map<number, Mark>] => [key, new Map()]));
  for (let [left, place] = [[...keys], 0]; left.length > 0; place += 1) {
    const names = left.map(([key]) => numbered(key, place));
    if (place > 0) for (const [name, mark] of await ledger.seen(names)) seen.set(name, mark);
    left = left.filter(([key, least], at) => {
      const mark = seen.get(names[at]!);
      if (mark !== undefined) found.get(key)?.set(place, mark);
      return mark !== undefined || place + 1 < least;
    });
  }
  return found;
}

function inPlace(
  key: string,
  group: readonly Item[],
  places: ReadonlyMap<number, Mark>,
  seen: ReadonlyMap<string, Mark>,
): Item[] {
  const same = grouped(places.keys(), (place) => saidOf(places.get(place)!));
  for (const alike of same.values()) alike.reverse();
  const names = new Map([...places.keys()].map((place) => [numbered(key, place), place]));
  const found = new Map<number, Item>();
  const toldOtherwise: Item[] = [];
  const others: Item[] = [];
  for (const item of group) {
    const place = same.get(content(item.resource, item.key))?.pop();
    if (place === undefined) toldOtherwise.push(item);
    else found.set(place, item);
  }
  for (const item of toldOtherwise) {
    const own = names.get(seen.get(item.also ?? "")?.content ?? "");
    if (own === undefined || found.has(own)) others.push(item);
    else found.set(own, item);
  }
  let place = 0;
  for (const item of others) {
    while (found.has(place)) place += 1;
    found.set(place, item);
  }
  return [...found].sort(([a], [b]) => a - b).map(([at, item]) => atPlace(item, at));
}
