// Long stretches in which nothing begins and nothing ends, drawn as cuts of one width. Knows times alone, not how they look.
// window.timelineIdle(rows, halts, whole) → { cuts, drawn(ms), real(drawn ms) }; without cuts both say what they were given.
(() => {
  // A stretch is long when it takes this much of the run, and so many milliseconds; a cut is as wide as this part of what is left of it.
  const LONG_SHARE = 1 / 20;
  const CUT_SHARE = 1 / 40;
  const LEAST_MS = 10000;
  window.timelineIdle = (rows, halts, whole) => {
    const moments = new Set([0, whole]);
    for (const row of rows) {
      moments.add(row.start);
      if (row.length !== null) moments.add(row.start + row.length);
    }
    for (const [begin, end] of halts) {
      moments.add(begin);
      if (end !== null) moments.add(end);
    }
    const order = [...moments].filter((at) => at >= 0 && at <= whole).sort((one, other) => one - other);
    const long = Math.max(LEAST_MS, whole * LONG_SHARE);
    const cuts = [];
    for (let index = 1; index < order.length; index += 1) {
      if (order[index] - order[index - 1] > long) cuts.push({ from: order[index - 1], to: order[index] });
    }
    const idle = cuts.reduce((sum, cut) => sum + cut.to - cut.from, 0);
    const width = Math.max(1, (whole - idle) * CUT_SHARE);
    const drawn = (at) => {
      let place = at;
      for (const cut of cuts) {
        if (at >= cut.to) place -= cut.to - cut.from - width;
        else if (at > cut.from) return place - (at - cut.from) * (1 - width / (cut.to - cut.from));
      }
      return place;
    };
    const real = (place) => {
      let at = place;
      for (const cut of cuts) {
        if (at <= cut.from) return at;
        if (at < cut.from + width) return cut.from + ((at - cut.from) / width) * (cut.to - cut.from);
        at += cut.to - cut.from - width;
      }
      return at;
    };
    return { cuts, drawn, real };
  };
})();
