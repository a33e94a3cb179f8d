// Numbers and times as the page says them. Sentences about errors come from the server.

import { gettext, locale, ngettext, number } from "./texts.js";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const tenths = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
const money = new Intl.NumberFormat(locale, {
  style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", minimumSignificantDigits: 2, maximumSignificantDigits: 2,
});

export { number };

/** A moment as the clock on the wall shows it. */
export const time = (iso) => clock.format(new Date(iso));

/** How large a file is. */
export function size(bytes) {
  if (bytes < 1000) return `${number(bytes)} B`;
  if (bytes < 1_000_000) return `${number(Math.round(bytes / 1024))} KB`;
  return `${tenths.format(bytes / 2 ** 20)} MB`;
}

export function wait(seconds) {
  if (seconds < 5) return gettext("a few seconds");
  const duration = seconds <= 55 ? lasting(seconds) : minutes(Math.max(1, Math.ceil(seconds / 60 - 0.25)));
  return gettext("about {duration}", { duration });
}

const minutes = (count) => ngettext("{count} minute", "{count} minutes", count);

function lasting(seconds) {
  const count = seconds < 20 ? Math.ceil(seconds) : 5 * Math.ceil(seconds / 5);
  return ngettext("{count} second", "{count} seconds", count);
}

export function place(place, seconds) {
  const where = place <= 1 ? gettext("Next in line") : gettext("Number {place} in line", { place: number(place) });
  return seconds === null ? where : `${where} · ${wait(seconds)}`;
}

/** What a member has taken and may still take; in `brief`, on one line of a narrow column. */
export function share({ used, level, left_now, left_sure }, { brief = false } = {}) {
  const most = Math.floor(level);
  return [brief ? briefly(used) : taken(used, most), left(left_now, used, brief), left_sure ? kept(left_sure, brief) : ""].filter(Boolean).join(" · ");
}

const briefly = (used) => (used ? gettext("{used} used", { used: number(used) }) : gettext("nothing used"));

function taken(used, most) {
  if (!used && !most) return gettext("nothing used yet");
  if (used <= most) return gettext("{used} of today's {most} used", { used: number(used), most: number(most) });
  return gettext("{used} used today", { used: number(used) });
}

function left(now, used, brief) {
  if (now) return gettext("{left} left", { left: number(now) });
  if (brief) return gettext("none left");
  return used ? gettext("none left for now") : gettext("none left for now, more may come later");
}

function kept(count, brief) {
  return brief ? gettext("{count} kept", { count: number(count) }) : gettext("{count} kept for you", { count: number(count) });
}

const lanes = { free: gettext("free"), paid: gettext("paid"), own_key: gettext("your own key") };

/** What an answer cost whoever pays for it, where that is known already; of an own key also that none was told. */
export function cost(lane, usd, upstream) {
  // A provider's own key answered: what the provider charged stands beside OpenRouter's fee.
  if (upstream !== undefined) {
    const by = gettext("by a provider's key");
    return Number(upstream) > 0 ? ` · ${by}, ${money.format(upstream)}` : ` · ${by}`;
  }
  if (lane === "free") return "";
  if (Number(usd) > 0) return ` · ${money.format(usd)}`;
  return lane === "own_key" ? [" · ", gettext("no charge told")].join("") : "";
}

export function source(model, lane) {
  return `${model.replace(/:free$/, "")} · ${lanes[lane] ?? lane}`;
}
