// check.mjs: looks at the dashboards in a real browser. Arguments: folder of the sites, folder for screenshots.
// SITES/demo (a real grid), hostile, large, empty, past. Prints "ok NAME" or "not ok NAME" a case.
import { chromium } from 'playwright-core';
import { readFileSync, readdirSync, statSync, mkdirSync, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import { join, extname } from 'node:path';

const require = createRequire(import.meta.url);
const [SITES, SHOTS] = process.argv.slice(2), CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
// What a case may take, in ms; a slow machine says so (tests/wait.sh).
const PATIENCE = 600 * (process.env.DGRID_TEST_SCALE || 100);
const only = process.env.ONLY ? new RegExp(process.env.ONLY) : null;
mkdirSync(SHOTS, { recursive: true });
const file = (site, page = 'index.html') => `file://${join(SITES, site, page)}`;
const dataOf = site => JSON.parse(readFileSync(join(SITES, site, 'index.html'), 'utf8').match(/<script type="application\/json" id="data">([^]*?)<\/script>/)[1]);
const NOW = 1795521600; // of the made grids
const demo = dataOf('demo');
demo.tasks = demo.tasks.map(t => Object.fromEntries(demo.columns.map((name, i) => [name, t[i]])));

let failed = 0;
function assert(ok, ...what) { if (!ok) throw new Error(what.map(w => typeof w === 'string' ? w : JSON.stringify(w)).join(' ') || 'not so'); }
const same = (a, b, what = '') => assert(JSON.stringify(a) === JSON.stringify(b), what, 'found', a, 'expected', b);

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

// A page that is watched: whatever goes wrong in it fails the case.
async function open(url, options = {}) {
  const { clock, keep, init, ...rest } = options;
  const context = keep || await browser.newContext({ viewport: { width: 1280, height: 900 }, timezoneId: 'Asia/Kolkata', ...rest });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE / 4);
  page.troubles = [];
  page.on('console', m => { if (['error', 'warning'].includes(m.type())) page.troubles.push('console: ' + m.text()); });
  page.on('pageerror', e => page.troubles.push('error: ' + e.message));
  page.on('dialog', d => { page.troubles.push('dialog: ' + d.message()); d.dismiss(); });
  page.on('request', r => {
    const u = r.url(), own = url.slice(0, url.lastIndexOf('/') + 1).replace(/\/t\/$/, '/');
    if (!u.startsWith(own) && !u.startsWith('data:')) page.troubles.push('request: ' + u);
  });
  await page.addInitScript(() => document.addEventListener('securitypolicyviolation', e => console.error('CSP: ' + e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sample)));
  if (init) await page.addInitScript(init);
  if (clock) await page.clock.install({ time: clock });
  await page.goto(url);
  return page;
}
async function close(page) {
  const { troubles } = page;
  await page.context().close();
  same(troubles, [], 'troubles:');
}
async function test(name, run) {
  if (only && !only.test(name)) return;
  const before = browser.contexts().length;
  try {
    await Promise.race([run(), new Promise((_, no) => setTimeout(() => no(new Error(`not within ${PATIENCE / 1000} s`)), PATIENCE).unref())]);
    console.log('ok browser: ' + name);
  } catch (e) {
    failed++;
    console.log(`${String(e.stack || e).split('\n').slice(0, 6).map(l => '# ' + l).join('\n')}\nnot ok browser: ${name}`);
  }
  for (const c of browser.contexts().slice(before)) await c.close();
}
const rows = page => page.locator('table.tasks tbody tr').evaluateAll(list => list.map(r => r.querySelector('th').firstChild.textContent));
const hash = page => page.evaluate(() => location.hash);
const counted = page => page.locator('#count').innerText();
const chip = (page, name) => page.locator(`.chip input[value="${name}"]`);
const press = (page, name) => page.locator(`.chip:has(input[value="${name}"])`).click();

