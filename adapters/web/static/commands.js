// Commands at the composer: a menu while a line that begins with a slash is typed, and running it.

import { card, heard } from "./command-card.js";
import { Lost, Refused, json } from "./http.js";
import { gettext } from "./texts.js";

const FRESH = 30_000; // ms for which the list of commands is kept
const SHOWN = 8;
const PAUSE = 150; // ms after a key, before values are asked for
let menus = 0;

/** Whether a line is a command. `/usr/bin/env does what?` is a question. */
export const isCommand = (line) => /^\/[a-z_]+(\s|$)/.test(line);

export class Commands {
  #list = [];
  #fetched = -Infinity;
  #options = [];
  #chosen = -1;
  #asked = 0;

  /** `seat`: member, where, input, list, table. The menu stands above the composer's form. */
  constructor(seat, form) {
    this.seat = seat;
    this.menu = Object.assign(document.createElement("ul"), { className: "menu", role: "listbox", hidden: true, id: `commands-${(menus += 1)}` });
    this.menu.ariaLabel = gettext("Commands");
    form.before(this.menu);
    const { input } = seat;
    input.setAttribute("aria-controls", this.menu.id);
    input.setAttribute("aria-autocomplete", "list");
    input.addEventListener("input", () => this.#look());
    input.addEventListener("blur", () => setTimeout(() => this.#hide(), 150)); // a click on the menu comes first
    // Before the composer's own keys, which would send the line.
    input.addEventListener("keydown", (event) => this.#key(event), { capture: true });
  }

  /** Run a line, or the step an answer offers. Its card stands in the conversation until the page is left. */
  async run(asked, shown = asked) {
    this.#hide();
    const { seat } = this;
    const body = { ...seat.where, ...(typeof asked === "string" ? { line: asked } : { path: asked.path, values: asked.values }) };
    let answer;
    try {
      answer = await json("/api/commands", { method: "POST", body });
    } catch (error) {
      if (!(error instanceof Lost || error instanceof Refused)) throw error;
      answer = { ok: false, parts: [{ part: "line", text: error instanceof Refused ? error.message : gettext("Potluck could not be reached. Try again.") }] };
    }
    this.#fetched = -Infinity; // what may be used can have changed
    if (answer.ask) return seat.ask(answer.ask);
    const item = Object.assign(document.createElement("li"), { className: "exchange command" });
    const line = Object.assign(document.createElement("code"), { textContent: typeof shown === "string" ? this.#unsecret(shown) : `/${shown.path.join(" ")}` });
    const question = Object.assign(document.createElement("div"), { className: "question" });
    question.append(line);
    item.append(question, card(answer, (step) => this.run(step)));
    seat.show(item, heard(answer));
    seat.refresh().catch(() => {});
  }

  // A line as it may be shown: without what only its command is to see.
  #unsecret(line) {
    const command = this.#whole(line.trim().slice(1), this.#list);
    return command?.parameters.some(({ kind }) => kind === "secret") ? `/${command.path.join(" ")} …` : line;
  }

  async #look() {
    const line = this.seat.input.value;
    if (!/^\/[^\n]*$/.test(line)) return this.#hide();
    const asked = (this.#asked += 1);
    const commands = await this.#commands();
    const options = this.#matching(line, commands) ?? (await this.#values(line, commands, () => asked === this.#asked));
    if (asked === this.#asked && options) this.#show(options);
  }

  async #commands() {
    if (performance.now() - this.#fetched > FRESH) {
      const found = await json(`/api/commands?${new URLSearchParams(this.seat.where)}`).catch(() => ({ commands: [] }));
      this.#list = found.commands;
      this.#fetched = performance.now();
    }
    return this.#list;
  }

  // Commands that begin as the line does; null once one is whole.
  #matching(line, commands) {
    const typed = line.slice(1);
    if (this.#whole(typed, commands)) return null;
    const begun = commands.filter(({ path }) => path.join(" ").startsWith(typed.trimStart()));
    const deep = typed.split(" ").length;
    const seen = new Map();
    for (const { path, about } of begun) {
      const words = path.slice(0, deep).join(" ");
      const whole = path.length <= deep;
      if (!seen.has(words)) seen.set(words, { text: `/${words}`, fill: `/${words} `, about: whole ? about : `${path.slice(0, deep).at(-1)} …` });
    }
    return [...seen.values()];
  }

  #whole(typed, commands) {
    return commands.filter(({ path }) => `${typed} `.startsWith(`${path.join(" ")} `) && typed.length > path.join(" ").length).sort((a, b) => b.path.length - a.path.length)[0];
  }

  // What the parameter being typed may be.
  async #values(line, commands, current) {
    const typed = line.slice(1);
    const command = this.#whole(typed, commands);
    const rest = typed.slice(command.path.join(" ").length + 1);
    const words = rest.split(" ");
    const last = words.at(-1);
    const named = /^([a-z_]+)=(.*)$/.exec(last);
    const byPlace = command.parameters.filter(({ name }) => name !== "community")[words.filter((word) => !/^[a-z_]+=/.test(word)).length - 1];
    const parameter = command.parameters.find(({ name }) => name === named?.[1]) ?? byPlace;
    if (!parameter) return [];
    const begun = named ? named[2] : last;
    const hint = { text: parameter.name, about: parameter.required ? parameter.about : gettext("{about} (may be left out)", { about: parameter.about }), hint: true };
    if (parameter.kind === "text" && !parameter.choices.length && words.length > 1) return [hint];
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    if (!current()) return null;
    const query = new URLSearchParams({ ...this.seat.where, path: command.path.join(" "), name: parameter.name, typed: begun });
    const { suggestions } = await json(`/api/commands/suggestions?${query}`).catch(() => ({ suggestions: [] }));
    const before = line.slice(0, line.length - begun.length);
    return [hint, ...suggestions.map(({ value, about }) => ({ text: value, about, fill: `${before}${value} ` }))];
  }

  #show(options) {
    this.#options = options.slice(0, SHOWN);
    this.#chosen = -1;
    this.menu.hidden = !this.#options.length;
    this.menu.replaceChildren(
      ...this.#options.map(({ text, about = "", hint }, at) => {
        const item = document.createElement("li");
        item.role = "option";
        item.id = `${this.menu.id}-${at}`;
        item.ariaSelected = "false";
        item.classList.toggle("hint", Boolean(hint));
        if (hint) item.ariaDisabled = "true";
        item.append(Object.assign(document.createElement("code"), { textContent: text }), Object.assign(document.createElement("span"), { textContent: about }));
        item.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          this.#take(at);
        });
        return item;
      }),
    );
  }

  #hide() {
    this.#asked += 1;
    this.#options = [];
    this.#chosen = -1;
    this.menu.hidden = true;
    this.seat.input.removeAttribute("aria-activedescendant");
  }

  #key(event) {
    if (this.menu.hidden || event.isComposing) return;
    const steps = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (steps) this.#move(steps);
    else if (event.key === "Tab" && !event.shiftKey) this.#take(Math.max(this.#chosen, this.#options.findIndex(({ hint }) => !hint)));
    else if (event.key === "Enter" && this.#chosen >= 0) this.#take(this.#chosen);
    else if (event.key === "Escape") this.#hide();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #move(steps) {
    const open = this.#options.map(({ hint }, at) => (hint ? -1 : at)).filter((at) => at >= 0);
    if (!open.length) return;
    const now = open.indexOf(this.#chosen);
    this.#chosen = open[(now + steps + open.length + (now < 0 && steps < 0 ? 1 : 0)) % open.length];
    for (const [at, item] of [...this.menu.children].entries()) item.ariaSelected = String(at === this.#chosen);
    this.seat.input.setAttribute("aria-activedescendant", `${this.menu.id}-${this.#chosen}`);
  }

  #take(at) {
    const option = this.#options[at];
    if (!option?.fill) return;
    const { input } = this.seat;
    input.value = option.fill;
    input.focus();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
