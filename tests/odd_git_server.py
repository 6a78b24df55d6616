#!/usr/bin/env python3
"""A git server over HTTP that answers as others do on their bad days: odd_git_server.py ROOT MODE_FILE LOG PORT_FILE

ROOT holds the repositories. MODE_FILE is read at every request; its line says how to answer:
  ok                      as git http-backend does
  push status N [WAIT]    a push is answered with status N (Retry-After: WAIT)
  all status N [WAIT]     so is everything
  push cut                the connection ends before the push is looked at
  push landed-cut         the push lands, the connection ends without an answer
  push landed-gone        a push to the branch lands, the connection ends, and the host is gone: all status 500
  push late               pushes are cut; the first to the branch is kept, and lands before the first request of another mode
  push twice              the push is run twice, as by a client that sends it again; the second answer counts
  push refuse WORDS       "ng" with these words, and nothing lands
  push race WORDS         somebody else's commit lands first, and the push gets "ng" with these words
  push silence            no answer while the line stays the same
  fetch slow MS BYTES     what a fetch brings comes in pieces of BYTES, MS apart
  fetch silence           no answer to a fetch while the line stays the same
LOG gets a line for each request that pushes or fetches: its kind and the mode, and what a push to the branch makes it."""
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROOT, MODE, LOG, PORT = sys.argv[1:5]
BACKEND = os.path.join(subprocess.check_output(["git", "--exec-path"], text=True).strip(), "git-http-backend")
POLL = 0.05


def mode():
    with open(MODE) as f:
        return f.readline().strip()


def packet(data):
    return b"%04x" % (len(data) + 4) + data


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kept = None  # of push late: the request and its data

    def log_message(self, *args):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def backend(self, data):
        path, _, query = self.path.partition("?")
        env = dict(os.environ, GIT_PROJECT_ROOT=ROOT, GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path, QUERY_STRING=query,
                   REQUEST_METHOD=self.command, REMOTE_USER="odd", REMOTE_ADDR="127.0.0.1",
                   CONTENT_TYPE=self.headers.get("Content-Type", ""), CONTENT_LENGTH=str(len(data)),
                   HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
                   GIT_PROTOCOL=self.headers.get("Git-Protocol", ""))
        out = subprocess.run([BACKEND], input=data, env=env, stdout=subprocess.PIPE, check=False).stdout
        head, _, rest = out.partition(b"\r\n\r\n")
        return [line.split(": ", 1) for line in head.decode().split("\r\n")], rest

    def answer(self, status, headers, data, pause=0.0, piece=512):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        step = piece if pause else len(data) or 1
        for at in range(0, len(data), step):
            self.wfile.write(data[at:at + step])
            self.wfile.flush()
            time.sleep(pause)

    def cut(self):
        self.close_connection = True
        self.connection.shutdown(2)

    def repository(self):
        return os.path.join(ROOT, self.path.lstrip("/").split(".git/")[0] + ".git")

    def rival(self):
        git = ["git", "-C", self.repository(), "-c", "user.name=rival", "-c", "user.email=rival@example.invalid"]
        commit = subprocess.check_output(git + ["commit-tree", "-p", "main", "-m", "rival", "main^{tree}"], text=True)
        subprocess.check_call(git + ["update-ref", "refs/heads/main", commit.strip()])

    def refuse(self, data, words):
        ref = data.split(b"\0")[0].split(b" ")[-1].decode()  # "shallow" lines come first
        report = packet(b"unpack ok\n") + packet(f"ng {ref} {words}\n".encode()) + b"0000"
        self.answer(200, [("Content-Type", "application/x-git-receive-pack-result")], packet(b"\1" + report) + b"0000")

    def handle_any(self):
        data = self.body()
        pushes = self.path.endswith("/git-receive-pack")
        fetches = self.path.endswith("/git-upload-pack")
        how = said = mode()
        words = how.split()
        # A heartbeat is a push too, but not to the branch.
        if pushes and b" refs/heads/main\0" in data:
            kind = "push"
        else:
            kind = "beat" if pushes else "fetch" if fetches else "other"
        if kind != "other":
            with open(LOG, "a") as f:
                becomes = " " + data.split(b"\0")[0].split(b" ")[-2].decode() if kind == "push" else ""
                f.write(f"{kind} {how}{becomes}\n")
        if Handler.kept and words[1:2] != ["late"]:
            (late, late_data), Handler.kept = Handler.kept, None
            late.backend(late_data)
        mine = words[0] == "all" or (words[0] == "push" and pushes) or (words[0] == "fetch" and fetches)
        if not mine or words[0] == "ok":
            words = ["", "ok"]
        if words[1] == "status":
            extra = [("Retry-After", words[3])] if len(words) > 3 else []
            self.answer(int(words[2]), [("Content-Type", "text/plain")] + extra, b"the host says no\n")
        elif words[1] == "cut":
            self.cut()
        elif words[1] == "late":
            if kind == "push" and not Handler.kept:
                Handler.kept = self, data
            self.cut()
        elif words[1] == "landed-gone" and kind == "push":
            self.backend(data)
            with open(MODE, "w") as f:
                f.write("all status 500\n")
            self.cut()
        elif words[1] == "landed-cut":
            self.backend(data)
            self.cut()
        elif words[1] == "twice":
            self.backend(data)
            self.answer(200, *self.backend(data))
        elif words[1] == "refuse" or (words[1] == "race" and kind != "push"):
            self.refuse(data, " ".join(words[2:]))
        elif words[1] == "race":
            self.rival()
            self.refuse(data, " ".join(words[2:]))
            with open(MODE, "w") as f:
                f.write("ok\n")
        elif words[1] == "silence":
            while mode() == said:
                time.sleep(POLL)
            self.cut()
        else:
            headers, rest = self.backend(data)
            status = int(next((v.split()[0] for n, v in headers if n == "Status"), 200))
            slow = (int(words[2]) / 1000, int(words[3])) if words[1] == "slow" else ()
            self.answer(status, [h for h in headers if h[0] != "Status"], rest, *slow)

    def do_GET(self):
        try:
            self.handle_any()
        except (ConnectionError, OSError):
            self.close_connection = True

    do_POST = do_GET


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
with open(PORT + ".new", "w") as port:
    port.write(str(server.server_port))
os.rename(PORT + ".new", PORT)
server.serve_forever()
