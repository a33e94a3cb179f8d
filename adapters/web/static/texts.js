// The page's sentences. English stands in the code; the page brings those of the reader's language along.

const ORDER = ["zero", "one", "two", "few", "many", "other"];
const texts = JSON.parse(document.getElementById("table").dataset.texts);

/** What the page speaks, and whose customs figures follow: `de-AT`. */
export const locale = document.documentElement.lang;
const plurals = new Intl.PluralRules(locale);
const forms = plurals.resolvedOptions().pluralCategories.toSorted((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
const counting = new Intl.NumberFormat(locale);

/** A whole number as people write it. */
export const number = (value) => counting.format(value);

/** A sentence; `{name}` in it stands for the value of that name. */
export const gettext = (text, values = {}) => filled(texts[text] ?? text, values);

/** A sentence that counts; `{count}` in it is the count. */
export function ngettext(one, many, count, values = {}) {
  const known = texts[one];
  const form = known ? known[Math.min(forms.indexOf(plurals.select(count)), known.length - 1)] : count === 1 ? one : many;
  return filled(form, { count: number(count), ...values });
}

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (slot, name) => values[name] ?? slot);