await test('schedules stand in a table of their own, what is no schedule with its reason', async () => {
  const page = await open(file('large'));
  const rows = await page.locator('#schedule-table tbody tr').allInnerTexts();
  same(rows.length, 2);
  assert(/^broken\s+not valid: /.test(rows[0]) && /^nightly\s+0 2 \* \* \*/.test(rows[1]), rows);
  await close(page);
  const none = await open(file('empty'));
  assert(await none.locator('#schedules').isHidden(), 'without schedules there is no such section');
  await close(none);
});
await test('a site in a folder opens without an error, a violated policy or a request to elsewhere', async () => {
  for (const site of ['demo', 'large', 'empty', 'past']) {
    const page = await open(file(site));
    await page.waitForTimeout(200);
    same(await page.locator('.tile').count(), 6);
    if (site === 'large') await page.waitForFunction(() => !/loaded/.test(document.getElementById('count').textContent));
    await close(page);
  }
});
const server = createServer((req, res) => {
  const path = join(SITES, decodeURIComponent(new URL(req.url, 'http://x').pathname).replace(/^\/some\/where\//, ''));
  if (!req.url.startsWith('/some/where/') || !existsSync(path) || !statSync(path).isFile()) { res.writeHead(404).end(); return; }
  res.writeHead(200, { 'content-type': { '.html': 'text/html', '.js': 'text/javascript' }[extname(path)] || 'text/plain' }).end(readFileSync(path));
});
await new Promise(done => server.listen(0, '127.0.0.1', done));
await test('the same under a path of a web server, data files and pages of tasks too', async () => {
  const page = await open(`http://127.0.0.1:${server.address().port}/some/where/large/index.html#state=completed`);
  await page.waitForFunction(() => !/loaded/.test(document.getElementById('count').textContent));
  await page.locator('table.tasks tbody th a').first().click();
  await page.waitForURL(/\/t\/.*html/);
  await page.locator('.crumbs a').first().click();
  await page.waitForURL(/index\.html/);
  await close(page);
});
server.close();

await test('tiles, nodes and advice say what the ledger says', async () => {
  const status = JSON.parse(readFileSync(join(SITES, 'status.json'), 'utf8')), page = await open(file('demo'));
  const alive = status.nodes.filter(n => !['left', 'silent'].includes(n.state)).length, c = status.counts;
  same(await page.locator('.tvalue').allInnerTexts(), [alive, c.queue, c.in_progress, c.completed, c.failed, c.archived].map(String));
  const shown = await page.locator('table.nodes tbody tr').evaluateAll(list => list.map(r => [r.querySelector('th a').textContent, r.querySelector('.badge').textContent]));
  same(shown.sort(), status.nodes.map(n => [n.node_id, n.state === 'silent' ? 'inactive' : n.state]).sort());
  const said = await page.locator('#advice').innerText();
  assert(/1 queued task waits for labels that no live node carries \(big-disk\)/.test(said), said);
  const audit = await page.locator('#audit').innerText();
  assert(/^audited to [0-9a-f]{10}, no violations, (.* ago|just now)(; \d+ commits? since)?$/.test(audit), audit);
  assert((await page.locator('#audit').getAttribute('class')).includes('a-good'));
  const events = await page.locator('#events').innerText();
  assert(/wind-model lost with its node draco: no sign of life from node draco/.test(events), events);
  await close(page);
});

await test('filters: text, state, node, label, time; the count says how many', async () => {
  const page = await open(file('demo')), all = demo.tasks.length;
  assert((await counted(page)).endsWith(`of ${all} tasks`), await counted(page));
  await page.fill('#f-q', 'WIND backwards');
  same(await rows(page), []);
  same(await counted(page), 'No task matches');
  await page.fill('#f-q', 'wind');
  same(await rows(page), ['wind-model']);
  same(await counted(page), '1–1 of 1 task');
  // What a row shows can be searched for: how it ended, and its last words.
  await page.fill('#f-q', 'exit 127');
  same(await rows(page), ['no-tool']);
  await page.fill('#f-q', 'not found');
  assert((await rows(page)).includes('no-tool'), await rows(page));
  await page.click('#f-clear');
  await press(page, 'running');
  same((await rows(page)).sort(), ['ice-drift', 'sea-level']);
  await press(page, 'queued');
  same((await rows(page)).sort(), ['clouds', 'ice-drift', 'sea-level']);
  await page.click('#f-clear');
  await page.selectOption('#f-label', 'big-disk');
  same(await rows(page), ['clouds']);
  await page.selectOption('#f-label', '');
  await page.selectOption('#f-group', 'weather');
  same(await rows(page), ['clouds']);
  await page.click('#f-clear');
  await page.fill('#f-q', 'weather');
  await page.locator('#task-table a', { hasText: 'weather' }).click();
  assert(/group=weather/.test(await hash(page)), await hash(page));
  await page.click('#f-clear');
  await page.selectOption('#f-node', 'cygnus');
  same((await rows(page)).length, demo.tasks.filter(t => t.node === 'cygnus').length);
  await page.click('#f-clear');
  await page.selectOption('#f-time', '1h');
  const recent = (await rows(page)).length;
  assert(recent > 8 && recent < all, recent);
  // A tile and a node lead to their tasks.
  await page.locator('.tile', { hasText: 'Running' }).click();
  same((await rows(page)).length, 2);
  await page.locator('table.nodes a', { hasText: 'atlas' }).click();
  assert(/node=atlas/.test(await hash(page)));
  await close(page);
});

await test('sorting, by mouse and by key; the header says how', async () => {
  const page = await open(file('demo') + '#size=500');
  const head = key => page.locator(`table.tasks th:has([data-key="${key}"])`);
  same(await head('when').getAttribute('aria-sort'), 'descending');
  await page.click('table.tasks [data-key="id"]');
  const ids = demo.tasks.map(t => t.id.toLowerCase()).sort();
  same((await rows(page)).map(s => s.toLowerCase()), ids);
  same(await head('id').getAttribute('aria-sort'), 'ascending');
  same(await head('when').getAttribute('aria-sort'), 'none');
  await page.keyboard.press('Enter');
  same((await rows(page)).map(s => s.toLowerCase()), ids.reverse());
  same(await head('id').getAttribute('aria-sort'), 'descending');
  await page.click('table.tasks [data-key="run"]');
  const by = Object.fromEntries(demo.tasks.map(t => [t.id, t.ms]));
  const ms = (await rows(page)).filter(id => !['ice-drift', 'sea-level'].includes(id)).map(id => by[id]);
  same(ms, [...ms].sort((a, b) => b - a));
  await page.click('table.nodes [data-key="id"]');
  const names = await page.locator('table.nodes tbody th a').allInnerTexts();
  same(names, [...names].sort());
  // Figures: the header says what the column shows, largest first.
  for (const key of ['done', 'failed', 'seen', 'slots']) {
    const nodes = Object.fromEntries(demo.nodes.map(n => [n.id, n[key === 'slots' ? 'busy' : key]]));
    for (const way of ['descending', 'ascending']) {
      await page.click(`table.nodes [data-key="${key}"]`);
      same(await page.locator(`table.nodes th:has([data-key="${key}"])`).getAttribute('aria-sort'), way);
      const shown = (await page.locator('table.nodes tbody th a').allInnerTexts()).map(id => nodes[id]);
      same(shown, [...shown].sort((a, b) => way === 'ascending' ? a - b : b - a), key);
    }
  }
  await close(page);
});

await test('paging', async () => {
  const page = await open(file('large'));
  await page.waitForFunction(() => /of 3,500 tasks/.test(document.getElementById('count').textContent));
  same((await rows(page)).length, 25);
  const first = await rows(page);
  await page.click('[aria-label="Next page"]');
  assert(/^26–50 of 3,500 tasks/.test(await counted(page)), await counted(page));
  assert(!(await rows(page)).some(id => first.includes(id)));
  await page.keyboard.press('Enter');
  assert(/page=3/.test(await hash(page)), await hash(page));
  await page.selectOption('#p-size', '100');
  assert(/^1–100 of/.test(await counted(page)));
  await page.click('[aria-label="Last page"]');
  assert(/^3,401–3,500 of/.test(await counted(page)));
  assert(await page.locator('[aria-label="Next page"]').isDisabled());
  await page.click('[aria-label="First page"]');
  assert(await page.locator('[aria-label="Page before"]').isDisabled());
  await close(page);
});

await test('the address holds the view: shared, gone back in, changed by hand, nonsense ignored', async () => {
  const page = await open(file('demo'));
  await page.fill('#f-q', 'tile');
  await press(page, 'completed');
  await page.click('table.tasks [data-key="id"]');
  const want = await rows(page), url = page.url();
  assert(want.length > 3 && /q=tile/.test(url) && /state=completed/.test(url) && /sort=id/.test(url), url);
  const other = await open(url);
  same(await rows(other), want);
  same(await other.inputValue('#f-q'), 'tile');
  assert(await chip(other, 'completed').isChecked());
  await close(other);
  await page.goBack();
  assert(!/sort=id/.test(await hash(page)));
  assert(await chip(page, 'completed').isChecked());
  await page.goBack();
  assert(!await chip(page, 'completed').isChecked());
  const odd = await open(file('demo') + '#sort=constructor&dir=up&page=-7&size=9999&time=never&state=nonsense,failed&node=%3Cimg%20src=x%20onerror=alert(1)%3E&range=x');
  same(await rows(odd), []);
  same(await odd.locator('#f-node').inputValue(), '<img src=x onerror=alert(1)>');
  await close(odd);
  await close(page);
});

await test('what does not fit comes from data files; the archive only when it is asked for', async () => {
  const page = await open(file('large'));
  const asked = () => page.evaluate(() => [...document.querySelectorAll('script[src]')].map(s => s.getAttribute('src').replace(/\?[0-9a-f]{16}$/, '')));
  await page.waitForFunction(() => /of 3,500 tasks$/.test(document.getElementById('count').textContent));
  same(await asked(), ['data/tasks.js']);
  await page.click('#p-archive');
  await page.waitForFunction(() => /of 23,500 tasks$/.test(document.getElementById('count').textContent));
  same(await asked(), ['data/tasks.js', 'data/archive.js']);
  await page.fill('#f-q', 'a019999');
  same(await rows(page), ['a019999']);
  same(await page.locator('table.tasks tbody .badge').innerText(), 'archived');
  await close(page);
  const direct = await open(file('large') + '#state=archived');
  await direct.waitForFunction(() => /of 20,000 tasks$/.test(document.getElementById('count').textContent));
  same(await direct.locator('table.tasks tbody a').count(), 0);
  await close(direct);
  const hosted = await open(file('hosted') + '#q=old-one&state=archived');
  same(await hosted.locator('table.tasks tbody th a').getAttribute('href'), 'https://github.com/org/grid/blob/archive/2026/11/03/old-one.json');
  same(await hosted.locator('#age a').getAttribute('href'), 'https://github.com/org/grid/commit/' + dataOf('hosted').commit);
  await close(hosted);
});

const luminance = page => page.evaluate(() => {
  const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).map(Number);
  return (r + g + b) / 3;
});
await test('dark and light: as the system says, or as chosen, and kept', async () => {
  const light = await open(file('demo'), { colorScheme: 'light' });
  assert(await luminance(light) > 200);
  await light.click('[aria-label="Colours"] [data-value="dark"]');
  assert(await luminance(light) < 60);
  await light.reload();
  assert(await luminance(light) < 60);
  same(await light.getAttribute('[aria-label="Colours"] [data-value="dark"]', 'aria-pressed'), 'true');
  await close(light);
  const dark = await open(file('demo'), { colorScheme: 'dark' });
  assert(await luminance(dark) < 60);
  await dark.click('[aria-label="Colours"] [data-value="light"]');
  assert(await luminance(dark) > 200);
  await close(dark);
});

await test('360 pixels wide: nothing sticks out, everything is there', async () => {
  for (const [site, name] of [['demo', 'index.html'], ['large', 'index.html'], ['hostile', 'index.html'], ['empty', 'index.html'], ['demo', 't/wind-model.html'], ['hostile', 't/evil.html']]) {
    const page = await open(file(site, name), { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
    const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert(inner <= 360 && outer <= 360, site, name, inner, outer);
    if (site === 'demo' && name === 'index.html') {
      for (const what of ['.tile >> nth=5', '#charts', 'table.nodes', 'table.tasks', '#f-q']) assert(await page.locator(what).first().isVisible(), what);
      const size = await page.evaluate(() => parseFloat(getComputedStyle(document.body).fontSize));
      assert(size >= 14, size);
    }
    await close(page);
  }
});

await test('the age of the data is counted on, and turns amber and red', async () => {
  const at = demo.now * 1000, page = await open(file('demo'), { clock: at + 120000 });
  const age = page.locator('#age'), text = () => page.locator('#age-text').innerText();
  same([await text(), await age.getAttribute('class')], ['Read 2 minutes ago', 'age fresh']);
  assert((await age.innerText()).includes(demo.commit.slice(0, 10)));
  await page.click('#refresh');
  await page.clock.fastForward(481000);
  same([await text(), await age.getAttribute('class')], ['This is 10 minutes old', 'age stale']);
  assert(/more than ten minutes old/.test(await page.locator('#age-said').innerText()));
  const amber = await age.evaluate(e => getComputedStyle(e).backgroundColor);
  await page.clock.fastForward(3000000);
  same([await text(), await age.getAttribute('class')], ['This is 1 hour old', 'age old']);
  assert(amber !== await age.evaluate(e => getComputedStyle(e).backgroundColor));
  await close(page);
  const past = await open(file('past'), { clock: at + 9000000 });
  assert(/The grid as it was at/.test(await past.locator('#age').innerText()));
  same(await past.locator('#refresh').count(), 0);
  await close(past);
});

await test('it loads itself anew every minute, keeping the view and the place; unless paused or typed into', async () => {
  const page = await open(file('demo') + '#state=completed&page=2', { clock: demo.now * 1000 });
  await page.evaluate(() => { window.first = true; });
  await page.clock.runFor(58000);
  same(await page.evaluate(() => window.first), true);
  await page.clock.runFor(4000);
  await page.waitForFunction(() => window.first === undefined && document.querySelector('table.tasks'));
  same(await hash(page), '#state=completed&page=2');
  assert(/^26–/.test(await counted(page)), await counted(page));
  await page.click('#refresh');
  await page.evaluate(() => { window.first = true; });
  await page.clock.runFor(180000);
  same(await page.evaluate(() => window.first), true);
  await page.click('#refresh');
  await page.focus('#f-q');
  await page.keyboard.type('ti');
  await page.clock.runFor(8000);
  same(await page.evaluate(() => window.first), true);
  await page.clock.runFor(5000);
  await page.waitForFunction(() => window.first === undefined && document.querySelector('#f-q'));
  same(await page.inputValue('#f-q'), 'ti');
  same(await page.evaluate(() => document.activeElement.id), 'f-q');
  await close(page);
});

// A web server whose every answer a case decides: answer(path) is a text, or a number for an error.
async function serving(answer, run) {
  const one = createServer((req, res) => {
    const path = new URL(req.url, 'http://x').pathname.slice(1), got = answer(path);
    if (typeof got === 'number') res.writeHead(got).end('<h1>Bad Gateway</h1>');
    else res.writeHead(200, { 'content-type': { '.html': 'text/html', '.js': 'text/javascript' }[extname(path)] || 'text/plain' }).end(got);
  });
  await new Promise(done => one.listen(0, '127.0.0.1', done));
  try { await run(`http://127.0.0.1:${one.address().port}/`); } finally { one.closeAllConnections(); one.close(); }
}
const text = (site, path) => readFileSync(join(SITES, site, path), 'utf8');
const minutes = (page, n) => page.clock.runFor(n * 60000);
test.quiet = page => { page.troubles = page.troubles.filter(t => !/502|404/.test(t)); };

await test('over HTTP the data is fetched and swapped in: sort, filters, focus, open details and the archive stay; errors only wait', async () => {
  let index = text('large', 'index.html'), broken = 0;
  const asked = [];
  await serving(path => {
    asked.push(path);
    return path === 'index.html' ? broken || index : existsSync(join(SITES, 'large', path)) ? text('large', path) : 404;
  }, async at => {
    const page = await open(at + 'index.html#q=f0000&state=completed&sort=id&dir=asc', { clock: dataOf('large').now * 1000 });
    await page.waitForFunction(() => !/loaded/.test(document.getElementById('count').textContent));
    await page.click('#p-archive');
    await page.waitForFunction(() => !document.getElementById('p-archive') && !/loaded/.test(document.getElementById('count').textContent));
    await page.click('.figures summary');
    await page.evaluate(() => { window.first = true; document.querySelector('table.tasks [data-key="run"]').focus(); });
    const before = await rows(page);
    // Two rounds of a bad gateway: the page stays, says so, and asks less often.
    broken = 502;
    await minutes(page, 1.1);
    await page.waitForFunction(() => /^could not be read again at \d\d:\d\d:\d\d: 502/.test(document.getElementById('age-trouble').textContent));
    same(await rows(page), before);
    const tries = asked.filter(p => p === 'index.html').length;
    await minutes(page, 1.5);
    same(asked.filter(p => p === 'index.html').length, tries, 'backed off');
    // What comes then: another commit, one task fewer, one node more.
    broken = 0;
    const d = dataOf('large');
    index = index.replace(`"commit":"${d.commit}"`, `"commit":"${'ab'.repeat(d.commit.length / 2)}"`).replace(`"now":${d.now},`, `"now":${d.now + 200},`)
      .replace(`data-now="${d.now}"`, `data-now="${d.now + 200}"`).replace('"queue":3000', '"queue":2999');
    await minutes(page, 1);
    await page.waitForFunction(() => document.getElementById('age').textContent.includes('abababab'));
    same(await page.evaluate(() => window.first), true);
    same(await page.locator('#age-trouble').innerText(), '');
    same((await page.locator('.tvalue').allInnerTexts())[1], '2,999');
    same(await rows(page), before);
    same(await hash(page), '#q=f0000&state=completed&sort=id&dir=asc');
    same(await page.evaluate(() => document.activeElement.dataset.key), 'run');
    assert(await page.locator('.figures').evaluate(d => d.open), 'the table of figures is still open');
    await page.click('#f-clear');
    assert(/of 23,500 tasks$/.test(await counted(page)), await counted(page));
    assert(asked.filter(p => p === 'data/archive.js').length === 2, asked);
    test.quiet(page);
    await close(page);
  });
});
await test('the first page is small, and the search goes over 100,000 tasks at each keystroke', async () => {
  const size = gzipSync(text('large', 'index.html'), { level: 6 }).length;
  assert(size <= 60000, 'bytes of the first page, packed', size);
  const d = dataOf('large'), row = d.tasks[d.tasks.length - 1], at = name => d.columns.indexOf(name), list = [];
  for (let i = 0; i < 96500; i++) {
    const r = [...row];
    r[at('id')] = `render-${i}`;
    r[at('state')] = 3;
    r[at('node')] = `n${i % 7}`;
    r[at('ended')] = d.now - i;
    r[at('text')] = `Tile ${i * 7} of the map, at its finest, for those who look closely`;
    r[at('said')] = `drawn in ${i % 977} steps`;
    list.push(r);
  }
  const more = text('large', 'data/tasks.js').replace(/\]\);\n$/, ',' + JSON.stringify(list).slice(1, -1) + ']);\n');
  await serving(path => path === 'data/tasks.js' ? more : existsSync(join(SITES, 'large', path)) ? text('large', path) : 404, async at => {
    const page = await open(at + 'index.html');
    await page.waitForFunction(() => /of 100,000 tasks/.test(document.getElementById('count').textContent));
    const [ms, found] = await page.evaluate(() => [['s', 'st', 'ste', 'step', 'step 9', 'step 97', 'tile 4', 'n3 drawn', 'closely', 'nothing'].map(q => {
      const from = performance.now();
      document.getElementById('f-q').value = q;
      document.getElementById('f-q').dispatchEvent(new Event('input', { bubbles: true }));
      document.body.getBoundingClientRect();
      return performance.now() - from;
    }), document.getElementById('count').textContent]);
    assert(/^No task matches/.test(found), found); // 'nothing'
    console.log(`# a keystroke: ${Math.round(ms.sort((a, b) => a - b)[5])} ms in the middle, on this machine as it is now`);
    await close(page);
  });
});
await test('a task that ends while its page is open: the page over HTTP is what it became', async () => {
  let now = text('demo', 't/ice-drift.html');
  await serving(path => path === 't/ice-drift.html' ? now : 404, async at => {
    const page = await open(at + 't/ice-drift.html', { clock: demo.now * 1000 });
    await page.evaluate(() => { window.first = true; });
    await page.click('details summary');
    now = text('demo', 't/ice-drift.html').replace(/ data-live data-now="\d+"/, '').replace('Running.', 'Succeeded: exit code 0.');
    await minutes(page, 1.1);
    await page.waitForFunction(() => document.querySelector('main').textContent.includes('Succeeded'));
    same(await page.evaluate(() => [window.first, document.getElementById('age'), document.querySelector('details').open, document.getElementById('refresh').hidden]), [true, null, true, true]);
    await close(page);
  });
});

await test('on an old page time stands still: nothing turns red or runs out, all of it says as of when', async () => {
  for (const [options, days] of [[{}, 0], [{ viewport: { width: 390, height: 800 }, colorScheme: 'dark' }, 2]]) {
    const at = demo.now * 1000 + 7200000 + days * 86400000, page = await open(file('demo') + '#state=running', { clock: at, ...options });
    const asOf = 'as of ' + new Date(demo.now * 1000).toISOString().slice(days ? 0 : 11, 16).replace('T', ' ');
    same(await page.locator('.runbar.late').count(), 0);
    for (const bar of await page.locator('.runbar').all()) {
      const words = await bar.getAttribute('aria-label');
      assert(/^running [0-9.]+ s of 60 s, lease for .*, as of /.test(words) && words.endsWith(asOf), words);
    }
    const queued = await page.locator('.tile', { hasText: 'Queued' }).innerText();
    assert(/the oldest waits [0-9.]+ s as of/.test(queued) && queued.includes(asOf), queued);
    same(await page.locator('.bar .asof').first().innerText(), asOf);
    assert(/^(just now|[0-9.]+ (s|min) ago)$/.test(await page.locator('table.nodes tr:has(.n-active) td time').first().innerText()));
    const [grey, soft] = await page.evaluate(() => [getComputedStyle(document.querySelector('.tile.is-bad .tvalue')).color, getComputedStyle(document.querySelector('.tname')).color]);
    same(grey, soft);
    await close(page);
  }
  const page = await open(file('demo', 't/ice-drift.html'), { clock: demo.now * 1000 + 7200000 });
  same(await page.locator('#age-text').innerText(), 'This is 2 hours old');
  same(await page.locator('.runbar.late').count(), 0);
  assert(/as of/.test(await page.locator('.runbar').innerText()));
  await close(page);
  const ended = await open(file('demo', 't/wind-model.html'));
  same(await ended.locator('#age').count(), 0);
  await close(ended);
});

await test('tiles, links, the skip link and the way back from a task keep the filter; counts of states follow it', async () => {
  const page = await open(file('demo') + '#q=tile&sort=id&dir=asc');
  await page.locator('.tile', { hasText: 'Completed' }).click();
  same(await hash(page), '#q=tile&state=completed&sort=id&dir=asc');
  same(Number(await page.locator('.chip:has(input[value="completed"]) .n').innerText()), demo.tasks.filter(t => t.state === 3 && t.id.startsWith('tile')).length);
  same(await page.locator('.chip:has(input[value="failed"]) .n').innerText(), String(demo.tasks.filter(t => t.state === 4 && `${t.id} ${t.text} ${t.said}`.includes('tile')).length));
  await page.focus('.skip');
  await page.keyboard.press('Enter');
  same(await hash(page), '#q=tile&state=completed&sort=id&dir=asc');
  await page.locator('.tile', { hasText: 'Nodes alive' }).click();
  same(await page.evaluate(() => [document.activeElement.id, location.hash]), ['h-nodes', '#q=tile&state=completed&sort=id&dir=asc']);
  const want = await rows(page);
  for (const crumb of [0, 1]) {
    await page.locator('table.tasks tbody th a').first().click();
    await page.waitForURL(/\/t\/tile/);
    await page.locator('.crumbs a').nth(crumb).click();
    await page.waitForURL(/index\.html/);
    same(await hash(page), '#q=tile&state=completed&sort=id&dir=asc');
    same(await rows(page), want);
  }
  await page.locator('table.nodes a', { hasText: 'cygnus' }).click();
  assert(/q=tile&state=completed&node=cygnus/.test(await hash(page)), await hash(page));
  await close(page);
});
await test('times before the clocks went back carry their own zone; pages of tasks name theirs', async () => {
  const page = await open(file('large') + '#sort=when&dir=asc', { timezoneId: 'Europe/Berlin' });
  await page.click('[data-value="local"]');
  same(await page.locator('#zone').innerText(), 'local, UTC+01:00');
  // 30 days before 24 November there was summer time.
  await page.click('#range [data-value="30d"]');
  await page.click('.figures summary');
  const times = await page.evaluate(() => [1795521600, 1792756800].map(t => { const e = document.querySelector('time'); e.dataset.t = t; e.removeAttribute('data-rel'); base.showTimes(); return e.textContent; }));
  same(times, ['2026-11-24 13:00:00', '2026-10-23 14:00:00 UTC+02:00']);
  await close(page);
  const task = await open(file('demo', 't/wind-model.html'), { timezoneId: 'Asia/Kolkata' });
  same(await task.locator('#zone').innerText(), 'UTC');
  await task.click('[data-value="local"]');
  same(await task.locator('#zone').innerText(), 'local, UTC+05:30');
  await close(task);
});

await test('times in UTC and in local time', async () => {
  const page = await open(file('demo', 't/wind-model.html')), time = page.locator('.timeline time').first();
  const utc = await time.innerText(), t = Number(await time.getAttribute('data-t'));
  same(utc, new Date(t * 1000).toISOString().slice(0, 19).replace('T', ' ') + ' UTC');
  await page.click('[data-value="local"]');
  same(await time.innerText(), new Date((t + 19800) * 1000).toISOString().slice(0, 19).replace('T', ' '));
  await page.goto(file('demo'));
  same(await page.locator('#zone').innerText(), 'local, UTC+05:30');
  await close(page);
});

await test('a task on a page of its own: script, both attempts, output, exit in words; and back', async () => {
  const page = await open(file('demo') + '#q=wind');
  await page.click('table.tasks tbody th a');
  await page.waitForURL(/t\/wind-model\.html/);
  const text = await page.locator('main').innerText();
  for (const what of ['wind-model', 'The wind of tomorrow', 'Succeeded: exit code 0. It ran for', 'claimed on draco', 'lost on draco: no sign of life from node draco', 'claimed on', 'sleep 3; echo the wind turns south-west', 'the wind turns south-west']) assert(text.includes(what), what, 'not in', text);
  await page.click('details summary');
  assert((await page.locator('details pre').innerText()).includes('"timeout_seconds": 60'));
  await page.locator('.crumbs a').first().click();
  await page.waitForURL(/index\.html/);
  await close(page);
  const more = { 'no-tool': 'Failed with exit code 127: a command was not found', 'too-long': 'Stopped: its time of 10 s was up.', 'radar-feed': 'Failed with exit code 4', loop: 'head and tail are kept, the middle is left out' };
  for (const [id, words] of Object.entries(more)) {
    const one = await open(file('demo', `t/${id}.html`));
    assert((await one.locator('main').innerText()).includes(words), id);
    await close(one);
  }
  const runs = await open(file('demo', 't/ice-drift.html'), { clock: demo.now * 1000 + 20000 });
  assert(/^running [2-5][0-9] s of 60 s, lease for/.test(await runs.locator('.runbar').getAttribute('aria-label')), await runs.locator('.runbar').getAttribute('aria-label'));
  await close(runs);
});

await test('charts: values by arrow keys, 24 hours and 30 days, the same as a table', async () => {
  const page = await open(file('demo'));
  same(await page.locator('figure svg.chart').count(), 5);
  const svg = page.locator('figure', { hasText: 'Throughput' }).locator('svg'), out = page.locator('figure', { hasText: 'Throughput' }).locator('.readout');
  assert(/^Throughput, the last 24 hours: \d+ tasks\./.test(await svg.getAttribute('aria-label')));
  await svg.focus();
  await page.keyboard.press('End');
  const last = demo.day.done.length - 1;
  assert((await out.innerText()).endsWith(`done ${demo.day.done[last]}, failed ${demo.day.failed[last]}`), await out.innerText());
  await page.keyboard.press('ArrowLeft');
  assert((await out.innerText()).includes(`done ${demo.day.done[last - 1]}`));
  await page.click('#range [data-value="30d"]');
  assert(/range=30d/.test(await hash(page)));
  assert(/the last 30 days/.test(await page.locator('figure svg').first().getAttribute('aria-label')));
  await page.click('.figures summary');
  assert(await page.locator('.figures tbody tr').count() >= 1);
  const sums = await page.locator('.sums').innerText(), ended = demo.month.done.concat(demo.month.failed).reduce((a, b) => a + b);
  assert(sums.includes(String(ended)), sums, ended);
  await close(page);
});

await test('running tasks show time limit and lease; orphans stand out with the reason', async () => {
  const page = await open(file('hostile') + '#q=gone-node', { clock: dataOf('hostile').now * 1000 });
  same(await rows(page), ['orphan']);
  assert(/its node gone-node is not registered/.test(await page.locator('table.tasks tbody tr').innerText()));
  same(await page.locator('tr.orphan .badge').innerText(), 'orphaned');
  assert(/^running 10 min of 60 s, lease ran out 5 min ago/.test(await page.locator('.runbar').getAttribute('aria-label')), await page.locator('.runbar').getAttribute('aria-label'));
  await close(page);
});

await test('hostile text in every field of tasks, results, nodes and settings does nothing', async () => {
  const pages = ['index.html', 'index.html#range=30d&size=500', ...readdirSync(join(SITES, 'hostile', 't')).map(f => 't/' + f)];
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 } });
  const seen = [];
  for (const name of pages) {
    const page = await open(file('hostile', name), { keep: context, init: 'window.alert = () => console.error("fired")' });
    if (name.startsWith('index')) {
      await page.click('.figures summary');
      for (const key of ['id', 'state', 'node', 'wait', 'run', 'when']) await page.click(`table.tasks [data-key="${key}"]`);
      for (const key of ['id', 'seen', 'slots', 'done']) await page.click(`table.nodes [data-key="${key}"]`);
    }
    await page.waitForTimeout(30);
    same(await page.evaluate(() => [document.querySelectorAll('img, iframe, object, embed, base, form[action], [onerror], [onload], [onclick], [style], main script').length,
      [...document.querySelectorAll('a')].filter(a => !/^(file|https|mailto):/.test(a.href)).map(a => a.href), window.fired]), [0, [], null], name);
    seen.push(...page.troubles);
    await page.close();
  }
  same(seen, [], 'troubles:');
  const page = await open(file('hostile'), { keep: context });
  assert((await page.locator('h1').innerText()).includes('<img src=x onerror='));
  assert((await page.locator('table.tasks').innerText()).includes('<img src=x onerror='));
  await close(page);
});

