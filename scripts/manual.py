#!/usr/bin/env python3
"""What the manual has from the program, so that neither can go stale: the commands, from each --help, in dgrid.1; the
fields of a task, from `validate --fields`, in dgrid-task.5; the settings, from `config --fields`, in dgrid-ledger.5.

usage: manual.py PROGRAM FOLDER      the pages in FOLDER are rewritten between their marks
"""
import re
import subprocess
import sys
import textwrap

BEGIN = '.\\" What follows is written by `make manual` from dgrid %s.\n'
END = '.\\" Here it ends.\n'


def text(s, literal=False):
    """A line: nothing of it may be taken for a request, and what is typed can be copied."""
    s = s.replace("\\", "\\e")
    s = s.replace("-", "\\-") if literal else re.sub(r"(?<![A-Za-z])-|-(?=-)", r"\\-", s)
    return "\\&" + s if s[:1] in (".", "'") else s


def sentences(s):
    """Prose, each sentence on lines of its own, as mdoc wants it."""
    parts = re.split(r"(?:(?<=[a-z0-9)][.?:])|(?<=[A-Z_]{2}[.])) (?=[A-Z])", s)
    return "\n".join(text(line) for one in parts for line in
                     textwrap.wrap(one, 64, break_long_words=False, break_on_hyphens=False))


def quoted(word):
    return '"%s"' % word.replace('"', '\\(dq') if " " in word else word


def option(left):
    """"-f, --follow", "--watch[=SECONDS]", "--timeout SECONDS" as macros."""
    names, _, value = left.partition(" ") if not left.startswith("-f, ") and ", " not in left else (left, "", "")
    if ", " in left:
        brief, rest = left.split(", ", 1)
        names, _, value = rest.partition(" ")
        head = ".It Fl %s , Fl %s" % (brief[1:], "-" + names[2:])
    else:
        may = re.fullmatch(r"(--[a-z-]+)\[=(.+)\]", left)
        if may:
            return ".It Fl -%s Ns Oo = Ns Ar %s Oc" % (may.group(1)[2:], may.group(2))
        head = ".It Fl %s" % (("-" + names[2:]) if names.startswith("--") else names[1:])
    return head + (" Ar " + quoted(value).replace("|", " | ") if value else "")


def parse(help_text):
    """The sections of a --help: {"usage": line, "about": [paragraphs], "options": [(left, text)], ...}."""
    head, *rest = re.split(r"\n\n(?=options:\n)", help_text)
    usage, about = head.split("\n\n", 1)
    found = {"usage": usage[len("usage: dgrid "):],
             "about": [" ".join(p.split("\n")) for p in about.split("\n\n")]}
    for block in re.split(r"\n\n(?=[a-z ]+:\n)", rest[0]):
        name, body = block.split(":\n", 1)
        rows = []
        if name == "examples":
            note = ""
            for line in body.splitlines():
                if line.startswith("  # ") or (note and line.startswith("    ")):
                    note = (note + " " + line[4:].strip()).strip()
                else:
                    rows.append((line.strip(), note))
                    note = ""
        else:
            column = {"options": 26, "exit codes": 6, "environment": 20}[name]
            for line in body.splitlines():
                if line[:column].strip() and not line.startswith(" " * column):
                    left = line.strip() if line[column - 2:column].strip() else line[:column].strip()
                    rows.append([left, "" if line[column - 2:column].strip() else line[column:]])
                else:
                    rows[-1][1] = (rows[-1][1] + " " + line.strip()).strip()
        found[name] = [tuple(r) for r in rows]
    return found


COMMON = {"--repo URL", "-C CLONE", "--branch NAME", "-h, --help"}


def section(name, page):
    out = [".Ss " + name, ".Bd -ragged -offset indent -compact", ".Nm Cm " + name]
    if page["usage"].strip() != name:
        out += [sentences(page["usage"][len(name):].strip())]
    out += [".Ed", ".Pp"]
    for i, paragraph in enumerate(page["about"]):
        out += ([".Pp"] if i else []) + [sentences(paragraph)]
    own = [o for o in page["options"] if o[0] not in COMMON]
    if own:
        out += [".Bl -tag -width Ds"]
        for left, says in own:
            out += [option(left), sentences(says[0].upper() + says[1:] + ".")]
        out += [".El"]
    codes = [c for c in page["exit codes"] if c[0] != "64"]
    out += [".Pp", "Exit status:", ".Bl -tag -width \"130, 143\" -compact"]
    for code, says in codes:
        out += [".It " + code.replace(", ", " , "), sentences(says)]
    out += [".El", ".Pp", "Examples:" if len(page["examples"]) > 1 else "Example:", ".Bd -literal -offset indent -compact"]
    for command, note in page["examples"]:
        if note:
            out += ["# " + text(note)]
        out += [text(command, True)]
    return "\n".join(out + [".Ed"]) + "\n"


def field(line):
    """A row of a table: name, type (or where it stands), rule, and of what a submitter writes the default."""
    name, kind, rule, default = (line.strip().strip("|").split("|") + [""])[:4]
    rule = rule.strip()
    says = rule if rule[:1] == "`" else rule[:1].upper() + rule[1:]
    says = (says or "For people") + "." + (" Default: %s." % default.strip() if default.strip() else "")
    return ".It Cm %s Pq %s\n%s\n" % (name.strip(" `"), text(kind.strip().replace("`", "")),
                                     sentences(says.replace("`", "")))


def setting(line):
    """A row of a table: name, what it may be, default, what it is."""
    name, kind, default, says = (c.strip() for c in line.strip("|").split("|"))
    return ".It Cm %s Pq %s\n%s\n%s\n" % (name.strip("`"), text(kind.replace("`", "").replace('"', "\\(dq")),
                                          sentences((says[0].upper() + says[1:]).replace("`", "") + "."),
                                          sentences("Default: %s." % default) if default else ".\\\" no default")


def rewrite(page, what, made):
    with open(page, encoding="utf-8") as f:
        whole = f.read()
    begin = BEGIN % what
    before, rest = whole.split(begin)
    after = rest.split(END, 1)[1]
    with open(page, "w", encoding="utf-8") as f:
        f.write(before + begin + made + END + after)


def main():
    program, folder = sys.argv[1:3]

    def ask(*words):
        return subprocess.run([program, *words], check=True, capture_output=True, text=True).stdout

    verbs = re.findall(r"^  ([a-z]+) +\S", ask("help"), re.M)
    rewrite(folder + "/dgrid.1", "VERB --help", "".join(section(v, parse(ask(v, "--help"))) for v in verbs))
    rows = ask("validate", "--fields").splitlines()
    given = [row for row in rows if row.count("|") == 5]
    rewrite(folder + "/dgrid-task.5", "validate --fields, first table", "".join(map(field, given)))
    rewrite(folder + "/dgrid-task.5", "validate --fields, second table",
            "".join(field(row) for row in rows if row not in given))
    rewrite(folder + "/dgrid-ledger.5", "config --fields", "".join(setting(row) for row in ask("config", "--fields").splitlines()))


main()
