// Numbers and times as the page says them. Sentences about errors come from the server.

const counting = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export const number = (value) => counting.format(value);

/** A moment as the clock on the wall shows it. */
export const time = (iso) => clock.format(new Date(iso));

/** How large a file is. */
export function size(bytes) {
  if (bytes < 1000) return `${number(bytes)} B`;
  if (bytes < 1_000_000) return `${number(Math.round(bytes / 1024))} KB`;
  return `${(bytes / 2 ** 20).toFixed(1).replace(/\.0$/, "")} MB`;
}

export function wait(seconds) {
  if (seconds < 5) return "a few seconds";
  if (seconds < 20) return `about ${Math.ceil(seconds)} seconds`;
  if (seconds <= 55) return `about ${5 * Math.ceil(seconds / 5)} seconds`;
  const minutes = Math.max(1, Math.ceil(seconds / 60 - 0.25));
  return minutes === 1 ? "about 1 minute" : `about ${minutes} minutes`;
}

export function place(place, seconds) {
  const where = place <= 1 ? "Next in line" : `Number ${number(place)} in line`;
  return seconds === null ? where : `${where} · ${wait(seconds)}`;
}

/** What a member has taken and may still take; in `brief`, on one line of a narrow column. */
export function share({ used, level, left_now, left_sure }, { brief = false } = {}) {
  const most = Math.floor(level);
  const few = used ? `${number(used)} used` : "nothing used";
  const many = used <= most ? `${number(used)} of today's ${number(most)} used` : `${number(used)} used today`;
  const taken = brief ? few : !used && !most ? "nothing used yet" : many;
  const left = left_now ? `${number(left_now)} left` : brief ? "none left" : used ? "none left for now" : "none left for now, more may come later";
  return [taken, left, left_sure ? `${number(left_sure)} kept${brief ? "" : " for you"}` : ""].filter(Boolean).join(" · ");
}

const lanes = { free: "free", paid: "paid", own_key: "your own key" };

/** What an answer cost whoever pays for it, where that is known already; of an own key also that none was told. */
export function cost(lane, usd, upstream) {
  // A provider's own key answered: what the provider charged stands beside OpenRouter's fee.
  if (upstream !== undefined) return ` · by a provider's key${Number(upstream) > 0 ? `, $${Number(upstream).toPrecision(2)}` : ""}`;
  if (lane === "free") return "";
  return Number(usd) > 0 ? ` · $${Number(usd).toPrecision(2)}` : lane === "own_key" ? " · no charge told" : "";
}

export function source(model, lane) {
  return `${model.replace(/:free$/, "")} · ${lanes[lane] ?? lane}`;
}
