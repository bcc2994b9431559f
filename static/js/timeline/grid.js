// The timeline as a treegrid: at most eighty rows are in the page, whatever the run did; they are moved and filled anew as
// somebody scrolls. Filters and zoom stand in the address. A row is cloned from a template of the page.
(() => {
  const box = document.querySelector("#timeline-grid");
  if (!box) return;
  const MOST_ROWS = 80;
  const OVERSCAN = 8;
  const FOLLOW_MS = 3000;
  const SVG = "http://www.w3.org/2000/svg";
  const FILTERS = ["find", "status", "kind", "origin", "actor", "least", "hide", "errors", "idle"];
  const AS_IT_WAS = { cuts: [], drawn: (at) => at, real: (at) => at };
  const POINTS = new Set(["decision", "vote"]);
  const BAD = new Set(["error", "unknown", "refused"]);
  const table = box.querySelector("table");
  const body = table.tBodies[0];
  const axis = table.tHead.querySelector("svg");
  const form = document.querySelector("#timeline-filter");
  const canvas = document.querySelector("#timeline-minimap");
  const counter = document.querySelector("#timeline-count");
  const words = { done: box.dataset.wordDone, running: box.dataset.wordRunning, failed: box.dataset.wordFailed };
  const glyphs = new Map();
  const tones = new Map();
  const templates = document.querySelector("#timeline-glyphs").content;
  const blank = document.querySelector("#timeline-row");
  for (const one of templates.querySelectorAll("[data-glyph]")) glyphs.set(one.dataset.glyph, one.firstElementChild);
  for (const one of templates.querySelectorAll("[data-tone]")) tones.set(one.dataset.tone, one.dataset.value);

  const state = {
    rows: [], tree: null, lines: [], matched: 0, halts: [], start: 0, whole: 1, version: "", isOpen: false,
    opened: new Map(), active: 0, from: null, to: null, scale: AS_IT_WAS,
  };
  let rowHeight = body.rows[0]?.getBoundingClientRect().height || 28;

  const { length, money, clockOf, number } = window.timelineWords(document.documentElement.lang, box.dataset);
  const clock = clockOf(box.dataset.zone);

  // --- rows, made once and filled often ---
  const pool = [];
  const make = () => {
    const row = blank.content.firstElementChild.cloneNode(true);
    const [twist, glyph, text, note, policy] = row.querySelector(".timeline__name").children;
    const [, spent, tokens, sum, lane] = row.cells;
    const [bands, bar, point] = lane.firstElementChild.children;
    const diamond = point.firstElementChild;
    twist.addEventListener("click", () => toggle(row.line));
    return { row, twist, glyph, text, note, policy, spent, tokens, sum, bar, point, diamond, bands, zoom: "" };
  };
  const percent = (share) => `${Math.max(0, Math.min(100, share)).toFixed(3)}%`;
  const view = () => ({ from: state.from ?? 0, to: state.to ?? state.whole });
  const fill = (slot, line, index) => {
    const { node, level, opens, isOpen } = line;
    const { row } = node;
    const bad = BAD.has(row.status);
    slot.row.line = index;
    slot.row.dataset.depth = String(Math.min(level - 1, 5));
    if (row.isGroup) slot.row.removeAttribute("id");
    else slot.row.id = `step-${row.id}`;
    slot.row.setAttribute("aria-level", String(level));
    slot.row.setAttribute("aria-rowindex", String(index + 2));
    if (opens) slot.row.setAttribute("aria-expanded", String(isOpen));
    else slot.row.removeAttribute("aria-expanded");
    slot.row.tabIndex = index === state.active ? 0 : -1;
    slot.twist.toggleAttribute("data-leaf", !opens);
    slot.twist.textContent = isOpen ? "▾" : "▸";
    const glyph = glyphs.get(`${row.kind}/${row.origin}${bad ? "/bad" : ""}`);
    slot.glyph.replaceChildren(...(glyph ? [glyph.cloneNode(true)] : []));
    if (row.url) {
      const link = slot.text.firstElementChild || document.createElement("a");
      link.className = "timeline__text";
      link.href = row.url;
      link.tabIndex = -1;
      link.textContent = node.text;
      slot.text.replaceChildren(link);
    } else slot.text.textContent = node.text;
    slot.note.textContent = row.note;
    slot.note.hidden = !row.note;
    slot.note.className = bad ? "tag tag--bad" : "tag";
    slot.policy.textContent = row.policy;
    slot.policy.hidden = !row.policy;
    slot.spent.textContent = row.kind === "vote" ? "" : length(row.length);
    slot.tokens.textContent = row.tokens === null ? "" : number.format(row.tokens);
    slot.sum.textContent = money(row.minor, row.currency);
    draw(slot, row, bad);
  };
  const draw = (slot, row, bad) => {
    const { from, to } = view();
    const { drawn, cuts } = state.scale;
    const whole = drawn(to) - drawn(from);
    const place = (at) => ((drawn(at) - drawn(from)) / whole) * 100;
    const left = place(row.start);
    const right = place(row.start + (row.length ?? state.whole - row.start));
    const isPoint = POINTS.has(row.kind);
    const isHidden = right < 0 || left > 100;
    slot.bar.setAttribute("visibility", isPoint || isHidden ? "hidden" : "visible");
    slot.point.setAttribute("visibility", !isPoint || isHidden ? "hidden" : "visible");
    const tone = bad ? "bad" : isPoint ? "policy" : tones.get(row.kind);
    const look = `lane__span${tone ? ` lane__span--${tone}` : ""}`;
    if (isPoint) {
      slot.point.setAttribute("x", percent(left));
      slot.diamond.setAttribute("class", look);
    } else {
      const isWait = row.kind === "human_wait";
      slot.bar.setAttribute("x", percent(Math.min(left, 99.6)));
      slot.bar.setAttribute("width", percent(Math.max(0.4, Math.min(right, 100) - Math.max(left, 0))));
      slot.bar.setAttribute("class", look + (isWait ? " lane__span--hatched" : row.origin === "reported" ? " lane__span--reported" : ""));
      if (isWait) slot.bar.setAttribute("fill", "url(#hatch)");
      else slot.bar.removeAttribute("fill");
    }
    const zoom = `${from}-${to}-${state.halts.length}-${cuts.length}-${whole}`;
    if (slot.zoom === zoom) return;
    slot.zoom = zoom;
    const strip = (look, begin, end) => {
      const band = document.createElementNS(SVG, "rect");
      const at = Math.max(0, place(begin));
      band.setAttribute("class", look);
      band.setAttribute("x", percent(at));
      band.setAttribute("width", percent(place(end) - at));
      band.setAttribute("height", "100%");
      return band;
    };
    slot.bands.replaceChildren(
      ...state.halts.map(([begin, end]) => strip("lane__halt", begin, end ?? state.whole)),
      ...cuts.filter((cut) => cut.to > from && cut.from < to).map((cut) => strip("lane__cut", cut.from, cut.to)),
    );
  };

  // --- which rows are in the page ---
  const spacer = document.querySelector("#timeline-spacer").content.firstElementChild;
  const above = spacer.cloneNode(true);
  const below = spacer.cloneNode(true);
  // as a height of SVG, because the page's policy allows no style
  const stretch = (row, count) => row.querySelector("svg").setAttribute("height", String(count * rowHeight));
  const render = () => {
    const top = body.getBoundingClientRect().top;
    const seen = Math.ceil(window.innerHeight / rowHeight);
    const count = Math.min(MOST_ROWS, seen + 2 * OVERSCAN, state.lines.length);
    const first = Math.max(0, Math.min(state.lines.length - count, Math.floor(-top / rowHeight) - OVERSCAN));
    const hadFocus = document.activeElement?.closest?.("#timeline-grid tbody") !== null && body.contains(document.activeElement);
    while (pool.length < count) pool.push(make());
    const wanted = pool.slice(0, count).map((slot) => slot.row);
    if (body.rows.length !== count + 2 || body.rows[1] !== wanted[0]) body.replaceChildren(above, ...wanted, below);
    for (let index = 0; index < count; index += 1) fill(pool[index], state.lines[first + index], first + index);
    stretch(above, first);
    stretch(below, state.lines.length - first - count);
    if (hadFocus) pool.find((slot) => slot.row.line === state.active)?.row.focus({ preventScroll: true });
  };
  let isDue = false;
  const soon = () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => { isDue = false; render(); });
  };

  // --- filter, zoom, address ---
  const filter = () => {
    const values = Object.fromEntries(FILTERS.map((name) => [name, form.elements[name].type === "checkbox" ? form.elements[name].checked : form.elements[name].value.trim()]));
    return { ...values, least: Number(values.least) || 0, from: state.from, to: state.to };
  };
  const keep = () => {
    const url = new URL(location.href);
    for (const [name, value] of Object.entries(filter())) {
      const text = value === true ? "1" : value ? String(name === "from" || name === "to" ? Math.round(value) : value) : "";
      if (text) url.searchParams.set(name, text);
      else url.searchParams.delete(name);
    }
    history.replaceState(history.state, "", url);
  };
  const recount = () => {
    const all = number.format(state.rows.length);
    const some = state.matched === state.rows.length ? all : `${number.format(state.matched)} ${box.dataset.wordOf} ${all}`;
    counter.textContent = `${some} ${box.dataset.wordSteps}`;
    table.setAttribute("aria-rowcount", String(state.lines.length + 1));
  };
  const relist = () => {
    const { idle, ...asked } = filter();
    state.scale = idle ? window.timelineIdle(state.rows, state.halts, state.whole) : AS_IT_WAS;
    ticks();
    const found = state.tree.lines(asked, state.opened);
    state.lines = found.lines;
    state.matched = found.matched;
    state.active = Math.min(state.active, Math.max(0, state.lines.length - 1));
    recount();
    render();
  };
  const zoom = (from, to) => {
    const least = Math.max(1, state.whole / 10000);
    const isWhole = from <= 0 && to >= state.whole;
    state.from = isWhole ? null : Math.max(0, from);
    state.to = isWhole ? null : Math.min(state.whole, Math.max(to, state.from + least));
    keep();
    relist();
    map();
  };
  const ticks = () => {
    const { from, to } = view();
    const labels = axis.querySelectorAll("text");
    const { drawn, real } = state.scale;
    const at = (share) => real(drawn(from) + (drawn(to) - drawn(from)) * share);
    labels.forEach((label, index) => { label.textContent = clock.format(state.start + at(index / (labels.length - 1))); });
  };
  const toggle = (index) => {
    const line = state.lines[index];
    if (!line?.opens) return;
    state.opened.set(line.key, !line.isOpen);
    state.active = index;
    relist();
  };

  const map = () => window.timelineMap.draw(canvas, state, view());
  window.timelineMap.drags(canvas, () => state.whole, (from, to) => zoom(from, to));

  // --- acts ---
  const go = (index) => {
    state.active = Math.max(0, Math.min(state.lines.length - 1, index));
    const scroller = document.querySelector("#main");
    const top = body.getBoundingClientRect().top + state.active * rowHeight;
    const edge = Math.max(0, scroller.getBoundingClientRect().top) + table.tHead.getBoundingClientRect().height;
    const way = top < edge ? top - edge : Math.max(0, top + 2 * rowHeight - window.innerHeight);
    if (way) (scroller.scrollHeight > scroller.clientHeight + 1 ? scroller : document.scrollingElement).scrollTop += way;
    render();
    pool.find((slot) => slot.row.line === state.active)?.row.focus({ preventScroll: true });
  };
  const show = (line) => {
    if (!line || line.node.row.isGroup) return;
    const id = line.node.row.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    window.htmx.ajax("GET", `${box.dataset.steps}${id}/`, "#step");
  };
  const KEYS = {
    ArrowDown: () => go(state.active + 1),
    ArrowUp: () => go(state.active - 1),
    PageDown: () => go(state.active + 20),
    PageUp: () => go(state.active - 20),
    Home: () => go(0),
    End: () => go(state.lines.length - 1),
    ArrowRight: () => { const line = state.lines[state.active]; if (line?.opens && !line.isOpen) toggle(state.active); else if (line?.isOpen) go(state.active + 1); },
    ArrowLeft: () => {
      const line = state.lines[state.active];
      if (line?.isOpen) { toggle(state.active); return; }
      for (let index = state.active - 1; line && index >= 0; index -= 1) if (state.lines[index].level < line.level) { go(index); return; }
    },
    Enter: () => { const line = state.lines[state.active]; if (line?.opens) toggle(state.active); else if (line?.node.row.url) location.assign(line.node.row.url); else show(line); },
    " ": () => show(state.lines[state.active]),
  };
  body.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key] || !body.contains(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
    KEYS[event.key]();
  });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!row || row.line === undefined || event.target.closest("a, button") || String(getSelection())) return;
    state.active = row.line;
    render();
    row.focus({ preventScroll: true });
    show(state.lines[row.line]);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { if (!state.tree) return; state.active = 0; keep(); relist(); });
  form.addEventListener("click", (event) => {
    const act = event.target.closest("[data-zoom]")?.dataset.zoom;
    if (!act || !state.tree) return;
    const { from, to } = view();
    const middle = (from + to) / 2;
    const half = ((to - from) / 2) * (act === "in" ? 0.5 : 2);
    if (act === "whole") zoom(0, state.whole);
    else zoom(middle - half, middle + half);
  });
  document.addEventListener("scroll", () => state.tree && soon(), { passive: true, capture: true });
  window.addEventListener("resize", () => { if (state.tree) { render(); map(); } });

  // --- coming in ---
  const restore = () => {
    const url = new URL(location.href);
    for (const name of FILTERS) {
      const field = form.elements[name];
      const value = url.searchParams.get(name) || "";
      if (field.type === "checkbox") field.checked = value === "1";
      else field.value = value;
    }
    const [from, to] = [url.searchParams.get("from"), url.searchParams.get("to")];
    if (to !== null) { state.from = Number(from) || 0; state.to = Number(to); }
  };
  const actors = () => {
    const known = new Set([...form.elements.actor.options].map((option) => option.value));
    for (const name of new Set(state.rows.map((row) => row.actor))) if (name && !known.has(name)) form.elements.actor.append(new Option(name, name));
    form.elements.actor.value = new URL(location.href).searchParams.get("actor") || "";
  };
  const settle = () => {
    const ends = state.rows.reduce((most, row) => Math.max(most, row.start + (row.length || 0)), 1);
    state.whole = state.isOpen ? Math.max(ends, state.now) : ends;
    state.tree = window.timelineTree(state.rows, words);
    actors();
    relist();
    map();
  };
  const load = async () => {
    const rows = [];
    const isNew = await window.timelineRows(box.dataset.feed, state.version, (piece, some, isLast) => {
      for (const row of some) rows.push(row);
      Object.assign(state, { start: piece.start, isOpen: piece.is_open, now: piece.now });
      if (piece.version) Object.assign(state, { halts: piece.halts, version: piece.version });
      if (!isLast && state.tree) return; // somebody reads already: the rest comes at once
      state.rows = rows;
      settle();
    });
    if (isNew) box.dataset.ready = String(state.rows.length);
    return isNew;
  };
  const follow = async () => {
    const scroller = document.querySelector("#main");
    const isAtEnd = scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - rowHeight;
    if (!document.hidden && (await load()) && isAtEnd && state.lines.length * rowHeight > scroller.clientHeight) scroller.scrollTop = scroller.scrollHeight;
    if (state.isOpen) setTimeout(follow, FOLLOW_MS);
  };
  table.setAttribute("role", "treegrid");
  restore();
  load().then(() => {
    performance.mark("timeline-ready");
    const wanted = location.hash.replace(/^#step-/, "").replaceAll("-", "");
    const at = wanted ? state.lines.findIndex((line) => line.key === wanted) : -1;
    if (at >= 0) go(at);
    if (state.isOpen) setTimeout(follow, FOLLOW_MS);
  });
})();
