// The player at the bottom of all pages: one sound, and the list that it was played from.

import { complain } from "./say.js";

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const spoken = (seconds) => {
  const whole = Math.floor(seconds || 0);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
};

export function trackOf(row) {
  const { track, title, artist, opinion } = row.dataset;
  return { id: Number(track), title, artist: artist || "", opinion: opinion || "" };
}

class MusicPlayer extends HTMLElement {
  connectedCallback() {
    this.audio = this.querySelector("audio");
    this.slider = this.querySelector("input[type=range]");
    this.queue = [];
    this.at = -1;
    this.end = null; // where an excerpt ends, in seconds
    this.wanted = {}; // where to begin, once the sound's length is known
    const on = (name, what) => this.audio.addEventListener(name, what);
    on("timeupdate", () => this.#tick());
    on("durationchange", () => this.#tick());
    on("play", () => this.#mark());
    on("pause", () => this.#mark());
    on("loadedmetadata", () => {
      const { start, share } = this.wanted;
      if (start || share) this.audio.currentTime = start || share * this.audio.duration;
    });
    on("ended", () => this.step(1));
    on("error", () => {
      const src = this.audio.getAttribute("src");
      if (!src) return;
      if (!src.includes("?")) {
        // A kind of file that this browser does not play: every one plays MP3.
        this.audio.src = `${src}?format=mp3`;
        this.#start();
        return;
      }
      complain(new Error(`“${this.track?.title}” cannot be played: its file may be missing.`));
    });
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    this.querySelector("[data-step='1']").addEventListener("click", () => this.step(1));
    this.querySelector("[data-step='-1']").addEventListener("click", () => this.step(-1));
    this.querySelector(".play").addEventListener("click", () => this.toggle());
    const media = navigator.mediaSession;
    if (media) {
      media.setActionHandler("previoustrack", () => this.step(-1));
      media.setActionHandler("nexttrack", () => this.step(1));
    }
  }

  get track() {
    return this.queue[this.at] ?? null;
  }

  get isPlaying() {
    return !this.audio.paused && !this.audio.ended;
  }

  /** Play a track of a list: from `start` to `end` in seconds, or from a share of its length. */
  play(queue, at, { start = 0, end = null, share = 0 } = {}) {
    const before = this.track?.id;
    [this.queue, this.at, this.end] = [queue, at, end];
    if (before !== this.track.id || this.audio.error) {
      this.audio.src = `/api/v1/tracks/${this.track.id}/audio`;
      this.wanted = { start, share };
      this.#name();
    } else this.audio.currentTime = start;
    this.#start();
  }

  toggle() {
    if (!this.track) document.querySelector("main [data-play]")?.click();
    else if (this.isPlaying) this.audio.pause();
    else this.#start();
  }

  pause() {
    this.audio.pause();
  }

  seek(seconds) {
    this.end = null;
    if (this.track) this.audio.currentTime = seconds;
  }

  step(n) {
    if (n < 0 && this.audio.currentTime > 4) this.seek(0);
    else if (this.queue[this.at + n]) this.play(this.queue, this.at + n);
  }

  /** Where in which track, for pictures that show it. */
  get place() {
    return { id: this.track?.id ?? null, time: this.audio.currentTime };
  }

  refresh() {
    this.#mark();
  }

  #start() {
    this.audio.play().catch((error) => {
      // Another sound was asked for meanwhile, or "error" has told it already.
      if (error.name === "NotAllowedError") {
        complain(new Error("The browser plays nothing before the first click or key."));
      }
    });
  }

  #name() {
    const { id, title, artist } = this.track;
    const link = this.querySelector(".what a");
    const profile = document.body.dataset.profile;
    link.textContent = title;
    link.href = `/tracks/${id}${profile ? `?profile=${encodeURIComponent(profile)}` : ""}`;
    link.hidden = false;
    this.querySelector(".what .by").textContent = artist || "unknown artist";
    this.slider.disabled = false;
    if (navigator.mediaSession) {
      navigator.mediaSession.metadata = new MediaMetadata({ title, artist });
    }
  }

  #tick() {
    const { currentTime, duration } = this.audio;
    if (this.end !== null && currentTime >= this.end) {
      this.end = null;
      this.audio.pause();
    }
    const length = Number.isFinite(duration) ? duration : 0;
    this.slider.max = length || 1;
    this.slider.value = currentTime;
    this.slider.setAttribute("aria-valuetext", `${spoken(currentTime)} of ${spoken(length)}`);
    this.querySelector(".now").textContent = clock(currentTime);
    this.querySelector(".length").textContent = clock(length);
    document.dispatchEvent(new CustomEvent("player:time", { detail: this.place }));
  }

  /** Show everywhere which track plays, and what is thought of it. */
  #mark() {
    const { track, isPlaying } = this;
    const show = (button, plays, what) => {
      button.querySelector("use").setAttribute("href", `/static/icons.svg#${plays ? "pause" : "play"}`);
      const word = button.querySelector(".word");
      if (word) word.textContent = plays ? "Pause" : "Listen";
      button.setAttribute("aria-label", `${plays ? "Pause" : "Play"}${what ? ` ${what}` : ""}`);
    };
    show(this.querySelector(".play"), isPlaying, "");
    this.querySelector("[data-step='1']").disabled = !this.queue[this.at + 1];
    this.querySelector("[data-step='-1']").disabled = !track;
    for (const row of document.querySelectorAll("main [data-track]")) {
      const current = track?.id === Number(row.dataset.track);
      row.toggleAttribute("data-current", current);
      const button = row.querySelector("[data-play]:not([data-start])");
      if (button) show(button, current && isPlaying, row.dataset.title);
    }
    for (const button of this.querySelectorAll("[data-opinion]")) {
      button.hidden = !track || !document.body.dataset.profile;
      button.setAttribute("aria-pressed", String(track?.opinion === button.dataset.opinion));
    }
  }
}

customElements.define("music-player", MusicPlayer);

export const player = () => document.querySelector("music-player");

/** Play what a button stands for: a track of its list, or an excerpt. */
export function playFrom(button) {
  const row = button.closest("[data-track]");
  const list = button.closest("[data-queue]");
  const rows = list ? [...list.querySelectorAll("[data-track]")] : [row];
  const { start, end } = button.dataset;
  const it = player();
  if (start === undefined && it.track?.id === Number(row.dataset.track)) {
    it.toggle();
    return;
  }
  it.play(rows.map(trackOf), rows.indexOf(row), {
    start: Number(start ?? 0),
    end: end === undefined ? null : Number(end),
  });
}
