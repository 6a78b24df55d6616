"""The same work by other queues on this machine, side by side: `make bench ONLY=peers`.

Each peer is a class of a few lines; what is measured is written once. Everything that a peer starts stands in a folder of the bench's, carries
BENCH_PEER in its environment, and is ended by its process id. BENCH_SHRINK=10 takes a tenth of the work, BENCH_PEERS=nq,dgrid some of the peers.
"""
import json, os, shlex, shutil, signal, socket, statistics, subprocess, sys, threading, time

from common import BWRAP, DGRID, ENV, WORK, Grid, cpu_seconds, start, until

SHRINK = int(os.environ.get('BENCH_SHRINK', '1'))
SLOTS = 4
# What dgrid asks of bubblewrap, but for its filter of system calls, names of users and control groups.
BOX = [*BWRAP, '--unshare-user', '--uid', '1000', '--gid', '1000', '--hostname', 'dgrid', '--clearenv', '--setenv', 'HOME', '/tmp', '--setenv', 'PATH',
       '/usr/local/bin:/usr/bin:/bin', '--disable-userns', '--perms', '1777', '--size', str(64 << 20), '--tmpfs', '/dev/shm', '--remount-ro', '/dev',
       '--chdir', '/tmp', '--remount-ro', '/', '--new-session', '--cap-drop', 'ALL', '--']
PACKAGES = {'parallel': 'parallel', 'nq': 'nq', 'tsp': 'task-spooler', 'redis-server': 'redis-server', 'rq': 'python3-rq', 'munged': 'munge',
            'slurmctld': 'slurmctld', 'slurmd': 'slurmd', 'sbatch': 'slurm-client', 'bwrap': 'bubblewrap'}
PATH = os.environ['PATH'] + ':/usr/sbin:/sbin'


class Missing(Exception):
    """Why a peer is not measured."""


def command(script, box):
    return [*(BOX if box else ()), 'sh', '-c', script]


def disk_of(folder):
    """Bytes in whole blocks, as du counts."""
    return sum(os.lstat(os.path.join(at, f)).st_blocks * 512 for at, folders, files in os.walk(folder) for f in [*folders, *files])


def comm(pid):
    try:
        return open(f'/proc/{pid}/comm').read().strip()
    except OSError:
        return ''


def runner_of(pid):
    """The process that runs this task: its next ancestor that is no part of the task or its sandbox."""
    while comm(pid) in ('sleep', 'sh', 'bwrap'):
        pid = int(open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[1])
    return pid


def kill(pids, how=signal.SIGKILL):
    for pid in pids:
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            pass


class Peer:
    needs, boxes, queue = (), (False, True), True
    most = held = 10000  # tasks that it can run in the time there is; tasks that can wait

    def __init__(self):
        missing = sorted(PACKAGES[c] for c in self.needs if not shutil.which(c, path=PATH))
        if missing:
            raise Missing('not installed: ' + ', '.join(missing))
        Peer.made = getattr(Peer, 'made', 0) + 1
        self.dir = os.path.join(WORK, f'peer{Peer.made}')
        os.makedirs(self.dir)
        os.chmod(WORK, 0o755)
        self.env = {'BENCH_PEER': self.dir, 'TMPDIR': self.dir, 'PATH': PATH, **self.surroundings()}
        self.handed, self.ps, self.coordinators = 0, [], []

    def surroundings(self):
        return {}

    def run(self, *argv, stdin=None):
        p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.dir, input=stdin, env={**ENV, **self.env})
        if p.returncode:
            raise Missing(f'{" ".join(argv)[:60]}: {p.stderr.decode(errors="replace").strip()[-200:]}')
        return p.stdout

    def start(self, *argv, log='log'):
        p = start(*argv, log=os.path.join(self.dir, log), env={**self.env, 'PWD': self.dir}, cwd=self.dir)
        self.ps.append(p)
        return p

    def script(self, lines):
        """A shell script in which each line hands in a task: what there is where a queue takes one at a time."""
        path = os.path.join(self.dir, 'hand-in')
        with open(path, 'w') as f:
            f.write('set -e\n' + '\n'.join(lines) + '\n')
        began = time.monotonic()
        self.run('sh', path)
        return began

    def processes(self):
        """By environment or working directory: rq writes over its environment."""
        mine = [p.pid for p in self.ps if p.poll() is None]
        for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):
            try:
                with open(f'/proc/{pid}/environ', 'rb') as f:
                    ours = b'BENCH_PEER=' + self.dir.encode() in f.read().split(b'\0')
                if (ours or os.readlink(f'/proc/{pid}/cwd') == self.dir) and pid not in mine:
                    mine.append(pid)
            except OSError:
                pass
        return mine

    def named(self, name):
        return [pid for pid in self.processes() if comm(pid) == name]

    def wait(self, seconds=150):
        if not until(seconds, lambda: self.left() == 0):
            raise Missing(f'{self.left()} tasks are left after {seconds} s')

    # What a peer fills in: begin() makes it idle and ready; work(False) keeps it from beginning tasks; many(scripts, box) hands in and
    # returns when its command began; one(script, box) hands in, waits and returns the output; left() is how many have not ended.
    def begin(self):
        pass

    def stop(self):
        kill(self.processes(), signal.SIGTERM)
        until(10, lambda: not self.processes(), 0.1)
        kill(self.processes())
        for p in self.ps:
            p.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)

    def supervisors(self, tasks):
        """Whom to kill as the worker while these processes are tasks: by default what started them."""
        return {runner_of(pid) for pid in tasks}

    def again(self):
        """As a service manager would: starts what is not there any more."""


