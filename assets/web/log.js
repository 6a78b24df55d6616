'use strict';
/* What a task printed: lines with numbers that can be linked to, a terminal's colours, what a carriage return left; and
 * what can be copied. Without this the text stands there as it is. */
(() => {
  const { h, put } = base;
  async function copy(text, button) {
    const was = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = h('textarea', { class: 'hidden' });
      area.value = text;
      button.after(area);
      area.select();
      document.execCommand('copy');
      area.remove();
      button.focus();
    }
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = was; }, 2000);
  }
  /* What a terminal shows of a line: of what was written over, the last. */
  const seen = line => line.replace(/␍+$/, '').split('␍').filter((s, i, all) => s || i === all.length - 1).pop();
  /* Text and the classes that hold for it, from one line to the next. Only colours and weights are followed. */
  function styled(line, state, out) {
    let at = 0;
    const flush = to => {
      const text = line.slice(at, to), classes = [...state].map(c => 'sgr-' + c).join(' ');
      if (text) out.append(classes ? h('span', { class: classes }, text) : text);
    };
    for (const m of line.matchAll(/␛(?:\[([0-9;:?]*)([@-~])|\][^␇␛]*(?:␇|␛\\)?|[()].|[=>78cDEHM])/g)) {
      flush(m.index);
      at = m.index + m[0].length;
      if (m[2] !== 'm') continue;
      const codes = (m[1] || '0').split(/[;:]/).map(Number);
      for (let i = 0; i < codes.length; i++) {
        const c = codes[i];
        if (c === 38 || c === 48) { i += codes[i + 1] === 5 ? 2 : 4; continue; }
        if (c === 0) state.clear();
        if (c === 22) { state.delete(1); state.delete(2); }
        if (c === 23 || c === 24) state.delete(c - 20);
        if ((c >= 30 && c <= 39) || (c >= 90 && c <= 97)) for (const s of [...state]) if (s >= 30) state.delete(s);
        if ((c >= 1 && c <= 4) || (c >= 30 && c <= 37)) state.add(c);
        if (c >= 90 && c <= 97) state.add(c - 60);
      }
    }
    flush(line.length);
  }
  function show(pre) {
    const name = pre.dataset.log, raw = pre.textContent, state = new Set(), from = pre.scrollTop;
    const lines = raw.replace(/\n$/, '').split('\n').map((line, i) => {
      const text = h('span', {}), id = `${name}-${i + 1}`;
      styled(seen(line), state, text);
      return h('span', { class: 'ln', id }, h('a', { class: 'no', href: '#' + id, 'aria-label': `line ${i + 1}`, tabindex: -1, 'data-n': i + 1 }), text, '\n');
    });
    const nice = () => put(pre, lines), plain = () => lines.map(l => l.children[1].textContent).join('\n') + '\n';
    const toggle = (text, on, change, title) => h('button', { type: 'button', class: 'toggle', 'aria-pressed': on, title, onclick() {
      const now = this.getAttribute('aria-pressed') !== 'true';
      this.setAttribute('aria-pressed', now);
      change(now);
    } }, text);
    nice();
    pre.classList.add('log');
    pre.before(h('div', { class: 'logbar' },
      h('button', { type: 'button', class: 'toggle', 'aria-label': `Copy ${name}`, onclick() { copy(pre.classList.contains('raw') ? raw : plain(), this); } }, 'Copy'),
      toggle('Wrap', true, on => pre.classList.toggle('nowrap', !on), 'Break long lines'),
      toggle('Raw', false, on => { pre.classList.toggle('raw', on); if (on) pre.textContent = raw; else nice(); }, 'Every byte that was printed, those for a terminal as symbols')));
    pre.scrollTop = name === 'stdout' ? from : pre.scrollHeight;
  }
  function mark() {
    document.querySelectorAll('.ln.at').forEach(l => l.classList.remove('at'));
    const line = /^#[a-z-]+-\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
    if (!line || !line.classList.contains('ln')) return;
    line.classList.add('at');
    line.scrollIntoView({ block: 'center' });
  }
  base.on('page', () => {
    document.querySelectorAll('pre[data-log]:not(.log)').forEach(show);
    document.querySelectorAll('.commands code').forEach(c => c.after(' ', h('button', { type: 'button', class: 'toggle', 'aria-label': `Copy ${c.textContent}`, onclick() { copy(c.textContent, this); } }, 'Copy')));
    mark();
  });
  window.addEventListener('hashchange', mark);
})();
