// How long the card was in front of somebody: the seconds in which the page was visible since the card came. A form about
// it that is sent says so in its hidden field "dwell".
(() => {
  let opened = null;
  let seen = 0; // ms, up to the last time the page was hidden
  let since = null;
  const start = () => { since = document.hidden ? null : performance.now(); };
  const stop = () => {
    if (since !== null) seen += performance.now() - since;
    since = null;
  };
  const look = () => {
    const now = document.querySelector("#card [name=open]")?.value ?? null;
    if (now === opened) return;
    opened = now;
    seen = 0;
    start();
  };
  document.addEventListener("DOMContentLoaded", look);
  document.addEventListener("htmx:afterSettle", look);
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  document.addEventListener("submit", (event) => {
    const field = event.target.elements.namedItem("dwell");
    if (!field) return;
    stop();
    start();
    field.value = (seen / 1000).toFixed(2);
  }, true);
})();