await test('by keyboard: the skip link, / to search, everything in reach has a visible focus', async () => {
  const page = await open(file('demo'));
  await page.keyboard.press('Tab');
  same(await page.evaluate(() => document.activeElement.textContent), 'Skip to the tasks');
  assert(await page.evaluate(() => document.activeElement.getBoundingClientRect().left >= 0));
  await page.keyboard.press('Enter');
  same(await page.evaluate(() => document.activeElement.id), 'tasks');
  await page.keyboard.press('/');
  same(await page.evaluate(() => document.activeElement.id), 'f-q');
  await page.keyboard.type('a/b');
  same(await page.inputValue('#f-q'), 'a/b');
  await page.click('#f-clear');
  await page.evaluate(() => document.activeElement.blur());
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press('Tab');
    const [what, shown] = await page.evaluate(() => {
      const e = document.activeElement, s = getComputedStyle(e.matches('.chip input') ? e.nextElementSibling : e);
      return [e.outerHTML.slice(0, 80), e === document.body || (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1)];
    });
    assert(shown, what);
  }
  await close(page);
});

await test('an empty grid says what to do first; without JavaScript there is a list', async () => {
  const page = await open(file('empty'));
  const text = await page.locator('main').innerText();
  assert(text.includes('dgrid worker --slots 4') && text.includes('dgrid submit --id hello'), text);
  // On top, before tiles of nothing and empty charts.
  assert((await page.locator('#first-steps pre').boundingBox()).y < (await page.locator('#charts').boundingBox()).y && await page.locator('#tasks').isHidden());
  await close(page);
  const plain = await open(file('demo'), { javaScriptEnabled: false });
  assert((await plain.locator('noscript').innerText()).includes('2 running'));
  await plain.locator('noscript a', { hasText: 'wind-model' }).click();
  assert((await plain.locator('main').innerText()).includes('claimed on draco'));
  await plain.context().close();
});

