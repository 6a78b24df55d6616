"""An honest history of so many commits, for the audit's figures: four nodes that claim and finish in group commits, people who
submit, and an archive, as dgrid writes them. fast-import makes it in one go.

    history.py COMMITS | git fast-import
"""
import hashlib, random, sys, time

NODE = '''{
  "schema": 1,
  "node_id": "%(node)s",
  "instance": "0123456789abcdef",
  "status": "active",
  "last_heartbeat": "%(at)s",
  "next_due": "%(due)s",
  "slots": 4,
  "busy": 2,
  "turn_ms": 50,
  "pushes": %(n)d,
  "rejected": 0,
  "turns": "free",
  "started_at": "2024-01-01T00:00:00Z",
  "labels": [],
  "engine": "bwrap",
  "engine_version": "0.8.0",
  "cpu_count": 2,
  "memory_mb": 4000,
  "disk_gb": 30,
  "os": "Linux",
  "os_release": "6.1.0",
  "arch": "x86_64",
  "dgrid_version": "1.0.0",
  "tasks_completed": %(n)d,
  "tasks_failed": 0,
  "tasks_late": 0
}
'''
TASK = '''{
  "task_id": "%(id)s",
  "script": "echo %(id)s; sleep 1; echo done",
  "timeout_seconds": 60,
  "description": "one of many",
  "submitted_by": "ann",
  "created_at": "%(created)s"'''
CLAIM = ''',
  "claim": {
    "node": "%(node)s",
    "attempt": 1,
    "nonce": "%(nonce)s",
    "claimed_at": "%(claimed)s",
    "lease_until": "%(lease)s"
  }'''
RESULT = ''',
  "attempts": [
    {
      "node": "%(node)s",
      "attempt": 1,
      "nonce": "%(nonce)s",
      "claimed_at": "%(claimed)s",
      "lease_until": "%(lease)s",
      "ended_at": "%(ended)s",
      "outcome": "success"
    }
  ],
  "result": {
    "status": "success",
    "exit_code": 0,
    "signal": null,
    "node": "%(node)s",
    "attempt": 1,
    "nonce": "%(nonce)s",
    "started_at": "%(claimed)s",
    "finished_at": "%(ended)s",
    "duration_ms": 1000,
    "engine": "bwrap",
    "image": "host:/usr",
    "image_digest": "",
    "script_sha256": "%(script_sha)s",
    "stdout": "%(id)s\\ndone\\n",
    "stdout_bytes": %(stdout_bytes)d,
    "stdout_truncated": false,
    "stdout_sha256": "%(stdout_sha)s",
    "stderr": "",
    "stderr_bytes": 0,
    "stderr_truncated": false,
    "stderr_sha256": "%(stderr_sha)s"
  }'''
END = '\n}\n'
EPOCH = 1704067200


def stamp(t, form='%Y-%m-%dT%H:%M:%SZ'):
    return time.strftime(form, time.gmtime(t))


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def write(commits, out):
    dice, now, made, serial = random.Random(1), EPOCH, 0, 0
    tasks, queue, running, done, totals = {}, [], [], [], {'tasks': 0, 'days': {}}

    def commit(message, files, gone=(), branch='main'):
        nonlocal made
        made += branch == 'main'
        parts = [f'commit refs/heads/{branch}\ncommitter dgrid <dgrid@localhost> {now} +0000\ndata {len(message)}\n{message}\n']
        parts += [f'D {path}\n' for path in gone]
        parts += [f'M 100644 inline {path}\ndata {len(text)}\n{text}\n' for path, text in files]
        out.write(''.join(parts).encode())

    commit('Make this repository a dgrid grid', [('grid.json', '{"schema": 1}\n')])
    while made < commits:
        now += 1
        if len(queue) < 20:
            fresh = [f'task-{serial + i}' for i in range(30)]
            serial += 30
            for name in fresh:
                printed = f'{name}\ndone\n'
                tasks[name] = {'id': name, 'created': stamp(now), 'nonce': hashlib.md5(name.encode()).hexdigest(),
                               'script_sha': sha(f'echo {name}; sleep 1; echo done'), 'stdout_bytes': len(printed),
                               'stdout_sha': sha(printed), 'stderr_sha': sha('')}
            queue += fresh
            commit('ann: 30 transitions', [(f'tasks/queue/{name}.json', (TASK + END) % tasks[name]) for name in fresh])
            continue
        if len(done) > 600:
            leave, done = done[:200], done[200:]
            message = f'n1: archive 200 tasks\n\ndgrid-nonce: {made:016x}\n'
            commit(message, [(f"{stamp(tasks[n]['end'], '%Y/%m/%d')}/{n}.json", (TASK + RESULT + END) % tasks[n]) for n in leave],
                   branch='archive')
            for name in leave:
                day = totals['days'].setdefault(stamp(tasks.pop(name)['end'], '%Y-%m-%d'), [0, 0])
                day[0] += 1
                day[1] += 1000
            totals['tasks'] += 200
            days = ',\n'.join(f'    "{d}": {{"completed": {n}, "run_ms": {ms}}}' for d, (n, ms) in totals['days'].items())
            commit(message, [('tasks/archive.json', f'{{"schema": 1, "tasks": {totals["tasks"]}, "completed": {totals["tasks"]},\n'
                                                    f' "days": {{\n{days}\n }}}}\n')], [f'tasks/completed/{n}.json' for n in leave])
            continue
        node = f'n{dice.randint(1, 4)}'
        files, gone = [], []
        for name in [n for n in running if tasks[n]['node'] == node][:2]:
            tasks[name].update(ended=stamp(now), end=now)
            files.append((f'tasks/completed/{name}.json', (TASK + RESULT + END) % tasks[name]))
            gone.append(f'tasks/in_progress/{name}.json')
            running.remove(name)
            done.append(name)
        for name in [queue.pop(0), queue.pop(0)]:
            tasks[name].update(node=node, claimed=stamp(now), lease=stamp(now + 120))
            files.append((f'tasks/in_progress/{name}.json', (TASK + CLAIM + END) % tasks[name]))
            gone.append(f'tasks/queue/{name}.json')
            running.append(name)
        files.append((f'nodes/{node}.json', NODE % {'node': node, 'at': stamp(now), 'due': stamp(now + 31), 'n': made}))
        commit(f'{node}: {len(files) - 1} transitions', files, gone)


if __name__ == '__main__':
    write(int(sys.argv[1]), sys.stdout.buffer)
