#!/usr/bin/env python3
"""make bench: what dgrid costs and gains, as ratios of things measured in one run, rounds interleaved, medians.

    bench.py [--rounds 3] [--only NAME,NAME] [--out DIR]

Writes DIR/results.json and DIR/results.md and prints the table. Needs bwrap. bench/run.sh sets BENCH_IMAGE, an
image with sh, where Docker answers. The figure peers installs packages, so it is taken only when it is named.
"""
import argparse, json, os, re, shutil, socket, statistics, subprocess, sys, time

import peers
from common import BWRAP, DGRID, ENV, ROOT, WORK, Grid, cpu_seconds, run, running, size_of, start, status_of, stop, until


def throughput():
    g = Grid(queued=1500, settings={'keep_finished': 5000})
    r = g.run_all(8, 16, 1500)
    g.gone()
    g = Grid(queued=300)
    naive = g.naive(8, 12)
    g.gone()
    return {'ratio': r['rate'] / naive if naive else float('inf'), 'dgrid_per_s': r['rate'], 'naive_per_s': naive}


def pushes():
    g = Grid(queued=400)
    r = g.run_all(4, 16, 400)
    g.gone()
    return r


def latency():
    ssh = os.path.join(WORK, 'ssh')
    with open(ssh, 'w') as f:
        f.write('#!/bin/sh\n# a repository on this machine, 0.3 s away\nfor last; do :; done\nsleep 0.3\nexec sh -c "$last"\n')
    os.chmod(ssh, 0o755)
    g = Grid(queued=2400, settings={'keep_finished': 5000})
    r = g.run_all(8, 16, 2400, url='ssh://far' + g.repo, env={'GIT_SSH_COMMAND': ssh, 'GIT_SSH_VARIANT': 'simple'})
    g.gone()
    return r


BUDGET_HOOK = '''#!/usr/bin/env python3
# Six pushes to the branch or to anything else in any minute.
import fcntl, os, sys, time
with open(os.path.join(os.environ["GIT_DIR"], "budget"), "a+") as f:
    fcntl.flock(f, fcntl.LOCK_EX)
    f.seek(0)
    now = time.time()
    late = [t for t in f.read().split() if now - float(t) < 60]
    ok = len(late) < 6
    open(os.path.join(os.environ["GIT_DIR"], "asked"), "a").write("1" if ok else "0")
    if ok:
        f.write(f"{now}\\n")
sys.exit(not ok)
'''


def budget_grid(settings):
    g = Grid(queued=20000, settings={'keep_finished': 30000, **settings})
    hook = os.path.join(g.repo, 'hooks', 'pre-receive')
    os.makedirs(os.path.dirname(hook), exist_ok=True)
    with open(hook, 'w') as f:
        f.write(BUDGET_HOOK)
    os.chmod(hook, 0o755)
    return g


def budget():
    """Six minutes: in the first two the nodes find out how long their tasks take, and the other four count."""
    g = budget_grid({'pushes_per_minute': 6})
    before = int(run('git', '-C', g.repo, 'rev-list', '--count', 'main'))
    ps = [g.worker(f'w{i}', 16) for i in range(4)]
    time.sleep(120)
    began, first = time.monotonic(), g.completed()
    time.sleep(240)
    done, took = g.completed() - first, time.monotonic() - began
    asked = open(os.path.join(g.repo, 'asked')).read()
    landed = int(run('git', '-C', g.repo, 'rev-list', '--count', 'main')) - before
    beats = asked.count('1') - landed
    stop(ps)
    g.gone()
    g = budget_grid({})
    naive = g.naive(4, 120)
    g.gone()
    per_minute = done / took * 60
    return {'ratio': per_minute / (naive * 60) if naive else float('inf'), 'dgrid_per_min': per_minute, 'naive_per_min': naive * 60,
            'landed': (landed + max(beats, 0)) / len(asked) if asked else 0}


def cycle_at(finished):
    g = Grid(queued=45, finished=100, archived=finished - 100, settings={'keep_finished': 100})
    head = lambda: run('git', '-C', g.repo, 'rev-parse', 'main')
    starts = []
    for i in range(5):  # fresh nodes: from nothing to the first claim
        before, began = head(), time.monotonic()
        p = g.worker(f'first{i}', 1, '--drain-after', '1')
        until(60, lambda: head() != before, 0.005)
        starts.append(time.monotonic() - began)
        until(60, lambda: p.poll() is not None)
        stop([p])
    p = g.worker('w0', 1, '--once')
    until(60, lambda: g.completed() > 5, 0.01)
    began = time.monotonic()
    until(120, lambda: g.completed() == 45)
    each = (time.monotonic() - began) / 39
    stop([p])
    g.gone()
    return statistics.median(starts), each


