// The genre page: a file from this machine, heard at once, and what genres it has.

import { send } from "./api.js";
import { player } from "./player.js";
import { announce, complain } from "./say.js";
import "./sound.js";

class GenreUpload extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.input = this.querySelector("input[type=file]");
    this.audio = this.querySelector("audio");
    this.input.addEventListener("change", () => this.take(this.input.files[0]));
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.querySelector("select")?.addEventListener("change", () => this.file && this.take(this.file));
    this.audio.addEventListener("play", () => player().pause());
    this.audio.addEventListener("timeupdate", () => {
      this.querySelector("sound-view").point(this.audio.currentTime);
    });
    const drop = this.querySelector(".drop");
    for (const name of ["dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.toggleAttribute("data-over", name === "dragover");
        if (name === "drop") this.take(event.dataTransfer.files[0]);
      });
    }
    // Here a click on the chart plays the file, which is not in the library.
    const view = this.querySelector("sound-view");
    view.play = (start) => {
      this.audio.currentTime = start;
      this.audio.play();
    };
  }

  disconnectedCallback() {
    this.waiting?.abort();
    if (this.address) URL.revokeObjectURL(this.address);
  }

  async take(file) {
    if (!file) return;
    this.waiting?.abort();
    this.waiting = new AbortController();
    this.file = file;
    this.querySelector(".name").textContent = file.name;
    this.querySelector(".state").hidden = false;
    this.querySelector(".result").hidden = true;
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(file);
    this.audio.src = this.address;
    this.querySelector(".heard").hidden = false;
    announce("Listening to the file.");
    const form = new FormData();
    form.append("file", file);
    const model = this.querySelector("select")?.value;
    if (model) form.append("model", model);
    try {
      await this.#show(await send("/predict", form, this.waiting.signal));
    } catch (error) {
      if (error.name !== "AbortError") complain(error);
    }
    this.querySelector(".state").hidden = true;
  }

  async #show(prediction) {
    const view = this.querySelector("sound-view");
    const last = prediction.over_time.at(-1);
    view.duration = Math.max(prediction.duration_s, last?.end_s ?? 0, 1);
    view.dataset.duration = view.duration;
    const [first] = prediction.shares;
    const said = `Mostly ${prediction.genre}: ${Math.round(100 * first.share)} %.`;
    this.querySelector(".verdict").textContent = said;
    this.querySelector(".result").hidden = false;
    await this.querySelector("genre-shares").show(prediction);
    announce(said);
  }
}

customElements.define("genre-upload", GenreUpload);