await test('on paper: no controls, the whole table, light', async () => {
  const page = await open(file('demo'), { colorScheme: 'dark' });
  await page.emulateMedia({ media: 'print' });
  assert(!await page.locator('#controls').isVisible() && !await page.locator('#filters').isVisible());
  assert(await page.locator('table.tasks').isVisible() && await luminance(page) > 250);
  // The dark theme's colours are unreadable on white, whoever chose it.
  const colours = () => page.evaluate(() => ['--ink', '--good', '--bad', '--accent', '--fill'].map(n => getComputedStyle(document.documentElement).getPropertyValue(n)));
  same(await colours(), ['#000', '#1c7548', '#b3322a', '#245bb5', '#eeeeea']);
  await page.evaluate(() => { document.documentElement.dataset.theme = 'dark'; });
  same(await colours(), ['#000', '#1c7548', '#b3322a', '#245bb5', '#eeeeea']);
  await close(page);
});

await test('without colour: failed bars are hollow, the 95th percentile is dashed, fields have an edge, the legend stays', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(file('demo'), { colorScheme });
    const css = (selector, ...names) => page.locator(selector).first().evaluate((el, list) => list.map(n => getComputedStyle(el)[n]), names);
    const [fill, stroke] = await css('rect.c-bad', 'fill', 'stroke');
    assert(fill !== stroke, fill, stroke);
    assert((await css('.stroke.c-b', 'strokeDasharray'))[0] !== 'none' && (await css('.stroke.c-a', 'strokeDasharray'))[0] === 'none');
    const [border, back] = (await css('#f-q', 'borderTopColor', 'backgroundColor')).map(c => {
      const [r, g, b] = c.match(/\d+/g).slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    });
    assert(Math.max(border, back) / Math.min(border, back) >= 3, 'edge of the search field', border, back);
    await page.emulateMedia({ forcedColors: 'active' });
    same(await page.locator('.key').first().evaluate(el => getComputedStyle(el, '::before').forcedColorAdjust), 'none');
    await close(page);
  }
});