def growth():
    small, large = cycle_at(100), cycle_at(100000)
    return {'cycle': large[1] / small[1], 'start': large[0] / small[0], 'start_ms_100': small[0] * 1000, 'cycle_ms_100': small[1] * 1000, 'cycle_ms_100k': large[1] * 1000}


DOCKER = ['docker', 'run', '--rm', '--network', 'none', '--read-only', '--cap-drop', 'ALL', '--memory', '256m', '--cpus', '1',
          '--pids-limit', '128', '--security-opt', 'no-new-privileges', '--tmpfs', '/tmp']
IMAGE = os.environ.get('BENCH_IMAGE')  # an image of sh that the engine has


def overhead_of(engine, alone, **members):
    """50 tasks of 0.2 s in one slot, from the worker's start to the last result at the remote, between two halves of the
    sandbox alone."""
    def sandboxes(n):
        began = time.monotonic()
        for _ in range(n):
            run(*alone, 'sh', '-c', 'sleep 0.2')
        return time.monotonic() - began

    sandboxes(5)  # an engine's first ones are slow
    alone_took = sandboxes(25)
    g = Grid(queued=50, script='sleep 0.2', **members)
    began = time.monotonic()
    p = g.worker('w0', 1, '--once', engine=engine)
    until(120, lambda: g.completed() == 50)
    took = time.monotonic() - began
    if g.completed() != 50:
        sys.exit(f'bench: {engine} completed {g.completed()} of 50 tasks')
    stop([p])
    g.gone()
    alone_took += sandboxes(25)
    return {engine: took / alone_took, engine + '_dgrid_ms': took * 20, engine + '_alone_ms': alone_took * 20}


def bare_sandboxes(n):
    """ms that each of n took."""
    took = []
    for _ in range(n):
        began = time.monotonic()
        os.waitpid(os.posix_spawnp('bwrap', BWRAP + ['sh', '-c', 'true'], ENV), 0)
        took.append((time.monotonic() - began) * 1000)
    return took