class Dgrid(Peer):
    name, needs, boxes = 'dgrid', ('bwrap',), (True,)
    no_box = 'it runs nothing without a sandbox'
    no_coordinator = 'none: a folder'

    def begin(self):
        self.grid = Grid(settings={'keep_finished': 20000})
        self.work(True)

    def work(self, on):
        if on and not any(p.poll() is None for p in self.ps):
            self.start(DGRID, '--repo', self.grid.repo, 'worker', '--node-id', 'w', '--slots', str(SLOTS), '--engine', 'bwrap', '--work-dir',
                       os.path.join(self.dir, 'w'))
            until(30, lambda: b'w.json' in self.run('git', '-C', self.grid.repo, 'ls-tree', '--name-only', 'main', 'nodes/'))
        elif not on:
            kill([p.pid for p in self.ps], signal.SIGTERM)
            for p in self.ps:
                p.wait()

    again = lambda self: self.work(True)

    def many(self, scripts, box):
        folder = os.path.join(self.dir, f'in{self.handed}')
        os.makedirs(folder)
        paths = []
        for script in scripts:
            self.handed += 1
            paths.append(os.path.join(folder, f'q{self.handed:06}.json'))
            with open(paths[-1], 'w') as f:
                json.dump({'task_id': f'q{self.handed:06}', 'script': script, 'timeout_seconds': 60}, f)
        began = time.monotonic()
        self.run(DGRID, '--repo', self.grid.repo, 'submit', *paths)
        return began

    def one(self, script, box):
        self.handed += 1
        self.run(DGRID, '--repo', self.grid.repo, 'submit', '--id', f'q{self.handed:06}', '--', script)
        self.landed = time.time()
        self.run(DGRID, '--repo', self.grid.repo, 'wait', f'q{self.handed:06}')
        return self.run(DGRID, '--repo', self.grid.repo, 'logs', f'q{self.handed:06}').decode()

    def left(self):
        return self.handed - self.grid.completed()

    def supervisors(self, tasks):
        return [p.pid for p in self.ps if p.poll() is None]

    def disk(self):
        return disk_of(self.grid.repo) + disk_of(os.path.join(self.dir, 'w'))

    def stop(self):
        super().stop()
        self.grid.gone()


class Parallel(Peer):
    name, needs, queue = 'GNU parallel', ('parallel',), False
    no_queue, no_coordinator = 'no queue: it reads a list', 'none'

    def surroundings(self):
        os.makedirs(os.path.join(self.dir, '.parallel'))
        open(os.path.join(self.dir, '.parallel', 'will-cite'), 'w').close()
        return {'HOME': self.dir}

    def many(self, scripts, box):
        with open(os.path.join(self.dir, 'list'), 'w') as f:
            f.writelines(shlex.join(command(s, box)) + '\n' for s in scripts)
        began = time.monotonic()
        self.again()
        return began

    def again(self):
        log = os.path.join(self.dir, 'joblog')
        self.start('parallel', '-j', str(SLOTS), '--joblog', log, *(['--resume'] if os.path.exists(log) else []), '-a', os.path.join(self.dir, 'list'))

    def one(self, script, box):
        return self.run('parallel', '-j', str(SLOTS), stdin=shlex.join(command(script, box)).encode()).decode()

    def left(self):
        if any(p.poll() is None for p in self.ps):
            return 1
        log = os.path.join(self.dir, 'joblog')
        if os.path.exists(log):
            os.remove(log)
        return 0

    def supervisors(self, tasks):
        return [p.pid for p in self.ps if p.poll() is None]


