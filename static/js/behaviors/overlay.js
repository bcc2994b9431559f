// Dialogs and menus. What htmx puts into a <dialog> opens it; [data-close], Escape and a press outside close it, and focus
// goes back to where it was. [data-open="id"] opens a dialog of the page. <details class="menu"> closes like a menu.
// A server closes the sheet by answering HX-Trigger: sheet:close.
(() => {
  let opener = null;
  const open = (dialog) => {
    if (dialog.open) return;
    opener = document.activeElement;
    const menu = opener && opener.closest("details.menu[open]");
    if (menu) opener = menu.querySelector("summary");
    closeMenus();
    dialog.showModal();
  };
  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
  };
  document.addEventListener("htmx:afterSwap", (event) => {
    const dialog = event.detail.target;
    if (dialog instanceof HTMLDialogElement && dialog.childElementCount) open(dialog);
    else if (dialog instanceof HTMLDialogElement && dialog.open) dialog.close();
  });
  document.addEventListener("sheet:close", () => {
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  });
  document.addEventListener("close", (event) => {
    const dialog = event.target;
    if (!(dialog instanceof HTMLDialogElement)) return;
    if ("empties" in dialog.dataset) dialog.replaceChildren();
    if (opener?.isConnected) opener.focus();
    else document.querySelector("[data-focus-home]")?.focus(); // its button was swapped away
    opener = null;
  }, true);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-open]");
    if (button) open(document.getElementById(button.dataset.open));
    const closer = event.target.closest("dialog [data-close]");
    if (closer) event.preventDefault(), closer.closest("dialog").close(); // it may be a link, for pages without script
    if (event.target instanceof HTMLDialogElement) {
      const box = event.target.getBoundingClientRect();
      const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside && event.detail) event.target.close();
    }
    closeMenus(event.target.closest("details.menu"));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.querySelector("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
    event.preventDefault();
  });
})();
