'use strict';
/* What the tasks tell when they are put together: why they failed, how each node does, how far each group is. */
const panels = (() => {
  const { h, put, span, stamp } = base;
  const DAY = 86400, HALF = 1800;
  /* No spreading of what may be a hundred thousand. */
  const most = list => list.reduce((a, b) => a > b ? a : b, 0), least = list => list.reduce((a, b) => a < b ? a : b, Infinity);
  const collect = (map, key, value) => { if (!map.get(key)?.push(value)) map.set(key, [value]); };
  const plural = (n, one, many) => `${n.toLocaleString('en')} ${n === 1 ? one : many || one + 's'}`;

  /* ---- why ---- */
  /* The last line of stderr without what differs from task to task; where it ends in words of its own after a colon, as
   * the system's messages do, these alone. */
  function cause(t) {
    if (t.status && t.status !== 'failed') return t.status;
    const line = (t.said || t.note || '').trim();
    if (!line) return t.signal ? `signal ${t.signal}` : t.exit >= 0 ? `exit ${t.exit}` : 'no reason given';
    const plain = line.replace(/(["'`‘“]).*?["'`’”]/g, '…').replace(/\S*\/\S*/g, '…').replace(/\b(0x)?[0-9a-f]{8,}\b|\b[0-9a-f]{4,}(-[0-9a-f]{4,})+\b/gi, '#').replace(/\d+/g, '#').replace(/\s+/g, ' ');
    const last = plain.slice(plain.lastIndexOf(': ') + 2);
    return plain.includes(': ') && /^[A-Z][^#…]* [^#…]* [^#…]*$/.test(last) ? last : plain;
  }
  const among = (tasks, at) => tasks.filter(t => t.state === 'failed' && t.ended > at - DAY && t.ended <= at);
  function failures(box, tasks, at, link) {
    const groups = new Map(), list = among(tasks, at);
    for (const t of list) collect(groups, t.why, t);
    const sorted = [...groups].map(([why, all]) => [why, all, most(all.map(t => t.ended))]).sort((a, b) => b[1].length - a[1].length || b[2] - a[2]);
    put(box, sorted.slice(0, 8).map(([why, all, last]) => {
      const nodes = new Map();
      for (const t of all) nodes.set(t.node || 'no node', (nodes.get(t.node || 'no node') || 0) + 1);
      const by = [...nodes].sort((a, b) => b[1] - a[1]), first = least(all.map(t => t.ended));
      const where = by.length === 1 ? `${all.length === 1 ? '' : all.length === 2 ? 'both ' : 'all '}on ${by[0][0]}` : `on ${by.slice(0, 3).map(([n, k]) => `${n} (${k})`).join(', ')}${by.length > 3 ? ` and ${by.length - 3} more` : ''}`;
      const a = stamp(first, false), b = stamp(last, false), when = a === b ? a.slice(11) : a.slice(0, 10) === b.slice(0, 10) ? `${a.slice(11)}–${b.slice(11)}` : `${a} – ${b}`;
      const text = /[#…]/.test(why) ? all[0].said || all[0].note : why;
      return h('li', {}, link({ why, state: 'failed', time: '24h' }, { 'data-key': why }, h('b', {}, `${all.length} × `), text), h('span', { class: 'muted' }, ` ${where}, ${when}`));
    }), sorted.length > 8 ? h('li', {}, link({ state: 'failed', time: '24h' }, {}, `and ${plural(list.length - sorted.slice(0, 8).reduce((s, g) => s + g[1].length, 0), 'failure')} of ${plural(sorted.length - 8, 'other cause')}`)) : null);
    return list.length;
  }

  /* ---- how a node does ---- */
  /* Of each node, what ended on it in the last 24 hours, by half hours, and what it runs. */
  function health(tasks, at) {
    const nodes = new Map(), start = Math.ceil(at / HALF) * HALF - DAY;
    let ended = 0, failed = 0;
    const of = id => nodes.get(id) || nodes.set(id, { ended: 0, failed: 0, done: Array(48).fill(0), bad: Array(48).fill(0), runs: [] }).get(id);
    for (const t of tasks) {
      if (!t.node) continue;
      if (t.state === 'running' && t.status !== 'orphaned') of(t.node).runs.push(t);
      const k = Math.floor((t.ended - start) / HALF), bad = t.state === 'failed';
      if (!(bad || t.state === 'completed') || !(k >= 0) || k > 47) continue;
      const n = of(t.node);
      n.ended++;
      n.failed += bad;
      (bad ? n.bad : n.done)[k]++;
      ended++;
      failed += bad;
    }
    /* Well above the others: twice their rate, and by more than chance makes of so few. */
    for (const n of nodes.values()) {
      const rest = (failed - n.failed) / Math.max(1, ended - n.ended), rate = n.failed / Math.max(1, n.ended);
      n.rest = rest;
      n.high = n.failed >= 3 && rate > 2 * rest && rate - rest > 2.5 * Math.sqrt(Math.max(rest, 0.02) / n.ended);
    }
    return nodes;
  }
  const percent = x => `${Math.round(x * 100)}%`;
  function strip(n, cpu) {
    if (!n || !n.ended) return h('span', { class: 'muted' }, 'nothing ended');
    const bars = [];
    for (let k = 0; k < 48; k++) {
      const all = n.done[k] + n.bad[k], red = all ? n.bad[k] / all * 12 : 0;
      if (!all) bars.push(h('rect', { class: 'track', x: k * 2, y: 11, width: 1.6, height: 1 }));
      if (n.done[k]) bars.push(h('rect', { class: 'ok', x: k * 2, y: 6, width: 1.6, height: 6 - Math.min(red, 6) || 0.01 }));
      if (n.bad[k]) bars.push(h('rect', { class: 'bad', x: k * 2, y: 12 - Math.max(3, red), width: 1.6, height: Math.max(3, red) }));
    }
    return [h('svg', { class: 'strip', viewBox: '0 0 96 12', width: 96, height: 12, 'aria-hidden': 'true' }, bars),
      h('div', { class: 'small' + (n.failed ? ' bad-text' : ' muted') }, `${n.failed} of ${n.ended.toLocaleString('en')} failed (${percent(n.failed / n.ended)})`),
      n.high ? h('div', {}, h('span', { class: 'badge n-silent' }, `others ${percent(n.rest)}`)) : null,
      cpu ? h('div', { class: 'small muted' }, `${span(cpu / 1000)} of processor time`) : null];
  }

  /* ---- what waits for what ---- */
  const MARKS = { completed: '✓', failed: '✗', cancelled: '✗', running: '▸', queued: '·', unapproved: '·' };
  const W = 168, H = 40, BOX = 136;
  /* Tasks in columns, each to the right of all that it needs. Links, so Tab reaches each; arrow keys follow the lines. */
  function graph(tasks, name) {
    const by = new Map(tasks.map(t => [t.id, { t, needs: t.needs, then: [], layer: -1, row: 0 }])), columns = [];
    for (const n of by.values()) {
      n.needs = n.needs.map(id => by.get(id)).filter(Boolean);
      for (const m of n.needs) m.then.push(n);
    }
    const layer = (n, depth) => n.layer >= 0 ? n.layer : n.layer = depth > tasks.length ? 0 : n.needs.reduce((m, x) => Math.max(m, layer(x, depth + 1) + 1), 0);
    for (const n of by.values()) (columns[layer(n, 0)] ||= []).push(n);
    for (const c of columns) {
      const mid = n => n.needs.length ? n.needs.reduce((s, m) => s + m.row, 0) / n.needs.length : 0;
      c.sort((a, b) => mid(a) - mid(b) || (a.t.id < b.t.id ? -1 : 1)).forEach((n, i) => { n.row = i; });
    }
    const x = n => n.layer * W + 1, y = n => n.row * H + 1, wide = columns.length * W - (W - BOX) + 2, high = Math.max(...columns.map(c => c.length)) * H - 8;
    const lines = [...by.values()].flatMap(n => n.needs.map(m => h('path', { class: 'edge', d: `M${x(m) + BOX} ${y(m) + 15}C${x(m) + W - 8} ${y(m) + 15} ${x(n) - 24} ${y(n) + 15} ${x(n)} ${y(n) + 15}` })));
    for (const n of by.values()) {
      const { id, state } = n.t, words = [id, state, n.needs.length ? 'needs ' + n.needs.map(m => m.t.id).join(', ') : ''].filter(Boolean).join(', ');
      n.el = h('svg:a', { href: n.t.page ? `t/${id}.html` : null, tabindex: 0, role: n.t.page ? null : 'img', 'aria-label': words, class: 'gnode s-' + state, onkeydown(ev) {
        const column = columns[n.layer], to = { ArrowLeft: n.needs[0], ArrowRight: n.then[0], ArrowUp: column[n.row - 1], ArrowDown: column[n.row + 1] }[ev.key];
        if (!to) return;
        ev.preventDefault();
        to.el.focus();
      } }, h('title', {}, words), h('rect', { x: x(n), y: y(n), width: BOX, height: 30, rx: 6 }), h('text', { x: x(n) + 8, y: y(n) + 20 }, `${MARKS[state] || '·'} ${id.length > 16 ? id.slice(0, 15) + '…' : id}`));
    }
    return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `Graph of ${name}` },
      h('svg', { class: 'graph', width: wide, height: high, viewBox: `0 0 ${wide} ${high}`, role: 'group', 'aria-label': `${tasks.length} tasks and what they wait for` }, lines, columns.flat().map(n => n.el)));
  }
  /* Tasks that wait for each other and are not all of one group: one list of them each. */
  function loose(tasks) {
    const by = new Map(tasks.map(t => [t.id, t])), root = new Map();
    const find = id => {
      let top = id;
      while (root.has(top)) top = root.get(top);
      for (let next; id !== top; id = next) { next = root.get(id); root.set(id, top); }
      return top;
    };
    const joined = new Set();
    for (const t of tasks) for (const id of t.needs) if (by.has(id)) {
      const a = find(t.id), b = find(id);
      if (a !== b) root.set(a, b);
      joined.add(t.id).add(id);
    }
    const sets = new Map();
    for (const t of tasks) if (joined.has(t.id)) collect(sets, find(t.id), t);
    return [...sets.values()].filter(s => s.length > 1 && !(s[0].group && s.every(t => t.group === s[0].group)));
  }

  /* ---- how far a group is ---- */
  const weigh = g => g.queued + g.running;
  /* Seconds until all have ended, as far as the last hour tells; -1: it does not. */
  function left(g, at) {
    const n = weigh(g), recent = g.ends.filter(t => t > at - 3600 && t <= at), since = least(recent);
    if (recent.length >= 3 && at - since > 60) return n * (at - since) / recent.length;
    return g.ran && g.running ? n * g.ms / g.ran / 1000 / g.running : -1;
  }
  function gather(tasks) {
    const groups = new Map();
    const add = (key, name, t) => {
      const g = groups.get(key) || groups.set(key, { name, all: 0, completed: 0, failed: 0, cancelled: 0, running: 0, queued: 0, ends: [], ms: 0, ran: 0, last: 0, tasks: [] }).get(key);
      g.all++;
      g[t.state]++;
      g.tasks.push(t);
      g.last = Math.max(g.last, t.when);
      if (t.ended) g.ends.push(t.ended);
      if (t.ms >= 0) { g.ms += t.ms; g.ran++; }
    };
    for (const t of tasks) {
      const points = t.state === 'running' && t.text && /^(\d+) of (\d+) points done/.exec(t.text);
      if (points && t.claimed) groups.set(' ' + t.id, { task: t, all: Number(points[2]), completed: Number(points[1]), failed: 0, cancelled: 0, running: 0, queued: points[2] - points[1], claimed: t.claimed, last: t.claimed, tasks: [] });
      if (!t.group || t.state === 'archived' || t.state === 'unapproved') continue;
      add(t.group, t.group, t);
    }
    for (const set of loose(tasks.filter(t => t.state !== 'archived' && t.state !== 'unapproved')))
      for (const t of set) add('  ' + set[0].id, '', t);
    return [...groups.values()];
  }
  function bar(g) {
    let x = 0;
    return h('svg', { class: 'progress', viewBox: '0 0 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, h('rect', { class: 'track', width: 100, height: 8 }),
      [['completed', 'ok', 0], ['failed', 'bad', 0], ['cancelled', 'off', 2], ['running', 'fill', 2]].map(([k, c, inset]) => {
        const w = g[k] / g.all * 100, el = w ? h('rect', { class: c, x, y: inset, width: w, height: 8 - 2 * inset }) : null;
        x += w;
        return el;
      }));
  }
  /* Drawn when it is opened first. */
  function steps(g, open) {
    if (g.all > 80 || !g.tasks.some(t => t.needs.length)) return null;
    const name = g.name || g.tasks[0].id;
    return h('details', { 'data-key': name, open: open.has(name), ontoggle() { if (this.open && !this.children[1]) this.append(graph(g.tasks, name)); } },
      h('summary', {}, `What waits for what in ${name}`), open.has(name) ? graph(g.tasks, name) : null);
  }
  /* Running ones first; those that ended within the day after them. */
  function groups(box, tasks, at, link) {
    const list = gather(tasks).filter(g => weigh(g) || g.last > at - DAY).sort((a, b) => !weigh(a) - !weigh(b) || b.last - a.last);
    const open = new Set([...box.querySelectorAll('details[open]')].map(d => d.dataset.key));
    put(box, list.slice(0, 12).map(g => {
      const eta = g.task ? g.completed ? (at - g.claimed) / g.completed * g.queued : -1 : weigh(g) ? left(g, at) : -1;
      const words = [`${g.completed.toLocaleString('en')} of ${g.all.toLocaleString('en')} ${g.task ? 'points ' : ''}done`, g.failed ? `${g.failed.toLocaleString('en')} failed` : '', g.cancelled ? `${g.cancelled} cancelled` : '',
        g.running ? `${g.running.toLocaleString('en')} running` : '', eta >= 0 ? `about ${span(eta)} left` : ''].filter(Boolean).join(', ');
      return h('li', {}, h('div', {}, g.task ? g.task.page ? h('a', { href: `t/${g.task.id}.html` }, g.task.id) : h('b', {}, g.task.id) : g.name ? link({ group: g.name }, { 'data-key': g.name }, g.name) : h('b', {}, `${g.tasks[0].id} and ${plural(g.all - 1, 'more task')}`), h('span', { class: 'muted' }, ` ${words}`), eta >= 0 ? [' ', h('span', { class: 'asof small' })] : null), bar(g), steps(g, open));
    }), list.length > 12 ? h('li', { class: 'muted' }, `and ${plural(list.length - 12, 'more group')}: the filter of the tasks has all`) : null);
    return list.length;
  }
  return { cause, failures, health, strip, groups };
})();
