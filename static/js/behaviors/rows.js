// Lists. A press anywhere on a row follows its link; [data-row-step="1|-1"] (the buttons behind j and k) moves to the next
// or previous row; the row that is open is marked, and on a narrow screen its detail takes the place of the list.
(() => {
  const LINK = "a.list__what";
  const links = () => [...document.querySelectorAll(`.list tbody ${LINK}`)].filter((link) => link.offsetParent);
  document.addEventListener("click", (event) => {
    const step = event.target.closest("[data-row-step]");
    if (step) {
      const all = links();
      const now = document.activeElement.closest("tr") || document.querySelector('.list tr:has([aria-current="true"])');
      const at = all.findIndex((link) => link.closest("tr") === (steppedTo?.isConnected ? steppedTo.closest("tr") : now));
      const next = all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + Number(step.dataset.rowStep)))];
      if (!next) return;
      steppedTo = next;
      next.focus({ preventScroll: true });
      next.closest("tr").scrollIntoView({ block: "nearest" });
      return;
    }
    const row = event.target.closest(".list tbody tr");
    if (!row || event.target.closest("a, button, input, label, select, summary")) return;
    if (String(getSelection())) return; // somebody is copying text, not opening
    row.querySelector(LINK)?.click();
  });
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  });
  let steppedTo = null;
  document.addEventListener("focusin", (event) => {
    const link = event.target.closest?.(`.list tbody ${LINK}`);
    if (link) steppedTo = link;
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const link = event.detail.elt.closest?.(`.list tbody ${LINK}`);
    if (!link) return;
    for (const other of link.closest("table").querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
  });
  // not before the detail is that of this row
  document.addEventListener("htmx:afterSwap", (event) => {
    const split = event.detail.requestConfig?.elt.closest?.(".split");
    if (split && event.detail.target.matches?.(".split__detail")) split.dataset.open = "";
  });
})();
