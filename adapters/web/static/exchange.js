// One question with its answer on the page. Fed with the events of its stream, ended once.

import { chip } from "./files.js";
import { Markdown } from "./markdown.js";
import { gettext } from "./texts.js";
import * as words from "./words.js";

const REDRAW = 60; // ms between two drawings of a growing answer
const RETRY = new Set(["line_full", "wait_too_long", "no_route", "upstream_busy", "upstream_failed", "empty_answer", "internal"]);
const BROKEN = new Set(["no_route", "upstream_busy", "upstream_failed", "empty_answer", "out_of_credit", "bad_key", "internal"]);
const SHARING = new Set(["daily_share_spent", "pool_spent"]);
const template = document.getElementById("exchange");

export class Exchange {
  ended = false;
  sent = false;

  /** `actions`: stop(), ask(text, { hold }), giveUp(), why(). `speak(text)` speaks to screen readers, `grew()` after changes. */
  constructor(question, files, { actions, speak, grew }) {
    this.question = question;
    this.files = files;
    this.actions = actions;
    this.speak = speak;
    this.grew = grew;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.parts = Object.fromEntries(["question", "notices", "answer", "trouble", "meta", "pulse"].map((name) => [name, this.element.querySelector(`.${name}`)]));
    this.status = this.element.querySelector("[data-at=status]");
    this.stopButton = this.element.querySelector("[data-at=stop]");
    this.stopButton.addEventListener("click", () => actions.stop(this));
    const [said, list] = this.parts.question.children;
    said.textContent = question;
    said.hidden = !question.trim();
    list.hidden = !files.length;
    list.append(...files.map(chip));
    this.#fold();
    this.markdown = new Markdown(this.parts.answer);
    this.text = "";
    this.spoken = 0;
    this.#state("sending", gettext("Sending"));
  }

  /** A turn as it was kept, from an earlier visit. */
  recall({ answer, whole, ended, model }) {
    this.text = answer;
    this.markdown.show(answer);
    this.spoken = answer.length;
    const how = whole ? words.source(model ?? "", "free").split(" · ")[0] : ended ? gettext("Not finished") : gettext("Still being written: reload in a moment");
    this.#end(how);
  }

  handle(name, data) {
    switch (name) {
      case "queued":
        return this.#queue(data);
      case "started":
        return this.#state("started", gettext("Asking {model}", { model: words.source(data.model, data.lane) }));
      case "delta":
        return this.#grow(data.text);
      case "notice":
        return this.#notice(data);
      case "finished":
        return this.#finish(data);
      case "failed":
        return this.#fail(data);
      case "held":
        return this.#hold(data);
    }
  }

  /** The stream broke off: the ending is ours to make. */
  lose(headline, detail = "", again = null) {
    this.#draw(true);
    this.#trouble("broken", headline, detail, again ? [[gettext("Try again"), again]] : []);
    this.speak([headline, detail].join(" "));
    this.#end("");
  }

  /** A held answer is told from its beginning again. */
  restart() {
    this.text = "";
    this.spoken = 0;
    this.parts.notices.replaceChildren();
  }

