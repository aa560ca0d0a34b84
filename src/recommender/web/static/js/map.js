// The map of the library: drawn on a canvas, for the pointer and for the keyboard.

import { get } from "./api.js";
import { viridis, colour } from "./chart.js";
import { player } from "./player.js";
import { announce, complain } from "./say.js";

// Okabe and Ito's colours, which differ without colour vision too; each genre has a shape besides.
const GENRES = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a8779"];
const SHAPES = ["circle", "square", "triangle", "diamond", "plus", "ring", "circle"];
const DWELL_MS = 350;

class LibraryMap extends HTMLElement {
  connectedCallback() {
    this.canvas = this.querySelector("canvas");
    this.points = [];
    this.at = null;
    this.view = { x: 0, y: 0, zoom: 1 };
    this.redraw = () => this.draw();
    document.addEventListener("theme", this.redraw);
    document.addEventListener("player:time", (this.follow = () => this.#followPlayer()));
    this.watcher = new ResizeObserver(this.redraw);
    this.watcher.observe(this.canvas);
    this.#listen();
    this.load();
  }

  disconnectedCallback() {
    document.removeEventListener("theme", this.redraw);
    document.removeEventListener("player:time", this.follow);
    this.watcher.disconnect();
    clearTimeout(this.timer);
  }

  async load() {
    const { profile } = this.dataset;
    const by = this.querySelector("[name=colour]:checked").value;
    const query = new URLSearchParams({ colour: by });
    if (profile) query.set("profile", profile);
    try {
      const { total, points } = await get(`/library/map?${query}`);
      this.points = points;
      this.at &&= points.find(({ id }) => id === this.at.id) ?? null;
      this.by = by;
      this.#legend();
      const shown = points.length.toLocaleString("en");
      this.querySelector(".state").textContent =
        points.length < total ? `${shown} of ${total.toLocaleString("en")} tracks, drawn by lot.` : `${shown} tracks.`;
      this.draw();
    } catch (error) {
      complain(error);
      this.querySelector(".state").textContent = error.message;
    }
  }

  #legend() {
    const legend = this.querySelector(".legend");
    const counts = new Map();
    for (const { genre } of this.points) counts.set(genre ?? "unknown", (counts.get(genre ?? "unknown") ?? 0) + 1);
    const names = [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
    this.groups = new Map(names.map((name, i) => [name, Math.min(i, GENRES.length - 1)]));
    legend.replaceChildren();
    this.querySelector(".scale").hidden = this.by !== "score";
    if (this.by === "score") return;
    const shown = names.length > GENRES.length ? [...names.slice(0, GENRES.length - 1), "all others"] : names;
    for (const [i, name] of shown.entries()) {
      const item = document.createElement("li");
      const swatch = document.createElement("canvas");
      swatch.width = swatch.height = 32;
      const context = swatch.getContext("2d");
      context.fillStyle = context.strokeStyle = GENRES[i];
      shape(context, SHAPES[i], 16, 16, 11);
      item.append(swatch, name);
      legend.append(item);
    }
  }

  #scale() {
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const xs = this.points.map((p) => p.x);
    const ys = this.points.map((p) => p.y);
    const span = (values) => [Math.min(...values), Math.max(...values)];
    const [[x0, x1], [y0, y1]] = [span(xs.length ? xs : [0, 1]), span(ys.length ? ys : [0, 1])];
    const { x, y, zoom } = this.view;
    const margin = 28;
    return {
      px: (v) => width / 2 + (((v - x0) / (x1 - x0 || 1) - 0.5) * (width - 2 * margin) + x) * zoom,
      py: (v) => height / 2 - (((v - y0) / (y1 - y0 || 1) - 0.5) * (height - 2 * margin) - y) * zoom,
    };
  }

  draw() {
    const { canvas, points } = this;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    [canvas.width, canvas.height] = [width * ratio, height * ratio];
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const { px, py } = this.#scale();
    const size = Math.max(2.2, Math.min(6, 90 / Math.sqrt(points.length || 1))) * Math.min(1.6, Math.sqrt(this.view.zoom));
    const order = this.by === "score" ? [...points].sort((a, b) => (a.score ?? 0) - (b.score ?? 0)) : points;
    const muted = colour("edge");
    this.places = [];
    for (const point of order) {
      const [x, y] = [px(point.x), py(point.y)];
      this.places.push([x, y, point]);
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      const group = this.groups?.get(point.genre ?? "unknown") ?? 0;
      context.fillStyle = context.strokeStyle =
        this.by === "score" ? (point.score == null ? muted : viridis(point.score)) : GENRES[group];
      context.globalAlpha = 0.85;
      shape(context, this.by === "score" ? "circle" : SHAPES[group], x, y, size);
    }
    context.globalAlpha = 1;
    const playing = player().track?.id;
    for (const [x, y, point] of this.places) {
      if (point.id === playing) ring(context, x, y, size + 5, colour("like"), 2.5);
      if (point === this.at) ring(context, x, y, size + 4, colour("ink"), 2);
    }
  }

  #listen() {
    const { canvas } = this;
    let drag = null;
    canvas.addEventListener("pointermove", (event) => {
      if (drag) {
        this.view.x += (event.offsetX - drag.x) / this.view.zoom;
        this.view.y += (event.offsetY - drag.y) / this.view.zoom;
        drag.moved ||= Math.hypot(event.offsetX - drag.x, event.offsetY - drag.y) > 2;
        [drag.x, drag.y] = [event.offsetX, event.offsetY];
        this.draw();
        return;
      }
      this.#choose(this.#near(event.offsetX, event.offsetY), { hear: true });
    });
    canvas.addEventListener("pointerdown", (event) => {
      drag = { x: event.offsetX, y: event.offsetY, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (drag && !drag.moved) {
        this.#choose(this.#near(event.offsetX, event.offsetY, 24));
        this.#play();
      }
      drag = null;
    });
    canvas.addEventListener("pointerleave", () => clearTimeout(this.timer));
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return; // the page scrolls
      event.preventDefault();
      this.#zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    for (const button of this.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.#zoom(Number(button.dataset.zoom)));
    }
    for (const radio of this.querySelectorAll("[name=colour]")) radio.addEventListener("change", () => this.load());
    this.querySelector(".here [data-map-play]").addEventListener("click", () => this.#play());
  }

  #zoom(factor) {
    const zoom = factor ? Math.min(Math.max(this.view.zoom * factor, 1), 20) : 1;
    this.view = zoom === 1 ? { x: 0, y: 0, zoom } : { ...this.view, zoom };
    this.draw();
  }

