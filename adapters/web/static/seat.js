// One member at the table: what they ask, what they are answered, and what is left of their share.

import { Commands, isCommand } from "./commands.js";
import { Exchange } from "./exchange.js";
import { Files, encoded } from "./files.js";
import { Lost, Refused, UPLOAD, events, json, pause } from "./http.js";
import { ModelPicker } from "./model.js";
import * as slots from "./slots.js";
import { gettext } from "./texts.js";
import * as words from "./words.js";

const IDEAS = [gettext("Plan a week of dinners for four"), gettext("Explain tides to a ten-year-old"), gettext("Write a limerick about sharing")];
const HELD_RETRY = 5000;
const template = document.getElementById("seat");
const random = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export class Seat {
  exchanges = [];
  pinned = true; // the newest is in view, and stays so

  /** `place`: { name, conversation, held: [{ ticket, question, files, estimate }] }, kept by the table; `table.changed(seat)` after use. */
  constructor(place, table) {
    this.place = place;
    this.table = table;
    this.member = place.name.toLowerCase();
    place.conversation ??= random();
    place.held ??= [];
    this.element = template.content.firstElementChild.cloneNode(true);
    const at = (selector) => this.element.querySelector(selector);
    this.log = at(".log");
    this.list = at("ol");
    this.input = at("textarea");
    this.sendButton = at(".send");
    this.shareLine = at("[data-at=share]");
    this.down = at("[data-at=down]");
    this.whyButton = at("[data-at=why]");
    this.whyPanel = at(".why");
    this.whyPanel.id = `why-${this.member}`;
    this.whyPanel.setAttribute("aria-label", gettext("Why {name} may or may not ask now", { name: place.name }));
    this.whyButton.setAttribute("aria-controls", this.whyPanel.id);
    this.whyButton.addEventListener("click", () => this.explain());
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.whyPanel.hidden || this.live.length) return;
      this.explain(false);
      this.whyButton.focus();
    });
    at(".face").textContent = place.name[0].toUpperCase();
    at("h2").textContent = place.name;
    at("[data-at=hello]").textContent = gettext("What would you like to know, {name}?", { name: place.name });
    this.element.setAttribute("aria-label", place.name);
    this.log.setAttribute("aria-label", gettext("{name}'s conversation", { name: place.name }));
    this.input.placeholder = gettext("Ask as {name}", { name: place.name });
    this.input.setAttribute("aria-label", this.input.placeholder);
    this.leaveButton = at("[data-at=leave]");
    this.leaveButton.addEventListener("click", () => table.leave(this));
    // Only where accounts can be linked: the dialog it works on is not there otherwise.
    at("[data-at=own-key]")?.addEventListener("click", async () => (await import("./own-key.js")).open(this));
    const models = at("[data-at=model]");
    this.models = models && new ModelPicker(models, this);
    at("[data-at=again]").addEventListener("click", () => this.startOver());
    this.commands = new Commands(this, at("form"));
    this.#wireComposer(at("form"));
    this.#wireScrolling();
    at(".ideas").append(...IDEAS.map((idea) => this.#idea(idea)));
  }

  get where() {
    return { member: this.member, conversation: this.place.conversation };
  }

  get live() {
    return this.exchanges.filter((exchange) => !exchange.ended && !exchange.ticket);
  }

  /** What was said before, the share now, and the questions that are still held. */
  async load() {
    const [{ turns }, share] = await Promise.all([
      json(`/api/turns?${new URLSearchParams(this.where)}`),
      json(`/api/share?${new URLSearchParams({ member: this.member })}`),
      this.models?.load(),
    ]);
    this.showShare(share);
    if (this.exchanges.length) return;
    // What was held and has been answered meanwhile is among the turns too: it is told once, by its ticket.
    const kept = this.place.held.map(({ question }) => question);
    const others = turns.toReversed().filter(({ question }) => {
      const at = kept.indexOf(question);
      if (at >= 0) kept.splice(at, 1);
      return at < 0;
    });
    for (const turn of others.toReversed()) this.#add(turn.question, turn.files).recall(turn);
    for (const { ticket, question, files = [], estimate = null } of this.place.held) {
      const exchange = this.#add(question, files);
      exchange.handle("held", { ticket, estimate_at: estimate });
      this.#follow(exchange);
    }
  }

  /** Show or hide why the next question may go or not. */
  async explain(open = this.whyPanel.hidden) {
    this.whyButton.ariaExpanded = String(open);
    this.whyPanel.hidden = !open;
    if (!open) return;
    await this.#reasons();
    this.#grew();
    this.table.speak(this, this.whyPanel.textContent);
  }

  async #reasons() {
    let why;
    try {
      why = await json(`/api/explanation?${new URLSearchParams({ member: this.member })}`);
    } catch (error) {
      if (!(error instanceof Lost || error instanceof Refused)) throw error;
      why = { message: gettext("It cannot be told right now."), points: [] };
    }
    const headline = Object.assign(document.createElement("p"), { textContent: why.message });
    const list = document.createElement("dl");
    for (const { about, message } of why.points) {
      const row = document.createElement("div");
      row.append(
        Object.assign(document.createElement("dt"), { textContent: `${about}: ` }),
        Object.assign(document.createElement("dd"), { textContent: message }),
      );
      list.append(row);
    }
    this.whyPanel.replaceChildren(headline, ...(why.points.length ? [list] : []));
  }

  async refresh() {
    if (!this.whyPanel.hidden) this.#reasons();
    this.showShare(await json(`/api/share?${new URLSearchParams({ member: this.member })}`));
  }

  async ask(text, { files = [], hold = false, model = null, key = random(), instead = null } = {}) {
    if (instead && !instead.text) this.#drop(instead);
    const exchange = this.#add(text, files);
    this.table.changed(this);
    const release = await slots.take();
    let begun = false;
    try {
      if (exchange.ended) return; // stopped before it was sent
      const attachments = await Promise.all(files.map(encoded)).catch(() => null);
      if (exchange.ended) return;
      if (!attachments) return exchange.lose(gettext("A file could not be read."), gettext("It was moved or changed since you chose it. Nothing was sent."));
      exchange.sent = true;
      const body = { ...this.where, text, hold, model, ...(files.length ? { attachments } : {}) };
      const patience = files.length ? UPLOAD : undefined;
      for await (const [name, data] of events("/api/chat", { method: "POST", body, patience, headers: { "Idempotency-Key": key } })) {
        begun = true;
        this.#handle(exchange, name, data);
      }
      if (!exchange.ended && !exchange.ticket) throw new Lost();
    } catch (error) {
      this.#broken(exchange, error, () => this.ask(text, { files, hold, model, key: begun ? random() : key }));
    } finally {
      release();
      this.table.changed(this);
    }
    if (exchange.ticket) {
      const listed = files.map(({ name, size, type }) => ({ name, size, type }));
      this.place.held.push({ ticket: exchange.ticket, question: text, files: listed, estimate: exchange.estimate });
      this.table.changed(this);
      await this.#follow(exchange);
    }
  }

  async stop() {
    for (const exchange of this.live) if (!exchange.sent) exchange.drop();
    if (!this.live.length) return;
    await json("/api/stop", { method: "POST", body: this.where }).catch(() => {});
  }

  async startOver() {
    await this.stop();
    await json("/api/forget", { method: "POST", body: this.where }).catch(() => {});
    this.place.conversation = random();
    this.exchanges = this.exchanges.filter((exchange) => exchange.ticket && !exchange.ended); // what is held stays so
    this.list.replaceChildren(...this.exchanges.map((exchange) => exchange.element));
    this.element.classList.toggle("begun", this.exchanges.length > 0);
    this.table.changed(this);
    this.input.focus();
  }

  showShare(share) {
    this.share = share;
    this.shareLine.textContent = words.share(share, { brief: true });
    this.shareLine.title = words.share(share);
    this.table.changed(this);
  }

  /** What is no exchange, in its place in the conversation, and what it says. */
  show(item, said) {
    this.list.append(item);
    this.element.classList.add("begun");
    this.pinned = true;
    this.#grew();
    this.table.speak(this, said);
  }

  #add(text, files = []) {
    const exchange = new Exchange(text, files, {
      actions: { stop: () => this.stop(), ask: (question, options) => this.ask(question, options), giveUp: (held) => this.#giveUp(held), why: () => this.explain(true) },
      speak: (said) => this.table.speak(this, said),
      grew: () => this.#grew(),
    });
    this.exchanges.push(exchange);
    this.list.append(exchange.element);
    this.element.classList.add("begun");
    this.pinned = true;
    this.#grew();
    return exchange;
  }

  // Asked once more, it need not stand there twice.
  #drop(exchange) {
    const focused = exchange.element.contains(document.activeElement);
    this.exchanges = this.exchanges.filter((other) => other !== exchange);
    exchange.element.remove();
    if (focused) this.input.focus();
  }

  #handle(exchange, name, data) {
    exchange.handle(name, data);
    if (name === "notice" && data.kind === "model_gone") this.models?.load().catch(() => {});
    if (data.share) this.showShare(data.share);
  }

  #broken(exchange, error, again) {
    if (exchange.ended || exchange.ticket) return;
    if (error instanceof Refused && error.error === "duplicate") exchange.lose(gettext("It was asked after all."), gettext("Reload the page to see its answer."));
    else if (error instanceof Refused) exchange.lose(error.message);
    else if (error instanceof Lost && exchange.text) exchange.lose(gettext("The connection broke off."), gettext("What has come so far stays."), again);
    else if (error instanceof Lost) exchange.lose(gettext("Potluck could not be reached."), gettext("Your question is not lost: send it again when the connection is back."), again);
    else throw error;
  }

  async #follow(exchange) {
    const { ticket } = exchange;
    while (!exchange.ended) {
      const slot = slots.takePatiently();
      try {
        if (slot) for await (const [name, data] of this.#told(exchange, slot)) this.#handle(exchange, name, data);
      } catch (error) {
        if (error instanceof Refused && error.status === 404) exchange.lose(gettext("This question is no longer kept."), gettext("Please ask it again."));
      } finally {
        slot?.abort();
      }
      if (!exchange.ended) await pause(HELD_RETRY);
    }
    this.place.held = this.place.held.filter((held) => held.ticket !== ticket);
    this.table.changed(this);
  }

  async *#told(exchange, slot) {
    exchange.restart();
    for await (const event of events(`/api/tickets/${encodeURIComponent(exchange.ticket)}/events`, { signal: slot.signal })) {
      if (event[0] !== "held" && event[0] !== "queued") exchange.moves();
      yield event;
    }
  }

  async #giveUp(exchange) {
    exchange.gone();
    await json(`/api/tickets/${encodeURIComponent(exchange.ticket)}`, { method: "DELETE" }).catch(() => {});
  }

  #idea(text) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    button.addEventListener("click", () => this.ask(text));
    return button;
  }

  #wireComposer(form) {
    const fit = () => {
      this.input.style.height = "auto";
      this.input.style.height = `${this.input.scrollHeight}px`;
      this.sendButton.disabled = !this.input.value.trim() && !this.files.length;
    };
    const most = JSON.parse(document.getElementById("table").dataset.files);
    this.files = new Files(this.element, form, { most, changed: fit, speak: (said) => this.table.speak(this, said) });
    this.input.addEventListener("input", fit);
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.live.length) this.stop();
    });
    this.element.addEventListener("focusin", () => this.table.attend(this));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.input.value;
      if (!text.trim() && !this.files.length) return;
      this.input.value = "";
      if (isCommand(text) && !this.files.length) {
        fit();
        this.commands.run(text.trim());
      } else this.ask(text, { files: this.files.take() });
    });
  }

  #wireScrolling() {
    this.log.addEventListener("scroll", () => {
      this.pinned = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 48;
      this.down.hidden = this.pinned;
    }, { passive: true });
    this.down.addEventListener("click", () => {
      this.pinned = true;
      this.#grew();
    });
    new ResizeObserver(() => this.#grew()).observe(this.list); // pictures come after their place
  }

  #grew() {
    if (this.pinned) this.log.scrollTop = this.log.scrollHeight;
    this.down.hidden = this.pinned;
  }
}
