#!/usr/bin/env python3
"""A history that nobody made with dgrid: documents of every wrong kind at every path of a ledger, by a seed.
usage: garbage.py SEED COMMITS BARE-REPOSITORY
"""
import json, random, subprocess, sys

seed, commits, repo = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
dice = random.Random(seed)
pick = dice.choice
NONCE = '0123456789abcdef' * 2
WHEN = '2026-11-25T01:00:00Z'
NAMES = '''task_id script timeout_seconds claim attempts result cancel approved_by not_before node nonce attempt claimed_at lease_until
outcome ended_at status by evidence left seen_at next_due finished_at started_at quorum replicas agreed outliers commitment signatures
retry_on_failure max_attempts node_id last_heartbeat days tasks completed x-original stdout_sha256 exit_code commit author
points first_point points_failed points_done point'''.split()
PATHS = [f'tasks/{folder}/{name}.json' for folder in 'unapproved queue in_progress completed failed'.split() for name in 'abA'] + \
    'nodes/n1.json nodes/n2.json nodes/keys/n1.pub grid.json tasks/archive.json allowed_signers tasks/x .github/w'.split()
ARCHIVED = ['2026/11/25/a.json', '2026/11/25/b.2.json', 'x', '2026/11/25/a.json/b']
SUBJECTS = ['n1: claim a', 'n1: success a', 'n2: requeue a', 'ann: cancel a', 'ann: retry a', 'bot: promote a', 'n1: 3 transitions',
            'n1: archive 2 tasks', ': claim a', 'by hand', '', 'n1: invalid a', ': ']


def value(depth=0):
    kind = dice.randrange(9 if depth < 3 else 6)
    if kind == 0:
        return pick([None, True, False])
    if kind in (1, 2):
        return pick([0, -1, 1, 3, 10**18, 2**63, 1.5, 1e300])
    if kind in (3, 4):
        return pick(['', 'n1', 'a', WHEN, '9999-12-31T23:59:59Z', NONCE, 'f' * 64, 'success', 'lost', 'x' * 3000, '\0'])
    if kind == 5:
        return pick([[], {}])
    return [value(depth + 1) for _ in range(dice.randrange(4))] if kind == 6 else members(depth + 1)


def members(depth=0):
    return {name: value(depth) for name in dice.sample(NAMES, dice.randrange(1, 9))}


def claim():
    return {'node': pick(['n1', 'n2', None]), 'attempt': pick([1, 2, None]), 'nonce': pick([NONCE, 'x', None]), 'claimed_at': WHEN,
            'lease_until': pick(['2026-11-25T01:02:00Z', 'bad', None]), 'replicas': pick([1, 3, 99, -1, None]), 'quorum': pick([2, 0, None])}


def entry():
    return {**claim(), 'outcome': pick(['lost', 'success', 'voted', 'retried', 'released', None, 5]), 'evidence': value(),
            'commitment': pick(['f' * 64, None, 1]), 'ended_at': WHEN}


def document():
    if dice.random() < .3:
        return pick([b'', b'{', b'[1,2]', dice.randbytes(50)])
    doc = members()
    doc['task_id'] = pick('abA')
    if dice.random() < .7:
        doc['claim'] = claim()
    if dice.random() < .7:
        doc['attempts'] = [pick([entry, value])() for _ in range(dice.randrange(12))]
    if dice.random() < .6:
        doc['result'] = {'status': pick(['success', 'failed', 'lost', 'cancelled', 'invalid', 'disputed', None, 3]), 'node': 'n1',
                         'nonce': NONCE, 'attempt': 1, 'quorum': value(), 'stdout_sha256': 'f' * 64, 'started_at': WHEN,
                         'finished_at': WHEN}
    if dice.random() < .3:
        doc['points'] = pick([2, 999, [{'A': 'x'}, {'DGRID_POINT': pick(['7', 'x', '0'])}], value()])
        if 'result' in doc and isinstance(doc['result'], dict):
            doc['result'].update(points_failed=pick([0, 1, None]), points=pick([
                value(), [{'point': pick([0, 7, None]), 'status': pick(['success', 'skipped', 'failed', 3]), 'exit_code': pick([0, 300, None]),
                           'duration_ms': pick([5, -1, 10**18])} for _ in range(dice.randrange(4))]]))
    return json.dumps(doc).encode()


subprocess.run(['git', 'init', '-q', '--bare', '-b', 'main', repo], check=True)
git = subprocess.Popen(['git', '-C', repo, 'fast-import', '--quiet', '--force'], stdin=subprocess.PIPE)
now = 1795568400
for _ in range(commits):
    branch, paths = ('archive', ARCHIVED) if dice.random() < .15 else ('main', PATHS)
    now += pick([1, 1, 1, 60, 4000, -4000])
    subject = pick(SUBJECTS)
    git.stdin.write(f'commit refs/heads/{branch}\ncommitter {pick(["ann", "n1", ""])} <x@y> {now} +0000\ndata {len(subject)}\n{subject}\n'.encode())
    for path in dice.sample(paths, dice.randrange(1, 4)):
        text = document()
        if path == 'grid.json' and dice.random() < .7:
            text = json.dumps({'schema': 1, 'replicas': pick([1, 3]), 'quorum': pick([1, 2])}).encode()
        if dice.random() < .3:
            git.stdin.write(b'D %s\n' % path.encode())
        else:
            mode = pick([b'100644'] * 12 + [b'120000', b'100755'])
            git.stdin.write(b'M %s inline %s\ndata %d\n%s\n' % (mode, path.encode(), len(text), text))
git.stdin.close()
sys.exit(git.wait())