  #key(event) {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (direction) {
      event.preventDefault();
      this.#choose(this.#towards(...direction), { speak: true });
    } else if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      if (!this.at) this.#choose(this.#towards(0, 0), { speak: true });
      else if (event.key === "Enter") this.querySelector(".here a").click();
      else this.#play();
    } else if (event.key === "+" || event.key === "-" || event.key === "0") {
      event.preventDefault();
      this.#zoom({ "+": 1.3, "-": 1 / 1.3, 0: 0 }[event.key]);
    }
  }

  #near(x, y, most = 14) {
    let [best, least] = [null, most ** 2];
    for (const [px, py, point] of this.places ?? []) {
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance <= least) [best, least] = [point, distance];
    }
    return best;
  }

  /** The nearest point in a direction: within 45 degrees of it, or the middlemost at first. */
  #towards(dx, dy) {
    const here = this.places.find(([, , point]) => point === this.at);
    if (!here) return this.#near(this.canvas.clientWidth / 2, this.canvas.clientHeight / 2, Infinity);
    let [best, least] = [this.at, Infinity];
    for (const [x, y, point] of this.places) {
      const [along, across] = [(x - here[0]) * dx + (y - here[1]) * dy, Math.abs((x - here[0]) * dy + (y - here[1]) * dx)];
      if (along <= 0 || across > along) continue;
      const cost = along + 2 * across;
      if (cost < least) [best, least] = [point, cost];
    }
    return best;
  }

  #choose(point, { hear = false, speak = false } = {}) {
    if (!point || point === this.at) return;
    this.at = point;
    clearTimeout(this.timer);
    this.draw();
    const name = point.title ?? `Track ${point.id}`;
    const by = point.artist ?? "unknown artist";
    const here = this.querySelector(".here");
    const { profile } = this.dataset;
    here.hidden = false;
    here.querySelector("a").textContent = name;
    here.querySelector("a").href = `/tracks/${point.id}${profile ? `?profile=${encodeURIComponent(profile)}` : ""}`;
    const more = [by, point.score == null ? null : `score ${point.score.toFixed(2)}`, point.genre].filter(Boolean).join(" · ");
    here.querySelector(".more").textContent = more;
    if (speak) announce(`${name}, ${more}`);
    if (hear && this.querySelector("[name=hear]").checked) {
      this.timer = setTimeout(() => player().track?.id !== point.id && this.#play(0.4), DWELL_MS);
    }
  }

  #play(share = 0) {
    if (!this.at) return;
    const { id, title, artist } = this.at;
    player().play([{ id, title: title ?? `Track ${id}`, artist: artist ?? "", opinion: "" }], 0, { share });
    this.draw();
  }

  #followPlayer() {
    const id = player().track?.id;
    if (id !== this.shown) {
      this.shown = id;
      this.draw();
    }
  }
}

function ring(context, x, y, radius, style, width) {
  context.strokeStyle = style;
  context.lineWidth = width;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.stroke();
}

function shape(context, name, x, y, r) {
  context.beginPath();
  if (name === "square") context.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
  else if (name === "triangle") polygon(context, [[x, y - r * 1.2], [x + r * 1.1, y + r * 0.9], [x - r * 1.1, y + r * 0.9]]);
  else if (name === "diamond") polygon(context, [[x, y - r * 1.3], [x + r * 1.3, y], [x, y + r * 1.3], [x - r * 1.3, y]]);
  else if (name === "plus") {
    context.rect(x - r * 1.2, y - r * 0.4, r * 2.4, r * 0.8);
    context.rect(x - r * 0.4, y - r * 1.2, r * 0.8, r * 2.4);
  } else context.arc(x, y, r, 0, 2 * Math.PI);
  if (name === "ring") {
    context.lineWidth = r * 0.6;
    context.stroke();
  } else context.fill();
}

function polygon(context, [first, ...rest]) {
  context.moveTo(...first);
  for (const place of rest) context.lineTo(...place);
  context.closePath();
}

customElements.define("library-map", LibraryMap);
