// The files that are to go along with a question: chosen, pasted or dropped, each with a way to take it back.

import { gettext, ngettext } from "./texts.js";
import * as words from "./words.js";

const template = document.getElementById("chip");

/** `file`: { name, size, type } or, as the server lists it, { name, size, kind }. */
export function chip(file) {
  const element = template.content.firstElementChild.cloneNode(true);
  const image = file.kind ? file.kind === "image" : (file.type ?? "").startsWith("image/");
  element.querySelector("use").setAttribute("href", image ? "#i-image" : "#i-file");
  element.querySelector(".name").textContent = file.name;
  element.querySelector(".size").textContent = words.size(file.size);
  element.title = file.name;
  return element;
}

/** A file as the server takes it. Rejects where it cannot be read any more. */
export async function encoded(file) {
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  return { name: file.name, media_type: file.type, content: url.slice(url.indexOf(",") + 1) };
}

export class Files {
  #files = [];

  /** `seat` takes what is dropped on it, `form` has the composer's parts; `most`: { files, bytes, together }; `changed()` after each change, `speak(text)` speaks. */
  constructor(seat, form, { most, changed, speak }) {
    this.most = most;
    this.changed = changed;
    this.speak = speak;
    this.list = form.querySelector(".files");
    this.note = form.querySelector(".note");
    this.button = form.querySelector(".attach");
    this.textarea = form.querySelector("textarea");
    const input = form.querySelector("input[type=file]");
    this.button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      this.add([...input.files]);
      input.value = ""; // so that the same file can be chosen again
      this.textarea.focus();
    });
    this.textarea.addEventListener("paste", (event) => {
      const { files } = event.clipboardData;
      if (!files.length || event.clipboardData.getData("text/plain")) return; // text that was copied brings its picture along
      event.preventDefault();
      this.add([...files]);
    });
    this.#wireDropping(seat);
  }

  get length() {
    return this.#files.length;
  }

  add(files) {
    const faults = [];
    for (const file of files) {
      const together = this.#files.reduce((sum, other) => sum + other.size, file.size);
      if (this.#files.length >= this.most.files) faults.push(ngettext("{count} file may go along with one question.", "{count} files may go along with one question.", this.most.files));
      else if (file.size > this.most.bytes) faults.push(gettext("“{name}” is too large: a file may have {most}.", { name: file.name, most: words.size(this.most.bytes) }));
      else if (together > this.most.together) faults.push(gettext("Together the files may have {most}.", { most: words.size(this.most.together) }));
      else this.#files.push(file);
    }
    this.#draw();
    this.#tell([...new Set(faults)].join(" "));
    if (!faults.length && files.length) this.speak(gettext("{names} will go along.", { names: files.map((file) => file.name).join(", ") }));
  }

  /** Hand them over: the composer has none any more. */
  take() {
    const files = this.#files;
    this.#files = [];
    this.#draw();
    this.#tell("");
    return files;
  }

  #remove(file) {
    const at = this.#files.indexOf(file);
    this.#files.splice(at, 1);
    this.#draw();
    this.#tell("");
    this.speak(gettext("{name} removed.", { name: file.name }));
    const left = this.list.querySelectorAll("button");
    (left[Math.min(at, left.length - 1)] ?? this.textarea).focus();
  }

  #tell(fault) {
    this.note.textContent = fault;
    this.note.hidden = !fault;
    if (fault) this.speak(fault);
  }

  #draw() {
    this.list.hidden = !this.#files.length;
    this.list.replaceChildren(
      ...this.#files.map((file) => {
        const element = chip(file);
        const button = element.querySelector("button");
        button.hidden = false;
        button.querySelector(".unseen").textContent = gettext("Remove {name}", { name: file.name });
        button.title = gettext("Remove");
        button.addEventListener("click", () => this.#remove(file));
        return element;
      }),
    );
    this.changed();
  }

  #wireDropping(seat) {
    const carries = (event) => event.dataTransfer?.types.includes("Files");
    let depth = 0; // dragenter and dragleave come for every element on the way
    const shown = () => seat.classList.toggle("dropping", depth > 0);
    seat.addEventListener("dragenter", (event) => {
      if (!carries(event)) return;
      depth += 1;
      shown();
    });
    seat.addEventListener("dragleave", (event) => {
      if (!carries(event)) return;
      depth = Math.max(0, depth - 1);
      shown();
    });
    seat.addEventListener("dragover", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
    });
    seat.addEventListener("drop", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      depth = 0;
      shown();
      this.add([...event.dataTransfer.files]);
      this.textarea.focus();
    });
  }
}