await test('what failed stands above the charts, by cause, with nodes and times; each leads to its tasks', async () => {
  const clock = NOW * 1000;
  for (const viewport of [{ width: 1280, height: 900 }, { width: 390, height: 800 }]) {
    const page = await open(file('morning'), { clock, viewport });
    const said = await page.locator('#failures li').allInnerTexts();
    same(said.map(s => s.replace(/\s+/g, ' ')), ['9 × No space left on device all on cygnus, 02:01–02:20', '3 × timeout all on atlas, 03:40–04:03',
      '2 × did not converge after 200 steps both on atlas, 11:15–11:38', '2 × sh: 1: ncview: not found on borealis (1), atlas (1), 10:00–10:01',
      '1 × 21 of 24 points; 0: out of range on borealis, 11:43', '1 × loss is NaN on borealis, 11:18', '1 × oom on borealis, 06:26']);
    const box = await page.locator('#failures').boundingBox(), charts = await page.locator('#charts').boundingBox();
    assert(box.y < charts.y && box.y < 2 * viewport.height, box, charts);
    await page.locator('#failures a').first().click();
    assert(/why=No\+space\+left\+on\+device/.test(await hash(page)), await hash(page));
    same((await rows(page)).length, 9);
    assert(await page.locator('#f-why').isVisible() && await page.locator('#f-why').inputValue() === 'No space left on device');
    // The row has the whole line, without the colours of the terminal, and is found by it.
    await page.click('#f-clear');
    await page.fill('#f-q', 'tile-0017.tif No space left');
    same(await rows(page), ['tile-001']);
    assert(/exit 2: tar: \/data\/maps\/tile-0017.tif: Cannot write: No space left on device/.test(await page.locator('table.tasks tbody tr').innerText()));
    await close(page);
  }
  const none = await open(file('empty'));
  assert(await none.locator('#failed').isHidden() && await none.locator('#groups').isHidden());
  await close(none);
});
await test('filters of time: last night, since yesterday, from and to in the zone shown; of how tasks failed', async () => {
  const page = await open(file('morning') + '#state=failed&size=100', { clock: NOW * 1000 });
  await page.selectOption('#f-time', 'night');
  same((await rows(page)).filter(id => !/^(tile|slow|big)-/.test(id)), []);
  same((await rows(page)).length, 13);
  await page.selectOption('#f-time', 'yesterday');
  same([(await rows(page)).length, (await rows(page)).includes('older-0')], [19, false]);
  await page.selectOption('#f-time', 'range');
  await page.fill('#f-from', '2026-11-24T02:00');
  await page.fill('#f-to', '2026-11-24T02:10');
  await page.locator('#f-to').blur();
  same(await rows(page), ['tile-003', 'tile-002', 'tile-001', 'tile-000']);
  const url = page.url();
  assert(/from=1795485600&to=1795486200/.test(url), url);
  const other = await open(url, { clock: NOW * 1000 });
  await other.click('[data-value="local"]');
  same(await other.inputValue('#f-from'), '2026-11-24T07:30');
  same((await rows(other)).length, 4);
  await close(other);
  await page.click('#f-clear');
  await press(page, 'timeout');
  same(await rows(page), ['slow-2', 'slow-1', 'slow-0']);
  await press(page, 'oom');
  same((await rows(page)).length, 4);
  await page.click('#f-clear');
  await press(page, 'cancelled');
  same((await rows(page)).sort(), ['trial-0', 'trial-1', 'trial-2', 'trial-3']);
  same(await page.locator('table.tasks tbody .badge').allInnerTexts(), Array(4).fill('cancelled'));
  same(await page.locator('table.tasks .bad-text').count(), 0);
  assert((await page.locator('.tile', { hasText: 'Failed' }).innerText()).includes('4 cancelled besides'));
  await close(page);
});
await test('nodes: what failed of what ended in 24 hours, marked where well above the others, and what runs now', async () => {
  const page = await open(file('morning'), { clock: NOW * 1000 });
  const row = name => page.locator('table.nodes tbody tr', { hasText: name });
  const said = await row('cygnus').innerText();
  assert(/9 of 21 failed \(43%\)/.test(said) && /others 3%/.test(said) && /8 min of processor time/.test(said), said);
  same(await page.locator('table.nodes .health .badge').count(), 1);
  same(await row('cygnus').locator('.strip .bad').count(), 1);
  assert(/sweep-080, sweep-078, p-train-a/.test(await row('atlas').innerText()), await row('atlas').innerText());
  await row('atlas').locator('a', { hasText: 'p-train-a' }).click();
  await page.waitForURL(/t\/p-train-a/);
  await close(page);
});
await test('groups: how many are done and failed, and about how long the rest takes', async () => {
  const page = await open(file('morning'), { clock: NOW * 1000 });
  const said = (await page.locator('#group-list li').allInnerTexts()).map(s => s.replace(/\s+/g, ' ').trim());
  same(said[0], 'sweep 75 of 200 done, 2 failed, 4 running, about 96 min left');
  assert(said.includes('maps 252 of 268 done, 16 failed') && said.includes('trial 0 of 4 done, 4 cancelled'), said);
  await page.locator('#group-list a', { hasText: 'pipeline' }).click();
  same((await rows(page)).sort(), ['p-clean', 'p-fetch', 'p-report', 'p-train-a', 'p-train-b']);
  await close(page);
});

