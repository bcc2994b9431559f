// Picking rows. The box in the head ticks the page; [data-row-pick="0|1|-1"] (the buttons behind x, Shift+j, Shift+k) ticks the
// row one is on, and the next or previous one with it; a press with Shift ticks all between. What that comes to the server
// says: each change sends the form #picks. A tick survives the swap of its row, unless the row is another by now.
(() => {
  const boxes = () => [...document.querySelectorAll("#queue [name=pick]")];
  const ticked = () => boxes().filter((box) => box.checked);
  const selected = (name) => document.querySelector(`#selection [name="${name}"]`) !== null;
  const changed = () => document.getElementById("queue-rows")?.dispatchEvent(new Event("change", { bubbles: true }));
  const mark = () => {
    const page = document.querySelector("[data-pick-page]");
    if (!page) return;
    const [some, all] = [ticked().length, boxes().length];
    page.checked = some > 0 && some === all;
    page.indeterminate = some > 0 && some < all;
  };
  const boxHere = () => (document.activeElement.closest("#queue tbody tr")
    || document.querySelector('#queue tr:has([aria-current="true"])')
    || document.querySelector("#queue tbody tr"))?.querySelector("[name=pick]");
  let last = null;
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-row-pick]");
    if (button) {
      const step = Number(button.dataset.rowPick);
      const box = boxHere();
      if (box) box.checked = step !== 0 || !box.checked;
      if (step) {
        document.querySelector(`[data-row-step="${step}"]`)?.click();
        const next = boxHere();
        if (next) next.checked = true;
      }
      changed();
    }
    if (event.target.closest("[data-pick-none]")) for (const box of boxes()) box.checked = false;
    const box = event.target.closest("#queue [name=pick]");
    if (!box) return;
    if (event.shiftKey && last?.isConnected) {
      const all = boxes();
      const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
      for (const between of all.slice(from, to + 1)) between.checked = box.checked;
    }
    last = box;
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-page]")) for (const box of boxes()) box.checked = event.target.checked;
    mark();
  }, true);
  let before = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.shouldSwap) before = { values: new Set(ticked().map((box) => box.value)), all: selected("all") };
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (!before) return;
    const { values, all } = before;
    before = null;
    for (const box of boxes()) {
      if (selected("all") && !all) box.checked = true;
      else if (selected("all") || !all) box.checked ||= values.has(box.value);
    }
    mark();
    const now = ticked().length;
    if (!selected("all") && now !== (selected("selection") ? values.size : 0)) changed();
  });
  document.addEventListener("DOMContentLoaded", mark);
})();
