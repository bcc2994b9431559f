// Notices: dismissed by their button, or by themselves after a while unless they report trouble, offer a way back, or are
// being read. Trouble that htmx meets becomes one too. A server shows one by HX-Trigger: {"toast": {"text": "…"}}.
(() => {
  const LINGER = 8000; // ms; long enough for two sentences
  const MOST = 3; // at a time; what is pushed out can still be undone in its card
  const region = () => document.getElementById("toasts");
  const linger = (toast) => {
    if (toast.dataset.seen || toast.getAttribute("role") === "alert" || toast.querySelector("form")) return;
    toast.dataset.seen = "yes";
    setTimeout(function fade() {
      if (toast.matches(":hover, :focus-within")) setTimeout(fade, LINGER);
      else toast.remove();
    }, LINGER);
  };
  const count = (within) => {
    for (const left of within.querySelectorAll("[data-countdown]")) {
      const end = Date.now() + left.dataset.countdown * 1000;
      const timer = setInterval(() => {
        const seconds = Math.max(0, Math.ceil((end - Date.now()) / 1000));
        left.textContent = String(seconds);
        if (seconds && left.isConnected) return;
        clearInterval(timer);
        left.closest(".toast, [data-fades]")?.remove();
      }, 250);
    }
  };
  const say = (text) => {
    const template = document.getElementById("toast-template");
    if (!template || [...region().children].some((toast) => toast.textContent.includes(text))) return;
    const toast = template.content.firstElementChild.cloneNode(true);
    toast.querySelector("[data-toast-text]").textContent = text;
    region().append(toast);
  };
  const quiet = (event) => event.detail.elt && event.detail.elt.closest("[data-poll]") === event.detail.elt;
  document.addEventListener("DOMContentLoaded", () => {
    for (const toast of region().children) linger(toast);
    count(document);
    new MutationObserver((changes) => {
      for (const change of changes) for (const node of change.addedNodes) if (node.matches?.(".toast")) linger(node), count(node);
      while (region().children.length > MOST) region().firstElementChild.remove();
    }).observe(region(), { childList: true });
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-dismiss]");
    if (button) button.closest(".toast").remove();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const asked = event.detail.requestConfig?.elt;
    if (asked?.matches?.("[data-undoes]") && !event.detail.xhr.getResponseHeader("HX-Retarget")) asked.closest(".toast")?.remove();
  });
  document.addEventListener("toast", (event) => say(event.detail.text || event.detail.value));
  // A refusal says itself where it wants to be read: swap it there although it is an error.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!event.detail.xhr.getResponseHeader("HX-Retarget")) return;
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  });
  document.addEventListener("htmx:responseError", (event) => {
    if (quiet(event)) return;
    const status = event.detail.xhr.status;
    say(status === 403 || status === 401 ? region().dataset.signedOut : `${region().dataset.failed} (${status})`);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => quiet(event) || say(region().dataset.offline));
  }
})();
