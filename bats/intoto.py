"""Attestations held against what is published of their form, and altered ones.

intoto.py check FILE            the fields that the specifications require, each in its form
intoto.py payload FILE          the statement
intoto.py pae FILE              what is signed
intoto.py armor FILE            the signature as ssh-keygen reads it
intoto.py seal STATEMENT KEY NAMESPACE [--url-safe]   an envelope around a statement, signed by ssh-keygen
intoto.py alter FILE            the statement with every value altered but those by which it is found
intoto.py leaves FILE           the paths of these values

Sources: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md and envelope.md (the envelope),
https://github.com/in-toto/attestation/tree/main/spec/v1 (Statement, ResourceDescriptor, DigestSet),
https://slsa.dev/spec/v1.0/provenance (the predicate).
"""
import base64
import json
import re
import subprocess
import sys

TYPE = "application/vnd.in-toto+json"
HEX = {"sha256": (64,), "gitCommit": (40, 64), "gitTree": (40, 64), "gitBlob": (40, 64)}
# By these a statement is found: without them it is about nothing.
FINDS = re.compile(r"^(_type|predicateType|predicate\.buildDefinition\.buildType"
                   r"|predicate\.buildDefinition\.externalParameters\.task\.task_id"
                   r"|predicate\.runDetails\.byproducts\[0\]\..*)$")


def envelope(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def pae(kind, body):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(body), body)


def need(what, condition):
    if not condition:
        sys.exit(f"not as published: {what}")


def is_uri(text):
    return isinstance(text, str) and re.match(r"^[a-z][a-z0-9+.-]*:[^ ]+$", text)


def is_time(text):
    return isinstance(text, str) and re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", text)


def resource(what, r, digest=False):
    need(f"{what} is an object", isinstance(r, dict))
    need(f"{what} has uri, digest or content", {"uri", "digest", "content"} & r.keys())
    need(f"{what} has a digest", not digest or r.get("digest"))
    need(f"{what} has known members only", not r.keys() - {"name", "uri", "digest", "content", "downloadLocation",
                                                          "mediaType", "annotations"})
    for algorithm, value in r.get("digest", {}).items():
        need(f"{what}: {algorithm} is lower-case hex", algorithm in HEX and re.match(r"^[0-9a-f]+$", value)
             and len(value) in HEX[algorithm])


def check(e):
    need("the envelope's members", e.keys() == {"payload", "payloadType", "signatures"} and e["payloadType"] == TYPE)
    for s in e["signatures"]:
        need("keyid and sig", s["keyid"].startswith("SHA256:") and base64.b64decode(s["sig"], validate=True)[:6] == b"SSHSIG")
    s = json.loads(base64.b64decode(e["payload"], validate=True))
    need("_type", s["_type"] == "https://in-toto.io/Statement/v1")
    need("subject is not empty", isinstance(s["subject"], list) and s["subject"])
    for r in s["subject"]:
        resource("a subject", r, True)
    names = [r["name"] for r in s["subject"]]
    need("subjects have names of their own", len(names) == len(set(names)))
    need("predicateType", s["predicateType"] == "https://slsa.dev/provenance/v1")
    need("the statement's members", s.keys() == {"_type", "subject", "predicateType", "predicate"})
    build, run = s["predicate"]["buildDefinition"], s["predicate"]["runDetails"]
    need("buildType is a URI", is_uri(build["buildType"]))
    need("externalParameters is an object", isinstance(build["externalParameters"], dict))
    need("internalParameters is an object", isinstance(build["internalParameters"], dict))
    for r in build["resolvedDependencies"]:
        resource("a dependency", r)
    need("builder.id is a URI", is_uri(run["builder"]["id"]))
    need("builder.version maps strings to strings", all(isinstance(v, str) for v in run["builder"]["version"].values()))
    meta = run["metadata"]
    need("invocationId is a string", isinstance(meta["invocationId"], str))
    need("startedOn, finishedOn are times", is_time(meta["startedOn"]) and is_time(meta["finishedOn"]))
    extra = meta.keys() - {"invocationId", "startedOn", "finishedOn"}
    need("other members bear their maker's name", all(m.startswith("dgrid_") for m in extra))
    for r in run["byproducts"]:
        resource("a by-product", r)


def armor(raw):
    text = base64.b64encode(raw).decode()
    lines = [text[i:i + 70] for i in range(0, len(text), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def seal(body, key, space, url_safe):
    signed = subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", space, "-f", key], input=pae(TYPE, body),
                            stdout=subprocess.PIPE, check=True).stdout.decode()
    raw = base64.b64decode("".join(signed.split("\n")[1:-2]))
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    return {"payload": encode(body).decode(), "payloadType": TYPE, "signatures": [{"sig": encode(raw).decode()}]}


def walk(j, path, on_leaf):
    if isinstance(j, dict):
        return {k: walk(v, f"{path}.{k}" if path else k, on_leaf) for k, v in j.items()}
    if isinstance(j, list):
        return [walk(v, f"{path}[{i}]", on_leaf) for i, v in enumerate(j)]
    return on_leaf(path, j)


def altered(path, value):
    if FINDS.match(path):
        return value
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, (int, float)) else f"{value}0"


def main():
    verb, path = sys.argv[1:3]
    if verb == "seal":
        with open(path, "rb") as f:
            print(json.dumps(seal(f.read(), sys.argv[3], sys.argv[4], "--url-safe" in sys.argv)))
        return
    e = envelope(path)
    body = base64.b64decode(e["payload"])
    if verb == "check":
        check(e)
    elif verb == "payload":
        sys.stdout.buffer.write(body)
    elif verb == "pae":
        sys.stdout.buffer.write(pae(TYPE, body))
    elif verb == "armor":
        sys.stdout.write(armor(base64.b64decode(e["signatures"][0]["sig"])))
    elif verb == "alter":
        print(json.dumps(walk(json.loads(body), "", altered)))
    elif verb == "leaves":
        walk(json.loads(body), "", lambda p, v: FINDS.match(p) or print(p))
    else:
        sys.exit(f"unknown: {verb}")


main()
