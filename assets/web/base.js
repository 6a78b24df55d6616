'use strict';
/* What every page has: light or dark, UTC or local time, times that are counted on, the reload every minute. */
const base = (() => {
  const root = document.documentElement;
  root.className = 'js';
  const live = root.hasAttribute('data-live');
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
  const listeners = { zone: [], tick: [] };
  const on = (what, f) => listeners[what].push(f);
  const tell = what => listeners[what].forEach(f => f());

  /* Elements from text alone: nothing that came with the data is ever read as HTML. */
  const NS = 'http://www.w3.org/2000/svg';
  const svgTags = new Set(['svg', 'g', 'path', 'rect', 'line', 'circle', 'text', 'title']);
  function h(tag, attrs, ...children) {
    const el = svgTags.has(tag) ? document.createElementNS(NS, tag) : document.createElement(tag);
    for (const [k, v] of Object.entries(attrs || {})) {
      if (v === null || v === undefined || (v === false && !k.startsWith('aria-'))) continue;
      if (k.startsWith('on')) el.addEventListener(k.slice(2), v);
      else el.setAttribute(k, v === true && !k.startsWith('aria-') ? '' : String(v));
    }
    for (const c of children.flat()) if (c !== null && c !== undefined && c !== false) el.append(c);
    return el;
  }
  const put = (el, ...children) => { el.replaceChildren(...children.flat().filter(c => c !== null && c !== undefined && c !== false)); return el; };

  const now = () => Date.now() / 1000;
  const two = n => String(n).padStart(2, '0');
  function stamp(t, seconds = true) {
    const d = new Date(t * 1000), u = state.zone === 'UTC';
    if (Number.isNaN(d.getTime())) return 'unknown';
    const [y, mo, day, hh, mi, s] = u
      ? [d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds()]
      : [d.getFullYear(), d.getMonth(), d.getDate(), d.getHours(), d.getMinutes(), d.getSeconds()];
    return `${y}-${two(mo + 1)}-${two(day)} ${two(hh)}:${two(mi)}${seconds ? ':' + two(s) : ''}`;
  }
  function zoneName() {
    if (state.zone === 'UTC') return 'UTC';
    const m = -new Date().getTimezoneOffset();
    return m === 0 ? 'local, UTC' : `local, UTC${m < 0 ? '−' : '+'}${two(Math.floor(Math.abs(m) / 60))}:${two(Math.abs(m) % 60)}`;
  }
  function span(s) {
    s = Math.max(0, s);
    if (s > 0 && s < 0.95) return `${Math.round(s * 1000)} ms`;
    if (s < 10) return `${Math.round(s * 10) / 10} s`;
    if (s < 120) return `${Math.round(s)} s`;
    if (s < 7200) return `${Math.round(s / 60)} min`;
    if (s < 172800) return `${Math.round(s / 3600)} h`;
    return `${Math.round(s / 86400)} d`;
  }
  function ago(t) {
    const s = now() - t;
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
    const t = Number(el.dataset.t), whole = `${stamp(t)} ${state.zone === 'UTC' ? 'UTC' : ''}`.trim();
    if (el.hasAttribute('data-rel')) {
      const d = now() - t, text = d < 0 ? ago(t) : d < 5 ? 'just now' : `${span(Math.floor(d))} ago`;
      if (el.textContent !== text) el.textContent = text;
      el.title = whole;
    } else {
      el.textContent = whole;
      el.title = ago(t);
    }
  }
  function showTimes(onlyRelative) {
    document.querySelectorAll(onlyRelative ? 'time[data-rel]' : 'time[data-t]').forEach(showTime);
  }

  /* How far a running task is: its time limit is the whole bar, its lease a mark. */
  function runBar(claimed, timeout, lease, at) {
    const t = at || now(), done = t - claimed, part = timeout > 0 ? Math.min(1, Math.max(0, done / timeout)) : 0;
    const late = timeout > 0 && done > timeout, out = lease && t > lease;
    const words = timeout > 0 ? `${span(done)} of ${span(timeout)}` : span(done);
    const left = lease ? (out ? `lease ran out ${span(t - lease)} ago` : `lease for ${span(lease - t)}`) : '';
    const fill = h('rect', { class: 'fill', x: 0, y: 0, width: (part * 100).toFixed(1), height: 6 });
    const whole = Math.max(timeout, lease ? lease - claimed : 0) || 1;
    const mark = lease && lease > claimed && timeout > 0
      ? h('line', { class: 'mark', 'vector-effect': 'non-scaling-stroke', x1: Math.min(99, (lease - claimed) / whole * 100), x2: Math.min(99, (lease - claimed) / whole * 100), y1: -1, y2: 7 }) : null;
    if (timeout > 0 && whole > timeout) fill.setAttribute('width', (Math.min(1, Math.max(0, done / whole)) * 100).toFixed(1));
    return h('div', { class: 'runbar' + (late || out ? ' late' : ''), role: 'img', 'aria-label': `running ${words}${left ? ', ' + left : ''}` },
      h('svg', { viewBox: '0 -1 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
        h('rect', { class: 'track', x: 0, y: 0, width: 100, height: 6 }), fill, mark),
      h('span', { class: 'small' }, words, left ? h('span', { class: 'muted' }, ' · ', left) : null));
  }
  function showRuns() {
    document.querySelectorAll('.run[data-claimed]').forEach(el =>
      put(el, runBar(Number(el.dataset.claimed), Number(el.dataset.timeout), Number(el.dataset.lease), Number(el.dataset.at) || 0)));
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
      choice('Times in', 'zone', [['UTC', 'UTC'], ['local', 'Local']], () => { showTimes(); tell('zone'); }),
      choice('Colours', 'theme', [['auto', 'Auto'], ['light', 'Light'], ['dark', 'Dark']], () => {
        root.dataset.theme = state.theme;
      }),
      live ? h('button', {
        type: 'button', id: 'refresh', class: 'toggle', 'aria-pressed': state.refresh, title: 'Load this page anew every 60 seconds',
        onclick() {
          state.refresh = !state.refresh;
          store.set('refresh', state.refresh ? 'on' : 'off');
          this.setAttribute('aria-pressed', state.refresh);
        },
      }, 'Auto-refresh') : null);
  }

  /* ---- the reload ---- */
  const loaded = now();
  let typed = 0;
  function mayReload() {
    const selected = String(getSelection() || '') !== '';
    return state.refresh && live && !document.hidden && now() - loaded >= 60 && now() - typed >= 10 && !selected;
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
  document.addEventListener('keydown', () => { typed = now(); });
  document.addEventListener('visibilitychange', () => { if (mayReload()) reload(); });
  document.addEventListener('DOMContentLoaded', () => {
    controls();
    showTimes();
    showRuns();
    setInterval(() => {
      showTimes(true);
      showRuns();
      tell('tick');
      if (mayReload()) reload();
    }, 1000);
  });
  return { h, put, now, span, ago, stamp, zoneName, timeEl, runBar, showTimes, on, comeBack, state, live };
})();