  #queue({ place, estimate_s }) {
    clearInterval(this.ticking);
    const since = performance.now();
    const left = () => (estimate_s === null ? null : Math.max(0, estimate_s - (performance.now() - since) / 1000));
    const show = () => this.#state("queued", words.place(place, left()));
    if (place !== this.place) this.speak(words.place(place, estimate_s));
    this.place = place;
    show();
    this.ticking = setInterval(show, 1000);
  }

  #notice({ kind, message }) {
    const note = document.createElement("p");
    note.dataset.kind = kind;
    note.textContent = message;
    for (const old of this.parts.notices.querySelectorAll(`[data-kind="${kind}"]`)) old.remove();
    this.parts.notices.append(note);
    this.grew();
  }

  #grow(text) {
    if (!this.text) this.#state("writing", gettext("Writing"));
    this.text += text;
    this.drawing ??= setTimeout(() => this.#draw(), REDRAW);
  }

  #draw(done = false) {
    clearTimeout(this.drawing);
    this.drawing = undefined;
    this.markdown.show(this.text, { growing: !done });
    this.#speak(done);
    this.grew();
  }

  // Whole sentences only: a screen reader that is handed every token says nothing well.
  #speak(all = false) {
    const fresh = this.text.slice(this.spoken);
    const end = all ? fresh.length : (/^[^]*[.!?:\n](?=\s)/.exec(fresh)?.[0].length ?? 0);
    if (!end) return;
    this.spoken += end;
    this.speak(fresh.slice(0, end).replace(/[*_`#>|]+/g, " "));
  }

  #finish({ model, lane, attempts, share, cost_usd, upstream_usd }) {
    this.#draw(true);
    if (!this.text) this.#trouble("calm", gettext("Answered together with your other message."), "");
    this.#end(`${words.source(model, lane)}${words.cost(lane, cost_usd, upstream_usd)} · ${words.share(share)}`, attempts === 0 && this.text ? gettext("no request taken") : "");
  }

  #fail({ error, message, resets_at, share, may_hold, offer }) {
    this.#draw(true);
    const offers = [];
    if (may_hold) offers.push([gettext("Wait for room"), () => this.actions.ask(this.question, { files: this.files, hold: true, instead: this })]);
    if (offer) offers.push([gettext("Pay up to {amount}", { amount: offer.label }), () => this.actions.ask(this.question, { files: this.files, model: offer.model, instead: this })]);
    if (SHARING.has(error)) offers.push([gettext("Why?"), () => this.actions.why(), { stays: true }]);
    if (RETRY.has(error)) offers.push([gettext("Try again"), () => this.actions.ask(this.question, { files: this.files, instead: this })]);
    const [headline] = /^[^]*?[.!?](?=\s|$)/.exec(message) ?? [message];
    const kind = error === "stopped" ? "calm" : BROKEN.has(error) ? "broken" : "refused";
    this.#trouble(kind, headline, message.slice(headline.length).trim(), offers);
    this.speak(message);
    this.#end(words.share(share));
  }

  #hold({ ticket, estimate_at }) {
    clearInterval(this.ticking);
    this.ticket = ticket;
    this.estimate = estimate_at;
    const foreseen = estimate_at && new Date(estimate_at) > Date.now();
    const kept = gettext("Your question is kept.");
    const told = foreseen
      ? gettext("It is answered as soon as there is room today, at {time} at the earliest. Until then it costs nothing, and you may close this page.", { time: words.time(estimate_at) })
      : gettext("It is answered as soon as there is room today. Until then it costs nothing, and you may close this page.");
    this.#trouble("calm", kept, told, [[gettext("Let it go"), () => this.actions.giveUp(this)], [gettext("Why?"), () => this.actions.why(), { stays: true }]]);
    this.#state("held", gettext("Waiting for room"));
    this.speak([kept, told].join(" "));
  }

  /** A held question moves: its card has said its piece. */
  moves() {
    this.parts.trouble.hidden = true;
  }

  /** It was stopped before it was sent. */
  drop() {
    this.#trouble("calm", gettext("Stopped."), gettext("It was not sent."));
    this.#end("");
  }

  /** Its member let it go while it was held. */
  gone() {
    this.#trouble("calm", gettext("You let this question go."), gettext("Nothing was taken from your share."));
    this.#end("");
  }

  // `kind`: "calm" for what the member did or chose, "refused" for the rules of sharing, "broken" for faults.
  #trouble(kind, headline, detail, offers = []) {
    const strong = Object.assign(document.createElement("strong"), { textContent: headline });
    const line = document.createElement("p");
    line.append(strong, detail ? ` ${detail}` : "");
    const row = document.createElement("div");
    row.className = "row";
    for (const [label, act, { stays = false } = {}] of offers) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "button small", textContent: label });
      button.addEventListener("click", () => {
        if (!stays) row.remove();
        act();
      });
      row.append(button);
    }
    this.parts.trouble.replaceChildren(line, ...(offers.length ? [row] : []));
    this.parts.trouble.dataset.kind = kind;
    this.parts.trouble.hidden = false;
    this.grew();
  }

  #state(state, text) {
    this.element.dataset.state = state;
    this.status.textContent = text;
    // What is held is let go, not stopped, until its answer begins.
    this.stopButton.hidden = Boolean(this.ticket) && (state === "held" || state === "queued");
  }

  #end(...said) {
    clearInterval(this.ticking);
    this.ended = true;
    this.element.dataset.state = "ended";
    this.status.textContent = said.filter(Boolean).join(" · ");
    this.stopButton.hidden = true;
    this.grew();
  }

  #fold() {
    const more = this.parts.question.querySelector("[data-at=more]");
    if (this.question.length < 700 && this.question.split("\n").length < 12) return;
    this.parts.question.classList.add("folded");
    more.hidden = false;
    more.addEventListener("click", () => {
      const folded = this.parts.question.classList.toggle("folded");
      more.textContent = folded ? gettext("Show all") : gettext("Show less");
      more.ariaExpanded = String(!folded);
    });
  }
}
