#!/usr/bin/env python3
"""grids.py FOLDER: FOLDER/hostile.git, whose every field would run a script if it could, and FOLDER/large.git with
3,000 queued, 500 finished and 20,000 archived tasks, FOLDER/hosted.git with one of each, FOLDER/morning.git after a night in
which a disk was full. The time is 2026-11-24T12:00:00Z in all."""
import json, subprocess, sys, time

NOW = 1795521600
IMG = '<img src=x onerror=alert(1)>'
X = '</script><script>alert(1)</script>' + IMG + '"\'--><svg onload=alert(1)>\u2028\u202e\x1b[31m\x07&lt;{{DATA}}javascript:alert(1)'


def iso(t):
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(t))


def make(repo, branches):
    subprocess.run(['git', 'init', '-q', '--bare', '-b', 'main', repo], check=True)
    out = []
    for branch, files in branches.items():
        out.append(f'commit refs/heads/{branch}\ncommitter t <t@example.invalid> {NOW - 60} +0000\ndata 1\nx\n'.encode())
        for path, doc in files.items():
            text = (doc if isinstance(doc, str) else json.dumps(doc)).encode()
            out.append(f'M 100644 inline {path}\ndata {len(text)}\n'.encode() + text + b'\n')
    subprocess.run(['git', '-C', repo, 'fast-import', '--quiet'], input=b''.join(out), check=True)


def hostile():
    result = {k: X for k in ('status', 'reason', 'node', 'started_at', 'finished_at', 'engine', 'image', 'image_digest', 'stdout',
                             'stderr', 'exit_code', 'signal', 'attempt', 'duration_ms', 'stdout_bytes', 'stdout_truncated', X)}
    attempt = {k: X for k in ('node', 'outcome', 'reason', 'claimed_at', 'ended_at', 'stderr_tail', 'by')}
    task = {k: X for k in ('task_id', 'script', 'description', 'submitted_by', 'created_at', 'image', 'timeout_seconds', 'priority',
                           'cpus', 'memory_mb', 'pids', 'not_before', 'max_attempts', 'x-' + X)}
    task.update(labels=[X, IMG, 7, None], env={X: X}, metadata={X: [X, {X: X}]}, attempts=[attempt, {**attempt, 'outcome': 'lost'}, 7])
    node = {k: X for k in ('node_id', 'status', 'trouble', 'engine', 'engine_version', 'os', 'arch', 'dgrid_version', 'turns',
                           'last_heartbeat', 'started_at', 'slots', 'busy', 'tasks_completed', 'cpu_count')}
    node['labels'] = [X, IMG]
    return {'main': {
        'grid.json': {'schema': 1, 'title': IMG + '</title>', 'links': [{'text': IMG, 'url': 'https://example.org/?javascript:alert(1)&lt;\''}]},
        'tasks/completed/evil.json': {**task, 'result': result},
        'tasks/failed/evil2.json': {**task, 'result': {**result, 'status': 'failed', 'finished_at': iso(NOW - 100), 'duration_ms': 5}},
        'tasks/in_progress/evil3.json': {**task, 'claim': {k: X for k in ('node', 'attempt', 'nonce', 'claimed_at', 'lease_until')},
                                         'cancel': {'by': X, 'requested_at': X}},
        'tasks/queue/evil4.json': task, 'tasks/unapproved/evil5.json': task,
        'tasks/queue/types.json': {k: {'a': [1]} for k in task} | {'labels': X, 'attempts': X, 'result': [X], 'claim': 7},
        'tasks/completed/numbers.json': '{"created_at":1e999,"timeout_seconds":-1,"priority":99999999999999999999,"result":{"exit_code":1e400,'
                                        '"signal":-99999999999999,"duration_ms":9223372036854775807,"finished_at":"9999-12-31T23:59:60Z"}}',
        'tasks/failed/broken.json': '{"task_id":', 'tasks/queue/list.json': [X], 'tasks/queue/proto.json': '{"__proto__":{"a":1},"constructor":2}',
        'tasks/in_progress/orphan.json': {'task_id': 'orphan', 'script': 'true', 'timeout_seconds': 60, 'created_at': iso(NOW - 700), 'claim': {
            'node': 'gone-node', 'attempt': 1, 'nonce': 'x', 'claimed_at': iso(NOW - 600), 'lease_until': iso(NOW - 300)}},
        'nodes/evil.json': node, 'nodes/list.json': [X], 'nodes/broken.json': '{', 'nodes/__proto__.json': {'labels': ['constructor', '__proto__']},
        'nodes/far.json': {'status': 'active', 'last_heartbeat': '9999-12-31T23:59:59Z', 'slots': 9223372036854775807, 'busy': -5},
        'tasks/archive.json': {'tasks': X, 'failed': X, 'days': {X: {'completed': X}, '2026-11-20': {'completed': 10**30, 'failed': -1}}},
    }}