def middle(took):
    return statistics.mean(sorted(took)[len(took) // 4:-(len(took) // 4)])


def attempts():
    """50 attempts at a script that does nothing, one after the other, each from its start to its end as the result says,
    between two halves of bwrap alone. Of each the middle half counts: what else the machine does shows at the ends."""
    bare_sandboxes(5)
    alone = bare_sandboxes(25)
    g = Grid(queued=50)
    p = g.worker('w0', 1, '--once')
    until(120, lambda: g.completed() == 50)
    alone += bare_sandboxes(25)
    stop([p])
    took = [json.loads(run('git', '-C', g.repo, 'show', f'main:tasks/completed/q{i:06}.json'))['result']['duration_ms'] for i in range(50)]
    g.gone()
    return {'attempt': middle(took) / middle(alone), 'attempt_ms': middle(took), 'attempt_alone_ms': middle(alone)}


def overhead():
    r = {**attempts(), **overhead_of('bwrap', BWRAP)}
    return {**r, **overhead_of('docker', DOCKER + [IMAGE], settings={'images': [IMAGE]})} if IMAGE else r


def idle():
    g = Grid()
    p = g.worker('w0', 16)
    until(30, lambda: 'w0.json' in run('git', '-C', g.repo, 'ls-tree', '--name-only', 'main', 'nodes/').decode())
    time.sleep(2)
    before, began = cpu_seconds(p.pid), time.monotonic()
    time.sleep(90)
    cpu = (cpu_seconds(p.pid) - before) / (time.monotonic() - began)
    rss = status_of(p.pid, 'VmRSS')
    stop([p])
    g.gone()
    g = Grid(queued=16, script='yes | head -c 20000000')
    p = g.worker('w0', 16)
    until(120, lambda: g.completed() == 16)
    peak = status_of(p.pid, 'VmHWM')
    stop([p])
    g.gone()
    return {'cpu_percent': cpu * 100, 'idle_mb': rss, 'flood_mb': peak}


def readers():
    g = Grid(queued=3000, finished=500, archived=100000)
    took, peak = {}, 0
    # A child starts with its parent's peak, so a small parent asks.
    ask = 'import resource,subprocess,sys; subprocess.run(sys.argv[1:],check=True,stdout=subprocess.DEVNULL); ' \
          'print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)'
    for verb in (['status'], ['nodes'], ['show', 'a050000'], ['logs', 'a000001'], ['why', 'q000001']):
        began = time.monotonic()
        run(DGRID, '--repo', g.repo, *verb)
        took[verb[0] + '_s'] = time.monotonic() - began
        peak = max(peak, int(run(sys.executable, '-S', '-c', ask, DGRID, '--repo', g.repo, *verb)) / 1024)
    site = os.path.join(g.dir, 'site')
    verb = ['dashboard', '-o', site]
    began = time.monotonic()
    run(DGRID, '--repo', g.repo, *verb)
    took['dashboard_s'] = time.monotonic() - began
    took['index_kb'] = os.path.getsize(os.path.join(site, 'index.html')) / 1000
    took['dashboard_mb'] = int(run(sys.executable, '-S', '-c', ask, DGRID, '--repo', g.repo, *verb)) / 1024
    g.gone()
    return {**took, 'peak_mb': peak}


def hook():
    """A push of one new task, to a repository that judges it and to one that takes it as it is, in turns."""
    grids = {True: Grid(queued=200, finished=500), False: Grid(queued=200, finished=500)}
    run(DGRID, 'init', '--hook', grids[True].repo)
    took = {True: [], False: []}
    for hooked, g in grids.items():
        run('git', 'clone', '-q', g.repo, os.path.join(g.dir, 'c'))
    for i in range(25):
        for hooked in (True, False) if i % 2 else (False, True):
            clone = os.path.join(grids[hooked].dir, 'c')
            with open(os.path.join(clone, f'tasks/queue/p{i}.json'), 'w') as f:
                json.dump({'task_id': f'p{i}', 'script': 'true', 'timeout_seconds': 60}, f)
            run('git', '-C', clone, 'add', '-A')
            run('git', '-C', clone, 'commit', '-qm', f'bench: submit p{i}')
            began = time.monotonic()
            run('git', '-C', clone, 'push', '-q', 'origin', 'HEAD:main')
            took[hooked].append(time.monotonic() - began)
    hooked, plain = (statistics.median(took[h]) for h in (True, False))
    for g in grids.values():
        g.gone()
    return {'ratio': hooked / plain, 'hooked_ms': 1000 * hooked, 'plain_ms': 1000 * plain}


def schedules():
    """All due at once, and every worker wants to queue them: each has one task, and its commit says so once."""
    g = Grid(schedules=100, settings={'keep_finished': 5000})

    def names(*of):
        said = run('git', '-C', g.repo, *of, 'main').decode()
        return re.findall(r'(?m)(?:^|: )fire (s\d+-\w+)$', said)
    began, seconds = time.monotonic(), {}
    ps = [g.worker(f'w{i}', 2, '--once') for i in range(8)]
    until(120, lambda: len(names('log', '--format=%s%n%b')) >= 100 or all(p.poll() is not None for p in ps))
    seconds['queued_s'] = time.monotonic() - began
    until(120, lambda: all(p.poll() is not None for p in ps))
    stop(ps)
    fired = names('log', '--format=%s%n%b')
    ended = run('git', '-C', g.repo, 'ls-tree', '--name-only', 'main', 'tasks/completed/').decode().count('/s')
    lost = sum(int(re.search(r'(\d+) rejected', open(os.path.join(g.dir, f'w{i}.log')).read())[1]) for i in range(8))
    audit = subprocess.run([DGRID, '--repo', g.repo, 'audit'], capture_output=True)
    g.gone()
    return {'wrong': abs(len(fired) - 100) + 100 - len(set(fired)) + abs(ended - 100) + audit.returncode, **seconds, 'rejected': lost}


def over_ssh(folder):
    """A server for this user with throwaway keys: the port, and ssh's options."""
    sshd = shutil.which('sshd', path=os.environ['PATH'] + ':/usr/sbin:/sbin')
    if not sshd:
        raise SystemExit('bench: notify needs sshd (openssh-server)')
    os.makedirs(folder, 0o700)
    if os.getuid() == 0:
        os.makedirs('/run/sshd', exist_ok=True)
    for key in ('host', 'user'):
        run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', f'{folder}/{key}')
    with socket.create_server(('127.0.0.1', 0)) as s:
        port = s.getsockname()[1]
    with open(f'{folder}/config', 'w') as f:
        f.write(f'ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\nStrictModes no\n'
                f'UsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nPidFile none\nSetEnv "HOME={WORK}"\n')
    with open(f'{folder}/host.pub') as f, open(f'{folder}/known', 'w') as known:
        known.write(f'[127.0.0.1]:{port} ' + ' '.join(f.read().split()[:2]) + '\n')
    server = start(sshd, '-D', '-e', '-f', f'{folder}/config', log=f'{folder}/log')
    if not until(20, lambda: 'listening' in open(f'{folder}/log').read()):
        raise SystemExit('bench: sshd does not start')
    return server, port, f'ssh -F none -i {folder}/user -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile={folder}/known'


def notify():
    """A submit where the repository is, and when its script begins on a node that reaches it over SSH: told of it, or asking."""
    g, took = Grid(), {}
    server, port, ssh = over_ssh(os.path.join(g.dir, 'ssh'))
    url = f'ssh://127.0.0.1:{port}{g.repo}'
    for how, options in (('told', ('--notify', f'{ssh} -p {port} 127.0.0.1 exec {DGRID} notify --repo {g.repo}')), ('asking', ())):
        w = g.worker(how, 2, *options, url=url, env={'GIT_SSH_COMMAND': ssh})
        until(60, lambda: 'engine bwrap' in open(os.path.join(g.dir, how + '.log')).read())
        waits = []
        for i in range(8):
            run(DGRID, '--repo', g.repo, 'submit', '--id', f'{how}{i}', '--', 'date +%s.%N')
            landed = time.time()
            run(DGRID, '--repo', g.repo, 'wait', f'{how}{i}')
            waits.append(float(run(DGRID, '--repo', g.repo, 'logs', f'{how}{i}')) - landed)
        took[how] = statistics.median(waits[1:])
        stop([w])
    stop([server])
    g.gone()
    return {'told_s': took['told'], 'asking_s': took['asking']}


def history_of(commits):
    """As a host keeps it, packed; made once for all rounds, for a hundred thousand take minutes."""
    repo = os.path.join(WORK, f'audit-{commits}.git')
    if os.path.exists(repo):
        return repo
    run('git', 'init', '-q', '--bare', '-b', 'main', repo)
    made = subprocess.Popen([sys.executable, os.path.join(ROOT, 'bench', 'history.py'), str(commits)], stdout=subprocess.PIPE)
    subprocess.run(['git', '-C', repo, 'fast-import', '--quiet'], stdin=made.stdout, check=True, env=ENV)
    if made.wait():
        raise SystemExit('no history')
    run('git', '-C', repo, 'repack', '-adq')
    return repo


def audited(commits):
    """git log alone and the audit, in turns."""
    repo = history_of(commits)
    log = ['git', '-C', repo, 'log', '--first-parent', '-m', '--raw', '-z', '--no-abbrev', '--no-renames', '--reverse', '--root',
           '--format=%H', 'main']
    took, peak = {False: [], True: []}, 0
    for i in range(3):
        for audit in (False, True) if i % 2 else (True, False):
            began = time.monotonic()
            p = subprocess.Popen([DGRID, '--repo', repo, 'audit'] if audit else log, stdout=subprocess.DEVNULL, env=ENV)
            while audit and p.poll() is None:
                try:
                    peak = max(peak, status_of(p.pid, 'VmHWM'))
                except OSError:
                    pass
                time.sleep(0.01)
            if p.wait():
                raise SystemExit('the audit of an honest history does not pass')
            took[audit].append(time.monotonic() - began)
    return statistics.median(took[True]), statistics.median(took[False]), peak


def audit():
    few, few_log, few_mb = audited(10000)
    many, many_log, many_mb = audited(100000)
    return {'ratio': many / many_log, 'per_s': 100000 / many, 'log_per_s': 100000 / many_log, 'few_ratio': few / few_log,
            'few_mb': few_mb, 'mb': many_mb}


def inputs():
    """200 tasks with the same 20 MB in 500 files, and 200 without, by one node each; then one file of it changed."""
    def submit(g, prefix, n, *options):
        folder = os.path.join(g.dir, prefix)
        os.makedirs(folder)
        for i in range(n):
            with open(os.path.join(folder, f'q{prefix}{i}.json'), 'w') as f:
                json.dump({'task_id': f'q{prefix}{i}', 'script': 'true', 'timeout_seconds': 60}, f)
        run(DGRID, '--repo', g.repo, 'submit', *options, *(os.path.join(folder, f) for f in sorted(os.listdir(folder))))

    def worked(g, name):
        p = subprocess.Popen([DGRID, '--repo', g.repo, 'worker', '--node-id', name, '--slots', '8', '--engine', 'bwrap', '--once',
                              '--work-dir', os.path.join(g.dir, name)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, env=ENV)
        _, status, used = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024

    data = os.path.join(WORK, 'data')
    if not os.path.exists(data):
        os.makedirs(data)
        for i in range(500):
            with open(os.path.join(data, f'f{i:03}'), 'wb') as f:
                f.write(os.urandom(40000))
    g = Grid()
    submit(g, 'without', 200)
    plain, _ = worked(g, 'plain')
    submit(g, 'with', 200, '--input', data)
    given, mb = worked(g, 'given')
    stored = size_of(os.path.join(g.dir, 'given', 'store.git', 'objects'))
    with open(os.path.join(data, 'f007'), 'wb') as f:
        f.write(os.urandom(40000))
    submit(g, 'changed', 1, '--input', data)
    worked(g, 'given')
    more = size_of(os.path.join(g.dir, 'given', 'store.git', 'objects')) - stored
    done = g.completed()
    g.gone()
    if done != 401:
        sys.exit(f'bench: {done} of 401 tasks are completed')
    return {'ratio': given / plain, 'stored_mb': stored, 'changed_mb': more, 'peak_mb': mb}


def outputs():
    """100 KB that a task left, fetched over SSH beside 100 MB of 99 others, a file of 50 MB and 1,000 of 100 KB. And what 10,000 tasks' files of 14
    days and 10 nodes cost who needs none of them: a submit and a look at the branch over SSH, in turns with a grid that has none."""
    def kept(repo):
        begin = 'commit refs/dgrid/out/2026-01-{:02}/n{}/1\ncommitter bench <bench@example.invalid> 1700000000 +0000\ndata 4\nmade\n'
        def parts():
            for day in range(1, 15):
                for node in range(10):
                    yield begin.format(day, node).encode()
                    for i in range(72):
                        yield f'M 100644 inline t{day}-{node}-{i}/f\ndata 1000\n'.encode() + os.urandom(1000) + b'\n'
        run('git', '-C', repo, 'fast-import', '--quiet', stdin=b''.join(parts()))

    g = Grid(settings={'max_out_mb': 200, 'max_out_files': 2000})
    server, port, ssh = over_ssh(os.path.join(g.dir, 'ssh'))
    env = {**ENV, 'GIT_SSH_COMMAND': ssh, 'XDG_CACHE_HOME': os.path.join(g.dir, 'cache')}
    for i in range(100):
        run(DGRID, '--repo', g.repo, 'submit', '--id', f'q{i}', '--', f'head -c {1010000 if i else 100000} /dev/urandom >/out/f')
    run(DGRID, '--repo', g.repo, 'submit', '--id', 'qtall', '--timeout', '250', '--', 'head -c 50000000 /dev/urandom >/out/big')
    run(DGRID, '--repo', g.repo, 'submit', '--id', 'qwide', '--timeout', '250', '--', 'for i in $(seq 1000); do head -c 100000 /dev/urandom >/out/$i; done')
    run('git', '-C', g.repo, 'config', 'uploadpack.allowAnySHA1InWant', 'true')  # as dgrid init --bare does
    # Over SSH, so that no process of the host's is counted.
    p, own = g.worker('n', 4, '--once', url=f'ssh://127.0.0.1:{port}{g.repo}', env={'GIT_SSH_COMMAND': ssh}), 0
    while True:
        try:
            own = max(own, status_of(p.pid, 'VmHWM'))
        except OSError:
            pass
        pid, _, used = os.wait4(p.pid, os.WNOHANG)
        if pid:
            break
        time.sleep(0.02)
    p.returncode = 0
    if g.completed() != 102:
        sys.exit('bench: what leaves files did not succeed')
    peak = used.ru_maxrss / 1024
    run(DGRID, '--repo', f'ssh://127.0.0.1:{port}{g.repo}', 'get', 'q0', 'f', '-o', os.path.join(g.dir, 'got'), env=env)
    fetched = size_of(os.path.join(g.dir, 'cache'))
    grids, took = {'none': Grid(), 'many': Grid()}, {}
    kept(grids['many'].repo)
    for i in range(12):
        for name in ('none', 'many') if i % 2 else ('many', 'none'):
            url = f'ssh://127.0.0.1:{port}{grids[name].repo}'
            for what, argv in (('submit', (DGRID, '--repo', url, 'submit', '--id', f'q{i}', '--', 'true')), ('look', ('git', 'ls-remote', url, 'refs/heads/main'))):
                began = time.monotonic()
                run(*argv, env=env)
                took.setdefault((what, name), []).append(time.monotonic() - began)
    stop([server])
    ratio = {what: statistics.median(took[what, 'many'][2:]) / statistics.median(took[what, 'none'][2:]) for what in ('submit', 'look')}
    for one in (g, *grids.values()):
        one.gone()
    return {'fetched_mb': fetched, 'own_mb': own, 'peak_mb': peak, **ratio}


def pipelines():
    """A chain of 50 tasks that do nothing, by one node; and 1,000 of 0.5 s in layers of 50, each needing two of the layer
    before, by four nodes of four slots."""
    def submit(g, tasks):
        path = os.path.join(g.dir, 'q.json')
        with open(path, 'w') as f:
            json.dump({'group': 'q', 'defaults': {'timeout_seconds': 60}, 'tasks': tasks}, f)
        began = time.monotonic()
        run(DGRID, '--repo', g.repo, 'submit', path)
        return time.monotonic() - began

    g = Grid()
    submit(g, [{'name': f't{i:03}', 'script': 'true', 'needs': [f't{i - 1:03}'] if i else []} for i in range(50)])
    chain = g.run_all(1, 2, 50)
    g.gone()
    g = Grid(settings={'keep_finished': 5000})
    seconds = submit(g, [{'name': f't{i:04}', 'script': 'sleep 0.5',
                          'needs': [f't{i // 50 * 50 - 50 + k % 50:04}' for k in (i, i + 7)] if i >= 50 else []} for i in range(1000)])
    dag = g.run_all(4, 4, 1000)
    g.gone()
    return {'link': 1 / chain['rate'], 'ideal': 20 * -(-50 // 16) * 0.5 / (1000 / dag['rate']), 'submit': seconds}


def sweep():
    """A sweep of 10,000 points: submitted, cloned, read. And what a point costs: 64 in one sandbox that they share; 50 in sandboxes
    of their own, between two halves of bwrap alone, of each the middle half."""
    def timed(g, *argv):
        began = time.monotonic()
        run(DGRID, '--repo', g.repo, *argv)
        return time.monotonic() - began

    def result(g, name):
        return json.loads(run('git', '-C', g.repo, 'show', f'main:tasks/completed/{name}-0000.json'))['result']

    g = Grid()
    before = int(run('git', '-C', g.repo, 'rev-list', '--count', 'main'))
    submit = timed(g, 'submit', '--array', '0-9999', '--id', 'sweep', '--', './fit --seed $DGRID_POINT')
    commits = int(run('git', '-C', g.repo, 'rev-list', '--count', 'main')) - before
    run('git', 'clone', '-q', '--bare', '--depth', '1', 'file://' + g.repo, os.path.join(g.dir, 'clone'))
    clone = size_of(os.path.join(g.dir, 'clone', 'objects')) * 1000
    status = statistics.median(timed(g, 'status', '--group', 'sweep') for _ in range(5))
    dashboard = statistics.median(timed(g, 'dashboard', '-o', os.path.join(g.dir, 'site')) for _ in range(3))
    g.gone()
    g = Grid()
    timed(g, 'submit', '--array', '0-63', '--chunk', '64', '--timeout', '30', '--share-sandbox', '--id', 'shared', '--', 'true')
    timed(g, 'submit', '--array', '0-49', '--chunk', '50', '--id', 'own', '--', 'true')
    bare_sandboxes(5)
    bare = bare_sandboxes(25)
    p = g.worker('w0', 1, '--once')
    until(120, lambda: p.poll() is not None)
    bare += bare_sandboxes(25)
    stop([p])
    shared = result(g, 'shared')['duration_ms'] / 64
    own = middle([point['duration_ms'] for point in result(g, 'own')['points']])
    g.gone()
    return {'submit_s': submit, 'commits': commits, 'clone_kb': clone, 'status_s': status, 'dashboard_s': dashboard, 'shared_ms': shared,
            'own': own / middle(bare), 'own_ms': own, 'bare_ms': middle(bare)}


def packed():
    """A start of the static program as it is released and as it was before it was packed, in turns."""
    run('make', '-s', 'static')
    cpu = {'arm64': 'aarch64'}.get(os.uname().machine, os.uname().machine)
    programs = {True: os.path.join(ROOT, 'dgrid-static'), False: os.path.join(ROOT, 'build', 'static', f'dgrid-{cpu}')}
    took = {True: [], False: []}
    for i in range(200):
        for which in (True, False) if i % 2 else (False, True):
            began = time.monotonic()
            run(programs[which], 'version')
            took[which].append(time.monotonic() - began)
    return {'packed_ms': 1000 * statistics.median(took[True]), 'plain_ms': 1000 * statistics.median(took[False]),
            'packed_kb': os.path.getsize(programs[True]) / 1000, 'plain_kb': os.path.getsize(programs[False]) / 1000}


# name: (function, [(key, what, must reach, test)])
FIGURES = {
    'readers': (readers, [('status_s', '`status` with 100,000 archived and 3,000 queued tasks, s', '< 1', lambda v: v < 1),
                          ('show_s', '`show` of an archived one, s', '< 1', lambda v: v < 1),
                          ('logs_s', '`logs` of an archived one, s', '< 1', lambda v: v < 1),
                          ('why_s', '`why` of a queued one, s', '< 1', lambda v: v < 1),
                          ('peak_mb', 'largest process among them, MB', '< 100', lambda v: v < 100),
                          ('dashboard_s', '`dashboard` of the same grid, s', '< 3', lambda v: v < 3),
                          ('dashboard_mb', '  largest process, MB', '< 200', lambda v: v < 200),
                          ('index_kb', '  its first page, KB', '< 500', lambda v: v < 500)]),
    'throughput': (throughput, [('ratio', 'tasks/s, 8 workers × 16 slots, folder: times the naive loop', '≥ 20', lambda v: v >= 20),
                                ('dgrid_per_s', '  dgrid, tasks/s', '', None), ('naive_per_s', '  naive, tasks/s', '', None)]),
    'pushes': (pushes, [('pushes_per_task', 'pushes a task, 4 × 16, folder', '≤ 0.12', lambda v: v <= 0.12),
                        ('rejected', '  rejected', '≤ 0.30', lambda v: v <= 0.3), ('jain', '  fairness (Jain)', '', None)]),
    'latency': (latency, [('rejected', '0.3 s a network operation, 8 × 16: pushes rejected', '≤ 0.05', lambda v: v <= 0.05),
                          ('jain', '  fairness (Jain)', '≥ 0.9', lambda v: v >= 0.9), ('rate', '  tasks/s', '', None)]),
    'budget': (budget, [('ratio', '6 pushes a minute, 4 × 16: tasks/min, times the naive loop', '≥ 30', lambda v: v >= 30),
                        ('landed', '  pushes that landed', '≥ 0.9', lambda v: v >= 0.9),
                        ('dgrid_per_min', '  dgrid, tasks/min', '≥ 1500', lambda v: v >= 1500), ('naive_per_min', '  naive, tasks/min', '', None)]),
    'growth': (growth, [('cycle', 'claim + complete at 100,000 finished ÷ at 100', '≤ 1.2', lambda v: v <= 1.2),
                        ('start', 'fresh node, start to first claim, at 100,000 finished ÷ at 100', '≤ 1.5', lambda v: v <= 1.5)]),
    'overhead': (overhead, [('docker', '50 tasks of 0.2 s, 1 slot, coordination included ÷ `docker run` alone', '≤ 1.25', lambda v: v <= 1.25),
                            ('docker_dgrid_ms', '  dgrid, ms a task', '', None), ('docker_alone_ms', '  docker run, ms', '', None),
                            ('bwrap', 'the same ÷ `bwrap` alone', 'reported', None),
                            ('bwrap_dgrid_ms', '  dgrid, ms a task', '', None), ('bwrap_alone_ms', '  bwrap, ms', '', None),
                            ('attempt', 'an attempt in bubblewrap, nothing to do ÷ `bwrap` alone', '≤ 1.2', lambda v: v <= 1.2),
                            ('attempt_ms', '  the attempt, ms', '', None), ('attempt_alone_ms', '  bwrap, ms', '', None)]),
    'hook': (hook, [('ratio', 'push of one task to a folder that judges it ÷ to one that does not', '≤ 2', lambda v: v <= 2),
                    ('hooked_ms', '  judged, ms', '', None), ('plain_ms', '  not judged, ms', '', None)]),
    'audit': (audit, [('ratio', 'audit of 100,000 commits ÷ `git log --raw` of them alone', '≤ 3', lambda v: v <= 3),
                      ('per_s', '  commits a second', '', None), ('log_per_s', '  `git log` alone, commits a second', '', None),
                      ('few_ratio', '  of 10,000 commits ÷ `git log`', '≤ 3', lambda v: v <= 3),
                      ('few_mb', '  resident at 10,000 commits, MB', '', None),
                      ('mb', '  resident at 100,000 commits, MB', '≤ 50', lambda v: v <= 50)]),
    'inputs': (inputs, [('ratio', '200 tasks with the same input, 20 MB in 500 files: processor time ÷ without', '≤ 1.1', lambda v: v <= 1.1),
                        ('stored_mb', '  received and kept, MB', '≤ 25', lambda v: v <= 25),
                        ('changed_mb', '  one file of it changed: received, MB', '≤ 0.1', lambda v: v <= 0.1),
                        ('peak_mb', '  largest process, MB', '≤ 80', lambda v: v <= 80)]),
    'outputs': (outputs, [('fetched_mb', '100 KB that a task left, fetched beside 100 MB of others: received, MB', '≤ 0.2', lambda v: v <= 0.2),
                          ('own_mb', '  the worker resident, MB', '≤ 40', lambda v: v <= 40),
                          ('peak_mb', '  largest process, 1,000 files of 100 KB and one of 50 MB among them, MB', '≤ 80', lambda v: v <= 80),
                          ('submit', '`submit` over SSH with 10,000 tasks\' files kept ÷ without', '≤ 1.1', lambda v: v <= 1.1),
                          ('look', 'a look at the branch, the same', '≤ 1.1', lambda v: v <= 1.1)]),
    'pipelines': (pipelines, [('link', 'a chain of 50 tasks, one node in a folder: s a link', '≤ 0.5', lambda v: v <= 0.5),
                              ('ideal', '1,000 tasks in layers of 50, four nodes: ideal makespan ÷ this', '≥ 0.7', lambda v: v >= 0.7),
                              ('submit', '  to submit them, s', '', None)]),
    'sweep': (sweep, [('submit_s', '`submit` of 10,000 points, s', '≤ 2', lambda v: v <= 2),
                      ('commits', '  commits', '1', lambda v: v == 1),
                      ('clone_kb', '  a shallow clone with them, KB', '≤ 50', lambda v: v <= 50),
                      ('status_s', '  `status --group`, s', '≤ 0.3', lambda v: v <= 0.3),
                      ('dashboard_s', '  `dashboard`, s', '≤ 1', lambda v: v <= 1),
                      ('shared_ms', 'a point in a shared sandbox, ms', '≤ 3', lambda v: v <= 3),
                      ('own', 'a point in a sandbox of its own ÷ `bwrap` alone', '≤ 1.3', lambda v: v <= 1.3),
                      ('own_ms', '  the point, ms', '', None), ('bare_ms', '  bwrap, ms', '', None)]),
    'packed': (packed, [('packed_kb', 'the static program, KB', '< 550', lambda v: v < 550),
                        ('packed_ms', '  a start of it, ms', '', None), ('plain_kb', '  not packed, KB', '', None),
                        ('plain_ms', '  a start of it, ms', '', None)]),
    'schedules': (schedules, [('wrong', '100 schedules due at once, 8 workers: tasks missing or queued twice', '= 0', lambda v: v == 0),
                              ('queued_s', '  all of them queued after, s', '≤ 15', lambda v: v <= 15), ('rejected', '  pushes that lost a race', '', None)]),
    'notify': (notify, [('told_s', 'submit to start over SSH, `--notify`: s from the end of the submit', '≤ 0.3', lambda v: v <= 0.3),
                        ('asking_s', '  the same by polling, s', '', None)]),
    'peers': (peers.peers, [('noop_parallel', '200 tasks that do nothing, 4 slots ÷ GNU parallel with bubblewrap', '≤ 1.2', lambda v: v <= 1.2),
                            ('ideal_parallel', '40 tasks of 0.2 s, 4 slots ÷ GNU parallel with bubblewrap', '≤ 1.1', lambda v: v <= 1.1),
                            ('ideal_slurm', '  ÷ Slurm with its defaults', '≤ 0.3', lambda v: v <= 0.3),
                            ('ideal_tuned', '  ÷ Slurm set for throughput', '≤ 1', lambda v: v <= 1),
                            ('own_start_ms', 'from the end of a submit to start on an idle grid in a folder, ms', '≤ 150', lambda v: v <= 150),
                            ('own_typed_ms', '  from its beginning, ms', '', None),
                            ('own_submit_s', 'one `submit` of 1,000 files, s', '≤ 0.5', lambda v: v <= 0.5)]),
    'idle': (idle, [('cpu_percent', 'an idle worker, % of a core', '≤ 0.2', lambda v: v <= 0.2),
                    ('idle_mb', '  resident, MB', '≤ 10', lambda v: v <= 10),
                    ('flood_mb', '  resident with 16 tasks flooding output, MB', '≤ 20', lambda v: v <= 20)]),
}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--rounds', type=int, default=3)
    ap.add_argument('--only', default=','.join(n for n in FIGURES if n != 'peers'))
    ap.add_argument('--out', default=os.path.join(ROOT, 'build', 'bench'))
    args = ap.parse_args()
    names = [n for n in FIGURES if n in args.only.split(',')]
    rounds = {n: [] for n in names}
    for r in range(args.rounds):
        for n in names:
            print(f'round {r + 1} of {args.rounds}: {n}', file=sys.stderr, flush=True)
            rounds[n].append(FIGURES[n][0]())
    lines, results = ['| figure | median | must reach | |', '|---|---|---|---|'], {}
    for n in names:
        medians = {k: statistics.median(x[k] for x in rounds[n]) for k in rounds[n][0] if all(k in x for x in rounds[n])}
        results[n] = {'median': medians, 'rounds': rounds[n]}
        for key, what, bar, test in FIGURES[n][1]:
            if key not in medians:
                lines.append(f'| {what} | not measured{": no engine" if n == "overhead" else ""} | {bar} | {"NO" if test else ""} |')
                continue
            verdict = '' if test is None else 'yes' if test(medians[key]) else 'NO'
            lines.append(f'| {what} | {medians[key]:.3g} | {bar} | {verdict} |')
    if 'peers' in results:
        lines += ['', *peers.table(results['peers']['median'])]
    os.makedirs(args.out, exist_ok=True)
    with open(os.path.join(args.out, 'results.json'), 'w') as f:
        json.dump({'rounds': args.rounds, 'cpus': os.cpu_count(), 'date': time.strftime('%Y-%m-%d'),
                   'git': run('git', 'version').decode().strip(), 'results': results}, f, indent=2)
    with open(os.path.join(args.out, 'results.md'), 'w') as f:
        f.write('\n'.join(lines) + '\n')
    print('\n'.join(lines))


try:
    main()
finally:
    stop(list(running))
    shutil.rmtree(WORK, ignore_errors=True)
