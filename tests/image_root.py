#!/usr/bin/env python3
"""A root file system for a container, as a tar on stdout, made of packages that are installed here: what stands in for
a registry's image where there is none.

usage: image_root.py PACKAGE...      they and what they depend on, and the docker client
"""
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile

LEFT_OUT = re.compile(r"^/usr/share/(doc|man|info|locale|lintian|bug|bash-completion|zsh|perl5/Debian)(/|$)"
                      r"|lto1$|lto-dump[^/]*$|g\+\+-mapper-server$|/lib[a-z]*san[._][^/]*$|/(ld\.gold|gprofng)[^/]*$|/perl/")
# What packages do not own, but their scripts made.
MADE = ["/usr/bin/awk", "/usr/bin/cc", "/etc/alternatives/awk", "/etc/alternatives/cc", "/usr/bin/which",
        "/etc/ssl/certs/ca-certificates.crt"]


def place(path):
    """Where it really is: /bin and /lib are links into /usr."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def main():
    closure = subprocess.run(["apt-cache", "depends", "--recurse", "--installed", "--no-recommends", "--no-suggests",
                              "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances", *sys.argv[1:]],
                             check=True, capture_output=True, text=True).stdout
    packages = sorted({line for line in closure.splitlines() if re.match(r"^(?!perl|libperl)[a-z0-9]", line)})
    files = subprocess.run(["dpkg", "-L", *packages], check=False, capture_output=True, text=True).stdout.splitlines()
    out = tarfile.open(fileobj=sys.stdout.buffer, mode="w|")
    for name in ("bin", "lib", "lib64", "sbin"):
        if os.path.islink("/" + name):
            out.add("/" + name, name, recursive=False)
    # The links of the top folder are there already.
    for path in sorted({place(f) for f in files + MADE if f.startswith("/") and len(f) > 1 and not LEFT_OUT.search(f)}):
        if path.count("/") > 1 and os.path.lexists(path) and not (os.path.isdir(path) and not os.path.islink(path)):
            out.add(path, path[1:], recursive=False)
    docker = shutil.which("docker")
    if docker:
        out.add(os.path.realpath(docker), "usr/bin/docker")
    for name, mode in (("tmp", 0o1777), ("root", 0o700), ("proc", 0o555), ("sys", 0o555), ("dev", 0o755), ("run", 0o755),
                       ("var/tmp", 0o1777), ("var/lib", 0o755)):
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, mode
        out.addfile(info)
    for name, text in (("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("etc/group", "root:x:0:\n")):
        info = tarfile.TarInfo(name)
        info.size = len(text)
        out.addfile(info, io.BytesIO(text.encode()))
    out.close()


main()
