// The pool, always in sight, and the connection it is read over: while that stands, the server does.

import { events, pause } from "./http.js";
import { gettext } from "./texts.js";
import { number, time } from "./words.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
const LONG_PAUSE = 60_000;

export class PoolGauge {
  #gauge;
  #at;
  #banner;

  /** `banner` says why nothing is sent, while nothing is. */
  constructor(element, banner) {
    this.#banner = banner;
    this.#gauge = element.querySelector(".gauge");
    this.#at = (name) => element.querySelector(`[data-at=${name}]`);
  }

  /** `seats`: [{ hue, used }] of those at this table; what others used is the rest. */
  show(pool, seats) {
    const { used, rpd, rpm, minute_used, waiting, resets_at, paused_until, shut_for } = pool;
    const left = Math.max(0, rpd - used);
    this.#at("used").textContent = gettext("{used} of {of} used today", { used: number(used), of: number(rpd) });
    this.#at("left").textContent = left ? gettext("{left} left", { left: number(left) }) : gettext("empty");
    this.#at("minute").textContent = gettext("{used} of {of} this minute", { used: number(minute_used), of: number(rpm) });
    this.#at("waiting").textContent = waiting ? gettext("{count} in line", { count: number(waiting) }) : gettext("no one in line");
    this.#at("resets").textContent = shut_for
      ? gettext("shut")
      : paused_until ? gettext("paused until {time}", { time: time(paused_until) }) : gettext("refills at {time}", { time: time(resets_at) });
    this.#gauge.ariaValueMax = String(rpd);
    this.#gauge.ariaValueNow = String(used);
    this.#gauge.ariaValueText = gettext("{used} of {of} requests used today, {left} left", { used: number(used), of: number(rpd), left: number(left) });
    this.#state(pool);
    this.#draw(used, rpd, seats);
  }

  // A break of a few seconds is no news: the line says how long it takes anyway.
  #state({ now, shut_for, paused_until, message }) {
    const long = shut_for || (paused_until && new Date(paused_until) - new Date(now) > LONG_PAUSE);
    const said = long ? message : "";
    if (this.#banner.textContent !== said) this.#banner.textContent = said;
    this.#banner.hidden = !said;
  }

  #draw(used, rpd, seats) {
    const here = seats.reduce((sum, seat) => sum + seat.used, 0);
    const parts = [...seats, { hue: "others", used: Math.max(0, used - here) }].filter((part) => part.used);
    const old = new Map([...this.#gauge.children].map((bar) => [bar.dataset.hue, bar]));
    const bars = parts.map(({ hue, used: units }) => {
      const bar = old.get(String(hue)) ?? document.createElement("span");
      bar.dataset.hue = hue;
      bar.style.width = `${(100 * units) / Math.max(rpd, used, 1)}%`;
      return bar;
    });
    if (bars.length !== old.size || bars.some((bar) => !bar.parentNode)) this.#gauge.replaceChildren(...bars);
  }
}

/** Reads the feed for ever. Hidden pages let go of it: connections are few. `lost(ms)` says when it is tried again. */
export async function watchPool({ show, found, lost, hurry }) {
  let wait = FIRST_WAIT;
  for (;;) {
    const hidden = new AbortController();
    const hide = () => document.hidden && hidden.abort();
    document.addEventListener("visibilitychange", hide);
    try {
      for await (const [, pool] of events("/api/pool/events", { signal: hidden.signal })) {
        wait = FIRST_WAIT;
        found();
        show(pool);
      }
    } catch {
      // told below
    } finally {
      document.removeEventListener("visibilitychange", hide);
    }
    if (hidden.signal.aborted) {
      await shown();
      continue;
    }
    lost(wait);
    await Promise.race([pause(wait * (0.8 + 0.4 * Math.random())), hurry()]);
    wait = Math.min(2 * wait, LONGEST_WAIT);
  }
}

function shown() {
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    look();
  });
}
