// The table: who sits at it, the pool in the middle, and what happens when the server is away.

import { Lost } from "./http.js";
import { PoolGauge, watchPool } from "./pool.js";
import { Seat } from "./seat.js";
import { gettext, ngettext } from "./texts.js";

const MOST_SEATS = 4; // each may have an answer under way, and a browser gives one site six connections
const EVERYONE = gettext("In two or three sentences: why does sharing food bring people together?");
const STORE = "potluck.table";

const byId = (id) => document.getElementById(id);
const main = byId("table");
const sandbox = main.dataset.sandbox === "true";

const table = {
  seats: [],
  attended: null,
  pool: null,
  gauge: new PoolGauge(byId("pool"), byId("closed")),

  sit(place) {
    const seat = new Seat(place, this);
    this.seats.push(seat);
    const hues = new Set(this.seats.map((other) => other.hue));
    seat.hue = [1, 2, 3, 4].find((hue) => !hues.has(hue));
    seat.element.dataset.hue = seat.hue;
    seat.tab = Object.assign(document.createElement("button"), { type: "button", textContent: place.name });
    seat.tab.addEventListener("click", () => this.attend(seat));
    seat.tab.dataset.hue = seat.hue;
    main.append(seat.element);
    this.arrange();
    this.attend(seat);
    seat.load().catch(ignoreLost);
    return seat;
  },

  async leave(seat) {
    if (seat.live.length) await seat.stop();
    this.seats.splice(this.seats.indexOf(seat), 1);
    seat.element.remove();
    this.arrange();
    if (!this.seats.length) await this.welcome();
    else if (this.attended === seat) this.attend(this.seats[0]);
  },

  /** The seat in use: shown on a narrow page, heard by a screen reader. */
  attend(seat) {
    this.attended = seat;
    for (const other of this.seats) other.element.classList.toggle("attended", other === seat);
    this.tabs();
  },

  arrange() {
    document.body.dataset.seats = this.seats.length;
    for (const seat of this.seats) seat.leaveButton.hidden = sandbox && this.seats.length === 1;
    byId("tabs").replaceChildren(...this.seats.map((seat) => seat.tab));
    if (sandbox) byId("add").disabled = this.seats.length >= MOST_SEATS;
    this.changed();
  },

  changed() {
    store(this.seats.map((seat) => seat.place));
    this.draw();
    this.tabs();
  },

  draw() {
    if (this.pool) this.gauge.show(this.pool, this.seats.map((seat) => ({ hue: seat.hue, used: seat.share?.used ?? 0 })));
  },

  tabs() {
    for (const seat of this.seats) {
      seat.tab.ariaCurrent = String(seat === this.attended);
      seat.tab.classList.toggle("busy", seat.live.length > 0);
    }
  },

  speak(seat, text) {
    if (seat !== this.attended || !text.trim()) return;
    const live = byId("live");
    live.append(Object.assign(document.createElement("p"), { textContent: text }));
    while (live.children.length > 20) live.firstChild.remove();
  },

  /** Ask for a name, and seat whoever gives one. */
  welcome() {
    const dialog = byId("naming");
    const input = byId("naming-name");
    const cancel = dialog.querySelector("[data-at=cancel]");
    cancel.hidden = !this.seats.length;
    cancel.onclick = () => dialog.close("cancel");
    dialog.oncancel = (event) => this.seats.length || event.preventDefault();
    input.value = "";
    input.oninput = () => input.setCustomValidity(this.taken(input.value) ? gettext("This name is at the table already.") : "");
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.onclose = () => {
        const name = input.value;
        if (dialog.returnValue !== "cancel" && /^[\w.-]{1,64}$/.test(name) && !this.taken(name)) this.sit({ name }).input.focus();
        resolve();
      };
    });
  },

  taken(name) {
    return this.seats.some((seat) => seat.member === name.toLowerCase());
  },
};

function ignoreLost(error) {
  if (!(error instanceof Lost)) throw error;
}

function store(places) {
  try {
    localStorage.setItem(STORE, JSON.stringify(places));
  } catch {
    // a browser that keeps nothing still works until it is closed
  }
}

function stored() {
  try {
    const places = JSON.parse(localStorage.getItem(STORE));
    return Array.isArray(places) ? places.filter((place) => /^[\w.-]{1,64}$/.test(place?.name)).slice(0, sandbox ? MOST_SEATS : 1) : [];
  } catch {
    return [];
  }
}

const banner = byId("lost");
let hurried = () => {};
let away = false;

function found() {
  if (away) for (const seat of table.seats) (seat.exchanges.length ? seat.refresh() : seat.load()).catch(ignoreLost);
  away = false;
  banner.hidden = true;
}

function lost(ms) {
  away = true;
  banner.hidden = false;
  const seconds = Math.round(ms / 1000);
  const soon = gettext("Potluck cannot be reached. Trying again.");
  const later = () => ngettext("Potluck cannot be reached. Trying again in {count} second.", "Potluck cannot be reached. Trying again in {count} seconds.", seconds);
  banner.firstElementChild.textContent = seconds > 1 ? later() : soon;
}

banner.querySelector("button").addEventListener("click", () => hurried());
addEventListener("online", () => hurried());
byId("add")?.addEventListener("click", () => table.welcome());
byId("everyone")?.addEventListener("click", () => {
  for (const seat of table.seats) if (!seat.live.length) seat.ask(EVERYONE);
});

let refreshing;
function refreshSoon() {
  refreshing ??= setTimeout(() => {
    refreshing = undefined;
    for (const seat of table.seats) seat.refresh().catch(ignoreLost);
  }, 700);
}

// A file that is dropped beside the seats is not to take the page's place.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());

const places = stored();
if (!places.length) places.push(...JSON.parse(main.dataset.members).map((name) => ({ name })));
for (const place of places) table.sit(place);
if (table.seats.length) table.attend(table.seats[0]);
else table.welcome();

watchPool({
  show(pool) {
    const moved = table.pool && (table.pool.used !== pool.used || table.pool.resets_at !== pool.resets_at || table.pool.shut_for !== pool.shut_for || table.pool.changes !== pool.changes);
    table.pool = pool;
    table.draw();
    if (moved) refreshSoon(); // what others take changes what is left for each
  },
  found,
  lost,
  hurry: () => new Promise((resolve) => (hurried = resolve)),
});
