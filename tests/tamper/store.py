"""Git objects, written byte by byte: trees and commits that git itself would never make can be made here.

Store(path) is a bare repository that holds everything; grid(path, refs) makes another that has the same folder of objects,
in a millisecond. Trees are changed by path: tree_with(root, {"tasks/queue/x.json": ("100644", oid) or None}).
"""
import hashlib
import os
import subprocess
import zlib

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class Store:
    def __init__(self, path):
        self.path, self.trees, self.seen = path, {}, set()
        self.cat = subprocess.Popen(["git", "-C", path, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self):
        self.cat.stdin.close()
        self.cat.wait()
        self.cat.stdout.close()

    def get(self, oid):
        self.cat.stdin.write(oid.encode() + b"\n")
        self.cat.stdin.flush()
        head = self.cat.stdout.readline().split()
        if head[1:2] == [b"missing"]:
            raise KeyError(oid)
        body = self.cat.stdout.read(int(head[2]) + 1)[:-1]
        return head[1].decode(), body

    def put(self, kind, body):
        if isinstance(body, str):
            body = body.encode()
        whole = f"{kind} {len(body)}\0".encode() + body
        oid = hashlib.sha1(whole).hexdigest()
        path = f"{self.path}/objects/{oid[:2]}/{oid[2:]}"
        if oid not in self.seen and not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path + ".new", "wb") as f:
                f.write(zlib.compress(whole, 1))
            os.rename(path + ".new", path)
        self.seen.add(oid)
        return oid

    def blob(self, body):
        return self.put("blob", body)

    # ---- trees: [(mode, name in bytes, oid)] in the order they stand ----

    def tree(self, oid):
        if oid not in self.trees:
            body, at, entries = (b"" if oid == EMPTY_TREE else self.get(oid)[1]), 0, []
            while at < len(body):
                blank, nul = body.index(b" ", at), body.index(b"\0", at)
                entries.append((body[at:blank].decode(), body[blank + 1:nul], body[nul + 1:nul + 21].hex()))
                at = nul + 21
            self.trees[oid] = entries
        return self.trees[oid]

    def put_tree(self, entries, sort=True):
        if sort:
            entries = sorted(entries, key=lambda e: e[1] + (b"/" if e[0] == "40000" else b""))
        return self.put("tree", b"".join(m.encode() + b" " + n + b"\0" + bytes.fromhex(o) for m, n, o in entries))

    def tree_with(self, root, changes):
        here, below = {}, {}
        for path, what in changes.items():
            first, _, rest = path.partition("/")
            if rest:
                below.setdefault(first.encode(), {})[rest] = what
            else:
                here[first.encode()] = what
        entries = {n: (m, n, o) for m, n, o in self.tree(root)}
        for name, what in here.items():
            entries.pop(name, None)
            if what:
                entries[name] = (what[0], name, what[1])
        for name, inner in below.items():
            old = entries.get(name)
            oid = self.tree_with(old[2] if old and old[0] == "40000" else EMPTY_TREE, inner)
            entries.pop(name, None)
            if oid != EMPTY_TREE:
                entries[name] = ("40000", name, oid)
        if not entries:
            self.put("tree", b"")
            return EMPTY_TREE
        return self.put_tree(entries.values())

    def find(self, root, path):
        """(mode, oid) or None."""
        mode, oid = "40000", root
        for name in path.encode().split(b"/"):
            hit = next((e for e in self.tree(oid) if e[1] == name), None) if mode == "40000" else None
            if not hit:
                return None
            mode, oid = hit[0], hit[2]
        return mode, oid

    # ---- commits ----

    def tree_of(self, commit):
        return self.get(commit)[1].split(b"\n", 1)[0].split()[1].decode()

    def commit(self, tree, parents, who, when, message, email=None, authored=None, key=None, author=None, encoding=None):
        ident = f"{who} <{email or who + '@localhost'}>"
        head = f"tree {tree}\n" + "".join(f"parent {p}\n" for p in parents)
        head += f"author {author or ident} {authored or when} +0000\ncommitter {ident} {when} +0000\n"
        head += f"encoding {encoding}\n" if encoding else ""
        if key:
            made = subprocess.run(["ssh-keygen", "-Y", "sign", "-n", "git", "-f", key], input=f"{head}\n{message}".encode(),
                                  capture_output=True, check=True).stdout.decode()
            head += "gpgsig " + made.rstrip("\n").replace("\n", "\n ") + "\n"
        return self.put("commit", f"{head}\n{message}")

    # ---- repositories that have all this; borrow: the objects of that repository, and a folder for more ----

    def grid(self, path, refs, borrow=None):
        os.makedirs(f"{path}/refs/heads")
        files = {"HEAD": "ref: refs/heads/main\n",
                 "config": "[core]\n\trepositoryformatversion = 0\n\tbare = true\n\tfilemode = true\n",
                 "packed-refs": "# pack-refs with: peeled fully-peeled sorted \n" +
                                "".join(f"{oid} {ref}\n" for ref, oid in sorted(refs.items()) if oid)}
        if borrow:
            for folder in ("objects/info", "objects/pack"):
                os.makedirs(f"{path}/{folder}")
            files["objects/info/alternates"] = f"{os.path.abspath(borrow)}/objects\n"
        else:  # readers follow no alternates
            os.symlink(os.path.abspath(self.path + "/objects"), f"{path}/objects")
        for name, text in files.items():
            with open(f"{path}/{name}", "w") as f:
                f.write(text)
        return path
