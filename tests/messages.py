#!/usr/bin/env python3
"""Prints what `dgrid validate` can say, a line each, taken from the sources, with … for what varies.
For bats/once/guides.bats, which looks for each in docs/SUBMISSION_GUIDE.md.   messages.py [--errors] SOURCE...
--errors: also those that end a verb (err_set)."""
import os, re, sys

errors = sys.argv[1] == "--errors"
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")  # where #include looks
CALL = re.compile(r"\b(problem_in|problem_at|tell|wrong|fail|fail_expected|json_error_set%s)\(" % ("|err_set" if errors else ""))
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
CONVERSION = re.compile(r"%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:ll|z|l|h)?[a-zA-Z]")


def call(text, at):
    """The arguments of the call that begins at `at`, up to its closing parenthesis."""
    depth, end, quoted = 1, at, False
    while depth:
        c = text[end]
        if quoted:
            end += c == "\\"
            quoted = text[end] != '"' or c == "\\"
        elif c == '"':
            quoted = True
        elif c == "'":
            end += 3 if text[end + 1] == "\\" else 2
        else:
            depth += (c == "(") - (c == ")")
        end += 1
    return text[at : end - 1]


def messages(file):
    source = open(file).read()
    text = re.sub(r"/\*.*?\*/", " ", source, flags=re.S)
    macros = {}
    for path in [os.path.join(ROOT, h) for h in re.findall(r'^#include "(.*)"', source, flags=re.M)] + [file]:
        macros.update(re.findall(r'^#define (\w+) ("[^"]*")', open(path).read(), flags=re.M) if os.path.exists(path) else [])
    calls = [call(text, m.end()) for m in CALL.finditer(text)]
    # What functions give back for a message to use it.
    given = re.findall(r'\b(?:why = |wrong = |return )(?:"(?:[^"\\]|\\.)*"|[^;"])*;', text)
    calls += [g for g in given if '"' in g and "err_set" not in g and not CALL.search(g)]
    for args in calls:
        for name, value in macros.items():
            args = re.sub(rf"\b{name}\b", lambda _, v=value: v, args)
        # Literals that follow each other are one; those with a : or ? between them are alternatives.
        for run in re.finditer(r'(?:"(?:[^"\\]|\\.)*"\s*)+', args):
            words = "".join(LITERAL.findall(run[0]))
            words = words.replace('\\"', '"').replace("\\\\", "\\")
            words = re.sub(r"\\n(?=%)", " ", words)  # a line of its own for what follows
            words = CONVERSION.sub("…", words).replace("%%", "%")
            # An alphabet, the armour of a signature and a bug of the program are no messages to a submitter.
            if " " in words and not words.startswith(("ABC", "-----", "bug:")):
                yield re.sub(r"\s+", " ", words).strip()


for line in sorted({m for file in sys.argv[1 + errors :] for m in messages(file)}):
    print(line)