class Nq(Peer):
    """A queue of nq is a folder, and runs one task at a time: four at once are four of them."""
    name, needs, no_coordinator = 'nq', ('nq',), 'none: a folder'

    def queues(self):
        return [os.path.join(self.dir, f'q{i}') for i in range(SLOTS)]

    def begin(self):
        for q in self.queues():
            os.makedirs(q)

    def work(self, on):
        if on:
            kill(self.holding)
        else:
            self.script(f'NQDIR={q} nq sleep 9000' for q in self.queues())
            until(10, lambda: len(self.named('sleep')) == SLOTS)
            self.holding = self.named('sleep')

    def many(self, scripts, box):
        return self.script(f'NQDIR={self.queues()[i % SLOTS]} nq {shlex.join(command(s, box))}' for i, s in enumerate(scripts))

    def one(self, script, box):
        q = self.queues()[0]
        job = self.run('env', 'NQDIR=' + q, 'nq', *command(script, box)).decode().split()[-1]
        self.run('env', 'NQDIR=' + q, 'nq', '-w', job)
        return open(os.path.join(q, job)).read().split('\n')[2]  # after the command and an empty line

    def left(self):
        return len(self.named('nq'))

    def disk(self):
        return disk_of(self.dir)


class Spooler(Peer):
    name, needs = 'task-spooler', ('tsp',)
    held = 900  # a task that waits is a process and a connection, and the server takes a thousand

    def surroundings(self):
        return {'TS_SOCKET': os.path.join(self.dir, 'socket'), 'TS_MAXFINISHED': '20000', 'TS_SLOTS': str(SLOTS)}

    def begin(self):
        self.run('tsp', '-S', str(SLOTS))
        self.coordinators = self.named('tsp')

    def work(self, on):
        if on:
            kill(self.holding)
        else:
            self.script(['tsp sleep 9000'] * SLOTS)
            until(10, lambda: len(self.named('sleep')) == SLOTS)
            self.holding = self.named('sleep')

    def many(self, scripts, box):
        return self.script(f'tsp {shlex.join(command(s, box))}' for s in scripts)

    def one(self, script, box):
        job = self.run('tsp', *command(script, box)).decode().strip()
        self.run('tsp', '-w', job)
        return self.run('tsp', '-c', job).decode()

    def left(self):
        return sum(line.split()[1:2] in ([b'queued'], [b'running']) for line in self.run('tsp').splitlines())

    def again(self):
        if not any(os.path.exists(f'/proc/{pid}') for pid in self.coordinators):
            self.begin()

    def disk(self):
        return disk_of(self.dir)


