// Adaptive polling. <div data-poll hx-get="…?v=7" hx-trigger="poll, refresh from:body" hx-swap="outerHTML">: asks every 3 s while
// somebody is active, every 60 s while not, never while the page is hidden, and at once when it is seen again. The server
// answers 204 when nothing changed. When it stops answering, the part says how old it is (ui/_stale.html).
(() => {
  const ACTIVE = 3000;
  const IDLE = 60000;
  const IDLE_AFTER = 60000;
  let lastAct = Date.now();
  let lastPoll = Date.now();
  const each = (act) => document.querySelectorAll("[data-poll]").forEach(act);
  const poll = () => {
    lastPoll = Date.now();
    // Not under somebody's hands: an open menu, a field being filled in, a dialog.
    if (document.querySelector("dialog[open]")) return;
    each((part) => {
      if (!part.contains(document.activeElement?.closest("input:not([type=checkbox]), textarea, select"))) {
        window.htmx.trigger(part, "poll");
      }
    });
  };
  for (const name of ["pointermove", "keydown", "scroll"]) {
    document.addEventListener(name, () => { lastAct = Date.now(); }, { passive: true, capture: true });
  }
  setInterval(() => {
    if (document.hidden) return;
    const wait = Date.now() - lastAct < IDLE_AFTER ? ACTIVE : IDLE;
    if (Date.now() - lastPoll >= wait) poll();
  }, 1000);
  document.addEventListener("visibilitychange", () => document.hidden || poll());
  // An answer to what is no longer on the screen: the list was drawn anew meanwhile, or another card is open.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { elt, formData } = event.detail.requestConfig || {}; // the event's own elt is where the answer goes
    if (!elt?.matches?.("[data-poll]")) return;
    const opened = document.querySelector("#card [name=open]")?.value;
    const asked = formData?.get("open");
    if (!elt.isConnected || (asked && asked !== opened)) event.detail.shouldSwap = false;
  });
  const fresh = (event) => {
    const part = event.detail.elt;
    if (part.matches?.("[data-poll]") && event.detail.xhr.status < 400) {
      part.dataset.freshAt = String(Date.now());
      delete part.dataset.stale;
    }
  };
  const stale = (event) => {
    const part = event.detail.elt;
    if (!part.matches?.("[data-poll]")) return;
    part.dataset.stale = "";
    const since = part.querySelector("[data-stale-since]");
    const at = new Date(Number(part.dataset.freshAt) || performance.timeOrigin);
    if (since) since.textContent = at.toLocaleTimeString(document.documentElement.lang, { timeStyle: "medium" });
  };
  document.addEventListener("htmx:afterRequest", fresh);
  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) document.addEventListener(name, stale);
})();
