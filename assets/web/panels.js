'use strict';
/* What the tasks tell when they are put together: why they failed, how each node does, how far each group is. */
const panels = (() => {
  const { h, put, span, stamp } = base;
  const DAY = 86400, HALF = 1800;
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
    for (const t of list) groups.set(t.why, [...groups.get(t.why) || [], t]);
    const sorted = [...groups].sort((a, b) => b[1].length - a[1].length || Math.max(...b[1].map(t => t.ended)) - Math.max(...a[1].map(t => t.ended)));
    put(box, sorted.slice(0, 8).map(([why, all]) => {
      const nodes = new Map();
      for (const t of all) nodes.set(t.node || 'no node', (nodes.get(t.node || 'no node') || 0) + 1);
      const by = [...nodes].sort((a, b) => b[1] - a[1]), first = Math.min(...all.map(t => t.ended)), last = Math.max(...all.map(t => t.ended));
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

  /* ---- how far a group is ---- */
  const weigh = g => g.queued + g.running;
  /* Seconds until all have ended, as far as the last hour tells; -1: it does not. */
  function left(g, at) {
    const n = weigh(g), recent = g.ends.filter(t => t > at - 3600 && t <= at), since = Math.min(...recent);
    if (recent.length >= 3 && at - since > 60) return n * (at - since) / recent.length;
    return g.ran && g.running ? n * g.ms / g.ran / 1000 / g.running : -1;
  }
  function gather(tasks) {
    const groups = new Map();
    for (const t of tasks) {
      const points = t.state === 'running' && t.text && /^(\d+) of (\d+) points done/.exec(t.text);
      if (points && t.claimed) groups.set(' ' + t.id, { task: t, all: Number(points[2]), completed: Number(points[1]), failed: 0, cancelled: 0, running: 0, queued: points[2] - points[1], claimed: t.claimed, last: t.claimed, tasks: [] });
      if (!t.group || t.state === 'archived' || t.state === 'unapproved') continue;
      const g = groups.get(t.group) || groups.set(t.group, { name: t.group, all: 0, completed: 0, failed: 0, cancelled: 0, running: 0, queued: 0, ends: [], ms: 0, ran: 0, last: 0, tasks: [] }).get(t.group);
      g.all++;
      g[t.state]++;
      g.tasks.push(t);
      g.last = Math.max(g.last, t.when);
      if (t.ended) g.ends.push(t.ended);
      if (t.ms >= 0) { g.ms += t.ms; g.ran++; }
    }
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
  /* Running ones first; those that ended within the day after them. */
  function groups(box, tasks, at, link) {
    const list = gather(tasks).filter(g => weigh(g) || g.last > at - DAY).sort((a, b) => !weigh(a) - !weigh(b) || b.last - a.last);
    put(box, list.slice(0, 12).map(g => {
      const eta = g.task ? g.completed ? (at - g.claimed) / g.completed * g.queued : -1 : weigh(g) ? left(g, at) : -1;
      const words = [`${g.completed.toLocaleString('en')} of ${g.all.toLocaleString('en')} ${g.task ? 'points ' : ''}done`, g.failed ? `${g.failed.toLocaleString('en')} failed` : '', g.cancelled ? `${g.cancelled} cancelled` : '',
        g.running ? `${g.running.toLocaleString('en')} running` : '', eta >= 0 ? `about ${span(eta)} left` : ''].filter(Boolean).join(', ');
      return h('li', {}, h('div', {}, g.task ? g.task.page ? h('a', { href: `t/${g.task.id}.html` }, g.task.id) : h('b', {}, g.task.id) : link({ group: g.name }, { 'data-key': g.name }, g.name), h('span', { class: 'muted' }, ` ${words}`), eta >= 0 ? [' ', h('span', { class: 'asof small' })] : null), bar(g));
    }), list.length > 12 ? h('li', { class: 'muted' }, `and ${plural(list.length - 12, 'more group')}: the filter of the tasks has all`) : null);
    return list.length;
  }
  return { cause, failures, health, strip, groups };
})();
