// Focus survives every swap: what had it and has an id gets it back; what is gone hands it to its neighbour in the list,
// or to the swapped part's [data-focus-home]. So does what asked and is then gone, a notice with a way back.
(() => {
  let held = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const active = document.activeElement;
    const target = event.detail.target;
    const asked = event.detail.requestConfig?.elt;
    if (!target || !active || active === document.body || !(target.contains(active) || asked?.contains(active))) return;
    const row = active.closest("tr");
    held = {
      id: active.id,
      row: row ? [...row.parentElement.rows].indexOf(row) : -1,
      table: row ? row.closest("table").getAttribute("aria-label") : null,
      home: target.id,
      start: active.selectionStart,
      end: active.selectionEnd,
    };
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (!held) return;
    const was = held;
    held = null;
    if (document.activeElement && document.activeElement !== document.body) return;
    let next = was.id && document.getElementById(was.id);
    if (!next && was.row >= 0) {
      const table = [...document.querySelectorAll("table")].find((one) => one.getAttribute("aria-label") === was.table);
      const rows = table ? [...table.tBodies].flatMap((body) => [...body.rows]) : [];
      next = rows.length ? rows[Math.min(was.row, rows.length - 1)].querySelector("a.list__what, a, button") : null;
    }
    const part = document.getElementById(was.home);
    next ||= part && (part.querySelector("[data-focus-home]") || part.querySelector("h1, h2"));
    if (!next) return;
    if (!next.matches("a[href], button, input, select, textarea, [tabindex]")) next.tabIndex = -1;
    next.focus({ preventScroll: true });
    if (was.start != null && next.setSelectionRange) {
      try {
        next.setSelectionRange(was.start, was.end);
      } catch {
        // this kind of field has no selection
      }
    }
  });
})();