await test('a pipeline is drawn when it is opened, by pointer and by keyboard; a redraw keeps it open', async () => {
  let index = text('morning', 'index.html');
  await serving(path => path === 'index.html' ? index : existsSync(join(SITES, 'morning', path)) ? text('morning', path) : 404, async at => {
    const page = await open(at + 'index.html', { clock: NOW * 1000 });
    await page.click('#group-list summary');
    const nodes = await page.locator('.gnode').evaluateAll(list => list.map(n => [n.getAttribute('aria-label'), Number(n.querySelector('rect').getAttribute('x'))]));
    same(nodes.map(n => n[0]), ['p-fetch, completed', 'p-clean, completed, needs p-fetch', 'p-train-a, running, needs p-clean', 'p-train-b, failed, needs p-clean', 'p-report, queued, needs p-train-a, p-train-b']);
    same(nodes.map(n => n[1]), [1, 169, 337, 337, 505]);
    same(await page.locator('.edge').count(), 5);
    assert(/✗ p-train-b/.test(await page.locator('.graph').innerHTML()));
    await page.locator('.gnode').first().focus();
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
    same(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), nodes[4][0]);
    const d = dataOf('morning');
    index = index.replace(`"now":${d.now},`, `"now":${d.now + 60},`).replace(`data-now="${d.now}"`, `data-now="${d.now + 60}"`);
    await page.evaluate(() => { window.was = document.querySelector('.graph'); });
    await minutes(page, 1.2);
    await page.waitForFunction(() => document.querySelector('.graph') && document.querySelector('.graph') !== window.was);
    same(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), nodes[4][0]);
    await page.locator('.gnode').nth(3).click();
    await page.waitForURL(/t\/p-train-b/);
    await close(page);
  });
});
await test('an array is a map of its points, each a link to its row', async () => {
  for (const options of [{}, { viewport: { width: 390, height: 800 } }]) {
    const page = await open(file('morning', 't/grid-search.html'), options);
    same(await page.locator('.heat tbody tr').count(), 6);
    same(await page.locator('.heat thead th').allInnerTexts(), ['RATE \\ DEPTH', '2', '4', '8', '16']);
    same(await page.locator('.heat-bad').allInnerTexts(), ['✗ 3', '✗ 7', '✗ 11']);
    same(await page.locator('.heat-bad').first().getAttribute('title'), 'point 3: failed, 2.50 s');
    await page.locator('.heat-bad').nth(1).click();
    assert(await page.locator('tr#p-7').evaluate(r => r.matches(':target') && r.textContent.includes('out of range')));
    await close(page);
  }
});

