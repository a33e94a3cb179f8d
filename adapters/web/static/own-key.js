// Linking a member's own OpenRouter account, in one dialog for whichever seat asks. What is pasted leaves it at once.

import { Lost, Refused, json } from "./http.js";
import { gettext, locale } from "./texts.js";

const dialog = document.getElementById("own-key");
const at = (name) => dialog.querySelector(`[data-at=${name}]`);
let seat = null;

/** Show the dialog for a seat. */
export async function open(whose) {
  seat = whose;
  at("who").textContent = seat.place.name;
  clear();
  show({ linked: false });
  dialog.showModal();
  await attempt(async () => show(await json(`/api/own-key?${new URLSearchParams({ member: seat.member })}`)));
}

function clear() {
  for (const input of dialog.querySelectorAll("input")) input.value = "";
  at("link").hidden = true;
  at("link").removeAttribute("href");
  tell("");
}

function tell(text, bad = false) {
  at("said").textContent = text;
  at("said").classList.toggle("bad", bad);
}

function show({ linked, last_four = "", linked_at = null, works = true }) {
  at("unlinked").hidden = linked;
  at("linked").hidden = !linked;
  if (!linked) return;
  const date = new Date(linked_at).toLocaleDateString(locale);
  at("state").textContent = last_four
    ? gettext("The key ends in {last_four}, linked on {date}.", { last_four, date })
    : gettext("A key is kept, linked on {date}.", { date });
  at("broken").hidden = works;
}

// Says what went wrong; true if nothing did.
async function attempt(act) {
  const whose = seat;
  for (const button of dialog.querySelectorAll("button")) button.disabled = button !== at("close");
  try {
    tell("");
    await act();
    return true;
  } catch (error) {
    if (!(error instanceof Lost || error instanceof Refused)) throw error;
    if (whose === seat) tell(error instanceof Refused ? error.message : gettext("Potluck could not be reached. Try again."), true);
    return false;
  } finally {
    for (const button of dialog.querySelectorAll("button")) button.disabled = false;
  }
}

const post = (step, fields = {}) => json(`/api/own-key/${step}`, { method: "POST", body: { member: seat.member, ...fields } });

async function finish(step, name) {
  const input = at(name);
  const pasted = input.value.trim();
  input.value = "";
  if (!pasted) return input.focus();
  const done = await attempt(async () => show(await post(step, { [name]: pasted })));
  if (!done) return input.focus();
  clear();
  tell(gettext("Linked. From now on your questions go by your own account."));
  at("remove").focus();
}

at("start").addEventListener("click", () =>
  attempt(async () => {
    const { link } = await post("start");
    if (!/^https?:/.test(link)) return;
    at("link").href = link;
    at("link").hidden = false;
    at("link").focus();
    tell(gettext("The link is good for ten minutes. Say yes there, and paste the code it shows here."));
  }),
);
at("by-code").addEventListener("submit", (event) => {
  event.preventDefault();
  finish("finish", "code");
});
at("by-key").addEventListener("submit", (event) => {
  event.preventDefault();
  finish("paste", "key");
});
at("remove").addEventListener("click", async () => {
  const done = await attempt(() => json(`/api/own-key?${new URLSearchParams({ member: seat.member })}`, { method: "DELETE" }));
  if (!done) return;
  show({ linked: false });
  tell(gettext("Removed. Your questions go by the pool again. The key itself still exists: delete it at OpenRouter if you are done with it."));
  at("start").focus();
});
at("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  clear();
  seat.refresh().catch(() => {});
});
