// A verb that asks for more first: [data-panel="reject"] puts the form kept in <template data-panel-of="reject"> in the place
// of the verbs, at once and without the server; [data-panel-close] puts the verbs back. Without a template at hand, or
// without script, the server does the same.
(() => {
  const foot = (element) => element.closest("#verbs");
  const open = (button, template) => {
    const panel = template.content.firstElementChild.cloneNode(true);
    const verbs = foot(button).querySelector("[data-verbs]");
    verbs.hidden = true;
    verbs.before(panel);
    window.htmx?.process(panel);
    panel.querySelector("[autofocus]")?.focus();
  };
  const close = (panel) => {
    const verbs = foot(panel).querySelector("[data-verbs]");
    const name = panel.dataset.panelOpen;
    panel.remove();
    verbs.hidden = false;
    verbs.querySelector(`[data-panel="${name}"]`)?.focus();
  };
  // before htmx, which would ask the server
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-panel]");
    const template = button && foot(button)?.querySelector(`[data-panel-of="${button.dataset.panel}"]`);
    const back = event.target.closest("[data-panel-close]");
    const panel = back?.closest("[data-panel-open]");
    if (!template && !panel) return;
    event.preventDefault();
    event.stopPropagation();
    if (panel) close(panel);
    else open(button, template);
  }, true);
})();
