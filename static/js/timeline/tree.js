// What is part of what, what is alike, and which lines are to be seen. Works on rows alone, so that a test can call it.
// window.timelineTree(rows, words) → { lines(filter, opened) }: a line is { key, level, opens, isOpen, node }.
(() => {
  const FOLD_FROM = 20;
  const DEEPEST = 64;
  const MOST_OPEN = 2000;
  const BAD = new Set(["error", "unknown", "refused"]);

  // Which node each row is part of: the step it names, else its call where the run has more than one.
  const grow = (rows) => {
    const nodes = rows.map((row) => ({ row, key: row.id, text: row.text, kind: row.kind, parent: null, children: [] }));
    const byId = new Map(nodes.map((node) => [node.key, node]));
    const calls = new Map();
    for (const row of rows) if (row.call) calls.set(row.call, (calls.get(row.call) || 0) + 1);
    const groups = new Map();
    const roots = [];
    for (const node of nodes) {
      const { row } = node;
      let parent = row.parent ? byId.get(row.parent) : null;
      if (!parent && row.call && calls.size > 1 && calls.get(row.call) > 1) {
        parent = groups.get(row.call);
        if (!parent) {
          parent = { row: null, key: `call-${row.call}`, text: "", kind: "tool", parent: null, children: [], level: 1 };
          groups.set(row.call, parent);
          roots.push(parent);
        }
      }
      node.parent = parent;
    }
    for (const node of nodes) {
      let above = node.parent;
      for (let step = 0; above && above !== node && step < DEEPEST; step += 1) above = above.parent;
      if (above) node.parent = null; // a ring, or deeper than anybody reads
      if (node.parent) node.parent.children.push(node);
      else roots.push(node);
    }
    for (const group of groups.values()) summarise(group);
    return roots;
  };

  // A call as one line: named by its tool, from its first step to its last, bad where its last step was.
  const summarise = (group) => {
    const rows = group.children.map((child) => child.row);
    const tool = rows.find((row) => row.kind === "tool") || rows[0];
    const last = rows[rows.length - 1];
    const start = Math.min(...rows.map((row) => row.start));
    const open = rows.some((row) => row.length === null);
    const money = rows.find((row) => row.minor !== null && row.kind === "tool") || { minor: null, currency: "" };
    group.text = tool.text;
    group.row = {
      ...tool,
      id: group.key,
      start,
      length: open ? null : Math.max(...rows.map((row) => row.start + row.length)) - start,
      status: last.status,
      note: "",
      minor: money.minor,
      currency: money.currency,
      url: "",
      policy: "",
      isGroup: true,
    };
  };

  const matcher = (filter) => {
    const words = filter.find.toLowerCase();
    return (row) =>
      !row.isGroup &&
      (!filter.status || row.status === filter.status) &&
      (!filter.kind || row.kind === filter.kind) &&
      (!filter.origin || row.origin === filter.origin) &&
      (!filter.actor || row.actor === filter.actor) &&
      (!filter.least || row.length === null || row.length >= filter.least) &&
      (!filter.hide || row.status !== "ok") &&
      (!filter.errors || BAD.has(row.status)) &&
      (!words || row.text.toLowerCase().includes(words) || row.note.toLowerCase().includes(words)) &&
      (filter.to === null || (row.start <= filter.to && row.start + (row.length ?? Infinity) >= filter.from));
  };

  const fold = (parent, alike, words) => {
    const rows = alike.map((node) => node.row);
    const count = (test) => rows.filter(test).length;
    const failed = count((row) => BAD.has(row.status));
    const running = count((row) => row.length === null);
    const done = rows.length - failed - running;
    const parts = [[done, words.done], [running, words.running], [failed, words.failed]].filter(([n]) => n);
    const start = Math.min(...rows.map((row) => row.start));
    const end = running ? null : rows.reduce((most, row) => Math.max(most, row.start + row.length), 0);
    const text = `${alike[0].text} × ${rows.length}: ${parts.map(([n, word]) => `${n} ${word}`).join(", ")}`;
    const row = { ...rows[0], start, length: end === null ? null : end - start, note: "", minor: null, url: "", policy: "", status: failed ? "error" : "ok", isGroup: true };
    return { row, key: `fold-${parent?.key || ""}-${likeness(alike[0])}`, text, kind: alike[0].kind, children: alike, isFold: true };
  };
  const likeness = (node) => `${node.kind}/${node.text}`;

  // Of more than twenty alike one line is left, where the first of them was.
  const folded = (parent, children, words) => {
    if (children.length <= FOLD_FROM) return children;
    const groups = new Map();
    for (const child of children) {
      const key = likeness(child);
      if (groups.has(key)) groups.get(key).push(child);
      else groups.set(key, [child]);
    }
    return children.flatMap((child) => {
      const alike = groups.get(likeness(child));
      if (alike.length <= FOLD_FROM) return [child];
      return alike[0] === child ? [fold(parent, alike, words)] : [];
    });
  };

  window.timelineTree = (rows, words) => {
    const roots = grow(rows);
    // opened: what somebody opened or closed by hand; calls and steps are open unless closed, folds closed unless opened
    const lines = (filter, opened) => {
      const matches = matcher(filter);
      // very many calls come closed, unless somebody looks for something in them
      const opensCalls = rows.length <= MOST_OPEN || Object.values(filter).some(Boolean);
      let matched = 0;
      const kept = (nodes) => {
        const found = [];
        for (const node of nodes) {
          const children = node.children.length ? kept(node.children) : [];
          const isMatch = matches(node.row);
          if (isMatch) matched += 1;
          if (isMatch || children.length) found.push(children.length === node.children.length ? node : { ...node, children });
        }
        return found;
      };
      const shown = [];
      const visit = (parent, nodes, level) => {
        for (const node of folded(parent, nodes, words)) {
          const opens = node.children.length > 0;
          const isOpen = opens && (opened.has(node.key) ? opened.get(node.key) : !node.isFold && (opensCalls || !node.row.isGroup));
          shown.push({ node, level, opens, isOpen, key: node.key });
          if (isOpen && node.isFold) for (const one of node.children) visitOne(one, level + 1);
          else if (isOpen) visit(node, node.children, level + 1);
        }
      };
      const visitOne = (node, level) => {
        const opens = node.children.length > 0;
        const isOpen = opens && opened.get(node.key) === true;
        shown.push({ node, level, opens, isOpen, key: node.key });
        if (isOpen) visit(node, node.children, level + 1);
      };
      visit(null, kept(roots), 1);
      return { lines: shown, matched };
    };
    return { lines };
  };
})();
