'use strict';
/* Charts as SVG: bars, areas and lines over equal steps of time, with what is under the pointer or the arrow keys. */
const charts = (() => {
  const { h, put, span, stamp } = base;
  const H = 132, TOP = 10, BOTTOM = 20, LEFT = 44, RIGHT = 6;

  function nice(max) {
    if (!(max > 0)) return 1;
    const p = 10 ** Math.floor(Math.log10(max));
    for (const m of [1, 2, 5, 10]) if (m * p >= max) return m * p;
    return 10 * p;
  }
  const niceTime = ms => {
    const steps = [1, 2, 4, 10, 20, 60, 120, 240, 600, 1200, 3600, 7200, 14400, 28800, 86400, 172800, 604800].map(s => s * 1000);
    return ms <= 500 ? Math.max(10, nice(ms)) : steps.find(s => s >= ms) || nice(ms);
  };
  const count = n => n >= 10000 ? `${Math.round(n / 1000)}k` : String(Math.round(n * 10) / 10);
  const spanMs = ms => ms <= 0 ? '0 s' : span(ms / 1000);

  /* spec: {title, unit, kind: 'area'|'bars'|'lines', series: [{name, class, values}], max, format, axis} */
  function draw(figure, spec, range) {
    const W = Math.max(240, figure.clientWidth - 2), n = range.depth.length;
    const iw = W - LEFT - RIGHT, ih = H - TOP - BOTTOM;
    const total = i => spec.series.reduce((s, x) => s + (x.values[i] || 0), 0);
    let max = 0;
    for (let i = 0; i < n; i++)
      max = Math.max(max, spec.kind === 'bars' ? total(i) : Math.max(...spec.series.map(s => s.values[i] ?? 0)));
    const top = spec.max || (spec.time ? niceTime(max) : nice(max));
    const x = i => LEFT + (i + 0.5) * iw / n, left = i => LEFT + i * iw / n;
    const y = v => TOP + ih - Math.min(1, v / top) * ih;
    const svg = h('svg', { viewBox: `0 0 ${W} ${H}`, width: W, height: H, role: 'img', 'aria-label': describe(spec, range), tabindex: 0, class: 'chart' });
    for (const f of [0, 0.5, 1]) {
      svg.append(h('line', { class: 'grid', x1: LEFT, x2: W - RIGHT, y1: y(top * f), y2: y(top * f) }));
      svg.append(h('text', { class: 'tick', x: LEFT - 6, y: y(top * f) + 3.5, 'text-anchor': 'end' }, spec.format(top * f)));
    }
    const every = range.step < 86400 ? 12 : 7;
    for (let i = n - 1; i > 0; i -= every) {
      const t = range.start + (i + (range.step < 86400 ? 0 : 0.5)) * range.step, at = range.step < 86400 ? left(i) : x(i);
      const text = range.step < 86400 ? stamp(t, false).slice(11) : stamp(t, false).slice(5, 10);
      if (at > LEFT + 14 && at < W - 14) svg.append(h('text', { class: 'tick', x: at, y: H - 6, 'text-anchor': 'middle' }, text));
    }
    const unknown = spec.series[0].values;
    if (spec.kind === 'bars') {
      const w = Math.max(1, iw / n - (iw / n > 4 ? 1.5 : 0.5));
      for (let i = 0; i < n; i++) {
        let base0 = 0;
        for (const s of spec.series) {
          const v = s.values[i] || 0;
          if (v) svg.append(h('rect', { class: s.class, x: x(i) - w / 2, y: y(base0 + v), width: w, height: Math.max(0.8, y(base0) - y(base0 + v)) }));
          base0 += v;
        }
      }
    } else if (spec.kind === 'area') {
      let path = '', line = '', open = false;
      for (let i = 0; i < n; i++) {
        const v = unknown[i];
        if (v === null) { if (open) path += `V${y(0)}Z`; open = false; continue; }
        if (!open) { path += `M${left(i)} ${y(0)}V${y(v)}`; line += `M${left(i)} ${y(v)}`; } else { path += `V${y(v)}`; line += `V${y(v)}`; }
        path += `H${left(i + 1)}`; line += `H${left(i + 1)}`;
        open = true;
      }
      if (open) path += `V${y(0)}Z`;
      svg.append(h('path', { class: spec.series[0].class + ' area', d: path || 'M0 0' }), h('path', { class: spec.series[0].class + ' stroke', d: line || 'M0 0' }));
    } else {
      for (const s of spec.series) {
        let d = '', last = -2;
        for (let i = 0; i < n; i++) {
          if (s.values[i] === null) continue;
          d += (last >= 0 ? 'L' : 'M') + x(i).toFixed(1) + ' ' + y(s.values[i]).toFixed(1);
          last = i;
        }
        if (d) svg.append(h('path', { class: s.class + ' stroke', d }));
        for (let i = 0; i < n; i++) if (s.values[i] !== null) svg.append(h('circle', { class: s.class + ' dot', cx: x(i), cy: y(s.values[i]), r: 2.2 }));
      }
    }
    const cursor = h('rect', { class: 'cursor', x: 0, y: TOP, width: Math.max(2, iw / n), height: ih, visibility: 'hidden' });
    svg.append(cursor);
    const out = h('output', { class: 'readout' });
    let at = -1;
    const when = i => {
      const t = range.start + i * range.step;
      return range.step < 86400 ? `${stamp(t, false).slice(11)}–${stamp(t + range.step, false).slice(11)}` : stamp(t + range.step / 2, false).slice(0, 10);
    };
    const values = i => spec.series.map(s => s.values[i] === null ? null : `${spec.series.length > 1 ? s.name + ' ' : ''}${spec.format(s.values[i])}`).filter(v => v !== null).join(', ');
    const show = i => {
      at = i;
      cursor.setAttribute('visibility', i < 0 ? 'hidden' : 'visible');
      if (i >= 0) cursor.setAttribute('x', left(i));
      out.textContent = i < 0 ? spec.latest : `${when(i)}: ${values(i) || 'nothing'}`;
    };
    svg.addEventListener('pointermove', ev => {
      const box = svg.getBoundingClientRect(), i = Math.floor(((ev.clientX - box.left) / box.width * W - LEFT) / iw * n);
      show(i >= 0 && i < n ? i : -1);
    });
    svg.addEventListener('pointerleave', () => show(-1));
    svg.addEventListener('blur', () => show(-1));
    svg.addEventListener('keydown', ev => {
      const to = { ArrowLeft: at < 0 ? n - 1 : Math.max(0, at - 1), ArrowRight: at < 0 ? 0 : Math.min(n - 1, at + 1), Home: 0, End: n - 1 }[ev.key];
      if (to === undefined) return;
      ev.preventDefault();
      show(to);
    });
    put(figure, h('figcaption', {}, h('span', { class: 'ctitle' }, spec.title), legend(spec), out), svg);
    show(-1);
  }
  const legend = spec => spec.series.length < 2 ? null
    : h('span', { class: 'legend' }, spec.series.map(s => h('span', { class: 'key ' + s.class }, s.name)));
  function describe(spec, range) {
    const hours = Math.round(range.step * range.depth.length / 3600);
    return `${spec.title}, the last ${hours <= 48 ? hours + ' hours' : Math.round(hours / 24) + ' days'}: ${spec.latest || 'nothing'}. Arrow keys tell single values.`;
  }
  return { draw, count, spanMs };
})();
