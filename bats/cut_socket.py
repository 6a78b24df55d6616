#!/usr/bin/env python3
"""A proxy between an engine's client and its daemon, to cut them off from each other.

usage: cut_socket.py LISTEN DAEMON FOLDER
Hands on what comes at the Unix socket LISTEN to the one at DAEMON. While FOLDER/cut exists, every connection that asked for
a path in which its text stands (all, when it is empty) is closed, and none is taken; then FOLDER/done says how many were.
"""
import os
import re
import socket
import sys
import threading
import time

listen, daemon, folder = sys.argv[1:]
cut = os.path.join(folder, "cut")
open_now, lock = {}, threading.Lock()


def wanted():
    try:
        with open(cut) as f:
            return f.read().strip()
    except OSError:
        return None


def close(*ends):
    for s in ends:
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def pump(frm, to, asked=None):
    try:
        while data := frm.recv(65536):
            if asked is not None:
                asked.extend(re.findall(rb"^(?:GET|POST|DELETE) (\S+)", data))
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        close(frm, to)


def serve(client):
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    asked = []
    try:
        server.connect(daemon)
        with lock:
            open_now[client] = (client, server, asked)
        threads = [threading.Thread(target=pump, args=a, daemon=True)
                   for a in ((client, server, asked), (server, client))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    except OSError:
        pass
    with lock:
        open_now.pop(client, None)
    client.close()
    server.close()


def watch():
    while True:
        text = wanted()
        if text is not None:
            with lock:
                chosen = [c for c in open_now.values() if text.encode() in b" ".join(c[2])]
            for c in chosen:
                close(c[0], c[1])
            if chosen:
                with open(os.path.join(folder, "done"), "a") as f:
                    f.write(f"{len(chosen)}\n")
        time.sleep(0.05)


with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
    s.bind(listen)
    s.listen(64)
    threading.Thread(target=watch, daemon=True).start()
    while True:
        c, _ = s.accept()
        if wanted() == "":
            c.close()
            continue
        threading.Thread(target=serve, args=(c,), daemon=True).start()
