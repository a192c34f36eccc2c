/** Categories to tick, the especially confidential ones apart; and categories as they are opened or stay closed. */

import { NAMES } from "../categories.ts";
import { language, text } from "../text.ts";
import { Answers, toggled } from "../ui/answers.tsx";
import { Icon } from "../ui/icon.tsx";
import * as words from "../words.ts";

const ALL = NAMES.map((_, category) => category);
export const ORDINARY = ALL.filter((category) => !words.SENSITIVE.has(category));
const SENSITIVE = ALL.filter((category) => words.SENSITIVE.has(category));

type CategoriesProps = {
  readonly legend: string;
  readonly chosen: ReadonlySet<number>;
  readonly onChange: (chosen: ReadonlySet<number>) => void;
  readonly error?: string;
  /** What the law closes to whom it is for: not offered, and told. */
  readonly closed?: ReadonlySet<number>;
  /** Only these are offered. */
  readonly among?: ReadonlySet<number>;
};

const NONE: ReadonlySet<number> = new Set();

export function Categories({ legend, chosen, onChange, error = "", closed = NONE, among }: CategoriesProps) {
  const answer = (value: number) => ({ value, label: capital(words.category(value, language())) });
  const isOffered = (category: number) => !closed.has(category) && (among?.has(category) ?? true);
  const offered = (all: readonly number[]) => all.filter(isOffered).map(answer);
  const same = {
    isChosen: (category: number) => chosen.has(category),
    onChoose: (category: number) => onChange(toggled(chosen, category)),
    many: true,
  };
  return (
    <>
      <Answers legend={legend} answers={offered(ORDINARY)} error={error} {...same} />
      {SENSITIVE.some(isOffered) && (
        <Answers
          legend={text("categories.sensitive")}
          hint={text("categories.sensitive-hint")}
          answers={offered(SENSITIVE)}
          {...same}
        />
      )}
      {closed.size > 0 && <p>{text("categories.law", { what: words.categories(closed, language()) })}</p>}
    </>
  );
}

/** What is opened, and what stays closed, line by line. */
export function Opened({ categories }: { categories: ReadonlySet<number> }) {
  const closed = ALL.filter((category) => !categories.has(category));
  return (
    <div class="foreseen">
      <Row title={text("categories.seen")} categories={ALL.filter((one) => categories.has(one))} icon="check" />
      {closed.length > 0 && <Row title={text("categories.closed")} categories={closed} icon="lock" />}
    </div>
  );
}

type RowProps = { readonly title: string; readonly categories: readonly number[]; readonly icon: "check" | "lock" };

function Row({ title, categories, icon }: RowProps) {
  return (
    <div class={icon}>
      <h3>{title}</h3>
      <ul class="marked">
        {categories.map((category) => (
          <li key={category}>
            <Icon name={icon} />
            {capital(words.category(category, language()))}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Words that stand for themselves begin as a sentence does. */
export function capital(said: string): string {
  return said.charAt(0).toLocaleUpperCase() + said.slice(1);
}
