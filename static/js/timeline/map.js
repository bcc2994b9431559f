// The whole run at a glance, on a canvas that reads its colours from its own style: how much began when, what went wrong,
// halts, and the part in view. Dragging on it chooses another part.
(() => {
  const BAD = new Set(["error", "unknown", "refused"]);
  const draw = (canvas, { rows, halts, whole, to }, view) => {
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const ink = canvas.getContext("2d");
    ink.scale(scale, scale);
    const look = getComputedStyle(canvas);
    const counts = new Uint32Array(width + 1);
    const bads = new Uint8Array(width + 1);
    for (const row of rows) {
      const at = Math.min(width, Math.max(0, Math.floor((row.start / whole) * width)));
      counts[at] += 1;
      if (BAD.has(row.status)) bads[at] = 1;
    }
    ink.globalAlpha = 0.25;
    ink.fillStyle = look.caretColor;
    for (const [begin, end] of halts) ink.fillRect((begin / whole) * width, 0, (((end ?? whole) - begin) / whole) * width, height);
    ink.globalAlpha = 1;
    const most = Math.log1p(counts.reduce((one, other) => Math.max(one, other), 1));
    for (let at = 0; at <= width; at += 1) {
      if (!counts[at]) continue;
      const tall = Math.max(3, (Math.log1p(counts[at]) / most) * (height - 4));
      ink.fillStyle = bads[at] ? look.caretColor : look.color;
      ink.fillRect(at, height - tall, 1, tall);
    }
    if (to === null) return;
    ink.strokeStyle = look.outlineColor;
    ink.lineWidth = 2;
    ink.strokeRect((view.from / whole) * width, 1, ((view.to - view.from) / whole) * width, height - 2);
  };
  const drags = (canvas, whole, choose) => {
    let begun = null;
    const placeOf = (event) => ((event.clientX - canvas.getBoundingClientRect().left) / canvas.clientWidth) * whole();
    canvas.addEventListener("pointerdown", (event) => {
      begun = placeOf(event);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointerup", (event) => {
      const here = placeOf(event);
      if (begun !== null && Math.abs(here - begun) > whole() / 200) choose(Math.min(begun, here), Math.max(begun, here));
      begun = null;
    });
  };
  window.timelineMap = { draw, drags };
})();
