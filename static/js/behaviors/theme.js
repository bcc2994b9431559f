// Light, dark or as the system says; a list beside what is open in it, or alone with all its columns. Kept in this browser.
// Loaded before the first paint, so nothing flashes.
// Markup: <button data-theme-choice="light|dark|system" aria-pressed>, <button data-list-choice aria-pressed>.
(() => {
  const root = document.documentElement;
  const read = (name, usual) => {
    try {
      return localStorage.getItem(name) || usual;
    } catch {
      return usual; // storage is blocked: it is as usual
    }
  };
  const keep = (name, choice) => {
    try {
      localStorage.setItem(name, choice);
    } catch {
      // it holds for this page only
    }
  };
  const press = (selector, isOn) => {
    for (const button of document.querySelectorAll(selector)) button.setAttribute("aria-pressed", String(isOn(button)));
  };
  const applyTheme = (choice) => {
    if (choice === "system") delete root.dataset.theme;
    else root.dataset.theme = choice;
    press("[data-theme-choice]", (button) => button.dataset.themeChoice === choice);
  };
  const applyList = (choice) => {
    root.dataset.list = choice;
    press("[data-list-choice]", () => choice === "wide");
  };
  const apply = () => {
    applyTheme(read("theme", "system"));
    applyList(read("list", "split"));
  };
  apply();
  document.addEventListener("DOMContentLoaded", apply);
  document.addEventListener("click", (event) => {
    const theme = event.target.closest("[data-theme-choice]");
    if (theme) keep("theme", theme.dataset.themeChoice), applyTheme(theme.dataset.themeChoice);
    if (!event.target.closest("[data-list-choice]")) return;
    const choice = root.dataset.list === "wide" ? "split" : "wide";
    keep("list", choice);
    applyList(choice);
  });
})();