class Rq(Peer):
    name, needs = 'RQ, Redis', ('redis-server', 'rq')
    python = '/usr/bin/python3'  # whom Debian's package is for

    def surroundings(self):
        return {'PYTHONPATH': self.dir}

    def begin(self):
        with open(os.path.join(self.dir, 'bench_job.py'), 'w') as f:
            f.write('import json, sys, time, subprocess\n'
                    'def work(argv):\n    return subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout.decode()\n'
                    'if __name__ == "__main__":\n'
                    '    from redis import Redis\n    from rq import Queue\n    import bench_job\n'
                    '    q = Queue(connection=Redis(unix_socket_path=sys.argv[1]))\n    todo = json.load(sys.stdin)\n'
                    '    if len(todo) > 1:\n        q.enqueue_many([Queue.prepare_data(bench_job.work, [a]) for a in todo])\n'
                    '    else:\n        job = q.enqueue(bench_job.work, todo[0])\n'
                    '        while not (job.is_finished or job.is_failed): time.sleep(0.01)\n        print(job.result, end="")\n')
        self.socket = os.path.join(self.dir, 'socket')
        self.workers, self.server = [], None
        self.again()

    def again(self):
        if self.server is None or self.server.poll() is not None:
            self.server = self.start('redis-server', '--port', '0', '--unixsocket', self.socket, '--dir', self.dir, log='redis.log')
            self.coordinators = [self.server.pid]
            if not until(20, lambda: subprocess.run(['redis-cli', '-s', self.socket, 'ping'], capture_output=True).stdout == b'PONG\n'):
                raise Missing('redis-server does not answer')
        self.work(True)

    def work(self, on):
        if not on:
            kill([p.pid for p in self.workers], signal.SIGTERM)
            for p in self.workers:
                p.wait()
        self.workers = [p for p in self.workers if p.poll() is None]
        while on and len(self.workers) < SLOTS:
            self.workers.append(self.start('rq', 'worker', '--quiet', '--url', 'unix://' + self.socket, log=f'worker{len(self.ps)}.log'))
        until(20, lambda: int(self.ask('SCARD', 'rq:workers')) >= len(self.workers))

    def ask(self, *words):
        return self.run('redis-cli', '-s', self.socket, *words).decode().strip()

    def many(self, scripts, box):
        began = time.monotonic()
        self.run(self.python, '-m', 'bench_job', self.socket, stdin=json.dumps([command(s, box) for s in scripts]).encode())
        return began

    def one(self, script, box):
        return self.run(self.python, '-m', 'bench_job', self.socket, stdin=json.dumps([command(script, box)]).encode()).decode()

    def left(self):
        return int(self.ask('LLEN', 'rq:queue:default')) + int(self.ask('ZCARD', 'rq:wip:default'))

    def supervisors(self, tasks):
        return [p.pid for p in self.workers]

    def disk(self):
        self.ask('SAVE')
        return disk_of(self.dir)


class Slurm(Peer):
    """One node of four processors. Of its defaults only what four at once need is changed: processors are handed out one by one, and jobs are
    tracked without control groups."""
    name, needs = 'Slurm, defaults', ('munged', 'slurmctld', 'slurmd', 'sbatch')
    more, most = '', 40

    def surroundings(self):
        return {'SLURM_CONF': os.path.join(self.dir, 'slurm.conf')}

    def begin(self):
        if os.getuid():
            raise Missing('needs root')
        d, host = self.dir, os.uname().nodename.split('.')[0]
        for f in ('state', 'spool', 'jobs'):
            os.makedirs(os.path.join(d, f))
        with open(os.open(d + '/key', os.O_CREAT | os.O_WRONLY, 0o600), 'wb') as f:
            f.write(os.urandom(128))
        ports = [socket.create_server(('127.0.0.1', 0)) for _ in range(2)]
        numbers = [s.getsockname()[1] for s in ports]
        for s in ports:
            s.close()
        with open(d + '/slurm.conf', 'w') as f:
            f.write(f'''ClusterName=bench
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthInfo=socket={d}/munge.socket
SlurmctldPort={numbers[0]}
SlurmdPort={numbers[1]}
SlurmctldPidFile={d}/slurmctld.pid
SlurmdPidFile={d}/slurmd.pid
StateSaveLocation={d}/state
SlurmdSpoolDir={d}/spool
SlurmdParameters=config_overrides
ProctrackType=proctrack/pgid
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 CPUs={SLOTS} State=UNKNOWN
PartitionName=main Nodes=n1 Default=YES State=UP
{self.more}''')
        self.start('munged', '--foreground', f'--key-file={d}/key', f'--socket={d}/munge.socket', f'--pid-file={d}/munged.pid', f'--log-file={d}/munged.log',
                   f'--seed-file={d}/seed', log='munged.out')
        until(20, lambda: os.path.exists(d + '/munge.socket'))
        self.controller = self.node = None
        self.again()

    def again(self):
        if self.controller is None or self.controller.poll() is not None:
            self.controller = self.start('slurmctld', '-D', log='slurmctld.log')
            self.coordinators = [self.controller.pid]
        if self.node is None or self.node.poll() is not None:
            self.node = self.start('slurmd', '-D', '-N', 'n1', log='slurmd.log')

        def up():
            try:
                return self.run('sinfo', '--noheader', '--format=%T').decode().strip() in ('idle', 'mixed', 'allocated')
            except Missing:
                return False
        if not until(40, up, 0.2):
            raise Missing('slurmd does not come up: ' + open(self.dir + '/slurmd.log').read().strip()[-200:])

    def work(self, on):
        self.run('scontrol', 'update', 'PartitionName=main', 'State=' + ('UP' if on else 'DOWN'))

    def drop(self):
        self.run('scancel', '--user=root')
        self.wait()

    def sbatch(self, script, box, *options):
        return ['sbatch', '--parsable', '--chdir', self.dir + '/jobs', *options, '--wrap', shlex.join(command(script, box))]

    def many(self, scripts, box):
        if len(set(scripts)) > 1:
            return self.script(shlex.join(self.sbatch(s, box)) for s in scripts)
        began = time.monotonic()
        self.run(*self.sbatch(scripts[0], box, f'--array=0-{len(scripts) - 1}'))
        return began

    def one(self, script, box):
        job = self.run(*self.sbatch(script, box)).decode().strip()
        out = os.path.join(self.dir, 'jobs', f'slurm-{job}.out')
        until(60, lambda: os.path.exists(out) and open(out).read().endswith('\n'))
        self.wait(60)
        return open(out).read()

    def left(self):
        return len(self.run('squeue', '--noheader', '--format=%i').split())

    def supervisors(self, tasks):
        return [self.node.pid]

    def disk(self):
        return disk_of(self.dir)

    def stop(self):
        try:
            self.run('scancel', '--user=root')
            until(10, lambda: self.left() == 0, 0.2)
        except Missing:
            pass
        super().stop()


