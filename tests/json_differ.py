#!/usr/bin/env python3
"""json.c against two other parsers: usage: json_differ.py build/tests/json_judge [DOCUMENTS] [SEED]

Makes documents, valid and broken, the same ones for the same seed. All are judged by Python's own parser, made strict
where it is documented to be lax (NaN, lone surrogates, repeated names) and given our limit of depth; the broken ones
also by a parser of our grammar written here, which says the line and column."""
import json
import random
import re
import struct
import subprocess
import sys

DEPTH = 64


# ---- Python's verdict ----

def no_constant(name):
    raise ValueError(name)


def unique(pairs):
    names = [k for k, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("repeated name")
    return dict(pairs)


def depth_of(v):
    if isinstance(v, dict):
        return 1 + max(map(depth_of, v.values()), default=0)
    if isinstance(v, list):
        return 1 + max(map(depth_of, v), default=0)
    return 0


# Numbers stay text: how large one may be is not the grammar's business.
decoder = json.JSONDecoder(object_pairs_hook=unique, parse_constant=no_constant, parse_int=str, parse_float=str)


def valid(doc):
    """None, or the depth of a valid document."""
    try:
        text = doc.decode("utf-8")
        if text.startswith("\ufeff"):
            return None
        value = decoder.decode(text)
        depth = depth_of(value) if text.count("[") + text.count("{") else 0
        if "\\u" in text or "\\U" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # lone surrogates do not encode
    except (ValueError, RecursionError):
        return None
    return depth if depth <= DEPTH else None


# ---- where it is wrong ----

class Wrong(Exception):
    pass


PLAIN = re.compile(rb'[\x20\x21\x23-\x5b\x5d-\x7f]*')
SPACE = re.compile(rb'[ \t\r\n]*')
DIGITS = re.compile(rb'[0-9]+')
ESCAPE = re.compile(rb'\\(?:["\\/bfnrt]|u(?:[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}'
                    rb'|(?![dD][89a-fA-F])[0-9a-fA-F]{4}))')


def character(d, i):
    for n in (2, 3, 4):
        try:
            d[i:i + n].decode("utf-8")
            return i + n
        except ValueError:
            pass
    raise Wrong(i)


def string(d, i):
    i += 1
    while True:
        i = PLAIN.match(d, i).end()
        if i == len(d):
            raise Wrong(i)
        if d[i] == 0x22:
            return i + 1
        if d[i] == 0x5c:
            m = ESCAPE.match(d, i)
            if not m:
                raise Wrong(i)
            i = m.end()
        elif d[i] < 0x20:
            raise Wrong(i)
        else:
            i = character(d, i)


def digits(d, i):
    m = DIGITS.match(d, i)
    if not m:
        raise Wrong(i)
    return m.end()


def number(d, i):
    i += d[i:i + 1] == b"-"
    if d[i:i + 1] == b"0":
        i += 1
        if d[i:i + 1].isdigit():
            raise Wrong(i)
    else:
        i = digits(d, i)
    if d[i:i + 1] == b".":
        i = digits(d, i + 1)
    if d[i:i + 1] in (b"e", b"E"):
        i += 1
        i = digits(d, i + (d[i:i + 1] in (b"+", b"-")))
    return i


def space(d, i):
    return SPACE.match(d, i).end()


def value(d, i, depth, repeated):
    c = d[i:i + 1]
    if c in (b"{", b"["):
        if depth == DEPTH:
            raise Wrong(i)
        close, names = (b"}" if c == b"{" else b"]"), set()
        i = space(d, i + 1)
        if d[i:i + 1] == close:
            return i + 1
        while True:
            if c == b"{":
                if d[i:i + 1] != b'"':
                    raise Wrong(i)
                end = string(d, i)
                name = json.loads(d[i:end].decode("utf-8"))
                if name in names:
                    repeated.append(i)
                names.add(name)
                i = space(d, end)
                if d[i:i + 1] != b":":
                    raise Wrong(i)
                i = space(d, i + 1)
            i = space(d, value(d, i, depth + 1, repeated))
            if d[i:i + 1] == close:
                return i + 1
            if d[i:i + 1] != b",":
                raise Wrong(i)
            i = space(d, i + 1)
    if c == b'"':
        return string(d, i)
    for word in (b"true", b"false", b"null"):
        if c == word[:1]:
            if d[i:i + len(word)] != word:
                raise Wrong(i)
            return i + len(word)
    if c == b"-" or c.isdigit():
        return number(d, i)
    raise Wrong(i)


def place(d):
    """Line and column, in bytes from 1, of what is wrong; None when nothing is."""
    repeated = []
    try:
        if d.startswith(b"\xef\xbb\xbf"):
            raise Wrong(0)
        i = space(d, value(d, space(d, 0), 0, repeated))
        if i < len(d):
            raise Wrong(i)
        if not repeated:
            return None
        at = min(repeated)  # told only of a document whose grammar is right
    except Wrong as w:
        at = w.args[0]
    return "%d:%d" % (d.count(b"\n", 0, at) + 1, at - d.rfind(b"\n", 0, at))


# ---- documents ----

STRINGS = ['""', '"a"', '"\u00fc\u20ac"', '"\U0001f600"', '"\\u0041"', '"\\ud83d\\ude00"', '"\\n\\t\\"\\\\\\/\\b\\f\\r"',
           '"\\u0000"', '"\x7f"', '"\\uFFFF"', '"\u2028"', '"\\udbff\\udfff"', '"\\uE000"', '"name"', '"x-y"']
NUMBERS = ["0", "-0", "1", "-1", "10", "0.5", "-0.0", "1e5", "1E+5", "1e-5", "123456789012345678901234567890", "1e400",
           "0e0", "-1.25E-10", "9007199254740993"]
BROKEN = ["NaN", "Infinity", "-Infinity", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "1_0", "True", "nul", "tru",
          "'a'", '"\\ud800"', '"\\udc00"', '"\\ud800\\ud800"', '"\\ud83d\\u0041"', '"\\x41"', '"\\u12"', '"\\u12G4"',
          '"\\u 123"', '"\\u+123"', '"\t"', '"\n"', '"\x00"', '"a', "\\u0041", "//c", "/*c*/1", "{a:1}", "[1,]",
          '{"a":1,}', "[,]", "{,}", "[1 2]", '{"a" 1}', '{"a":}', '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', "}", "]",
          ",", ":", "undefined", "\ufeff1", "\u00a01", "\u20281", "1\v", "\f1", "\u0661", '"\\a"', '"\\u00zz"', "--1",
          "1.e5", "1.5.5", "1e5.5", "- 1", "-a", '{"a":1 "b":2}', "{1:2}", "{null:1}", '{"a"}', '["a":1]']
RAW = [b"\xff", b"\xc0\x80", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xf0\x80\x80\x80", b"\x80",
       b"\xed\xb0\x80", b"\xf8\x88\x80\x80\x80", b"\x00", b"\x1f", b"\xef\xbb\xbf", b"\xc2\x85", b"\xef\xbf\xbf"]
GAPS = ["", "", "", "", " ", "\n", "\t", "\r\n", "  "]


def make(r, depth):
    k = r.random()
    if depth <= 0 or k < 0.45:
        if k < 0.02:
            return r.choice(BROKEN)
        return r.choice(STRINGS) if r.random() < 0.45 else r.choice(NUMBERS) if r.random() < 0.7 else \
            r.choice(("true", "false", "null"))
    g = r.choice
    n = int(r.random() * 4)
    if k < 0.72:
        return "[" + g(GAPS) + ("," + g(GAPS)).join(make(r, depth - 1) + g(GAPS) for _ in range(n)) + "]"
    names = r.sample(STRINGS, n) if r.random() < 0.95 else [g(STRINGS) for _ in range(n)]
    return "{" + g(GAPS) + ("," + g(GAPS)).join(
        s + g(GAPS) + ":" + g(GAPS) + make(r, depth - 1) for s in names) + g(GAPS) + "}"


def document(r, pool):
    k = r.random()
    if k < 0.02:
        n = r.choice((1, 10, 62, 63, 64, 65, 66, 200, 3000))
        opening, closing = ("[", "]") if r.random() < 0.5 else ('{"a":', "}")
        return (opening * n + "1" + closing * (n if r.random() < 0.9 else n - 1)).encode()
    doc = (r.choice(GAPS) + make(r, 4) + r.choice(GAPS)).encode("utf-8")
    if k < 0.40:
        return doc
    b = bytearray(doc if r.random() < 0.7 or not pool else r.choice(pool))
    for _ in range(1 if r.random() < 0.8 else 3):
        at = int(r.random() * (len(b) + 1))
        k = r.random()
        if k < 0.2:
            del b[at:at + 1]
        elif k < 0.35:
            del b[at:]
        elif k < 0.5 and at < len(b):
            b[at] ^= 1 << int(r.random() * 8)
        elif k < 0.6 and at < len(b):
            b[at] = int(r.random() * 256)
        elif k < 0.75:
            b[at:at] = r.choice(RAW)
        elif k < 0.9:
            b[at:at] = r.choice(BROKEN).encode("utf-8")
        else:
            b[at:at] = r.choice((b",", b":", b"[", b"]", b"{", b"}", b'"', b"\\", b"\n", b"0", b"-", b"e", b"."))
    return bytes(b)


def main():
    judge, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 8259
    r, docs = random.Random(seed), []
    fixed = [s.encode("utf-8") for s in BROKEN + STRINGS + NUMBERS] + RAW + [b'"' + x + b'"' for x in RAW]
    for _ in range(n - len(fixed)):
        docs.append(document(r, docs[-50:]))
    docs += fixed
    told = subprocess.run([judge], input=b"".join(struct.pack(">I", len(d)) + d for d in docs),
                          stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")[:-1]
    if len(told) != len(docs):
        sys.exit("%d answers to %d documents" % (len(told), len(docs)))
    accepted = placed = bad = 0
    for i, (doc, ours) in enumerate(zip(docs, told)):
        depth = valid(doc)
        if depth is not None:
            accepted += 1
            wanted = "ok task" if depth < DEPTH else "ok"  # as metadata it lies one level deeper
        elif ours.startswith("ok"):
            wanted = "not ok"
        else:
            placed += 1
            wanted = place(doc)
        if ours != wanted:
            bad += 1
            if bad <= 20:
                print("document %d of seed %d: %r: expected %s, found %s" % (i, seed, doc[:300], wanted, ours))
    print("%d documents, %d valid, %d places compared, %d disagreements" % (len(docs), accepted, placed, bad))
    if not accepted or accepted == len(docs) or not placed:
        sys.exit("nothing was compared")
    sys.exit(1 if bad else 0)


main()
