// A model's Markdown as DOM. What a model writes is not trusted: no raw HTML, nothing that runs, nothing that loads.

import { Marked } from "./vendor/marked.esm.js";
import { gettext } from "./texts.js";
import DOMPurify from "./vendor/purify.es.js";

const escape = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text, block }) => (block ? `<p>${escape(text)}</p>` : escape(text)),
    // A picture would be fetched from wherever the model says, with whatever it put into the address.
    image: ({ href, text }) => `<a href="${escape(href)}">${escape(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

const KEEP = {
  ALLOWED_TAGS: [
    ..."p br hr em strong del code pre blockquote ul ol li a h1 h2 h3 h4 h5 h6 table thead tbody tr th td".split(" "),
  ],
  ALLOWED_ATTR: ["href", "start", "align"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ADD_URI_SAFE_ATTR: ["start", "align"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/** Shows a growing Markdown text in `root`, touching only the blocks that changed. */
export class Markdown {
  #root;
  #blocks = []; // { raw, nodes }

  constructor(root) {
    this.#root = root;
  }

  show(text, { growing = false } = {}) {
    const tokens = marked.lexer(growing ? mended(text) : text);
    const kinds = tokens.filter((token) => token.type !== "space" && token.type !== "def");
    let same = 0;
    while (same < kinds.length && this.#blocks[same]?.raw === kinds[same].raw) same += 1;
    for (const { nodes } of this.#blocks.splice(same)) for (const node of nodes) node.remove();
    for (const token of kinds.slice(same)) {
      const nodes = [...block(token, tokens.links).childNodes];
      this.#root.append(...nodes);
      this.#blocks.push({ raw: token.raw, nodes });
    }
  }
}

// While an answer grows, what will be bold or code is shown as such from its first word on.
function mended(text) {
  const last = text.slice(text.lastIndexOf("\n") + 1);
  if (last.startsWith("```") || text.split("```").length % 2 === 0) return text; // a code block
  for (const mark of ["**", "`"]) {
    if (last.split(mark).length % 2) continue;
    return last.endsWith(mark) ? text.slice(0, -mark.length) : text.trimEnd() + mark;
  }
  return text;
}

function block(token, links) {
  const fragment = DOMPurify.sanitize(marked.parser(Object.assign([token], { links })), KEEP);
  for (const link of fragment.querySelectorAll("a")) dressLink(link);
  for (const pre of fragment.querySelectorAll("pre")) pre.replaceWith(codeBlock(pre, token.lang));
  for (const table of fragment.querySelectorAll("table")) scrollable(table);
  return fragment;
}

function dressLink(link) {
  if (!link.hasAttribute("href")) return link.replaceWith(...link.childNodes); // it led to nothing we let through
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  link.title = link.getAttribute("href");
}

function codeBlock(pre, lang) {
  const box = document.createElement("div");
  const head = document.createElement("div");
  const name = document.createElement("span");
  box.className = "code";
  name.textContent = lang?.split(/\s/)[0] || gettext("text");
  head.append(name);
  if (navigator.clipboard) head.append(copyButton(() => pre.textContent));
  pre.tabIndex = 0; // so that the keyboard can scroll it
  box.append(head, pre.cloneNode(true));
  return box;
}

function copyButton(text) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = gettext("Copy");
  button.addEventListener("click", async () => {
    const done = await navigator.clipboard.writeText(text()).then(() => true, () => false);
    button.textContent = done ? gettext("Copied") : gettext("Not allowed");
    setTimeout(() => (button.textContent = gettext("Copy")), 1500);
  });
  return button;
}

function scrollable(table) {
  const box = document.createElement("div");
  box.className = "wide";
  table.replaceWith(box);
  box.append(table);
}
