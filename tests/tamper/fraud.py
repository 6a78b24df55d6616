"""What frauds share: a fraud is a function of an honest history h that adds one fraud to it. The rule that must catch it first
stands with it; where several ways to see the same fraud are right, all of them do.

grid: what it is made on, see GRIDS in tamper.py. push=False: not for a hook. odd=True: git's own checks may refuse it. since=True:
the audit goes on from a checkpoint. objects=True: it looks for files, and no commit is to blame. config: what is done to the repository's own settings."""

ALL = []
Q, P, C, F, U = (f"tasks/{f}/" for f in ("queue", "in_progress", "completed", "failed", "unapproved"))


class Fraud:
    def __init__(self, make, rules, grid, **how):
        self.make, self.rules, self.grid, self.how = make, rules, grid, how
        self.name = make.__name__


def fraud(*rules, grid="plain", **how):
    def note(make):
        ALL.append(Fraud(make, rules, grid, **how))
        return make
    return note


def day_of(h):
    """The folder of the archive's first day."""
    oid, path = h.store.tree_of(h.archive), ""
    for _ in range(3):
        _, name, oid = h.store.tree(oid)[0]
        path += name.decode() + "/"
    return path
