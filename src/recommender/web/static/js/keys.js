// The keyboard: space plays, arrows move, l likes, d dislikes, ? shows the keys.

import { judge } from "./opinions.js";
import { player, playFrom, trackOf } from "./player.js";
import { keep, kept } from "./kept.js";
import { act } from "./say.js";

const TYPING = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select";
const OWN = "[data-keys]"; // what has arrow keys of its own

const areOn = () => kept("letters", "on") === "on";

const rowOf = (element) => element?.closest?.("main [data-track]");

function move(n) {
  const rows = [...document.querySelectorAll("main [data-queue] [data-track]")];
  if (!rows.length) return false;
  const at = rows.indexOf(rowOf(document.activeElement));
  if (at + n >= rows.length) document.querySelector("main a[rel=next]")?.click();
  const row = rows[at < 0 ? 0 : Math.min(Math.max(at + n, 0), rows.length - 1)];
  const link = row.querySelector(".name a") ?? row.querySelector("a, button");
  link.focus();
  row.scrollIntoView({ block: "nearest" });
  return true;
}

function space() {
  const row = rowOf(document.activeElement);
  const button = row?.querySelector("[data-play]");
  if (button && player().track?.id !== Number(row.dataset.track)) playFrom(button);
  else player().toggle();
}

function opine(opinion) {
  const row = rowOf(document.activeElement);
  const track = row ? trackOf(row) : player().track;
  if (track) judge(track, opinion);
  return Boolean(track);
}

function handle(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return false;
  if (target.matches(TYPING)) return false;
  if (key === " " && !target.matches("button, summary, input, [data-keys], [data-keys] *")) {
    space();
    return true;
  }
  if (target.closest(OWN) || target.matches("input[type=range], input[type=radio]")) return false;
  if (key === "ArrowDown") return move(1);
  if (key === "ArrowUp") return move(-1);
  if (key === "ArrowLeft" || key === "ArrowRight") {
    if (!player().track) return false;
    player().seek(player().audio.currentTime + (key === "ArrowLeft" ? -5 : 5));
    return true;
  }
  return false;
}

function handleLetter(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return false;
  if (target.matches(TYPING) || !areOn()) return false;
  if (key === "l") return opine("like");
  if (key === "d") return opine("dislike");
  if (key === "u") return act();
  if (key === "n") return player().step(1) ?? true;
  if (key === "/") return document.querySelector("main input[type=search]")?.focus() ?? true;
  if (key === "?") {
    document.getElementById("keys").showModal();
    return true;
  }
  return false;
}

export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return;
    if (handle(event) || handleLetter(event)) event.preventDefault();
  });
  const box = document.getElementById("letters");
  box.checked = areOn();
  box.addEventListener("change", () => keep("letters", box.checked ? "on" : "off"));
}
