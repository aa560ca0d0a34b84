// Like and dislike: the profile learns at once, and what is on the page follows.

import htmx from "../vendor/htmx.esm.min.js";
import { post } from "./api.js";
import { player } from "./player.js";
import { announce, complain, say } from "./say.js";

const WORDS = { like: "Liked", dislike: "Disliked", "": "No longer judged:" };

let last = Promise.resolve();
let n_waiting = 0;

const path = (profile, what) => `/profiles/${encodeURIComponent(profile)}/${what}`;

/** Say what one thinks of a track; the same again takes it back. */
export function judge(track, opinion) {
  const profile = document.body.dataset.profile;
  if (!profile) {
    say("There is no profile yet that could learn from this. Make one under Profiles.");
    return;
  }
  const next = track.opinion === opinion ? "" : opinion;
  const key = next || "forget";
  set(track.id, next);
  tell(() => post(path(profile, "feedback"), { [key]: [track.id] }), {
    undo: profile,
    text: ({ changes }) => sentence(track, next, changes[0]),
    failed: () => set(track.id, track.opinion),
  });
}

export function undo(profile) {
  tell(() => post(path(profile, "undo")), { text: () => "Taken back." });
}

function sentence(track, opinion, change) {
  const said = `${WORDS[opinion]} “${track.title}”.`;
  const [before, after] = [change?.score_before, change?.score_after];
  if (before == null || after == null) return said;
  return `${said} Its score: ${before.toFixed(2)} before, ${after.toFixed(2)} now.`;
}

// One after the other: each builds on the profile that the one before left.
function tell(request, { text, undo: profile = null, failed = () => {} }) {
  n_waiting += 1;
  document.documentElement.toggleAttribute("data-busy", true);
  last = last.then(async () => {
    try {
      const answer = await request();
      if (n_waiting === 1) await refresh();
      say(text(answer), { action: profile && (() => undo(profile)) });
    } catch (error) {
      failed();
      complain(error);
    } finally {
      n_waiting -= 1;
      if (!n_waiting) document.documentElement.removeAttribute("data-busy");
    }
  });
}

function set(id, opinion) {
  for (const row of document.querySelectorAll(`main [data-track="${id}"]`)) {
    row.dataset.opinion = opinion;
    for (const button of row.querySelectorAll("button[data-opinion]")) {
      button.setAttribute("aria-pressed", String(button.dataset.opinion === opinion));
    }
  }
  for (const track of player().queue) if (track.id === id) track.opinion = opinion;
  player().refresh();
}

/** Fetch what the profile decides again, and point out what moved. */
async function refresh() {
  const part = document.querySelector("main [data-follows]");
  if (!part) return;
  const before = ranks(part);
  const focused = [...part.querySelectorAll("[data-track]")].findIndex((row) => row.contains(document.activeElement));
  const control = document.activeElement?.dataset?.opinion;
  await htmx.ajax("GET", part.dataset.follows || location.pathname + location.search, {
    target: `#${part.id}`,
    select: `#${part.id}`,
    swap: "outerHTML",
  });
  const now = document.getElementById(part.id);
  const rows = now?.querySelectorAll("[data-track]") ?? [];
  if (focused >= 0 && rows.length) {
    const row = rows[Math.min(focused, rows.length - 1)];
    (row.querySelector(control ? `button[data-opinion="${control}"]` : "a") ?? row.querySelector("a")).focus({ preventScroll: true });
  }
  if (before.size) point(now, before);
}

const ranks = (part) =>
  new Map([...part.querySelectorAll("[data-rank]")].map((row) => [row.dataset.track, Number(row.dataset.rank)]));

function point(part, before) {
  let n_moved = 0;
  for (const row of part.querySelectorAll("[data-rank]")) {
    const old = before.get(row.dataset.track);
    const up = old === undefined ? null : old - Number(row.dataset.rank);
    if (up === 0) continue;
    n_moved += 1;
    const note = row.querySelector(".moved");
    note.textContent = up === null ? "new here" : up > 0 ? `▲ ${up}` : `▼ ${-up}`;
    note.setAttribute("aria-label", up === null ? "new here" : `${Math.abs(up)} ${up > 0 ? "up" : "down"}`);
  }
  announce(n_moved ? `${n_moved} tracks on this page changed their place.` : "The order is the same.");
}
