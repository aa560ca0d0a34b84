// Messages: seen at the bottom of the page, and read out by screen readers.

let timer = 0;

/** Say something without showing it. */
export function announce(text) {
  const region = document.getElementById("announcer");
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = text));
}

/** Show a message for a while; it may come with one thing to do. */
export function say(text, { action = null, label = "Undo", seconds = 8 } = {}) {
  const toast = document.getElementById("toast");
  const button = toast.querySelector("button");
  toast.querySelector("p").textContent = text;
  button.hidden = !action;
  button.textContent = label;
  button.onclick = () => {
    hide();
    action();
  };
  toast.hidden = false;
  clearTimeout(timer);
  // Nobody has to hurry: it stays while it is looked at.
  const later = () => {
    timer = setTimeout(() => (toast.matches(":hover, :focus-within") ? later() : hide()), seconds * 1000);
  };
  later();
  announce(action ? `${text} ${label} with the key u.` : text);
}

export function hide() {
  clearTimeout(timer);
  document.getElementById("toast").hidden = true;
}

/** Do what the message offers, if there is one. */
export function act() {
  const button = document.querySelector("#toast:not([hidden]) button:not([hidden])");
  button?.click();
  return Boolean(button);
}

/** Show what went wrong. */
export const complain = (error) => say(error.message, { seconds: 15 });
