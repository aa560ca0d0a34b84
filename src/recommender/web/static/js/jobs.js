// Work in the background: how far it is, live, and when it ends what it was for is shown.

import htmx from "../vendor/htmx.esm.min.js";
import { post, remove } from "./api.js";
import { announce, complain } from "./say.js";

const WORDS = {
  queued: "Waiting for other work to end",
  running: "At work",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled; what was done is kept",
  interrupted: "Interrupted; it can go on where it stopped",
};

const ENDED = ["done", "failed", "cancelled", "interrupted"];

class JobWatch extends HTMLElement {
  connectedCallback() {
    this.querySelector("[data-cancel]").addEventListener("click", () => this.#ask(remove(`/jobs/${this.dataset.job}`)));
    this.querySelector("[data-resume]").addEventListener("click", () =>
      this.#ask(post(`/jobs/${this.dataset.job}/resume`).then(() => this.#listen())),
    );
    if (!ENDED.includes(this.dataset.state)) this.#listen();
  }

  disconnectedCallback() {
    this.events?.close();
  }

  #listen() {
    this.events?.close();
    this.events = new EventSource(`/api/v1/jobs/${this.dataset.job}/events`);
    this.events.addEventListener("progress", (event) => this.#show(JSON.parse(event.data)));
    this.events.addEventListener("end", (event) => {
      this.events.close();
      let job = null;
      try {
        job = JSON.parse(event.data);
      } catch {
        // The last progress told it already.
      }
      if (job?.state) this.#show(job);
      this.#end();
    });
  }

  #show({ state, progress: { done, total, text }, error }) {
    this.dataset.state = state;
    const bar = this.querySelector("progress");
    if (total) [bar.max, bar.value] = [total, done];
    else bar.removeAttribute("value");
    this.querySelector(".count").textContent = total ? `${done.toLocaleString("en")} of ${total.toLocaleString("en")}` : "";
    this.querySelector(".at").textContent = text;
    this.querySelector(".word").textContent = error ? `${WORDS[state]}: ${error}` : WORDS[state];
    const ended = ENDED.includes(state);
    bar.hidden = ended;
    this.querySelector("[data-cancel]").hidden = ended;
    this.querySelector("[data-resume]").hidden = !["failed", "cancelled", "interrupted"].includes(state);
  }

  #end() {
    announce(this.querySelector(".word").textContent);
    const { state, then } = this.dataset;
    if (state !== "done") return;
    // The page that shows what came of it: another one, or this one anew.
    const path = then || location.pathname + location.search;
    htmx.ajax("GET", path, { target: "#main", select: "#main", swap: "outerHTML", push: then ? path : "false" });
  }

  async #ask(request) {
    try {
      await request;
    } catch (error) {
      complain(error);
    }
  }
}

customElements.define("job-watch", JobWatch);

/** Put the progress of a job where it was asked for. */
export function watch(job, place, then = "") {
  const element = document.getElementById("job-template").content.cloneNode(true).firstElementChild;
  element.dataset.job = job.id;
  element.dataset.state = job.state;
  if (then) element.dataset.then = then;
  place.replaceChildren(element);
  element.scrollIntoView({ block: "nearest" });
}
