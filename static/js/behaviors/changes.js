// Differences. [data-change-step="1|-1"] (the buttons behind n and p) focuses the next or previous [data-change].
(() => {
  document.addEventListener("click", (event) => {
    const step = event.target.closest("[data-change-step]");
    if (!step) return;
    const all = [...document.querySelectorAll("[data-change]")].filter((one) => one.getClientRects().length);
    const at = all.indexOf(document.activeElement);
    const now = at < 0 && last?.isConnected ? all.indexOf(last) : at;
    const next = all[now < 0 ? 0 : Math.max(0, Math.min(all.length - 1, now + Number(step.dataset.changeStep)))];
    if (!next) return;
    last = next;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "center" });
  });
  let last = null;
})();