def large():
    main = {'grid.json': {'schema': 1, 'title': 'Large'}}
    for i in range(3000):
        main[f'tasks/queue/q{i:06}.json'] = {'task_id': f'q{i:06}', 'script': 'true', 'timeout_seconds': 60, 'created_at': iso(NOW - 86400 + i)}
    for i in range(500):
        bad = i % 10 == 0
        main[f'tasks/{"failed" if bad else "completed"}/f{i:06}.json'] = {
            'task_id': f'f{i:06}', 'script': 'true', 'timeout_seconds': 60, 'created_at': iso(NOW - 50000 + i), 'result': {
                'status': 'failed' if bad else 'success', 'exit_code': 1 if bad else 0, 'duration_ms': 5 + i, 'node': f'n{i % 7}',
                'stdout': 'x' * 200, 'started_at': iso(NOW - 40000 + i * 60), 'finished_at': iso(NOW - 40000 + i * 60)}}
    main['schedules/nightly.json'] = {'schema': 1, 'cron': '0 2 * * *', 'last': iso(NOW // 86400 * 86400), 'task': {'script': 'true', 'timeout_seconds': 60}}
    main['schedules/broken.json'] = {'schema': 1, 'cron': '99 <b> * * *', 'task': {}}
    for i in range(7):
        main[f'nodes/n{i}.json'] = {'node_id': f'n{i}', 'status': 'active', 'last_heartbeat': iso(NOW - 10), 'next_due': iso(NOW + 60), 'slots': 4, 'busy': 4,
                                    'engine': 'docker', 'engine_version': '24.0.7', 'labels': ['trusted']}
    days = {}
    archive = {}
    for i in range(20000):
        t = NOW - 86400 * 20 + i * 60
        archive[time.strftime('%Y/%m/%d/', time.gmtime(t)) + f'a{i:06}.json'] = '{}'
        day = days.setdefault(time.strftime('%Y-%m-%d', time.gmtime(t)), {'completed': 0, 'failed': 0, 'run_ms': 0})
        day['completed'] += 1
    main['tasks/archive.json'] = {'schema': 1, 'tasks': 20000, 'completed': 20000, 'failed': 0, 'days': days}
    return {'main': main, 'archive': archive}


def morning():
    """Twelve o'clock: nine failures of one cause on one node last night, some of other causes, a sweep half done, a pipeline, an array."""
    main = {'grid.json': {'schema': 1, 'title': 'Morning'}}
    night = NOW - 10 * 3600

    def ended(name, status, at, node, err='', out='', group='maps', **more):
        code = {'success': 0, 'failed': 1}.get(status)
        result = {'status': status, 'node': node, 'started_at': iso(at - 30), 'finished_at': iso(at), 'duration_ms': 30000, 'stdout': out, 'stderr': err,
                  'usage': {'cpu_user_ms': 20000, 'cpu_system_ms': 4000, 'by': 'cgroup'}, 'attempt': 1}
        if code is not None:
            result['exit_code'] = more.pop('code', code)
        main[f'tasks/{"completed" if status == "success" else "failed"}/{name}.json'] = {
            'task_id': name, 'script': f'./draw {name}', 'timeout_seconds': 600, 'created_at': iso(at - 900), 'group': group, 'result': result, **more}

    for i in range(240):
        ended(f'map-{i:03}', 'success', NOW - 80000 + i * 320, ('atlas', 'borealis')[i % 2], out='drawn 1 of 9\rdrawn 2 of 9\rdrawn in 7 steps\r\n\x1b[1mbold and \x1b[0;32mgreen\x1b[m\x1b[K\ndone\n')
    for i in range(12):
        ended(f'tile-{i + 100}', 'success', night - 7200 + i * 300, 'cygnus', out='drawn\n')
    for i in range(9):
        ended(f'tile-{i:03}', 'failed', night + 60 + i * 143, 'cygnus', code=2, err=f'drawing tile {i * 17}\n\x1b[31mtar: /data/maps/tile-{i * 17:04}.tif: Cannot write: No space left on device\x1b[0m\n')
    for i, node in enumerate(('atlas', 'borealis')):
        ended(f'view-{i}', 'failed', NOW - 7200 + i * 60, node, code=127, err='sh: 1: ncview: not found\n')
    for i in range(3):
        ended(f'slow-{i}', 'timeout', NOW - 30000 + i * 700, 'atlas', err='step 1\n')
    ended('big-0', 'oom', NOW - 20000, 'borealis')
    ended('older-0', 'failed', NOW - 130000, 'atlas', err='it was another day\n')
    for i in range(4):
        ended(f'trial-{i}', 'cancelled', NOW - 4000 + i, 'atlas', out='ok\n', group='trial')
    # A sweep: 75 done and 2 failed of 200, one every 47 s in the last hour; four run.
    for i in range(77):
        ended(f'sweep-{i:03}', 'failed' if i in (20, 50) else 'success', NOW - 3600 + i * 46, ('atlas', 'borealis')[i % 2], group='sweep', err='did not converge after 200 steps\n' if i in (20, 50) else '')
    for i in range(77, 81):
        main[f'tasks/in_progress/sweep-{i:03}.json'] = {'task_id': f'sweep-{i:03}', 'script': './sweep', 'timeout_seconds': 600, 'created_at': iso(NOW - 3700), 'group': 'sweep', 'claim': {
            'node': ('atlas', 'borealis')[i % 2], 'attempt': 1, 'nonce': 'aa', 'claimed_at': iso(NOW - 100 + i), 'lease_until': iso(NOW + 500)}}
    for i in range(81, 200):
        main[f'tasks/queue/sweep-{i:03}.json'] = {'task_id': f'sweep-{i:03}', 'script': './sweep', 'timeout_seconds': 600, 'created_at': iso(NOW - 3700), 'group': 'sweep'}
    # A pipeline: one step failed, what needs it waits no longer.
    ended('p-fetch', 'success', NOW - 3000, 'atlas', group='pipeline')
    ended('p-clean', 'success', NOW - 2800, 'atlas', group='pipeline', needs=['p-fetch'])
    main['tasks/in_progress/p-train-a.json'] = {'task_id': 'p-train-a', 'script': 'train a', 'timeout_seconds': 3600, 'created_at': iso(NOW - 3100), 'group': 'pipeline', 'needs': ['p-clean'],
                                                'claim': {'node': 'atlas', 'attempt': 1, 'nonce': 'ab', 'claimed_at': iso(NOW - 2700), 'lease_until': iso(NOW + 500)}}
    ended('p-train-b', 'failed', NOW - 2500, 'borealis', group='pipeline', needs=['p-clean'], err='loss is NaN\n')
    main['tasks/queue/p-report.json'] = {'task_id': 'p-report', 'script': 'report', 'timeout_seconds': 60, 'created_at': iso(NOW - 3100), 'group': 'pipeline', 'needs': ['p-train-a'], 'after': ['p-train-b']}
    # An array of 24 points, three of which failed.
    ended('grid-search', 'failed', NOW - 1000, 'borealis', group='search',
          points=[{'RATE': f'0.{1 + i // 4}', 'DEPTH': str(2 << i % 4)} for i in range(24)])
    main['tasks/failed/grid-search.json']['result']['points'] = [
        {'status': 'failed' if i in (3, 7, 11) else 'success', 'exit_code': int(i in (3, 7, 11)), 'duration_ms': 1000 + i * 500, 'stderr': 'out of range\n' if i in (3, 7, 11) else '', 'stdout': ''} for i in range(24)]
    for name, busy in (('atlas', 3), ('borealis', 2), ('cygnus', 0)):
        main[f'nodes/{name}.json'] = {'node_id': name, 'status': 'active', 'last_heartbeat': iso(NOW - 10), 'next_due': iso(NOW + 60), 'slots': 4, 'busy': busy, 'engine': 'docker', 'labels': ['maps'],
                                      'started_at': iso(NOW - 90000)}
    return {'main': main}


make(sys.argv[1] + '/morning.git', morning())
make(sys.argv[1] + '/hosted.git', {'main': {'tasks/archive.json': {'tasks': 1}, 'tasks/queue/new-one.json': {'script': 'x'}},
                                   'archive': {'2026/11/03/old-one.json': {}}})
make(sys.argv[1] + '/hostile.git', hostile())
make(sys.argv[1] + '/large.git', large())