await test('output as a terminal shows it: colours, what was written over, lines to link to; copied, wrapped, raw; stderr of a failure first', async () => {
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 }, permissions: ['clipboard-read', 'clipboard-write'] });
  await serving(path => existsSync(join(SITES, 'morning', path)) ? text('morning', path) : 404, async at => {
    const page = await open(at + 't/tile-003.html#stderr-2', { keep: context });
    const log = page.locator('pre[data-log="stderr"]');
    // Under the headline, above the facts.
    assert((await log.boundingBox()).y < (await page.locator('#h-facts').boundingBox()).y);
    same(await log.locator('.ln').count(), 2);
    same(await log.locator('.sgr-31').innerText(), 'tar: /data/maps/tile-0051.tif: Cannot write: No space left on device');
    assert(await log.locator('.ln').nth(1).evaluate(l => l.classList.contains('at')), 'the line of the address is marked');
    await log.locator('.no').first().click();
    same([await hash(page), await log.locator('.ln.at').count()], ['#stderr-1', 1]);
    await page.click('[aria-label="Copy stderr"]');
    same(await page.evaluate(() => navigator.clipboard.readText()), 'drawing tile 51\ntar: /data/maps/tile-0051.tif: Cannot write: No space left on device\n');
    await page.click('.logbar >> text=Raw');
    assert((await log.innerText()).includes('␛[31mtar:'));
    await page.click('.logbar >> text=Raw');
    same(await log.locator('.ln').count(), 2);
    same(await log.evaluate(e => getComputedStyle(e).whiteSpaceCollapse + getComputedStyle(e).textWrapMode), 'preservewrap');
    await page.click('.logbar >> text=Wrap');
    same(await log.evaluate(e => getComputedStyle(e).textWrapMode), 'nowrap');
    // Commands to copy.
    same(await page.locator('.commands code').allInnerTexts(), ['dgrid retry tile-003', 'dgrid why tile-003', 'dgrid rerun tile-003']);
    await page.click('[aria-label="Copy dgrid retry tile-003"]');
    same(await page.evaluate(() => navigator.clipboard.readText()), 'dgrid retry tile-003');
    same(page.troubles, []);
    await page.goto(at + 't/map-007.html');
    const out = page.locator('pre[data-log="stdout"]');
    same(await out.locator('.ln').allInnerTexts().then(l => l.map(t => t.trim())), ['drawn in 7 steps', 'bold and green', 'done']);
    same(await out.locator('.sgr-1').innerText(), 'bold and ');
    assert(await out.locator('.sgr-1.sgr-32').count() === 0 && await out.locator('.sgr-32').innerText() === 'green');
    await page.close();
  });
  const raw = await open(file('morning', 't/tile-003.html'), { javaScriptEnabled: false });
  assert((await raw.locator('main').innerText()).includes('No space left on device'));
  await raw.context().close();
});
await test('what a running task has printed so far stands on its page; a new task is asked for at the host', async () => {
  const page = await open(file('demo', 't/ice-drift.html'), { clock: demo.now * 1000 });
  assert(/Standard output so far\s+\d+ bytes[^]*the ice drifts/.test(await page.locator('main').innerText()), await page.locator('main').innerText());
  same(await page.locator('.commands code').allInnerTexts(), ['dgrid logs -f ice-drift', 'dgrid why ice-drift', 'dgrid cancel ice-drift']);
  await close(page);
  const hosted = await open(file('hosted'));
  const to = new URL(await hosted.locator('.links a', { hasText: 'Submit a task' }).getAttribute('href'));
  same([to.origin + to.pathname, to.searchParams.get('filename'), JSON.parse(to.searchParams.get('value')).task_id], ['https://github.com/org/grid/new/main', 'tasks/unapproved/my-task.json', 'my-task']);
  await close(hosted);
  const folder = await open(file('demo'));
  same(await folder.locator('.links a', { hasText: 'Submit a task' }).count(), 0);
  await close(folder);
});

