// Single keys press visible buttons: data-key="j", "?", "/", "Escape", "g i" (two in turn), "mod+Enter" (Ctrl or ⌘). On a
// field, or a button with data-stage, the key focuses it: Enter or Ctrl/⌘+Enter then commits, so that a key pressed twice
// never decides the next item unseen. Off while typing, in dialogs, on key repeat and while something loads; keys with mod work in
// fields and dialogs too. `?` lists the keys of this screen; the switch there turns single keys off in this browser.
(() => {
  const root = document.documentElement;
  const SEQUENCE = 1000; // ms between the two keys of "g i"
  let first = null;
  let firstAt = 0;
  const stored = (value) => {
    try {
      if (value === undefined) return localStorage.getItem("keys");
      localStorage.setItem("keys", value);
    } catch {
      return null;
    }
  };
  const setKeys = (on) => { root.dataset.keys = on ? "on" : "off"; };
  setKeys(stored() !== "off");
  const shown = (element) => element.getClientRects().length || element.closest("details:not([open])");
  const find = (key, within) => [...within.querySelectorAll("[data-key]")].find(
    (element) => element.dataset.key === key && !element.disabled && shown(element));
  const act = (element, event) => {
    event.preventDefault();
    if (element.matches("input:not([type=checkbox], [type=radio]), textarea, select, [data-stage]")) element.focus();
    else element.click();
  };
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.repeat || event.isComposing || event.altKey) return;
    const dialog = document.querySelector("dialog[open]");
    const mod = event.ctrlKey || event.metaKey;
    if (mod) {
      const staged = event.key === "Enter" && document.activeElement.closest("[data-stage]");
      if (staged) event.preventDefault(), staged.click();
      const element = find(`mod+${event.key.length === 1 ? event.key.toLowerCase() : event.key}`, dialog || document);
      if (element && !staged) act(element, event);
      return;
    }
    if (root.dataset.keys === "off" || dialog) return;
    if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (document.querySelector(".htmx-request:not([data-poll])")) return;
    const pair = first && Date.now() - firstAt < SEQUENCE ? `${first} ${event.key}` : null;
    first = null;
    const element = (pair && find(pair, document)) || find(event.key, document);
    if (element) return act(element, event);
    if ([...document.querySelectorAll("[data-key]")].some((one) => one.dataset.key.startsWith(`${event.key} `))) {
      first = event.key;
      firstAt = Date.now();
    }
  });
  const list = (into) => {
    const names = { " ": "Space", "mod+": /Mac|iP/.test(navigator.platform) ? "⌘ " : "Ctrl " };
    const rows = [...document.querySelectorAll("[data-key]")].filter(shown).flatMap((element) => {
      const term = document.createElement("dt");
      for (const key of element.dataset.key.split(" ")) {
        const cap = document.createElement("kbd");
        cap.textContent = key.replace("mod+", names["mod+"]);
        term.append(cap, " ");
      }
      const words = document.createElement("dd");
      const copy = element.cloneNode(true);
      copy.querySelectorAll("kbd, .visually-hidden").forEach((node) => node.remove());
      words.textContent = element.dataset.keyLabel || element.getAttribute("aria-label") || copy.textContent.trim() || element.placeholder;
      return [term, words];
    });
    into.replaceChildren(...rows);
  };
  document.addEventListener("click", (event) => {
    if (event.target.closest('[data-open="keys"]')) list(document.querySelector("[data-keys-list]"));
  }, true);
  document.addEventListener("DOMContentLoaded", () => {
    const box = document.querySelector("[data-keys-switch]");
    if (box) box.checked = root.dataset.keys === "on";
    box?.addEventListener("change", () => { stored(box.checked ? "on" : "off"); setKeys(box.checked); });
  });
})();
