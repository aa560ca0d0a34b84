// What all pages share. Links are followed by htmx, which only exchanges <main>: music plays on.

import htmx from "../vendor/htmx.esm.min.js";
import "./genre.js";
import "./jobs.js";
import "./map.js";
import "./picking.js";
import "./sound.js";
import { listen } from "./keys.js";
import { keep } from "./kept.js";
import { judge } from "./opinions.js";
import { player, playFrom, trackOf } from "./player.js";
import { complain, hide } from "./say.js";

function arrive() {
  const main = document.getElementById("main");
  if (main.dataset.profile) document.body.dataset.profile = main.dataset.profile;
  else if (main.dataset.profile === "") delete document.body.dataset.profile;
  const first = location.pathname.split("/")[1];
  for (const link of document.querySelectorAll(".head nav a")) {
    if (link.dataset.for === first) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (link.dataset.for === "ranking" && document.body.dataset.profile) {
      link.href = `/ranking/${encodeURIComponent(document.body.dataset.profile)}`;
    }
  }
  player().refresh();
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("button, a");
  if (!target) return;
  if (target.matches("[data-play]")) playFrom(target);
  else if (target.matches("button[data-opinion]")) {
    const row = target.closest("[data-track]");
    const track = row ? trackOf(row) : player().track;
    if (track) judge(track, target.dataset.opinion);
  } else if (target.matches("[data-theme-switch]")) switchTheme();
  else if (target.matches("[data-opens]")) document.getElementById(target.dataset.opens).showModal();
});

function switchTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const root = document.documentElement;
  const theme = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
  if (theme === system) delete root.dataset.theme;
  else root.dataset.theme = theme;
  keep("theme", theme === system ? null : theme);
  document.dispatchEvent(new CustomEvent("theme"));
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new CustomEvent("theme")));

document.addEventListener("htmx:before:request", () => document.documentElement.setAttribute("data-busy", ""));
document.addEventListener("htmx:finally:request", () => document.documentElement.removeAttribute("data-busy"));
document.addEventListener("htmx:after:settle", (event) => {
  // A new page, not a part of one: screen readers begin at its heading.
  if (event.detail.newContent?.some((node) => node.id === "main")) {
    hide();
    arrive();
    if (!document.querySelector("main [autofocus]")) document.querySelector("main h1")?.focus({ preventScroll: true });
    scrollTo({ top: 0, behavior: "instant" });
  } else player().refresh();
});

// Where a part of a page was asked for it stays as it was, and what is wrong is told beside it.
document.addEventListener("htmx:after:request", (event) => {
  const { response, target, text } = event.detail.ctx;
  if (response.status < 400 || target?.id === "main") return;
  event.preventDefault();
  complain(new Error(reason(text) || `The server answered ${response.status}.`));
});

function reason(text) {
  try {
    return JSON.parse(text).detail;
  } catch {
    return new DOMParser().parseFromString(text, "text/html").querySelector("[data-detail]")?.textContent;
  }
}

// A form leaves out what was not filled in, so that addresses stay short.
document.addEventListener("htmx:config:request", (event) => {
  const { request } = event.detail.ctx;
  if (request.method !== "GET" || !request.body) return;
  for (const [key, value] of [...request.body]) if (value === "") request.body.delete(key);
});

listen();
arrive();
globalThis.htmx = htmx;
