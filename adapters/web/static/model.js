// The model a member has chosen: a select above the composer, free ones first. What is chosen is kept by the server.

import { Lost, Refused, json } from "./http.js";
import { gettext } from "./texts.js";

export class ModelPicker {
  /** `row` holds the select; it shows itself once there is something to choose from. */
  constructor(row, seat) {
    this.row = row;
    this.seat = seat;
    this.select = row.querySelector("select");
    this.select.setAttribute("aria-label", gettext("Model that answers {name}", { name: seat.place.name }));
    this.select.addEventListener("change", () => this.#choose(this.select.value || null));
  }

  /** What there is, and what was chosen of it. */
  async load() {
    const { chosen, models } = await json(`/api/models?${new URLSearchParams({ member: this.seat.member })}`);
    const costly = models.filter((model) => !model.free);
    this.select.replaceChildren(
      new Option(gettext("Potluck chooses, free"), ""),
      this.#group(gettext("Free"), models.filter((model) => model.free && model.id !== "openrouter/free")),
      ...(costly.length ? [this.#group(gettext("Costs, in/out per million tokens"), costly)] : []),
    );
    this.#show(chosen);
    this.row.hidden = false;
  }

  #group(label, models) {
    const group = Object.assign(document.createElement("optgroup"), { label });
    group.append(...models.map(({ id, name, free, price }) => new Option(free ? name : `${name} · ${price}`, id)));
    return group;
  }

  // What was chosen elsewhere may not be in the list.
  #show(chosen) {
    const value = chosen === "openrouter/free" ? "" : (chosen ?? "");
    if (value && !Array.from(this.select.options).some((option) => option.value === value)) this.select.append(new Option(value, value));
    this.select.value = value;
    this.chosen = value;
  }

  async #choose(model) {
    try {
      const { chosen } = await json("/api/model", { method: "PUT", body: { member: this.seat.member, model } });
      this.#show(chosen);
      this.seat.table.speak(this.seat, model ? gettext("{model} answers from now on.", { model: this.select.selectedOptions[0].text }) : gettext("Potluck chooses the model."));
    } catch (error) {
      if (!(error instanceof Lost || error instanceof Refused)) throw error;
      this.select.value = this.chosen;
      this.seat.table.speak(this.seat, error instanceof Refused ? error.message : gettext("Potluck could not be reached."));
    }
  }
}
