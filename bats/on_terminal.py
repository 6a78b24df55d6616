"""Runs a command on a terminal of its own and does what is asked, in order; then its exit code is ours.
usage: on_terminal.py [STEP...] -- COMMAND...
  size=COLUMNSxROWS   of the terminal (80x24 at first)
  see=TEXT            waits until TEXT appears after what was seen by the step before
  type=KEYS           keys=\\n for Enter
  signal=NAME         to the command
  run=COMMAND         in a shell, and waits for it; $CHILD is the command's process
All output goes to stdout as it is. stderr says whether the terminal was left as it had been."""
import fcntl, os, pty, select, signal, struct, subprocess, sys, termios, time

steps, command = sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:]
SECONDS = 30 * int(os.environ.get("DGRID_TEST_SCALE", 100)) / 100
pid, fd = pty.fork()
if pid == 0:
    os.read(0, 1)  # until the size is set
    os.execvp(command[0], command)


def size(text):
    columns, rows = map(int, text.split("x"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


size("80x24")
while steps and steps[0].startswith("size="):
    size(steps.pop(0)[5:])
before = termios.tcgetattr(fd)
os.write(fd, b"\n")
out, seen = b"", 0


def read(seconds):
    global out
    if not select.select([fd], [], [], seconds)[0]:
        return True
    try:
        got = os.read(fd, 65536)
    except OSError:
        return False
    out += got
    return bool(got)


deadline = time.monotonic() + SECONDS
for step in steps:
    what, _, value = step.partition("=")
    if what == "size":
        size(value)
    elif what == "type":
        os.write(fd, value.encode())
    elif what == "signal":
        os.kill(pid, getattr(signal, "SIG" + value))
    elif what == "run":
        subprocess.run(value, shell=True, check=True, env=dict(os.environ, CHILD=str(pid)))
    elif what == "see":
        while out.find(value.encode(), seen) < 0:
            if time.monotonic() > deadline or not read(0.2):
                sys.stdout.buffer.write(out)
                sys.exit("not seen: " + value)
        seen = out.find(value.encode(), seen) + len(value)
while time.monotonic() < deadline and read(0.2):
    pass
after = termios.tcgetattr(fd)
if time.monotonic() >= deadline:
    os.kill(pid, signal.SIGKILL)
    sys.exit("it does not end")
sys.stdout.buffer.write(out)
sys.stdout.flush()
print("terminal restored:", before == after, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255)
