// <button data-copy="text"> copies its text, or this page's address when empty, and says so.
(() => {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = button.dataset.copy || location.href;
    const status = document.getElementById("status");
    try {
      await navigator.clipboard.writeText(text);
      status.textContent = status.dataset.copied;
      button.dataset.done = "yes";
      setTimeout(() => delete button.dataset.done, 1500);
    } catch {
      status.textContent = text; // no clipboard here: at least it can be read
    }
  });
})();