await test('on a phone tasks are cards: nothing scrolls sideways, sorting stays, the first failure is within two screens', async () => {
  const page = await open(file('morning') + '#state=failed', { clock: NOW * 1000, viewport: { width: 390, height: 800 }, isMobile: true, hasTouch: true });
  const box = page.locator('#task-table .scroll');
  same(await box.evaluate(e => e.scrollWidth > e.clientWidth), false);
  const cards = await page.locator('table.tasks tbody tr').evaluateAll(list => list.slice(0, 5).map(r => [r.getBoundingClientRect().left, r.getBoundingClientRect().right, r.querySelector('.badge').getBoundingClientRect().right]));
  for (const [left, right, inner] of cards) assert(left >= 0 && right <= 390 && inner <= right, cards);
  assert((await page.locator('#failures a').first().boundingBox()).y < 1600);
  await page.click('table.tasks [data-key="id"]');
  same((await rows(page))[0], 'big-0');
  await close(page);
});

await test('axe finds nothing at WCAG 2.2 AA, on phone and desktop, light, dark and in forced colours', async () => {
  const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
  for (const [url, options] of [
    ...[{ colorScheme: 'light' }, { colorScheme: 'dark' }, { forcedColors: 'active' }, { viewport: { width: 390, height: 800 } }, { viewport: { width: 390, height: 800 }, colorScheme: 'dark' }]
      .flatMap(o => [[file('morning'), o], [file('morning', 't/tile-003.html'), o]]),
    [file('morning') + '#time=range&status=timeout&size=100', { viewport: { width: 390, height: 800 } }], [file('hostile') + '#size=100', {}], [file('empty'), {}], [file('past'), {}],
    [file('demo', 't/ice-drift.html'), {}], [file('hostile', 't/evil.html'), {}], [file('morning', 't/grid-search.html'), {}], [file('morning', 't/grid-search.html'), { colorScheme: 'dark' }], [file('morning'), { clock: NOW * 1000 + 7200000, colorScheme: 'dark' }],
  ]) {
    const page = await open(url, options);
    for (const one of await page.locator('#group-list summary').all()) await one.click();
    await page.evaluate(axe);
    const found = await page.evaluate(tags => axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] }), tags);
    same(found.violations.map(v => [v.id, v.nodes.map(n => n.target + ' ' + n.failureSummary)]), [], url, JSON.stringify(options));
    await page.context().close();
  }
});

await test('axe finds nothing serious', async () => {
  const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
  for (const [url, options] of [
    [file('demo'), { colorScheme: 'light' }], [file('demo'), { colorScheme: 'dark' }], [file('demo'), { viewport: { width: 360, height: 740 } }],
    [file('empty'), {}], [file('past'), {}], [file('hostile'), {}], [file('large') + '#state=failed', {}], [file('demo') + '#q=nothing-like-it', {}],
    [file('demo', 't/wind-model.html'), {}], [file('demo', 't/ice-drift.html'), { colorScheme: 'dark' }], [file('hostile', 't/evil.html'), {}],
    [file('demo'), { clock: demo.now * 1000 + 1200000 }], [file('demo'), { clock: demo.now * 1000 + 7200000, colorScheme: 'dark' }],
  ]) {
    const page = await open(url, options);
    await page.evaluate(axe);
    const found = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
    same(found.violations.filter(v => ['serious', 'critical'].includes(v.impact)).map(v => [v.id, v.nodes.map(n => n.target + ' ' + n.failureSummary)]), [], url);
    await page.context().close();
  }
});

await test('the HTML is valid', async () => {
  const jar = join(require.resolve('vnu-jar/package.json'), '../build/dist/vnu.jar');
  const pages = ['demo', 'hostile', 'morning', 'empty', 'past'].flatMap(s => readdirSync(join(SITES, s), { recursive: true }).filter(f => f.endsWith('.html')).slice(0, 40).map(f => join(SITES, s, f)));
  pages.push(join(SITES, 'large', 'index.html'));
  try {
    execFileSync('java', ['-XX:-UsePerfData', '-Xss8m', '-jar', jar, '--errors-only', '--format', 'text', ...pages], { stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (e) {
    throw new Error(String(e.stderr || e).slice(0, 2000));
  }
});

await test('pictures of the light, the dark and the small one', async () => {
  for (const [name, options, scale] of [
    ['light', { colorScheme: 'light', viewport: { width: 1200, height: 1400 } }, 0.75], ['dark', { colorScheme: 'dark', viewport: { width: 1200, height: 1400 } }, 0.75],
    ['phone', { colorScheme: 'light', viewport: { width: 390, height: 1050 } }],
  ]) {
    const page = await open(file('demo'), { ...options, clock: demo.now * 1000 + 8000, deviceScaleFactor: scale || 1 });
    await page.screenshot({ path: join(SHOTS, `dashboard-${name}.png`) });
    await close(page);
    const size = statSync(join(SHOTS, `dashboard-${name}.png`)).size;
    assert(size > 10000 && size < 150000, name, size);
  }
});

await browser.close();
process.exit(failed ? 1 : 0);
