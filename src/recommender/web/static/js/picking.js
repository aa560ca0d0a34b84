// Forms that begin work: scans of folders, profiles from folders, tracks or a playlist.

import htmx from "../vendor/htmx.esm.min.js";
import { post, remove, send } from "./api.js";
import { watch } from "./jobs.js";
import { announce, complain, say } from "./say.js";

const go = (path) => htmx.ajax("GET", path, { target: "#main", select: "#main", swap: "outerHTML", push: path });

async function busy(form, work) {
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    complain(error);
  } finally {
    button.disabled = false;
  }
}

const counted = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

/** Name a folder, or drop one, and have it scanned. */
class ScanForm extends HTMLElement {
  connectedCallback() {
    const form = this.querySelector("form");
    const path = form.elements.path;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const all = event.submitter?.name === "all";
      if (!all && !path.value.trim()) {
        path.focus();
        say("Name a folder first.");
        return;
      }
      busy(form, async () => {
        const job = await post("/library/scans", {
          paths: all ? null : [path.value.trim()],
          fast: form.elements.fast.checked,
          retry: form.elements.retry.checked,
        });
        watch(job, document.getElementById("work"));
      });
    });
    this.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.toggleAttribute("data-over", true);
    });
    this.addEventListener("dragleave", () => this.removeAttribute("data-over"));
    this.addEventListener("drop", (event) => {
      event.preventDefault();
      this.removeAttribute("data-over");
      path.value = dropped(event.dataTransfer, this.dataset.under);
      path.focus();
    });
  }
}

/** The path of what was dropped. Most browsers only tell its name: the rest is for the person. */
function dropped(transfer, under) {
  const text = transfer.getData("text/uri-list") || transfer.getData("text/plain");
  const line = text.split(/\r?\n/).find((each) => each.startsWith("file://") || each.startsWith("/"));
  if (line) return line.startsWith("file://") ? decodeURIComponent(new URL(line).pathname) : line;
  const name = transfer.items[0]?.webkitGetAsEntry?.()?.name ?? "";
  if (name) say(`The browser only tells that it is called “${name}”: check where it lies.`);
  return name ? `${under.replace(/\/$/, "")}/${name}` : "";
}

/** Make a profile: choose, name, make. What is chosen stays so while one searches on. */
class ProfileForm extends HTMLElement {
  connectedCallback() {
    const form = this.querySelector("form");
    this.name = form.elements.name;
    this.chosen = this.querySelector(".chosen");
    this.named = false;
    this.name.addEventListener("input", () => (this.named = Boolean(this.name.value)));
    form.addEventListener("change", ({ target }) => {
      if (target.name === "folder") this.#folder(target);
      if (target.type === "file" && target.files.length) busy(form, () => this.#playlist(target));
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.type === "search") event.preventDefault();
    });
    form.addEventListener("click", (event) => {
      const pick = event.target.closest("[data-pick]");
      const drop = event.target.closest("[data-drop]");
      if (pick) this.#add("track", pick.dataset.pick, pick.dataset.label);
      if (drop) this.#remove(drop.closest("li"));
    });
    form.addEventListener("htmx:after:settle", () => this.#check());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      busy(form, () => this.#make(form));
    });
  }

  #of(kind) {
    return [...this.chosen.children].filter((item) => item.dataset.kind === kind).map((item) => item.dataset.value);
  }

  #folder(box) {
    if (box.checked) this.#add("folder", box.value, box.closest("label").querySelector("span").firstChild.textContent.trim());
    else this.#remove([...this.chosen.children].find((item) => item.dataset.value === box.value));
  }

  /** Tick what is chosen, wherever it is listed. */
  #check() {
    const folders = this.#of("folder");
    for (const box of this.querySelectorAll("[name=folder]")) box.checked = folders.includes(box.value);
  }

  #add(kind, value, label, called = label) {
    if (this.#of(kind).includes(value)) return;
    const item = document.createElement("li");
    Object.assign(item.dataset, { kind, value, name: called });
    const name = document.createElement("span");
    name.textContent = label;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet small";
    button.dataset.drop = "";
    button.textContent = "Remove";
    button.setAttribute("aria-label", `Remove ${label}`);
    item.append(name, button);
    this.chosen.append(item);
    announce(`Chosen: ${label}`);
    this.#suggest();
    return item;
  }

  /** Choose what the library holds of a playlist, and tell what it does not. */
  async #playlist(input) {
    const upload = new FormData();
    upload.append("file", input.files[0]);
    input.value = "";
    const { title, tracks, n_unknown: n, unknown, notes } = await send("/playlists", upload);
    const item = this.#add("playlist", tracks.join(" "), `${title} (${counted(tracks.length, "track")})`, title);
    if (!item || !(n + notes.length)) return;
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    summary.textContent = n ? `${n.toLocaleString("en")} not in the library` : "Not quite as written";
    const list = document.createElement("ul");
    const others = n > unknown.length ? ["and others"] : [];
    for (const text of [...notes, ...unknown, ...others]) {
      list.append(Object.assign(document.createElement("li"), { textContent: text }));
    }
    details.append(summary, list);
    item.append(details);
  }

  #remove(item) {
    item?.remove();
    this.#check();
    this.#suggest();
  }

  /** Name it after what was chosen, as long as nobody named it. */
  #suggest() {
    if (this.named) return;
    const first = this.chosen.querySelector("[data-kind=folder], [data-kind=playlist]")?.dataset.name;
    const name = first ?? (this.chosen.firstChild ? "My picks" : "");
    const plain = name.normalize("NFC").replace(/[^\p{L}\p{N} .+_-]/gu, " ").trim();
    this.name.value = plain.replace(/^[^\p{L}\p{N}]+/u, "").slice(0, 80);
  }

  async #make(form) {
    const folders = this.#of("folder");
    const tracks = [...this.#of("track"), ...this.#of("playlist").flatMap((ids) => ids.split(" "))].map(Number);
    const name = this.name.value.trim();
    if (!folders.length && !tracks.length) {
      throw new Error("Choose what you like first: a folder, some tracks or a playlist file.");
    }
    const answer = await post("/profiles", { name, folders, tracks });
    const next = `/ranking/${encodeURIComponent(name)}`;
    if (answer?.kind) watch(answer, document.getElementById("work"), next);
    else await go(next);
  }
}

customElements.define("scan-form", ScanForm);
customElements.define("profile-form", ProfileForm);

// Buttons that do one thing and then show a page anew.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-delete-profile], button[data-judge], button[data-learn]");
  if (!button) return;
  const { deleteProfile, judge } = button.dataset;
  button.disabled = true;
  try {
    if (deleteProfile && confirm(`Delete the profile “${deleteProfile}”? The music stays.`)) {
      await remove(`/profiles/${encodeURIComponent(deleteProfile)}`);
      delete document.body.dataset.profile;
      await go("/profiles");
    }
    if (button.matches("[data-learn]")) {
      watch(await post("/genres", { name: "library", folder: null }), document.getElementById("work"));
    }
    if (judge) await htmx.ajax("GET", `/profiles/${encodeURIComponent(judge)}/quality`, { target: "#quality", swap: "innerHTML" });
  } catch (error) {
    complain(error);
  } finally {
    button.disabled = false;
  }
});
