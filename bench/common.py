"""What the bench's parts share: processes that end with it, a folder that goes with it, a grid made by one fast-import."""
import json, os, re, shutil, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DGRID = os.path.join(ROOT, 'dgrid')
NAIVE = os.path.join(ROOT, 'bench', 'naive.sh')
WORK = tempfile.mkdtemp(prefix='dgrid-bench.')
ENV = {k: v for k, v in os.environ.items() if not k.startswith(('GIT_', 'DGRID_', 'XDG_'))}
ENV.update(HOME=WORK, GIT_CONFIG_NOSYSTEM='1', GIT_AUTHOR_NAME='bench', GIT_AUTHOR_EMAIL='bench@example.invalid',
           GIT_COMMITTER_NAME='bench', GIT_COMMITTER_EMAIL='bench@example.invalid', LC_ALL='C')
running = []


def run(*argv, cwd=None, env=None, stdin=None):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, input=stdin,
                          env={**ENV, **(env or {})}).stdout


def start(*argv, log=None, env=None, cwd=None):
    out = open(log, 'w') if log else subprocess.DEVNULL
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=out, cwd=cwd, env={**ENV, **(env or {})})
    running.append(p)
    return p


def stop(processes):
    for signal_again in (False, True):
        for p in processes:
            if p.poll() is None:
                p.terminate()
        if not signal_again:
            until(20, lambda: all(p.poll() is not None for p in processes))
    for p in processes:
        try:
            p.wait(20)
        except subprocess.TimeoutExpired:
            p.kill()
        if p in running:
            running.remove(p)


def until(seconds, condition, every=0.05):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


class Grid:
    """A bare repository with so many queued, finished and archived tasks; all made by one fast-import."""
    count = 0

    def __init__(self, queued=0, finished=0, archived=0, schedules=0, settings=None, **members):
        Grid.count += 1
        self.dir = os.path.join(WORK, f'g{Grid.count}')
        self.repo = os.path.join(self.dir, 'o.git')
        os.makedirs(self.dir)
        run('git', 'init', '-q', '--bare', '-b', 'main', self.repo)
        out = []

        def add(path, text):
            out.append(f'M 100644 inline {path}\ndata {len(text)}\n{text}\n')

        def task(name, **more):
            return json.dumps({'task_id': name, 'script': 'true', 'timeout_seconds': 60, **members, **more})

        def result(i):
            return {'status': 'success', 'exit_code': 0, 'duration_ms': 5, 'node': 'n', 'stdout': 'x' * 200,
                    'finished_at': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(1.7e9 + i * 60))}
        begin = 'commit refs/heads/{}\ncommitter bench <bench@example.invalid> 1700000000 +0000\ndata 4\nmade\n'
        out.append(begin.format('main'))
        add('grid.json', json.dumps({'schema': 1, **(settings or {})}))
        for folder in ('unapproved', 'queue', 'in_progress', 'completed', 'failed'):
            add(f'tasks/{folder}/.gitkeep', '')
        add('nodes/.gitkeep', '')
        for i in range(queued):
            add(f'tasks/queue/q{i:06}.json', task(f'q{i:06}'))
        for i in range(finished):
            add(f'tasks/completed/f{i:06}.json', task(f'f{i:06}', result=result(1000000 + i)))
        for i in range(schedules):  # due since New Year
            add(f'schedules/s{i:03}.json', json.dumps({'cron': '@yearly', 'task': {'script': 'true', 'timeout_seconds': 60}}))
        if archived:
            add('tasks/archive.json', json.dumps({'schema': 1, 'tasks': archived, 'completed': archived}))
            out.append(begin.format('archive'))
            for i in range(archived):
                t = time.gmtime(1.7e9 + i * 60)
                add(time.strftime('%Y/%m/%d/', t) + f'a{i:06}.json', task(f'a{i:06}', result=result(i)))
        run('git', '-C', self.repo, 'fast-import', '--quiet', stdin=''.join(out).encode())
        os.sync()  # what is measured should not wait for what was prepared

    def completed(self):
        names = run('git', '-C', self.repo, 'ls-tree', '--name-only', 'main', 'tasks/completed/').decode()
        return names.count('/q')

    def worker(self, name, slots, *options, url=None, env=None, engine='bwrap'):
        return start(DGRID, '--repo', url or self.repo, 'worker', '--node-id', name, '--slots', str(slots), '--engine', engine,
                     '--work-dir', os.path.join(self.dir, name), *options, log=os.path.join(self.dir, name + '.log'), env=env)

    def run_all(self, workers, slots, tasks, url=None, env=None, limit=300):
        began = time.monotonic()
        ps = [self.worker(f'w{i}', slots, '--once', url=url, env=env) for i in range(workers)]
        until(limit, lambda: self.completed() >= tasks or all(p.poll() is not None for p in ps))
        seconds = time.monotonic() - began
        until(60, lambda: all(p.poll() is not None for p in ps))
        stop(ps)
        said = [re.search(r'left: (\d+) completed, \d+ failed, (\d+) pushes, (\d+) rejected',
                          open(os.path.join(self.dir, f'w{i}.log')).read()) for i in range(workers)]
        done, pushes, rejected = ([int(m[k]) if m else 0 for m in said] for k in (1, 2, 3))
        if sum(done) != tasks or self.completed() != tasks:
            sys.exit(f'bench: {sum(done)} tasks were run and {self.completed()} are completed, {tasks} were queued')
        return {'rate': tasks / seconds, 'pushes_per_task': sum(pushes) / tasks, 'rejected': sum(rejected) / sum(pushes),
                'jain': sum(done) ** 2 / (workers * sum(d * d for d in done))}

    def naive(self, workers, seconds):
        ps = [start('sh', NAIVE, self.repo, os.path.join(self.dir, f'n{i}'), f'n{i}') for i in range(workers)]
        began = time.monotonic()
        time.sleep(seconds)
        done, took = self.completed(), time.monotonic() - began
        stop(ps)
        return done / took

    def gone(self):
        shutil.rmtree(self.dir)


BWRAP = ['bwrap', '--unshare-all', '--die-with-parent', '--ro-bind', '/usr', '/usr', '--symlink', 'usr/bin', '/bin', '--symlink',
         'usr/lib', '/lib', '--symlink', 'usr/lib64', '/lib64', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp']


def status_of(pid, key):
    for line in open(f'/proc/{pid}/status'):
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    return 0


def cpu_seconds(pid):
    f = open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()
    return sum(int(x) for x in f[11:15]) / os.sysconf('SC_CLK_TCK')  # its own and its ended children's


def size_of(folder):
    return sum(os.path.getsize(os.path.join(at, f)) for at, _, files in os.walk(folder) for f in files) / 1e6
