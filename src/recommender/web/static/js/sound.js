// A sound over time: its picture, its scores and its genres, one above the other, all to be clicked.

import { get } from "./api.js";
import { GUTTER, viridis, steps, theme } from "./chart.js";
import { clock, player, playFrom } from "./player.js";

/**
 * What lies along one time axis. Everything inside with the class "time" is as wide as the sound is
 * long, behind a gutter; a click plays from there, and a line shows where the music is.
 */
class SoundView extends HTMLElement {
  connectedCallback() {
    this.duration = Number(this.dataset.duration) || 1;
    this.follow = (event) => this.place(event.detail);
    document.addEventListener("player:time", this.follow);
    this.picture = () => {
      const image = this.querySelector("[data-picture]");
      if (image) image.src = `${image.dataset.picture}?theme=${theme()}`;
    };
    this.picture();
    document.addEventListener("theme", this.picture);
    this.addEventListener("click", (event) => {
      if (event.target.closest("button, a, summary") || !event.target.closest(".time")) return;
      this.play(this.timeAt(event.clientX));
    });
    if (this.dataset.track) this.place(player().place);
  }

  disconnectedCallback() {
    document.removeEventListener("player:time", this.follow);
    document.removeEventListener("theme", this.picture);
  }

  timeAt(x) {
    const box = this.getBoundingClientRect();
    const share = (x - box.left - GUTTER) / (box.width - GUTTER);
    return Math.min(Math.max(share, 0), 0.999) * this.duration;
  }

  play(start, end) {
    const button = document.createElement("button");
    button.dataset.start = start;
    if (end !== undefined) button.dataset.end = end;
    this.closest("[data-track]").append(button);
    playFrom(button);
    button.remove();
  }

  /** Show where the music is, in everything that lies along the time; null takes it away. */
  point(time) {
    this.toggleAttribute("data-heard", time !== null);
    this.style.setProperty("--at", Math.min((time ?? 0) / this.duration, 1));
  }

  place({ id, time }) {
    const mine = this.closest("[data-track]")?.dataset.track;
    if (mine) this.point(Number(mine) === id ? time : null);
  }
}

/** Scores of the fragments: a chart, and below it a strip of buttons to hear each. */
class ScoreChart extends HTMLElement {
  async connectedCallback() {
    const fragments = JSON.parse(this.dataset.fragments);
    const end = Number(this.closest("sound-view").dataset.duration);
    this.#strip(fragments, end);
    this.undraw = await steps(this.querySelector(".chart"), {
      times: fragments.map((f) => f.start_s),
      values: fragments.map((f) => f.score),
      end,
      height: 150,
    });
    if (!this.isConnected) this.undraw();
  }

  disconnectedCallback() {
    this.undraw?.();
    document.removeEventListener("theme", this.paint);
  }

  #strip(fragments, end) {
    const strip = this.querySelector(".strip");
    for (const [i, { start_s, end_s, score }] of fragments.entries()) {
      const button = document.createElement("button");
      const next = fragments[i + 1]?.start_s ?? end;
      button.style.flex = `${Math.max(next - start_s, 0.01)} 1 0`;
      button.dataset.score = score;
      button.tabIndex = i ? -1 : 0;
      button.dataset.play = "";
      button.dataset.start = start_s;
      button.dataset.end = end_s;
      const name = `${clock(start_s)} to ${clock(end_s)}: ${score.toFixed(2)}`;
      button.setAttribute("aria-label", `Hear ${name}`);
      button.title = name;
      strip.append(button);
    }
    this.paint = () => {
      for (const button of strip.children) button.style.background = viridis(Number(button.dataset.score));
    };
    this.paint();
    document.addEventListener("theme", this.paint);
    // One stop for the tab key; the arrows move within.
    strip.addEventListener("keydown", (event) => {
      const steps_ = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
      if (!steps_) return;
      event.preventDefault();
      const all = [...strip.children];
      const at = Math.min(Math.max(all.indexOf(document.activeElement) + steps_, 0), all.length - 1);
      all.forEach((button, i) => (button.tabIndex = i === at ? 0 : -1));
      all[at].focus();
    });
  }
}

/** Shares of genres: as a whole as bars, and over time as rows. */
export class GenreShares extends HTMLElement {
  connectedCallback() {
    this.undraw = [];
    if (this.dataset.source) this.load();
  }

  disconnectedCallback() {
    for (const undraw of this.undraw) undraw();
  }

  async load() {
    try {
      await this.show(await get(this.dataset.source));
    } catch (error) {
      this.textContent = error.message;
    }
  }

  async show({ genres, shares, over_time }, most = 6) {
    this.disconnectedCallback();
    this.undraw = [];
    this.replaceChildren();
    const [times, end] = [over_time.map((piece) => piece.start_s), Number(this.closest("sound-view").dataset.duration)];
    const shown = shares.slice(0, most).filter(({ share }) => share >= 0.005);
    for (const { genre, share } of shown) {
      const row = document.createElement("div");
      row.className = "genre";
      const label = document.createElement("p");
      const name = document.createElement("span");
      name.textContent = genre;
      const number = document.createElement("span");
      number.className = "number";
      number.textContent = `${Math.round(100 * share)} %`;
      label.append(name, number);
      const place = document.createElement("div");
      place.className = "chart time";
      const values = over_time.map((piece) => piece.shares[genres.indexOf(genre)]);
      place.setAttribute("role", "img");
      const peak = values.indexOf(Math.max(...values));
      place.setAttribute("aria-label", `${genre} over time: at most ${Math.round(100 * values[peak])} % at ${clock(times[peak])}`);
      row.append(label, place);
      this.append(row);
      this.undraw.push(await steps(place, { times, values, end, height: 28, scale: false }));
    }
    if (!this.isConnected) this.disconnectedCallback();
  }
}

customElements.define("sound-view", SoundView);
customElements.define("score-chart", ScoreChart);
customElements.define("genre-shares", GenreShares);