class TunedSlurm(Slurm):
    name, most = 'Slurm, for throughput', 200
    more = ('SchedulerParameters=batch_sched_delay=0,sched_min_interval=1000,sched_interval=1,bf_interval=1,default_queue_depth=1000,sched_max_job_start=1000\n'
            'TaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\nMpiDefault=none\nSlurmctldDebug=error\nSlurmdDebug=error\nMinJobAge=10\n')


PEERS = {'dgrid': Dgrid, 'parallel': Parallel, 'nq': Nq, 'tsp': Spooler, 'rq': Rq, 'slurm': Slurm, 'tuned': TunedSlurm}
WHY = {}  # why a cell is empty: by its key, or by the peer's


def install():
    """On Debian and as root; services do not start. Else whatever is missing is said in the table."""
    missing = sorted(p for c, p in PACKAGES.items() if not shutil.which(c, path=PATH))
    if not missing or os.getuid() or not shutil.which('apt-get'):
        return
    policy = '/usr/sbin/policy-rc.d'
    ours = not os.path.exists(policy)
    try:
        if ours:
            with open(os.open(policy, os.O_CREAT | os.O_WRONLY, 0o755), 'w') as f:
                f.write('#!/bin/sh\nexit 101\n')
        print('installing ' + ' '.join(missing), file=sys.stderr)
        subprocess.run(['apt-get', '-o', 'DPkg::Lock::Timeout=300', 'install', '-y', '-qq', '--no-install-recommends', *missing], stdout=sys.stderr,
                       env={**os.environ, 'DEBIAN_FRONTEND': 'noninteractive', 'RUNLEVEL': '1'})
    finally:
        if ours:
            os.remove(policy)


