'use strict';
/* What every page has: light or dark, UTC or local time, times that are counted on, the reload every minute. */
const base = (() => {
  const root = document.documentElement;
  root.className = 'js';
  let live = root.hasAttribute('data-live'), read = Number(root.dataset.now) || 0;
  const store = {
    get(k) { try { return localStorage.getItem('dgrid-' + k); } catch { return null; } },
    set(k, v) { try { localStorage.setItem('dgrid-' + k, v); } catch { /* not kept, then */ } },
  };
  const state = {
    theme: store.get('theme') || 'auto',
    zone: store.get('zone') || 'UTC',
    refresh: store.get('refresh') !== 'off',
  };
  root.dataset.theme = state.theme;
  const listeners = { zone: [], tick: [], page: [] };
  const on = (what, f) => listeners[what].push(f);
  const tell = what => listeners[what].forEach(f => f());

  /* Elements from text alone: nothing that came with the data is ever read as HTML. */
  const NS = 'http://www.w3.org/2000/svg';
  const svgTags = new Set(['svg', 'svg:a', 'g', 'path', 'rect', 'line', 'circle', 'text', 'title']);
  function h(tag, attrs, ...children) {
    const el = svgTags.has(tag) ? document.createElementNS(NS, tag.replace('svg:', '')) : document.createElement(tag);
    for (const [k, v] of Object.entries(attrs || {})) {
      if (v === null || v === undefined || (v === false && !k.startsWith('aria-'))) continue;
      if (k.startsWith('on')) el.addEventListener(k.slice(2), v);
      else el.setAttribute(k, v === true && !k.startsWith('aria-') ? '' : String(v));
    }
    for (const c of children.flat(2)) if (c !== null && c !== undefined && c !== false) el.append(c);
    return el;
  }
  const put = (el, ...children) => { el.replaceChildren(...children.flat().filter(c => c !== null && c !== undefined && c !== false)); return el; };

  const now = () => Date.now() / 1000;
  /* Time stands still at the age of the data: an old page knows nothing of the grid as it is now, so nothing on it may
   * run out of time because of that. It counts on for the two minutes in which new data is due. */
  const COUNTS = 120;
  const still = () => read > 0 && (!live || now() < read || now() - read > COUNTS);
  const clock = () => still() ? read : now();
  const asOf = () => !live || !still() ? '' : `as of ${stamp(read, false).slice(stamp(read, false).slice(0, 10) === stamp(now(), false).slice(0, 10) ? 11 : 0)}`;
  const two = n => String(n).padStart(2, '0');
  function stamp(t, seconds = true) {
    const d = new Date(t * 1000), u = state.zone === 'UTC';
    if (Number.isNaN(d.getTime())) return 'unknown';
    const [y, mo, day, hh, mi, s] = u
      ? [d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds()]
      : [d.getFullYear(), d.getMonth(), d.getDate(), d.getHours(), d.getMinutes(), d.getSeconds()];
    return `${y}-${two(mo + 1)}-${two(day)} ${two(hh)}:${two(mi)}${seconds ? ':' + two(s) : ''}`;
  }
  const offset = t => -new Date(t * 1000).getTimezoneOffset();
  const offsetText = m => m === 0 ? 'UTC' : `UTC${m < 0 ? '−' : '+'}${two(Math.floor(Math.abs(m) / 60))}:${two(Math.abs(m) % 60)}`;
  const zoneName = () => state.zone === 'UTC' ? 'UTC' : `local, ${offsetText(offset(read || now()))}`;
  /* With the zone, where it is not the one that the page names: before the clocks went forward or back. */
  const whole = t => `${stamp(t)}${state.zone === 'UTC' ? ' UTC' : offset(t) === offset(read || now()) ? '' : ' ' + offsetText(offset(t))}`;
  /* What a field for a date and a time has, in the zone chosen, as seconds; and back. */
  const fromInput = v => Math.floor(Date.parse(v + (state.zone === 'UTC' ? 'Z' : '')) / 1000) || 0;
  const toInput = t => t ? stamp(t, false).replace(' ', 'T') : '';
  function span(s) {
    s = Math.max(0, s);
    if (s > 0 && s < 0.95) return `${Math.round(s * 1000)} ms`;
    if (s < 10) return `${Math.round(s * 10) / 10} s`;
    if (s < 120) return `${Math.round(s)} s`;
    if (s < 7200) return `${Math.round(s / 60)} min`;
    if (s < 172800) return `${Math.round(s / 3600)} h`;
    return `${Math.round(s / 86400)} d`;
  }
  function ago(t, at = clock()) {
    const s = at - t;
    if (s < 5 && s > -60) return 'just now';
    if (s < 0) return 'in the future';
    const n = (v, w) => `${v} ${w}${v === 1 ? '' : 's'} ago`;
    if (s < 60) return n(Math.floor(s), 'second');
    if (s < 3600) return n(Math.floor(s / 60), 'minute');
    if (s < 172800) return n(Math.floor(s / 3600), 'hour');
    return n(Math.floor(s / 86400), 'day');
  }
  /* A time as text that follows the choice of zone; relative: "3 minutes ago", with the whole time as a title. */
  function timeEl(t, relative) {
    if (!t) return document.createTextNode('–');
    const el = h('time', { datetime: isoOf(t), 'data-t': t, 'data-rel': relative });
    showTime(el);
    return el;
  }
  const isoOf = t => { const d = new Date(t * 1000); return Number.isNaN(d.getTime()) ? null : d.toISOString().slice(0, 19) + 'Z'; };
  function showTime(el) {
    const t = Number(el.dataset.t);
    if (el.hasAttribute('data-rel')) {
      const d = clock() - t, text = d < 0 ? ago(t) : d < 5 ? 'just now' : `${span(Math.floor(d))} ago`;
      if (el.textContent !== text) el.textContent = text;
      el.title = whole(t);
    } else {
      el.textContent = whole(t);
      el.title = ago(t);
    }
  }
  function showTimes(onlyRelative) {
    document.querySelectorAll(onlyRelative ? 'time[data-rel]' : 'time[data-t]').forEach(showTime);
    document.querySelectorAll('.asof').forEach(el => { if (el.textContent !== asOf()) el.textContent = asOf(); });
    const zone = document.getElementById('zone');
    if (zone) zone.textContent = zoneName();
    root.classList.toggle('still', asOf() !== '');
  }

  /* How far a running task is: its time limit is the whole bar, its lease a mark. Whether it is late is what the data
   * says, not what the clock has come to since. */
  function runBar(claimed, timeout, lease) {
    const judged = read || now(), late = timeout > 0 && judged - claimed > timeout, out = lease && judged > lease;
    const t = out ? judged : Math.min(clock(), lease || Infinity);
    const done = late ? t - claimed : Math.min(t - claimed, timeout > 0 ? timeout : Infinity);
    const words = timeout > 0 ? `${span(done)} of ${span(timeout)}` : span(done);
    const left = lease ? (out ? `lease ran out ${span(t - lease)} ago` : `lease for ${span(lease - t)}`) : '';
    const end = Math.max(timeout, lease ? lease - claimed : 0) || 1;
    const fill = h('rect', { class: 'fill', x: 0, y: 0, width: timeout > 0 ? (Math.min(1, Math.max(0, done / end)) * 100).toFixed(1) : 0, height: 6 });
    const x = Math.min(99, (lease - claimed) / end * 100);
    const mark = lease && lease > claimed && timeout > 0 ? h('line', { class: 'mark', 'vector-effect': 'non-scaling-stroke', x1: x, x2: x, y1: -1, y2: 7 }) : null;
    const old = asOf();
    return h('div', { class: 'runbar' + (late || out ? ' late' : ''), role: 'img', 'aria-label': ['running ' + words, left, old].filter(Boolean).join(', ') },
      h('svg', { viewBox: '0 -1 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
        h('rect', { class: 'track', x: 0, y: 0, width: 100, height: 6 }), fill, mark),
      h('span', { class: 'small' }, words, left ? h('span', { class: 'muted' }, ' · ', left) : null, old ? h('span', { class: 'muted' }, ' · ', old) : null));
  }
  function showRuns() {
    document.querySelectorAll('.run[data-claimed]').forEach(el => {
      const bar = runBar(Number(el.dataset.claimed), Number(el.dataset.timeout), Number(el.dataset.lease));
      if (el.textContent !== bar.textContent || !el.firstChild) put(el, bar);
    });
  }

  /* ---- how old the data is ---- */
  let level = '', trouble = '', ageMore = () => [];
  const said = text => { const el = document.getElementById('age-said'); if (el) el.textContent = text; };
  function age() {
    const box = document.getElementById('age');
    if (!box || !live || !read) return;
    const s = now() - read, is = s > 3600 ? 'old' : s > 600 ? 'stale' : 'fresh';
    const text = s > 600 ? `This is ${ago(read, now()).replace(' ago', '')} old` : `Read ${ago(read, now())}`;
    if (!box.firstChild) put(box, h('span', { class: 'dot' }), h('strong', { id: 'age-text' }), ageMore(), h('span', { id: 'age-trouble' }));
    for (const [id, words] of [['age-text', text], ['age-trouble', trouble]]) {
      const el = document.getElementById(id);
      if (el.textContent !== words) el.textContent = words;
    }
    if (is === level) return;
    level = is;
    box.className = 'age ' + is;
    said(is === 'fresh' ? '' : `The data is ${is === 'old' ? 'more than an hour' : 'more than ten minutes'} old: whatever writes this page may have stopped.`);
  }

  /* ---- controls ---- */
  function choice(label, key, options, then) {
    const buttons = options.map(([value, text]) => h('button', {
      type: 'button', 'aria-pressed': state[key] === value, 'data-value': value,
      onclick() {
        state[key] = value;
        store.set(key, value);
        buttons.forEach(b => b.setAttribute('aria-pressed', b === this));
        then();
      },
    }, text));
    return h('div', { class: 'segments', role: 'group', 'aria-label': label }, buttons);
  }
  function controls() {
    const box = document.getElementById('controls');
    if (!box) return;
    put(box,
      choice('Times in', 'zone', [['UTC', 'UTC'], ['local', 'Local']], () => { showTimes(); showRuns(); tell('zone'); }),
      choice('Colours', 'theme', [['auto', 'Auto'], ['light', 'Light'], ['dark', 'Dark']], () => {
        root.dataset.theme = state.theme;
      }),
      live ? h('button', {
        type: 'button', id: 'refresh', class: 'toggle', 'aria-pressed': state.refresh, title: 'Read the data anew every 60 seconds',
        onclick() {
          state.refresh = !state.refresh;
          store.set('refresh', state.refresh ? 'on' : 'off');
          this.setAttribute('aria-pressed', state.refresh);
        },
      }, 'Auto-refresh') : null);
  }

  /* ---- new data ---- */
  /* Over HTTP the page is fetched and what it says taken over: a page that cannot be had leaves this one as it is. A page
   * that was opened from a folder may not fetch, so it loads itself anew. */
  const EVERY = 60, AT_MOST = 900;
  const http = /^https?:$/.test(location.protocol);
  let due = now() + EVERY, errors = 0, busy = false, typed = 0;
  async function grab(path) {
    const r = await fetch(path, { cache: 'no-cache', signal: AbortSignal.timeout(30000) });
    if (!r.ok) throw new Error(`${r.status} ${r.statusText}`.trim());
    return r.text();
  }
  /* What puts the new page's content in place of this one's; null: it is the same. The index takes its data alone. */
  let take = doc => () => {
    document.getElementById('main').replaceChildren(...doc.getElementById('main').childNodes);
    if (!live) document.getElementById('age')?.remove();
    tell('page');
  };
  const markOf = el => el.id || el.getAttribute('href') || el.dataset.key || el.getAttribute('aria-label') || el.textContent;
  /* Runs f, after which what had the focus, or what stands for it now, has it, and what was open is. */
  function keepPlace(f) {
    const at = document.activeElement, y = scrollY, mark = at && at !== document.body ? markOf(at) : null;
    const open = new Set([...document.querySelectorAll('details[open] > summary')].map(markOf));
    f();
    document.querySelectorAll('details > summary').forEach(s => { if (open.has(markOf(s))) s.parentElement.open = true; });
    if (mark && !at.isConnected) [...document.querySelectorAll(at.tagName)].find(el => markOf(el) === mark)?.focus({ preventScroll: true });
    scrollTo(0, y);
  }
  async function refresh() {
    if (!http) { reload(); return; }
    busy = true;
    try {
      const doc = new DOMParser().parseFromString(await grab(location.pathname + location.search), 'text/html');
      const policy = d => d.querySelector('meta[http-equiv="Content-Security-Policy"]')?.content, is = policy(doc);
      if (!is) throw new Error('something else stands there now');
      if (is !== policy(document)) { reload(); return; } /* of another version */
      const apply = await take(doc);
      live = doc.documentElement.hasAttribute('data-live');
      read = Number(doc.documentElement.dataset.now) || 0;
      document.title = doc.title;
      if (apply) keepPlace(apply);
      document.getElementById('refresh').hidden = !live;
      errors = 0;
      trouble = '';
      tick();
    } catch (e) {
      errors++;
      trouble = `could not be read again at ${stamp(now()).slice(11)}: ${e.name === 'TimeoutError' ? 'no answer' : e.message}`;
      if (errors === 1) said(`The data ${trouble}`);
    } finally {
      busy = false;
      due = now() + Math.min(AT_MOST, EVERY * 2 ** errors);
      age();
    }
  }
  function maybe() {
    const selected = String(getSelection() || '') !== '';
    if (state.refresh && live && !busy && !document.hidden && now() >= due && now() - typed >= 10 && !selected) refresh();
  }
  function reload() {
    const at = document.activeElement;
    try { sessionStorage.setItem('dgrid-at', JSON.stringify([location.pathname, at && at.id || '', scrollY])); } catch { /* then not */ }
    location.reload();
  }
  function comeBack() {
    try {
      const [path, id, y] = JSON.parse(sessionStorage.getItem('dgrid-at'));
      sessionStorage.removeItem('dgrid-at');
      if (path !== location.pathname) return;
      if (id) document.getElementById(id)?.focus({ preventScroll: true });
      scrollTo(0, y);
    } catch { /* a first visit */ }
  }
  /* The view that the reader had of the tasks, for the way back from a task's page. */
  const folder = location.pathname.replace(/(t\/)?[^/]*$/, '');
  function keepView() { try { sessionStorage.setItem('dgrid-view', JSON.stringify([folder, location.hash])); } catch { /* then not */ } }
  function crumbs() {
    try {
      const [at, hash] = JSON.parse(sessionStorage.getItem('dgrid-view'));
      if (at === folder && hash.includes('=')) document.querySelectorAll('.crumbs a').forEach(a => a.setAttribute('href', '../index.html' + hash));
    } catch { /* none is kept */ }
  }
  function tick() {
    showTimes(true);
    showRuns();
    age();
    tell('tick');
  }
  document.addEventListener('keydown', () => { typed = now(); });
  document.addEventListener('pointerdown', () => { typed = now(); });
  document.addEventListener('visibilitychange', maybe);
  document.addEventListener('DOMContentLoaded', () => {
    controls();
    crumbs();
    showTimes();
    showRuns();
    age();
    tell('page');
    setInterval(() => { tick(); maybe(); }, 1000);
  });
  return {
    h, put, now, clock, asOf, span, ago, stamp, zoneName, timeEl, runBar, showTimes, on, comeBack, keepView, grab, age, fromInput, toInput, state,
    onRefresh: f => { take = f; }, showAge: f => { ageMore = f; },
  };
})();
