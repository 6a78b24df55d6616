#!/usr/bin/env python3
"""Records a command on a terminal and writes what it showed as an SVG that plays once: text, light or dark as its reader's
system is, and still (the end of it) for who wants no motion.   record.py [--columns N] [--rows N] OUTPUT.svg COMMAND...

The recording is of a real run: a pty, the bytes it gave and when. Waits are shortened to a second and a half. The name of the
current folder is replaced by /home/ann/dgrid, for it is the recording machine's matter.
"""
import argparse, fcntl, os, pty, re, select, struct, sys, termios, time
from xml.sax.saxutils import escape

CHAR, LINE, PAD, BAR, LONGEST_WAIT = 7.83, 17, 14, 30, 1.5  # pixels; seconds
COLOURS = {"31": "red", "32": "green", "33": "yellow", "34": "blue", "36": "cyan", "2": "dim", "1": "bold"}


def capture(command, columns, rows):
    """[(seconds, text)] and the exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(columns), LINES=str(rows))
        os.environ.pop("NO_COLOR", None)
        os.execvp(command[0], command)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    events, began, rest = [], time.monotonic(), b""
    while True:
        select.select([fd], [], [])
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        data = rest + data
        cut = len(data)
        while cut and cut > len(data) - 4 and data[cut - 1] & 0xC0 == 0x80:
            cut -= 1
        if cut and data[cut - 1] >= 0xC0:  # the head of a character whose end is to come
            cut -= 1
        else:
            cut = len(data)
        rest = data[cut:]
        events.append((time.monotonic() - began, data[:cut].decode("utf-8", "replace")))
    return events, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Screen:
    """As much of a terminal as line-oriented programs use. `lines` are all there ever were, each with its versions:
    [(when, [(class, text), ...])]."""

    def __init__(self, columns):
        self.columns, self.lines, self.row, self.column, self.style = columns, [[]], 0, 0, ()
        self.cells, self.touched = [[]], set()

    def put(self, c):
        if self.column >= self.columns:
            self.down()
            self.column = 0
        cells = self.cells[self.row]
        cells.extend([(" ", ())] * (self.column + 1 - len(cells)))
        cells[self.column] = (c, self.style)
        self.column += 1
        self.touched.add(self.row)

    def down(self):
        self.row += 1
        if self.row == len(self.cells):
            self.cells.append([])
            self.lines.append([])

    def feed(self, when, text):
        for m in re.finditer(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[()][A-Z0-9]|(.)", text, re.S):
            parameters, final, c = m.groups()
            if c == "\n":
                self.down()
            elif c == "\r":
                self.column = 0
            elif c == "\b":
                self.column = max(0, self.column - 1)
            elif c == "\t":
                self.column = min(self.columns - 1, self.column // 8 * 8 + 8)
            elif c and c >= " ":
                self.put(c)
            elif final == "m":
                for p in (parameters or "0").split(";"):
                    self.style = () if p in ("", "0") else (*self.style, COLOURS[p]) if p in COLOURS else self.style
            elif final == "K":
                del self.cells[self.row][self.column:]
                self.touched.add(self.row)
            elif final == "A":
                self.row = max(0, self.row - int(parameters or 1))
            elif final and final not in "hl":
                raise SystemExit(f"record.py: the program moves the cursor in a way that is not known here: ESC[{parameters}{final}")
        for row in sorted(self.touched):
            runs = []
            for c, style in self.cells[row]:
                if runs and runs[-1][0] == style:
                    runs[-1][1] += c
                else:
                    runs.append([style, c])
            self.lines[row].append((when, [(s, t) for s, t in runs]))
        self.touched.clear()


def svg(screen, rows, end, title):
    """Every version of a line appears at its time and goes when the next one comes; the whole moves up as a screen does."""
    width, height = round(2 * PAD + screen.columns * CHAR), 2 * PAD + BAR + rows * LINE
    out, plain, moves, top = [], [], [(0, 0)], 0
    order = sorted((when, row, k) for row, versions in enumerate(screen.lines) for k, (when, _) in enumerate(versions))
    for when, row, _ in order:
        if row - rows + 1 > top:
            top = row - rows + 1
            moves.append((when, top))
    for row, versions in enumerate(screen.lines):
        for k, (when, runs) in enumerate(versions):
            until = versions[k + 1][0] if k + 1 < len(versions) else None
            if until is not None and until - when < 0.04 or not any(t.strip() for _, t in runs):
                continue
            spans = "".join(f'<tspan class="{" ".join(s)}">{escape(t)}</tspan>' if s else escape(t) for s, t in runs)
            clock = f"animation-delay:{when:.2f}s" + (f",{until:.2f}s" if until is not None else "")
            kind = "v gone" if until is not None else "v"
            out.append(f'<text class="{kind}" style="{clock}" y="{(row + 1) * LINE - 4}" xml:space="preserve">{spans}</text>')
            if until is None:
                plain.append("".join(t for _, t in runs).rstrip())
    steps = "".join(f"{100 * t / end:.2f}%{{transform:translateY({-n * LINE}px)}}" for t, n in moves)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="t">
<title id="t">{escape(title)}</title>
<style>
svg{{--bg:#ffffff;--fg:#24292f;--bar:#eaeef2;--edge:#d0d7de;--red:#b3202a;--green:#116329;--yellow:#7d4e00;--blue:#0550ae;--dim:#57606a}}
@media (prefers-color-scheme:dark){{svg{{--bg:#0d1117;--fg:#e6edf3;--bar:#21262d;--edge:#30363d;--red:#ff7b72;--green:#56d364;--yellow:#e3b341;--blue:#79c0ff;--dim:#8b949e}}}}
text{{font:13px/17px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--fg);white-space:pre}}
.red{{fill:var(--red)}}.green{{fill:var(--green)}}.yellow{{fill:var(--yellow)}}.blue,.cyan{{fill:var(--blue)}}.dim{{fill:var(--dim)}}.bold{{font-weight:bold}}
.v{{visibility:hidden;animation:on 0s linear forwards}}.gone{{animation:on 0s linear forwards,off 0s linear forwards}}
#roll{{animation:roll {end:.2f}s step-end forwards}}
@keyframes on{{to{{visibility:visible}}}}@keyframes off{{to{{visibility:hidden}}}}
@keyframes roll{{{steps}100%{{transform:translateY({-top * LINE}px)}}}}
@media (prefers-reduced-motion:reduce){{.v{{animation:none;visibility:visible}}.gone{{visibility:hidden}}#roll{{animation:none;transform:translateY({-top * LINE}px)}}}}
</style>
<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" fill="var(--bg)" stroke="var(--edge)"/>
<path d="M.5 {BAR}V8.500a8 8 0 0 1 8-8H{width - 8.5}a8 8 0 0 1 8 8V{BAR}z" fill="var(--bar)" stroke="var(--edge)"/>
<circle cx="18" cy="15" r="5" fill="var(--red)"/><circle cx="36" cy="15" r="5" fill="var(--yellow)"/><circle cx="54" cy="15" r="5" fill="var(--green)"/>
<svg x="{PAD}" y="{BAR + PAD}" width="{width - 2 * PAD}" height="{rows * LINE}"><g id="roll">
{chr(10).join(out)}
</g></svg>
</svg>
"""


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--columns", type=int, default=114)
    args.add_argument("--rows", type=int, default=36)
    args.add_argument("--title", default="A recorded terminal")
    args.add_argument("output")
    args.add_argument("command", nargs=argparse.REMAINDER)
    args = args.parse_args()
    events, code = capture(args.command, args.columns, args.rows)
    if code:
        sys.stdout.write("".join(t for _, t in events))
        raise SystemExit(f"record.py: the command ended with {code}; nothing is written")
    screen, typed = Screen(args.columns), " ".join(args.command)
    screen.feed(0, "$ ")
    now = 0.6
    for c in typed:  # as if by hand
        screen.feed(now, c)
        now += 0.07
    now += 0.4
    screen.feed(now, "\r\n")
    before, here = 0, os.getcwd()
    for when, text in events:
        now += min(when - before, LONGEST_WAIT)
        before = when
        screen.feed(now, text.replace(here, "/home/ann/dgrid"))
    screen.feed(now + 0.5, "$ ")
    document = svg(screen, args.rows, now + 1, args.title)
    with open(args.output + ".new", "w", encoding="utf-8") as f:
        f.write(document)
    os.replace(args.output + ".new", args.output)
    print(f"{args.output}: {now:.0f} s, {len(document) // 1024} KB")


if __name__ == "__main__":
    main()
