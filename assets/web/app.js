'use strict';
/* The grid on one page. Everything shown comes from the JSON in the page (and from data/*.js, which call dgrid()). */
(() => {
  const { h, put, clock, span, stamp, timeEl, runBar } = base;
  let D = JSON.parse(document.getElementById('data').textContent);
  const $ = id => document.getElementById(id);
  const plural = (n, one, many) => `${n.toLocaleString('en')} ${n === 1 ? one : many || one + 's'}`;
  const STATES = [...D.states, 'archived', 'cancelled'];
  /* How a task failed, beside "failed" itself. */
  const STATUSES = ['timeout', 'oom', 'lost', 'skipped', 'expired', 'unstartable', 'disputed', 'invalid'];
  const ID = /^[A-Za-z0-9_-]{1,64}$/;

  /* ---- the data ---- */
  const ending = t => t.state !== 'failed' || t.status !== 'failed' ? '' : t.signal ? `signal ${t.signal}` : t.exit >= 0 ? `exit ${t.exit}` : '';
  function task(a) {
    const t = {};
    for (let i = 0; i < D.columns.length; i++) t[D.columns[i]] = a[i];
    t.state = t.status === 'cancelled' && STATES[t.state] === 'failed' ? 'cancelled' : STATES[t.state];
    t.said = t.said.replace(/[\u241b\x1b]\[[0-9;]*m/g, '');
    t.why = t.state === 'failed' ? panels.cause(t) : '';
    t.when = t.ended || t.claimed || t.queued || t.created || 0;
    t.since = t.queued || t.created;
    t.wait = t.claimed && t.since ? Math.max(0, t.claimed - t.since) : null;
    t.find = `${t.id} ${t.node} ${t.text} ${t.note} ${t.status} ${ending(t)} ${t.said} ${t.group} ${t.labels.join(' ')}`.toLowerCase();
    return t;
  }
  let tasks = D.tasks.map(task), pending = new Map(), archiveLoaded = false, version = 0;
  const arrived = {
    tasks(rows) {
      const known = new Set(tasks.map(t => t.id + ' ' + t.state));
      tasks = tasks.concat(rows.map(task).filter(t => !known.has(t.id + ' ' + t.state)));
    },
    archive(days, pages = []) {
      const known = new Set(tasks.map(t => t.id)), page = new Set(pages);
      for (const [day, ids] of Object.entries(days)) {
        const at = Date.parse(day + 'T00:00:00Z') / 1000;
        for (const id of ids) {
          if (known.has(id)) continue;
          tasks.push({ id, state: 'archived', status: '', node: '', created: 0, claimed: 0, ended: at, ms: -1, exit: -1, signal: 0, priority: 5, labels: [], needs: [], group: '',
            text: '', tries: 0, max: 0, timeout: 0, lease: 0, notBefore: 0, note: '', said: '', page: page.has(id), when: at, wait: null, find: id.toLowerCase(), day });
        }
      }
      archiveLoaded = true;
    },
  };
  window.dgrid = (kind, ...rows) => {
    if (!pending.has(kind)) return;
    arrived[kind](...rows);
    pending.delete(kind);
    version++;
    together();
    options();
    table();
  };
  /* What the page is read anew for; all of it has come before any of it is shown. */
  base.onRefresh(async doc => {
    const next = JSON.parse(doc.getElementById('data').textContent), got = [];
    if (next.commit === D.commit && next.now === D.now && !pending.size) return null;
    for (const kind of [next.more ? 'tasks' : '', archiveLoaded && next.archive ? 'archive' : '']) {
      if (!kind) continue;
      const text = await base.grab(`data/${kind}.js?${next.commit.slice(0, 16)}`);
      got.push([kind, JSON.parse(`[${text.slice(text.indexOf(',') + 1, text.lastIndexOf(')'))}]`)]);
    }
    return () => {
      D = next;
      tasks = D.tasks.map(task);
      pending.clear();
      archiveLoaded = false;
      for (const [kind, args] of got) arrived[kind](...args);
      version++;
      all();
    };
  });
  /* A page opened from a folder may not fetch, but it may load a script. */
  function load(kind) {
    if (pending.has(kind)) return;
    pending.set(kind, true);
    /* The commit: so that what a web server's cache still has is not taken for this page's. */
    const s = h('script', { src: `data/${kind}.js?${D.commit.slice(0, 16)}` });
    s.addEventListener('error', () => { pending.set(kind, 'failed'); table(); });
    document.head.append(s);
  }

  /* ---- age ---- */
  /* What the last recorded audit said, in words and colour. */
  function audited() {
    const a = D.audit;
    if (!a) return null;
    const bad = a.violations || a.branch === 'off';
    const oid = D.commit_url ? h('a', { href: D.commit_url + a.commit, class: 'oid', rel: 'noreferrer' }, a.commit.slice(0, 10)) : h('code', { class: 'oid' }, a.commit.slice(0, 10));
    const more = a.branch === 'off' ? 'that commit is not on this branch: its history was rewritten' : a.branch === 'unknown' ? 'where this branch stands to it cannot be told'
      : a.since ? `${plural(a.since, 'commit')} since` : '';
    return h('span', { class: 'badge audit ' + (bad ? 'a-bad' : a.branch === 'on' ? 'a-good' : 'a-unsure'), id: 'audit' }, 'audited to ', oid, ', ',
      a.violations ? plural(a.violations, 'violation') : 'no violations', ', ', timeEl(a.at, true), more ? `; ${more}` : '');
  }
  const oid = () => D.commit_url ? h('a', { href: D.commit_url + D.commit, class: 'oid', rel: 'noreferrer' }, D.commit.slice(0, 10)) : h('code', { class: 'oid' }, D.commit.slice(0, 10));
  base.showAge(() => [h('span', { id: 'age-more' })]);
  function age() {
    const box = $('age');
    if (D.past) {
      put(box, h('span', { class: 'dot' }), h('strong', {}, 'The grid as it was at ', timeEl(D.now)), h('span', {}, 'ledger at ', oid()));
      box.className = 'age past';
      return;
    }
    base.age();
    put($('age-more'), h('span', {}, 'ledger at ', oid()), h('span', { class: 'muted' }, 'last commit ', timeEl(D.committed_at, true)), audited());
  }

  /* ---- tiles ---- */
  const sum = (list, from = 0) => list.slice(from).reduce((s, v) => s + (v || 0), 0);
  const alive = n => n.state !== 'left' && n.state !== 'silent';
  function tiles() {
    const living = D.nodes.filter(alive), slots = sum(living.map(n => n.slots)), busy = sum(living.map(n => n.busy)), paused = living.filter(n => n.state === 'paused').length;
    const orphans = tasks.filter(t => t.status === 'orphaned').length, claimed = tasks.filter(t => t.status === 'claimed').length;
    const oldest = tasks.filter(t => t.state === 'queued' && t.since).reduce((m, t) => Math.min(m, t.since), Infinity);
    const { queue, in_progress, completed, cancelled } = D.counts, failed = D.counts.failed - cancelled, ended = completed + failed;
    const one = (name, value, more, to, kind) => h('li', {}, link(to, { class: 'tile ' + (kind || ''), 'data-key': name },
      h('span', { class: 'tname' }, name), h('span', { class: 'tvalue' }, value.toLocaleString('en')), h('span', { class: 'tmore' }, more)));
    const state = s => ({ state: s, status: '' });
    put($('tiles'),
      one('Nodes alive', living.length, D.nodes.length ? `of ${D.node_count.toLocaleString('en')}; ${paused ? `${paused} paused; ` : ''}${busy} of ${plural(slots, 'slot')} busy` : 'none has joined yet', '#h-nodes', living.length ? '' : 'quiet'),
      one('Queued', queue, Number.isFinite(oldest) ? [`the oldest waits ${span(clock() - oldest)} `, h('span', { class: 'asof' })] : D.counts.unapproved ? `${D.counts.unapproved} to be approved` : 'nothing waits', state('queued'), queue ? 'is-queued' : 'quiet'),
      one('Running', in_progress - claimed, orphans ? plural(orphans, 'orphan') : claimed ? `${claimed.toLocaleString('en')} more wait for a slot` : in_progress ? 'at this moment' : 'nothing runs', state(orphans ? 'orphaned' : 'running'), !in_progress ? 'quiet' : orphans === in_progress ? 'is-bad' : 'is-running'),
      one('Completed', completed, ended ? `of ${plural(ended, 'task')} that ended and are kept` : 'none is kept', state('completed'), completed ? 'is-good' : 'quiet'),
      one('Failed', failed, `${ended ? `${Math.round(failed / ended * 1000) / 10} % of these` : 'none is kept'}${cancelled ? `; ${cancelled} cancelled besides` : ''}`, state('failed'), failed ? 'is-bad' : 'quiet'),
      one('Archived', D.counts.archived, D.counts.archived ? plural(D.counts.archived_failed, 'failure') + ' among them' : `the branch keeps ${D.keep.toLocaleString('en')}`, state('archived'), 'quiet'));
  }
  function advice() {
    put($('advice'), D.advice.map(([kind, text]) => h('li', { class: kind === 'bad' ? 'bad' : kind === 'scale' ? 'scale' : 'note' }, text)));
  }

  /* ---- charts ---- */
  const rate = (done, failed) => done.map((d, i) => d + failed[i] ? Math.round(d / (d + failed[i]) * 1000) / 10 : null);
  const lastOf = v => { for (let i = v.length - 1; i >= 0; i--) if (v[i] !== null) return v[i]; return null; };
  function drawCharts() {
    const key = view.range === '30d' ? 'month' : 'day', r = D[key], hours = key === 'day' ? 24 : 720;
    const done = sum(r.done), failed = sum(r.failed), all = done + failed;
    const peak = r.depth.reduce((m, v) => Math.max(m, v ?? 0), 0);
    const { spanMs, count } = charts;
    const specs = [
      { title: 'Queue depth', kind: 'area', series: [{ name: 'queued', class: 'c-queue', values: r.depth }], format: count, latest: `now ${D.counts.queue}, peak ${peak}` },
      { title: 'Throughput', kind: 'bars', series: [{ name: 'done', class: 'c-good', values: r.done }, { name: 'failed', class: 'c-bad', values: r.failed }], format: count, latest: `${all.toLocaleString('en')} tasks` },
      { title: 'Success rate', kind: 'lines', max: 100, series: [{ name: 'succeeded', class: 'c-good', values: rate(r.done, r.failed) }], format: v => `${Math.round(v * 10) / 10}%`, latest: all ? `${Math.round(done / all * 1000) / 10}%` : 'no task ended' },
      { title: 'Queue time', kind: 'lines', time: true, series: [{ name: 'median', class: 'c-a', values: r.wait50 }, { name: '95th', class: 'c-b', values: r.wait95 }], format: spanMs, latest: lastOf(r.wait95) === null ? 'no task was claimed' : `${spanMs(lastOf(r.wait50))}, ${spanMs(lastOf(r.wait95))}` },
      { title: 'Run time', kind: 'lines', time: true, series: [{ name: 'median', class: 'c-a', values: r.run50 }, { name: '95th', class: 'c-b', values: r.run95 }], format: spanMs, latest: lastOf(r.run95) === null ? 'no task ended' : `${spanMs(lastOf(r.run50))}, ${spanMs(lastOf(r.run95))}` },
    ];
    const box = $('charts');
    if (box.childElementCount !== specs.length + 2)
      put(box, specs.map(() => h('figure', { class: 'card' })), h('dl', { class: 'card sums' }), h('details', { class: 'card figures' }, h('summary', {}, 'The same as a table')));
    specs.forEach((s, i) => charts.draw(box.children[i], s, r));
    const known = ms => ms < 0 ? '–' : spanMs(ms), [w50, w95, r50, r95] = r.all, perHour = Math.round(all / hours * 10) / 10;
    put(box.children[specs.length], [
      ['Tasks ended', all.toLocaleString('en')], ['Per hour', perHour.toLocaleString('en')],
      ['Success', all ? `${Math.round(done / all * 1000) / 10}%` : '–'], ['Wait, median', known(w50)], ['Wait, 95th', known(w95)],
      ['Run, median', known(r50)], ['Run, 95th', known(r95)], ['Queue, peak', peak.toLocaleString('en')],
    ].map(([k, v]) => h('div', {}, h('dt', {}, k), h('dd', {}, v))));
    figures(box.lastElementChild, r, specs);
    const note = ['Queue times are from the commit that queued a task to the one that claimed it.'];
    if (D.limit) note.push(`The commits seen go back to ${stamp(D.since, false)}: ${D.limit}. Days before show what archived tasks tell.`);
    $('charts-note').textContent = note.join(' ');
  }
  function figures(box, r, specs) {
    const rows = [];
    for (let i = r.depth.length - 1; i >= 0; i--) {
      const cells = specs.flatMap(s => s.series.map(x => x.values[i] === null ? '–' : s.format(x.values[i])));
      if (r.done[i] || r.failed[i] || r.depth[i] || r.wait50[i] !== null) rows.push(h('tr', {}, h('th', { scope: 'row' }, timeEl(r.start + i * r.step)), cells.map(c => h('td', { class: 'num' }, c))));
    }
    const heads = specs.flatMap(s => s.series.map(x => s.series.length > 1 ? `${s.title}: ${x.name}` : s.title));
    put(box, box.firstElementChild, rows.length
      ? h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Activity as a table' }, h('table', {}, h('caption', { class: 'hidden' }, 'Activity, newest first'), h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'From'), heads.map(x => h('th', { scope: 'col' }, x)))), h('tbody', {}, rows)))
      : h('p', { class: 'muted' }, 'Nothing happened in this time.'));
  }

  /* ---- nodes ---- */
  const nodeWord = { active: 'active', paused: 'paused', draining: 'draining', silent: 'inactive', left: 'left' };
  const nodeSort = { key: 'state', dir: 1 };
  function nodes() {
    const box = $('nodes');
    if (!D.nodes.length) {
      put(box, h('div', { class: 'card empty' }, h('p', {}, h('strong', {}, 'No node has joined yet. '), 'On any machine that has git and Docker, Podman or bubblewrap:'), h('pre', {}, 'dgrid worker --slots 4')));
      return;
    }
    const of = panels.health(tasks, D.now), work = sum(D.nodes.map(n => n.branch)) || 1, order = ['active', 'paused', 'draining', 'silent', 'left'];
    const by = {
      id: n => n.id, state: n => order.indexOf(n.state), seen: n => n.seen, slots: n => n.busy, done: n => n.done, failed: n => n.failed, engine: n => n.engine,
    };
    const list = [...D.nodes].sort((a, b) => {
      const x = by[nodeSort.key](a), y = by[nodeSort.key](b);
      return (x < y ? -1 : x > y ? 1 : a.id < b.id ? -1 : 1) * nodeSort.dir;
    });
    const head = (key, text, cls) => sortHead(text, cls, nodeSort.key === key ? nodeSort.dir : 0, () => {
      nodeSort.dir = nodeSort.key === key ? -nodeSort.dir : ['seen', 'slots', 'done', 'failed'].includes(key) ? -1 : 1;
      nodeSort.key = key;
      nodes();
      $('nodes').querySelector(`[data-key="${key}"]`)?.focus();
    }, key);
    put(box, h('div', { class: 'scroll card', tabindex: 0, role: 'region', 'aria-label': 'Nodes' }, h('table', { class: 'nodes' },
      h('caption', { class: 'hidden' }, 'Nodes of this grid'),
      h('thead', {}, h('tr', {}, head('id', 'Node'), head('state', 'State'), head('seen', 'Last sign of life'), head('slots', 'Slots'), h('th', { scope: 'col' }, 'Last 24 hours'), head('engine', 'Engine', 'wide'), h('th', { scope: 'col', class: 'wide' }, 'Labels'), head('done', 'Done', 'num'), head('failed', 'Failed', 'num'), h('th', { scope: 'col', class: 'wide' }, 'Share of the work'))),
      h('tbody', {}, list.map(n => h('tr', {},
        h('th', { scope: 'row' }, link({ node: n.id }, {}, n.id), h('div', { class: 'muted small wide' }, [n.offer || (n.cpus ? plural(n.cpus, 'processor') : ''), !n.offer && n.memory ? `${Math.round(n.memory / 102.4) / 10} GB` : '', n.os && n.arch ? `${n.os} ${n.arch}` : ''].filter(Boolean).join(', '))),
        h('td', {}, h('span', { class: `badge n-${n.state}` }, nodeWord[n.state]), n.trouble ? h('div', { class: 'small bad-text' }, n.trouble) : null, n.drained ? h('div', { class: 'small muted' }, n.drained) : null),
        h('td', {}, n.seen ? timeEl(n.seen, true) : 'never'),
        h('td', {}, slots(n), runs(of.get(n.id))),
        h('td', { class: 'health' }, panels.strip(of.get(n.id), n.cpu)),
        h('td', { class: 'wide' }, n.engine || '–', n.version ? h('span', { class: 'muted' }, ' ', n.version.replace(n.engine, '').trim()) : null),
        h('td', { class: 'wide' }, labels(n.labels)),
        h('td', { class: 'num' }, n.done.toLocaleString('en'), n.voted ? h('div', { class: 'small muted', title: 'of tasks that other nodes run too' }, plural(n.voted, 'vote')) : null),
        h('td', { class: 'num' + (n.failed ? ' bad-text' : '') }, n.failed.toLocaleString('en'), n.late ? h('div', { class: 'small muted' }, `${n.late} late`) : null, n.outliers ? h('div', { class: 'small bad-text', title: 'found something else than the quorum' }, plural(n.outliers, 'outlier')) : null),
        h('td', { class: 'wide' }, share(n.branch / work))))))),
      D.node_count > D.nodes.length ? h('p', { class: 'muted small' }, `And ${plural(D.node_count - D.nodes.length, 'more node')} that left or fell silent: dgrid nodes lists all.`) : null);
  }
  const labels = list => list.length ? list.map(l => link({ label: l }, { class: 'label' }, l)).flatMap(x => [x, ' ']) : h('span', { class: 'muted' }, '–');
  function slots(n) {
    const total = Math.max(0, Math.min(n.slots, 24));
    const dots = n.slots > 0 && n.slots <= 24
      ? h('svg', { class: 'slots', width: total * 9, height: 10, viewBox: `0 0 ${total * 9} 10`, 'aria-hidden': 'true' }, Array.from({ length: total }, (_, i) => h('rect', { class: i < n.busy ? 'used' : 'free', x: i * 9, y: 1, width: 7, height: 8, rx: 2 })))
      : null;
    return h('span', { class: 'slotcell' }, dots, ` ${n.busy}/${n.slots}`);
  }
  const runs = of => !of || !of.runs.length ? null : h('div', { class: 'small' }, of.runs.slice(0, 3).map((t, i) => [i ? ', ' : '', t.page ? h('a', { href: `t/${t.id}.html` }, t.id) : t.id]), of.runs.length > 3 ? ` and ${of.runs.length - 3} more` : '');
  function share(part) {
    const p = Math.round(Math.min(1, Math.max(0, part)) * 100);
    return h('span', { class: 'share' }, h('svg', { viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, h('rect', { class: 'track', width: 100, height: 6 }), h('rect', { class: 'fill', width: p, height: 6 })), ` ${p}%`);
  }
  function sortHead(text, cls, dir, onclick, key) {
    return h('th', { scope: 'col', class: cls, 'aria-sort': dir > 0 ? 'ascending' : dir < 0 ? 'descending' : 'none' },
      h('button', { type: 'button', class: 'sort', onclick, 'data-key': key }, text, h('span', { class: 'arrow', 'aria-hidden': 'true' }, dir > 0 ? '▲' : dir < 0 ? '▼' : '')));
  }

  /* ---- schedules ---- */
  function schedules() {
    $('schedules').hidden = !D.schedules.length;
    put($('schedule-table'), h('div', { class: 'scroll card', tabindex: 0, role: 'region', 'aria-label': 'Schedules' }, h('table', { class: 'nodes' },
      h('thead', {}, h('tr', {}, ['Name', 'Cron (UTC)', 'Next', 'Last', 'Result'].map(t => h('th', { scope: 'col' }, t)))),
      h('tbody', {}, D.schedules.map(s => h('tr', {},
        h('th', { scope: 'row' }, s.name),
        h('td', {}, s.wrong ? h('span', { class: 'bad-text' }, 'not valid: ' + s.wrong.split('\n')[0]) : h('code', {}, s.cron)),
        h('td', {}, s.paused ? h('span', { class: 'badge' }, 'paused') : s.late ? h('span', { class: 'bad-text' }, `due since ${span(s.late)}`) : timeEl(s.next)),
        h('td', {}, timeEl(s.last, true)),
        h('td', {}, !s.task ? '–' : tasks.some(t => t.id === s.task && t.page) ? h('a', { href: `t/${s.task}.html` }, s.result) : s.result)))))));
  }

  /* ---- tasks: what is shown stands in the address ---- */
  const NONE = { q: '', state: '', status: '', why: '', node: '', label: '', group: '', time: '', from: '', to: '' };
  const DEFAULTS = { ...NONE, sort: 'when', dir: 'desc', page: '1', size: '25', range: '24h' };
  const TIMES = { '': 0, '1h': 3600, '24h': 86400, '7d': 604800, '30d': 2592000, night: 0, yesterday: 0, range: 0 };
  let view = { ...DEFAULTS };
  function readUrl() {
    const text = location.hash.slice(1), p = new URLSearchParams(text.includes('=') ? text : '');
    view = { ...DEFAULTS };
    for (const k of Object.keys(DEFAULTS)) if (p.has(k)) view[k] = p.get(k);
    if (!Object.hasOwn(COLUMNS, view.sort)) view.sort = 'when';
    if (view.dir !== 'asc') view.dir = 'desc';
    if (!Object.hasOwn(TIMES, view.time)) view.time = '';
    if (!['25', '50', '100', '500'].includes(view.size)) view.size = '25';
    if (!/^[1-9][0-9]{0,6}$/.test(view.page)) view.page = '1';
    if (view.range !== '30d') view.range = '24h';
    for (const k of ['from', 'to']) if (!/^[0-9]{1,11}$/.test(view[k])) view[k] = '';
    view.status = view.status.split(',').filter(s => STATUSES.includes(s)).join(',');
    view.state = view.state.split(',').filter(s => STATES.includes(s) || s === 'orphaned').join(',');
  }
  function url(changes) {
    const p = new URLSearchParams(), v = { ...view, ...changes };
    for (const [k, d] of Object.entries(DEFAULTS)) if (v[k] !== d) p.set(k, v[k]);
    return '#' + (p.toString() || 'all=1');
  }
  function change(changes, keep) {
    const next = url({ page: '1', ...changes });
    view = { ...view, page: '1', ...changes };
    if (keep) history.replaceState(null, '', next); else history.pushState(null, '', next);
    moved();
    showFilters();
    table();
  }
  /* A link to the view with these changes, which follows the view; or to a place on the page. */
  const link = (to, attrs, ...text) => typeof to === 'string' ? h('a', { href: to, ...attrs }, ...text)
    : h('a', { href: url({ page: '1', ...to }), 'data-view': JSON.stringify({ page: '1', ...to }), ...attrs }, ...text);
  function moved() {
    base.keepView();
    document.querySelectorAll('a[data-view]').forEach(a => a.setAttribute('href', url(JSON.parse(a.dataset.view))));
  }
  /* From and to, in seconds; a night is from 18:00 to 8:00 in the zone that is shown. */
  function times() {
    const at = clock(), day = t => base.fromInput(base.toInput(t).slice(0, 10) + 'T00:00');
    if (view.time === 'night') {
      const from = day(at - 18 * 3600) + 18 * 3600;
      return [from, from + 14 * 3600];
    }
    if (view.time === 'yesterday') return [day(day(at) - 43200), Infinity];
    if (view.time === 'range') return [Number(view.from), Number(view.to) || Infinity];
    return [TIMES[view.time] ? at - TIMES[view.time] : -Infinity, Infinity];
  }
  const COLUMNS = {
    id: t => t.id.toLowerCase(), state: t => STATES.indexOf(t.state) * 10 + (t.status === 'orphaned' ? 1 : 0), node: t => t.node.toLowerCase(),
    wait: t => t.wait ?? (t.state === 'queued' && t.since ? clock() - t.since : -1),
    run: t => t.ms >= 0 ? t.ms / 1000 : t.state === 'running' && t.claimed ? clock() - t.claimed : -1,
    when: t => t.state === 'running' ? 1e12 + t.when : t.when,
  };
  /* All of them in the order that is asked for; made anew only when that or the tasks are others. */
  let order = [], orderOf = '';
  function sorted() {
    const want = `${view.sort} ${view.dir} ${version}`;
    if (want === orderOf) return order;
    const key = COLUMNS[view.sort], d = view.dir === 'asc' ? 1 : -1;
    orderOf = want;
    return order = tasks.map(t => [key(t), t]).sort((a, b) => a[0] < b[0] ? -d : a[0] > b[0] ? d : a[1].id < b[1].id ? -1 : 1).map(x => x[1]);
  }
  /* Those that the filters leave, and how many there would be with each state and each status. */
  function matching() {
    const states = view.state ? new Set(view.state.split(',')) : null, statuses = view.status ? new Set(view.status.split(',')) : null;
    const words = view.q.toLowerCase().split(/\s+/).filter(Boolean), [from, to] = times(), list = [], n = {};
    const { node, label, group, why } = view;
    const says = t => { for (const w of words) if (!t.find.includes(w)) return false; return true; };
    for (const t of sorted()) {
      if ((node && t.node !== node) || (label && !t.labels.includes(label)) || (group && t.group !== group) || (why && t.why !== why) || t.when < from || t.when > to || !says(t)) continue;
      const state = !states || states.has(t.state) || (t.status === 'orphaned' && states.has('orphaned')), status = !statuses || statuses.has(t.status);
      if (status) {
        n[t.state] = (n[t.state] || 0) + 1;
        if (t.status === 'orphaned') n.orphaned = (n.orphaned || 0) + 1;
      }
      if (state && t.state === 'failed') n['=' + t.status] = (n['=' + t.status] || 0) + 1;
      if (state && status) list.push(t);
    }
    return [list, n];
  }

  /* ---- filters ---- */
  function filters() {
    const select = (id, label) => h('label', {}, label, h('select', { id: 'f-' + id, onchange() { change({ [id]: this.value }); } }));
    const date = (id, label) => h('label', {}, label, h('input', { id: 'f-' + id, type: 'datetime-local', onchange() { change({ [id]: String(base.fromInput(this.value) || '') }); } }));
    const chips = (key, legend, values) => h('fieldset', { class: 'chips' }, h('legend', { class: 'hidden' }, legend), values.map(s =>
      h('label', { class: 'chip' }, h('input', { type: 'checkbox', value: s, 'data-of': key, onchange() {
        const set = new Set(view[key].split(',').filter(Boolean));
        if (this.checked) set.add(s); else set.delete(s);
        change({ [key]: [...set].join(',') });
      } }), h('span', { class: 'chip-text' }, s, ' ', h('span', { class: 'n' })))));
    const form = $('filters');
    form.addEventListener('submit', ev => ev.preventDefault());
    put(form,
      h('label', { class: 'grow' }, 'Search', h('input', { id: 'f-q', type: 'search', placeholder: 'id, node, description, reason, output', autocomplete: 'off', spellcheck: 'false', maxlength: 200, oninput() { change({ q: this.value }, true); } })),
      select('node', 'Node'), select('label', 'Label'), select('group', 'Group'), select('time', 'Time'), select('why', 'Cause'), date('from', 'From'), date('to', 'To'),
      h('button', { type: 'button', id: 'f-clear', onclick() { change(NONE); $('f-q').focus(); } }, 'Clear'),
      chips('state', 'States', ['running', 'queued', 'completed', 'failed', 'cancelled', 'orphaned', 'unapproved', 'archived']), chips('status', 'How they failed', STATUSES));
    options();
  }
  function fillSelect(el, values, chosen, any) {
    put(el, h('option', { value: '' }, any), values.map(([v, text]) => h('option', { value: v }, text)));
    if (chosen && !values.some(x => x[0] === chosen)) el.append(h('option', { value: chosen }, chosen));
    el.value = chosen;
  }
  const uniq = list => [...new Set(list)].filter(Boolean).sort();
  function options() {
    fillSelect($('f-node'), uniq([...tasks.map(t => t.node), ...D.nodes.map(n => n.id)]).map(v => [v, v]), view.node, 'any');
    fillSelect($('f-label'), uniq([...tasks.flatMap(t => t.labels), ...D.nodes.flatMap(n => n.labels)]).map(v => [v, v]), view.label, 'any');
    const groups = uniq(tasks.map(t => t.group));
    fillSelect($('f-group'), groups.map(v => [v, v]), view.group, 'any');
    $('f-group').parentElement.hidden = !groups.length && !view.group;
    const causes = uniq(tasks.map(t => t.why));
    fillSelect($('f-why'), causes.slice(0, 200).map(v => [v, v]), view.why, 'any');
    $('f-why').parentElement.hidden = !causes.length && !view.why;
    fillSelect($('f-time'), [['1h', 'last hour'], ['night', 'last night'], ['24h', 'last 24 hours'], ['yesterday', 'since yesterday'], ['7d', 'last 7 days'], ['30d', 'last 30 days'], ['range', 'from … to …']], view.time, 'any');
  }
  /* As many as there would be; what is not loaded yet is known by its number alone. */
  function counts(n) {
    const filtered = view.q || view.status || view.why || view.node || view.label || view.group || view.time;
    if (!filtered && pending.size) for (const [k, s] of [['queued', 'queue'], ['running', 'in_progress'], ['completed', 'completed'], ['unapproved', 'unapproved']]) n[k] = D.counts[s];
    if (!filtered && pending.size) n.failed = D.counts.failed - D.counts.cancelled;
    if (!filtered && !archiveLoaded) n.archived = D.counts.archived;
    document.querySelectorAll('.chip').forEach(c => {
      const box = c.querySelector('input'), s = box.value, count = n[box.dataset.of === 'status' ? '=' + s : s] || 0;
      c.hidden = !count && !box.checked && (box.dataset.of === 'status' || !['running', 'queued', 'completed', 'failed'].includes(s)) && !(s === 'archived' && D.counts.archived);
      c.querySelector('.n').textContent = count.toLocaleString('en');
    });
  }
  function showFilters() {
    if ($('f-q').value !== view.q) $('f-q').value = view.q;
    for (const k of ['node', 'label', 'group', 'time', 'why']) {
      const el = $('f-' + k);
      if (view[k] && ![...el.options].some(o => o.value === view[k])) el.append(h('option', { value: view[k] }, view[k]));
      el.value = view[k];
    }
    for (const k of ['from', 'to']) {
      $('f-' + k).parentElement.hidden = view.time !== 'range';
      $('f-' + k).value = base.toInput(Number(view[k]));
    }
    document.querySelectorAll('.chip input').forEach(c => { c.checked = view[c.dataset.of].split(',').includes(c.value); });
    $('f-clear').hidden = !Object.keys(NONE).some(k => view[k]);
    document.querySelectorAll('#range button').forEach(b => b.setAttribute('aria-pressed', b.dataset.value === view.range));
  }

  /* ---- the table ---- */
  function badge(t) {
    const main = t.status === 'orphaned' ? ['orphaned', 's-orphaned'] : t.status === 'claimed' ? ['claimed', 's-queued'] : [t.state, 's-' + t.state];
    const more = t.state === 'failed' && t.status && t.status !== 'failed' ? h('span', { class: 'badge s-' + (STATUSES.includes(t.status) ? t.status : 'other') }, t.status) : null;
    return [h('span', { class: 'badge ' + main[1] }, main[0]), more ? ' ' : null, more];
  }
  function line(t) {
    if (t.status === 'orphaned' || t.state === 'failed') return h('div', { class: 'small bad-text' }, [ending(t), t.note || t.said || t.text].filter(Boolean).join(': '));
    return h('div', { class: 'small muted' }, t.text || t.note || t.said);
  }
  function run(t) {
    if (t.state === 'running' && t.status !== 'claimed' && t.claimed) return h('div', { class: 'run', 'data-claimed': t.claimed, 'data-timeout': t.timeout, 'data-lease': t.lease }, runBar(t.claimed, t.timeout, t.lease));
    return t.ms >= 0 ? span(t.ms / 1000) : '–';
  }
  function when(t) {
    if (t.day) return t.day;
    if (t.state === 'queued' && t.notBefore > clock()) return h('span', {}, 'not before ', timeEl(t.notBefore));
    return timeEl(t.when, true);
  }
  function row(t) {
    const old = t.day && D.file_url && ID.test(t.id) && `${D.file_url}archive/${t.day.replaceAll('-', '/')}/${t.id}.json`;
    const name = t.page && ID.test(t.id) ? h('a', { href: `t/${t.id}.html` }, t.id) : old ? h('a', { href: old, rel: 'noreferrer' }, t.id) : h('span', { title: `dgrid show ${t.id}` }, t.id);
    return h('tr', { class: t.status === 'orphaned' ? 'orphan' : null },
      h('th', { scope: 'row' }, name, line(t)),
      h('td', {}, badge(t), t.tries > 1 ? h('div', { class: 'small muted' }, `attempt ${t.tries} of ${t.max}`) : null, t.state === 'queued' && t.priority !== 5 ? h('div', { class: 'small muted' }, `priority ${t.priority}`) : null, t.state === 'queued' && t.labels.length ? h('div', {}, labels(t.labels)) : null,
        t.group ? h('div', { class: 'small' }, link({ group: t.group }, {}, t.group)) : null),
      h('td', { class: 'mid' }, t.node ? link({ node: t.node }, {}, t.node) : '–'),
      h('td', { class: 'num wide' }, t.wait !== null ? span(t.wait) : t.state === 'queued' && t.since ? span(clock() - t.since) : '–'),
      h('td', { class: 'num runcell' }, run(t)),
      h('td', { class: 'whencell' }, when(t)));
  }
  function firstSteps() {
    return h('div', { class: 'card empty' }, h('p', {}, h('strong', {}, 'There is no task yet. '), 'Queue one, and start a worker if there is none:'),
      h('pre', {}, "dgrid submit --id hello --wait -- 'echo hello from $(uname -m)' &\ndgrid worker --slots 4"));
  }
  let shown = 0;
  function table() {
    const box = $('task-table'), total = D.counts.unapproved + D.counts.queue + D.counts.in_progress + D.counts.completed + D.counts.failed;
    if (view.state.split(',').includes('archived') && D.archive && !archiveLoaded) load('archive');
    const none = !total && !D.counts.archived;
    put($('first-steps'), none ? firstSteps() : null);
    $('tasks').hidden = document.querySelector('.skip').hidden = none;
    if (none) return;
    $('filters').hidden = false;
    const [list, n] = matching(), size = Number(view.size), pages = Math.max(1, Math.ceil(list.length / size));
    const page = Math.min(Number(view.page), pages), from = (page - 1) * size;
    shown = list.length;
    counts(n);
    const waiting = [...pending.entries()].filter(([, v]) => v === true).map(([k]) => k), failed = [...pending.entries()].filter(([, v]) => v === 'failed').map(([k]) => k);
    $('count').textContent = (list.length ? `${(from + 1).toLocaleString('en')}–${Math.min(from + size, list.length).toLocaleString('en')} of ${plural(list.length, 'task')}` : 'No task matches') +
      (waiting.length ? '; more are being loaded' : '') + (failed.length ? `; data/${failed[0]}.js could not be loaded` : '');
    const head = (key, text, cls) => sortHead(text, cls, view.sort === key ? (view.dir === 'asc' ? 1 : -1) : 0, () => {
      change({ sort: key, dir: view.sort === key ? (view.dir === 'asc' ? 'desc' : 'asc') : key === 'id' || key === 'node' || key === 'state' ? 'asc' : 'desc' });
      $('task-table').querySelector(`[data-key="${key}"]`)?.focus();
    }, key);
    put(box, list.length ? h('div', { class: 'scroll card', tabindex: 0, role: 'region', 'aria-label': 'Tasks' }, h('table', { class: 'tasks' },
      h('caption', { class: 'hidden' }, 'Tasks'),
      h('thead', {}, h('tr', {}, head('id', 'Task'), head('state', 'State'), head('node', 'Node', 'mid'), head('wait', 'Waited', 'num wide'), head('run', 'Ran', 'num'), head('when', 'When'))),
      h('tbody', {}, list.slice(from, from + size).map(row))))
      : h('div', { class: 'card empty' }, h('p', {}, 'No task matches. '), h('button', { type: 'button', onclick() { change(NONE); } }, 'Show all tasks')));
    pager(page, pages);
  }
  function pager(page, pages) {
    const go = (to, text, label) => h('button', { type: 'button', id: `p-${text}`, disabled: to < 1 || to > pages || to === page, 'aria-label': label, onclick() {
      change({ page: String(to) });
      const again = $(`p-${text}`);
      (again && !again.disabled ? again : $('p-at')).focus();
    } }, text);
    put($('pager'),
      go(1, '«', 'First page'), go(page - 1, '‹', 'Page before'),
      h('span', { id: 'p-at', tabindex: -1 }, `Page ${page.toLocaleString('en')} of ${pages.toLocaleString('en')}`),
      go(page + 1, '›', 'Next page'), go(pages, '»', 'Last page'),
      h('label', {}, 'a page ', h('select', { id: 'p-size', onchange() { change({ size: this.value }); $('p-size').focus(); } }, ['25', '50', '100', '500'].map(n => h('option', { value: n, selected: n === view.size }, n)))),
      D.archive && !archiveLoaded && !pending.has('archive') ? h('button', { type: 'button', id: 'p-archive', onclick() { load('archive'); table(); } }, `Look through ${plural(D.counts.archived, 'archived task')} too`) : null);
    $('pager').hidden = pages < 2 && shown <= 25 && !(D.archive && !archiveLoaded);
  }

  /* ---- events ---- */
  function events() {
    const words = { lost: 'lost with its node', released: 'given back by its node', late: 'came late', unstartable: 'could not be started' };
    const late = D.nodes.filter(n => n.late > 0);
    const pages = new Set(tasks.filter(t => t.page).map(t => t.id));
    put($('events'), D.events.length
      ? h('ol', { class: 'events card' }, D.events.map(([t, kind, id, node, reason]) => h('li', { class: 'e-' + (kind in words ? kind : 'other') },
        h('span', { class: 'when' }, timeEl(t, true)), ' ',
        pages.has(id) && ID.test(id) ? h('a', { href: `t/${id}.html` }, id) : h('b', {}, id), ` ${words[kind] || kind}`, node ? ` ${node}` : '', reason ? h('span', { class: 'muted' }, ': ', reason) : '')))
      : h('p', { class: 'muted' }, 'No task had to be taken from its node.'),
      late.length ? h('p', { class: 'muted small' }, `Results that came too late and were dropped: ${late.map(n => `${n.late} from ${n.id}`).join(', ')}.`) : null);
  }

  /* ---- all ---- */
  function place() {
    put($('place'), D.home ? h('a', { href: D.home, rel: 'noreferrer' }, D.place) : D.place, h('span', { class: 'muted' }, ' · times in ', h('span', { id: 'zone' }, base.zoneName())));
  }
  function segments() {
    put($('range'), [['24h', '24 hours'], ['30d', '30 days']].map(([v, text]) => h('button', { type: 'button', 'data-value': v, 'aria-pressed': v === view.range, onclick() {
      view = { ...view, range: v };
      history.replaceState(null, '', url({}));
      showFilters();
      drawCharts();
    } }, text)));
  }
  /* What all tasks tell together. */
  function together() {
    const whole = (to, ...more) => link({ ...NONE, ...to }, ...more);
    $('failed').hidden = !panels.failures($('failures'), tasks, D.now, whole);
    $('groups').hidden = !panels.groups($('group-list'), tasks, D.now, whole);
    nodes();
  }
  function all() {
    place();
    age();
    tiles();
    advice();
    together();
    schedules();
    options();
    table();
    events();
    drawCharts();
    base.showTimes();
  }
  function follow() {
    readUrl();
    moved();
    showFilters();
    drawCharts();
    table();
  }
  readUrl();
  segments();
  filters();
  showFilters();
  all();
  base.keepView();
  if (D.more) load('tasks');
  base.on('zone', () => { place(); together(); drawCharts(); showFilters(); table(); });
  window.addEventListener('popstate', () => {
    if (!location.hash.includes('=') && location.hash) return;
    follow();
  });
  let width = innerWidth, timer = 0;
  addEventListener('resize', () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(drawCharts, 100);
  });
  /* Links within the page: to a view of the tasks, or to a place, which leaves the view as it is. */
  document.addEventListener('click', ev => {
    const a = ev.target.closest?.('a[href^="#"]'), to = a?.getAttribute('href');
    if (!a || ev.ctrlKey || ev.metaKey || ev.shiftKey) return;
    ev.preventDefault();
    const view = to.includes('='), el = view ? $('tasks') : $(to.slice(1));
    if (view) {
      history.pushState(null, '', to);
      follow();
    }
    el.scrollIntoView();
    el.focus({ preventScroll: true });
  });
  document.addEventListener('keydown', ev => {
    if (ev.key !== '/' || ev.ctrlKey || ev.metaKey || ev.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName || '')) return;
    ev.preventDefault();
    $('f-q').focus();
  });
  base.comeBack();
})();