def whole(n):
    return max(n // SHRINK, SLOTS)


def noop(p, box, n):
    """Tasks a second, from when they are handed in to the last one's end."""
    n = min(n, p.most)
    began = p.many(['true'] * n, box)
    p.wait()
    return n / (time.monotonic() - began)


def ideal(p, box):
    n = whole(40)
    began = p.many(['sleep 0.2'] * n, box)
    p.wait()
    return (time.monotonic() - began) / (n * 0.2 / SLOTS)


def start_ms(p, box):
    """From when the command that submits is started to when the script runs; and what of that is after its end, where it can be told."""
    took = []
    for _ in range(max(9 // SHRINK, 2)):
        typed = time.time()
        began = float(p.one('date +%s.%N', box))
        took.append([(began - t) * 1000 for t in (typed, getattr(p, 'landed', typed))])
        time.sleep(0.3)  # idle again
    of_all, of_rest = (statistics.median(t) for t in zip(*took[1:]))
    return {'': of_all, 'landed': of_rest}


def pss_of(pid):
    for line in open(f'/proc/{pid}/smaps_rollup'):
        if line.startswith('Pss:'):
            return int(line.split()[1]) / 1024
    return 0


def idle(up):
    """All of them at once, which do nothing: memory, with shared pages shared out, and processor time of all their processes."""
    seconds, r = max(60 // SHRINK, 10), {}
    before = {k: {pid: cpu_seconds(pid) for pid in p.processes()} for k, p in up.items()}
    time.sleep(seconds)
    for k, p in up.items():
        now = p.processes()
        r[k, 'mb'] = sum(pss_of(pid) for pid in now)
        r[k, 'cpu'] = sum(cpu_seconds(pid) - before[k].get(pid, 0) for pid in now) / seconds * 100
    return r


class Seen:
    """Tasks as processes of the machine, looked at all the time: each sleeps for a time of its own."""
    seconds, made = 1.5, 0

    def __init__(self, n):
        Seen.made += 1
        self.words = {f'{self.seconds}{os.getpid() % 1000:03}{Seen.made:02}{i:02}1'.encode(): i for i in range(n)}
        self.runs = {i: {} for i in range(n)}  # of each the processes, when they were first and last seen
        self.alive, self.over = [], threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.over.wait(0.02):
            now, alive = time.monotonic(), []
            for pid in filter(str.isdigit, os.listdir('/proc')):
                try:
                    argv = open(f'/proc/{pid}/cmdline', 'rb').read().split(b'\0')
                except OSError:
                    continue
                if argv[0] == b'sleep' and argv[1] in self.words:
                    self.runs[self.words[argv[1]]].setdefault(int(pid), [now, now])[1] = now
                    alive.append(int(pid))
            self.alive = alive

    def end(self):
        self.over.set()
        self.thread.join()

    def begun(self):
        return sum(bool(r) for r in self.runs.values())

    def whole(self, i):
        return sum(last - first > self.seconds - 0.4 for first, last in self.runs[i].values())


def killed(make, who):
    """Of 12 tasks, four at once: with the second four amid, kill -9, and start again what is gone. What never ran to its end, what ran to
    its end twice, and what was cut off and run again."""
    p, n = make(), 12
    p.begin()
    seen = Seen(n)
    try:
        p.many([f'sleep {w.decode()}' for w in seen.words], True)
        if not until(60, lambda: len(seen.alive) >= 3 and seen.begun() >= 7):
            raise Missing('its tasks did not begin')
        time.sleep(0.4)
        kill(p.coordinators if who == 'coordinator' else p.supervisors(seen.alive))
        time.sleep(0.5)
        p.again()
        quiet = time.monotonic()
        while time.monotonic() - quiet < 30 and not (all(seen.whole(i) for i in range(n)) and time.monotonic() - quiet > 5):
            if seen.alive:
                quiet = time.monotonic()
            time.sleep(0.05)
        return {'lost': sum(not seen.whole(i) for i in range(n)), 'twice': sum(seen.whole(i) > 1 for i in range(n)),
                'again': sum(len(seen.runs[i]) > 1 and seen.whole(i) == 1 for i in range(n))}
    finally:
        seen.end()
        p.stop()


def measured(r, key, function, *args):
    try:
        r[key] = function(*args)
    except (Missing, OSError, ValueError, subprocess.SubprocessError) as e:
        WHY[key] = str(e)
        print(f'{key}: {e}', file=sys.stderr)


def backlog(p, key, r):
    """A thousand handed in while none begins; then what they, or as many as it can run in the time, leave on disk."""
    n, box = min(whole(1000), p.held), False not in p.boxes
    p.work(False)
    before = p.disk()
    began = p.many(['true'] * n, box)
    r[key, 'submit_s'] = (time.monotonic() - began) * 1000 / n
    if n > p.most:
        p.drop()
        n = p.most
        p.many(['true'] * n, box)
    p.work(True)
    p.wait()
    return (before + (p.disk() - before) * 10000 / n) / 1e6


def peers():
    """One round: all of them are up, and each figure is taken of one after the other."""
    install()
    wanted, up, r = os.environ.get('BENCH_PEERS', ','.join(PEERS)).split(','), {}, {}
    try:
        for k in wanted:
            try:
                up[k] = PEERS[k]()
                up[k].begin()
            except Missing as e:
                WHY[k] = str(e)
                print(f'{k}: {e}', file=sys.stderr)
                if k in up:
                    up.pop(k).stop()
        print('idle', file=sys.stderr)
        r.update(idle(up))
        for box in (True, False):
            for what, figure in (('noop_200', lambda p, b: noop(p, b, whole(200))), ('noop', lambda p, b: noop(p, b, whole(400))), ('ideal', ideal),
                                 ('start_ms', start_ms)):
                for k, p in up.items():
                    if box in p.boxes and (what != 'noop_200' or box and k in ('dgrid', 'parallel')):
                        print(f'{what} {k} {"bwrap" if box else "bare"}', file=sys.stderr)
                        measured(r, (k, what, box), figure, p, box)
        for k, p in up.items():
            if p.queue:
                print(f'backlog {k}', file=sys.stderr)
                measured(r, (k, 'disk_mb'), backlog, p, k, r)
    finally:
        for p in up.values():
            p.stop()
    print('kill -9', file=sys.stderr)
    all_at_once = [threading.Thread(target=measured, args=(r, (k, who), killed, PEERS[k], who)) for who in ('worker', 'coordinator')
                   for k, p in up.items() if who == 'worker' or not hasattr(p, 'no_coordinator')]
    for t in all_at_once:  # they mostly sleep, and nothing is timed
        t.start()
        time.sleep(0.5)
    for t in all_at_once:
        t.join()
    flat = {}
    for key, value in r.items():
        for name, v in value.items() if isinstance(value, dict) else (('', value),):
            flat[' '.join(str(x) for x in (*key, name) if x != '')] = v
    return {**flat, **ratios(r)}


def ratios(r):
    def over(a, b):
        return {a[0]: r[a[1]] / r[b]} if a[1] in r and b in r else {}
    d = lambda what: ('dgrid', what, True)
    own = {'own_start_ms': r[d('start_ms')]['landed'], 'own_typed_ms': r[d('start_ms')]['']} if d('start_ms') in r else {}
    own.update({'own_submit_s': r['dgrid', 'submit_s']} if ('dgrid', 'submit_s') in r else {})
    return {**over(('noop_parallel', ('parallel', 'noop_200', True)), d('noop_200')), **over(('ideal_parallel', d('ideal')), ('parallel', 'ideal', True)),
            **over(('ideal_slurm', d('ideal')), ('slurm', 'ideal', True)), **over(('ideal_tuned', d('ideal')), ('tuned', 'ideal', True)), **own}


def table(m):
    """One row a peer; of two figures in a cell the first is with bubblewrap."""
    def cell(k, what, form):
        keys = [f'{k} {what} {box}' for box in (True, False) if box in PEERS[k].boxes]
        return ' / '.join(form.format(m[key]) if key in m else 'not measured' for key in keys)

    def lost(k, who):
        if f'{k} {who} lost' not in m:
            return getattr(PEERS[k], 'no_coordinator', 'not measured') if who == 'coordinator' else 'not measured'
        lost, again, twice = (m[f'{k} {who} {x}'] for x in ('lost', 'again', 'twice'))
        return f'{lost:.0f} lost, {again:.0f} again, {twice:.0f} twice'

    lines = ['| | tasks/s | makespan ÷ ideal | start, ms | submit of 1,000, s | MB | % of a core | MB on disk | worker killed | coordinator killed |',
             '|---|---|---|---|---|---|---|---|---|---|']
    for k, p in PEERS.items():
        if k in WHY or f'{k} mb' not in m:
            lines.append(f'| {p.name} | not measured: {WHY.get(k, "not asked for")} |' + ' |' * 8)
            continue
        if p.queue:
            queued = [f'{m[x]:.3g}' if x in m else 'not measured' for x in (f'{k} submit_s', f'{k} disk_mb')]
        else:
            queued = [p.no_queue, '0']
        lines.append('| ' + ' | '.join([p.name, cell(k, 'noop', '{:.3g}'), cell(k, 'ideal', '{:.3g}'), cell(k, 'start_ms', '{:.0f}'), queued[0],
                                        f'{m[f"{k} mb"]:.3g}', f'{m[f"{k} cpu"]:.2g}', queued[1], lost(k, 'worker'), lost(k, 'coordinator')]) + ' |')
    said = [f'not measured: {" ".join(map(str, key))}: {why}' for key, why in WHY.items() if isinstance(key, tuple)]
    return [*lines, *([''] + said if said else [])]
