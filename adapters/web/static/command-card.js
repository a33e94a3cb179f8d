// What a command answers, as a card in the conversation. Everything in it is text: nothing is read as markup.

const make = (tag, props = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), props);
  element.append(...children);
  return element;
};

/** The card of an answer; `run(step)` runs the command that a `next` part offers. */
export function card(answer, run) {
  const box = make("div", { className: "card" });
  box.dataset.ok = answer.ok;
  for (const part of answer.parts) box.append(drawn(part, run));
  return box;
}

/** All a card says, for who hears it. */
export const heard = (answer) =>
  answer.parts.map((part) => part.text ?? part.alt ?? (part.part === "facts" ? part.rows.map((row) => row.join(": ")).join(". ") : "")).filter(Boolean).join(" ");

function drawn(part, run) {
  switch (part.part) {
    case "line":
      return make("p", { textContent: part.text });
    case "facts":
      return make("dl", {}, ...part.rows.map(([name, value]) => make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value }))));
    case "table":
      return part.rows.length ? table(part) : make("p", { className: "soft", textContent: part.none });
    case "meter":
      return meter(part);
    case "picture":
      return make("img", { src: part.url, alt: part.alt, loading: "lazy", className: "picture" });
    case "document":
      return make("p", {}, make("a", { href: part.url, download: part.name, textContent: part.name }));
    case "link":
      return link(part);
    case "next":
      return next(part, run);
    default:
      return make("p", { textContent: part.text ?? part.alt ?? "" });
  }
}

function table({ head, figures, rows }) {
  const side = (at) => (figures[at] ? "figures" : "");
  const grid = make("table", {}, make("thead", {}, make("tr", {}, ...head.map((name, at) => make("th", { scope: "col", className: side(at), textContent: name })))));
  grid.append(make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((value, at) => make("td", { className: side(at), textContent: value }))))));
  return make("div", { className: "wide", tabIndex: 0 }, grid);
}

function meter({ used, of, kept, alt }) {
  const bar = make("div", { className: "bar", ariaHidden: "true" }, make("span", { className: "used" }), make("span", { className: "kept" }));
  const share = (units) => `${of > 0 ? Math.min(100, (100 * units) / of) : 0}%`;
  bar.children[0].style.width = share(used);
  bar.children[1].style.width = share(kept);
  return make("div", { className: "meter" }, bar, make("p", { className: "soft", textContent: alt }));
}

function link({ url, text }) {
  if (!/^https?:/.test(url)) return make("p", { textContent: text });
  return make("p", {}, make("a", { href: url, target: "_blank", rel: "noopener noreferrer", textContent: text }));
}

function next(part, run) {
  const button = make("button", { type: "button", className: part.danger ? "button small danger" : "button small", textContent: part.text });
  const row = make("p", { className: "row" }, button);
  button.addEventListener("click", () => {
    button.disabled = true; // a step is taken once
    if (part.needs.length) row.replaceWith(form(part, run));
    else run(part);
  });
  return row;
}

// What a step needs is typed here. A secret is seen by nobody, stays out of the composer, and is gone once it is sent.
function form(part, run) {
  const inputs = part.needs.map(({ name, kind }) => make("input", { name, required: true, type: kind === "secret" ? "password" : "text", autocomplete: "off", spellcheck: false }));
  const labels = part.needs.map(({ about }, at) => make("label", {}, make("span", { textContent: about }), inputs[at]));
  const asked = make("form", { className: "step" }, ...labels, make("button", { className: "button small", textContent: part.text }));
  asked.addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = Object.fromEntries(inputs.map(({ name, value }) => [name, value]));
    asked.remove();
    run({ ...part, values: { ...part.values, ...typed } });
  });
  requestAnimationFrame(() => inputs[0].focus());
  return asked;
}
