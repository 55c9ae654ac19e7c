#!/usr/bin/python3
"""Writes the inputs that the fuzz targets begin with: corpus/TARGET/NAME, a case each.

    OBJPOOL_PYTHON_DIR=build/release/python tests/fuzz/seeds.py

What a fuzzer found lies beside them under names of its own, and is left alone. How a target reads
its input is in its source.
"""

import os
import pathlib
import sys

sys.path.insert(0, os.environ["OBJPOOL_PYTHON_DIR"])

from google.protobuf import duration_pb2  # noqa: E402
from objpool.v1 import buffer_service_pb2 as buffers  # noqa: E402
from objpool.v1 import grant_pb2, pool_handles_pb2  # noqa: E402
from objpool.v1 import lease_service_pb2 as leases  # noqa: E402
from objpool.v1 import pool_service_pb2 as pools  # noqa: E402
from objpool.v1 import session_pb2 as sessions  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def piece(data):
    data = data if isinstance(data, bytes) else data.encode()
    assert len(data) < 256
    return bytes([len(data)]) + data


# h2_fuzz.cc: the steps of a script.
RAW, FRAME, CALL, MESSAGE, LONG, TURN, LATER, ROOM, WINDOW, RESET, SETTINGS, PING, AGAIN, HEADERS, \
    MORE = range(15)
ECHO, LATE, ERROR, BIG, TALK, POUR, NONE, EMPTY = range(8)
END_HEADERS, END_STREAM = 4, 1
FIELDS = ("grpc-timeout", "grpc-encoding", "content-type", ":method", "te", "x-bin",
          "grpc-accept-encoding", ":path", ":authority", "cookie", "x-name", "grpc-status")


def call(path, stream=1, flags=END_HEADERS, **fields):
    data = bytes([CALL, stream, flags, path, len(fields)])
    for name, value in fields.items():
        data += bytes([FIELDS.index(name.replace("_", "-"))]) + piece(value)
    return data


def message(text, stream=1, flags=END_STREAM, compressed=0, lie=0):
    return bytes([MESSAGE, stream, flags, compressed]) + piece(text) + bytes([lie])


def turn():
    return bytes([TURN])


def h2_seeds():
    whole = bytes([0])
    return {
        "echo": whole + call(ECHO) + message("hello"),
        "echo-in-two-turns": whole + call(ECHO) + turn() + message("hello"),
        "later": whole + call(LATE) + message("x") + turn() + bytes([LATER, 6]),
        "later-and-reset": whole + call(LATE) + message("x") + turn() + bytes([RESET, 1]) + turn(),
        "error": whole + call(ERROR) + message(b"\x05\x10\x07%\xc3\xa4\n"),
        "big-by-a-small-window": (bytes([1, RAW]) + piece(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                                  + bytes([SETTINGS, 4, 4]) + call(BIG) + message(b"\x40\x00")
                                  + turn() + bytes([WINDOW, 1, 5]) + turn()
                                  + bytes([WINDOW, 1, 14]) + turn()),
        "big-to-a-full-socket": (whole + call(BIG) + message(b"\x80\x00") + bytes([ROOM, 1])
                                 + turn() + bytes([ROOM, 8]) + bytes([LATER, 3, ROOM, 255])),
        "talk": (whole + call(TALK) + message("a", flags=0) + message("n", flags=0)
                 + message("b", flags=0) + turn() + message("q", flags=0)),
        "talk-half-closed": whole + call(TALK) + message("a") + turn(),
        "pour": whole + call(POUR) + message(b"p\x20", flags=0) + turn() + turn(),
        "unknown": whole + call(NONE) + message("x"),
        "not-grpc": whole + call(ECHO, flags=5, content_type="text/plain"),
        "get": whole + call(ECHO, flags=5, **{":method": "GET"}),
        "timeout": whole + call(TALK, grpc_timeout="50m") + turn() + bytes([LATER, 6]),
        "bad-timeout": whole + call(ECHO, grpc_timeout="soon") + message("x"),
        "gzip": whole + call(ECHO, grpc_encoding="gzip") + message("x", compressed=1),
        "two-messages": whole + call(ECHO) + message("x", flags=0) + message("y"),
        "too-long": whole + call(ECHO) + bytes([LONG, 1, 0, 15]),
        "long": whole + call(ECHO) + bytes([LONG, 1, END_STREAM, 7]),
        "cut-off": whole + call(ECHO) + message("x", lie=9),
        "pings": whole + bytes([PING, 0, AGAIN, 120]) + turn(),
        "settings-ack": whole + bytes([FRAME, 4, 1, 0, 0]) + call(ECHO) + message("x"),
        "resets": whole + b"".join(call(LATE, stream=s) + message("x", stream=s)
                                   + bytes([RESET, s]) for s in (1, 3, 5, 7)) + turn(),
        "many": whole + b"".join(call(ECHO, stream=s) + message("x", stream=s)
                                 for s in range(1, 64, 2)),
        "continued": (whole + bytes([HEADERS, 1, 0]) + piece(b"\x83\x86\x84")
                      + bytes([MORE, 1, 4]) + piece(b"\x00\x02te\x08trailers") + turn()),
        "goaway": whole + call(ECHO) + bytes([FRAME, 7, 0, 0]) + piece(b"\0" * 8) + message("x"),
        "padded": whole + call(ECHO) + bytes([FRAME, 0, 9, 1]) + piece(b"\2\0\0\0\0\1x\0\0"),
        "slow": whole + bytes([FRAME, 1, 0, 1]) + piece(b"\x83") + bytes([LATER, 12]),
        "idle": whole + bytes([LATER, 15, LATER, 12]),
        "no-preface": b"\1" + bytes([RAW]) + piece("GET / HTTP/1.1\r\n\r\n"),
    }


# service_fuzz.cc: the steps of a script, and its kMethods.
S_CALL, S_LONG, S_OPEN, S_SAY, S_HALF_CLOSE, S_LEAVE, S_LATER, S_CANCEL = range(8)
METHODS = ("Lease", "Return", "Renew", "GetGrant", "CheckFence", "ListGrants", "Session",
           "GetPool", "ListPools", "GetPoolStats", "RevokeGrant", "CreatePool", "UpdatePool",
           "DrainPool", "ResumePool", "DeletePool", "WatchPool", "GetHandle", "ListHandles",
           "QuarantineHandle", "ReinstateHandle", "AuditPool", "Read", "Write", "Check", "Watch",
           "ServerReflectionInfo")


def ask(method, request):
    data = request if isinstance(request, bytes) else request.SerializeToString()
    return bytes([S_CALL, METHODS.index(method)]) + piece(data)


def opened(method):
    return bytes([S_OPEN, METHODS.index(method)])


def say(request, stream=0):
    data = request if isinstance(request, bytes) else request.SerializeToString()
    return bytes([S_SAY, stream]) + piece(data)


def ms(number):
    duration = duration_pb2.Duration()
    duration.FromMilliseconds(number)
    return duration


def known(number):
    """The grant that was learned as that one."""
    return grant_pb2.GrantRef(handle=1, fence=number, key=1)


def lease(pool="ids", **fields):
    return leases.LeaseRequest(pool=pool, **fields)


def back(pool="ids", numbers=(0,), **fields):
    return leases.ReturnRequest(
        pool=pool, items=[leases.ReturnItem(grant=known(n), **fields) for n in numbers])


def term(key, *values):
    return leases.SelectorTerm(key=key, rule=leases.SelectorTerm.RULE_IN, values=values)


def later(exponent):
    return bytes([S_LATER, exponent])


def session_seed():
    operation = leases.SessionOperation
    return (opened("Session")
            + say(leases.SessionRequest(
                start=sessions.StartSession(linger=ms(500), holder="me"),
                operations=[operation(id=1, lease=lease(count=2)),
                            operation(id=2, lease=lease("labels"))]))
            + say(leases.SessionRequest(operations=[
                operation(id=3, heartbeat=sessions.HeartbeatRequest()),
                operation(id=4, give_back=back()),
                operation(id=5, renew=leases.RenewRequest(pool="ids", grants=[known(1)]))]))
            + bytes([S_LEAVE, 0]) + later(4) + opened("Session")
            + say(leases.SessionRequest(resume=sessions.ResumeSession(token="x"), operations=[
                operation(id=6, release=sessions.ReleaseRequest()),
                operation(id=7, goodbye=sessions.GoodbyeRequest())])))


def service_seeds():
    waits = lease("labels", count=3, max_wait=ms(2000), priority=2)
    taken = ask("Lease", lease("labels", count=3, holder="me", ttl=ms(60000)))
    return {
        "lease-and-return": ask("Lease", lease(count=3, min_count=1)) + ask("Return", back()),
        "renew": ask("Lease", lease(request_id="once")) + ask("Lease", lease(request_id="once"))
                 + ask("Renew", leases.RenewRequest(pool="ids", grants=[known(0), known(1)],
                                                    ttl=ms(5000))),
        "expire": ask("Lease", lease(ttl=ms(10))) + later(5) + ask("Return", back()) + later(8),
        "wait": taken + ask("Lease", waits) + ask("Return", back("labels", (0, 1, 2))) + later(3),
        "wait-in-vain": taken + ask("Lease", waits) + later(12),
        "wait-and-cancel": taken + ask("Lease", waits) + bytes([S_CANCEL, 0]) + later(3),
        "select": ask("Lease", lease(selector=[term("model", "b", "c"), leases.SelectorTerm(
            key="zone", rule=leases.SelectorTerm.RULE_EXISTS)])),
        "dirty": ask("Lease", lease("labels"))
                 + ask("Return", back("labels", disposition=leases.DISPOSITION_DIRTY))
                 + ask("Lease", lease("labels", state=grant_pb2.HANDLE_STATE_DIRTY))
                 + ask("AuditPool", pool_handles_pb2.AuditPoolRequest(pool="labels")),
        "broken": ask("Lease", lease()) + ask("Return", back(disposition=leases.DISPOSITION_BROKEN))
                  + ask("ReinstateHandle", pool_handles_pb2.ReinstateHandleRequest(pool="ids")),
        "quarantine": ask("QuarantineHandle",
                          pool_handles_pb2.QuarantineHandleRequest(pool="ids", handle=2))
                      + ask("ListHandles", pool_handles_pb2.ListHandlesRequest(pool="ids")),
        "revoke": ask("Lease", lease()) + ask("RevokeGrant", pools.RevokeGrantRequest(
            pool="ids", fence=0)) + ask("CheckFence", leases.CheckFenceRequest(pool="ids")),
        "look": ask("GetPool", pools.GetPoolRequest(name="pools/ids"))
                + ask("ListPools", pools.ListPoolsRequest(page_size=2, page_token="buffers"))
                + ask("GetPoolStats", pools.GetPoolStatsRequest(name="ids"))
                + ask("ListGrants", leases.ListGrantsRequest(pool="ids", holder="me")),
        "drain": ask("DrainPool", pools.DrainPoolRequest(name="ids")) + ask("Lease", lease())
                 + ask("ResumePool", pools.ResumePoolRequest(name="ids")) + ask("Lease", lease()),
        "create-and-delete": ask("CreatePool", b"\x0a\x0b\x0a\x03new\x12\x04\x08\x01\x10\x02")
                             + ask("Lease", lease("new"))
                             + ask("DeletePool", pools.DeletePoolRequest(name="new")) + later(10),
        "watch": opened("WatchPool") + say(pools.WatchPoolRequest(name="ids", min_interval=ms(100)))
                 + ask("Lease", lease()) + later(8) + later(8),
        "buffer": ask("Lease", lease("buffers")) + opened("Write")
                  + say(buffers.WriteRequest(pool="buffers", grant=known(0), data=b"hello"))
                  + say(buffers.WriteRequest(data=b" you")) + bytes([S_HALF_CLOSE, 0])
                  + opened("Read")
                  + say(buffers.ReadRequest(pool="buffers", grant=known(0), length=9)),
        "session": session_seed(),
        "health": ask("Check", b"\x0a\x17objpool.v1.LeaseService") + opened("Watch") + say(b"")
                  + later(10),
        "reflection": opened("ServerReflectionInfo") + say(b"\x3a\x01*")
                      + say(b"\x22\x17objpool.v1.LeaseService"),
        "malformed": ask("Lease", b"\x0a\xff") + ask("Return", b"\x12\x03\x0a\x01\x09"),
        "limits": ask("Lease", lease(count=2000, min_count=3000, holder="h" * 70,
                                     request_id="r" * 70, priority=99)),
    }


def text_seeds():
    ref = "ids/7/1795513041402036634/c7eb04ca4878aca8"
    texts = (ref, "pools/ids/7/1", "model=a100,zone!=b,rack,!spot,tier in (1,2),x notin (y)",
             "00112233445566778899aabbccddeeff", "500ms", "[::1]:7420", "a\u00e4\u20ac\U0001f600",
             "100% \u00e4\n", piece(":path") + piece("/a.B/C") + piece("grpc-timeout")
             + piece("250m") + piece("grpc-encoding") + piece("gzip"),
             "ipv6:%5Bfe80::1%25eth0%5D:7420",
             "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
             b"\0\0\x05\0\x09\0\0\0\1\2x\0\0y" + b"\0\0\x08\x07" + b"\0" * 13,
             b"\x0a\x1d\x0a\x1b\x09" + b"\1" + b"\0" * 7 + b"\x11\2" + b"\0" * 7 + b"\x19\3"
             + b"\0" * 7 + b"\x12\x02\x08\x1e",
             leases.SessionRequest(operations=[
                 leases.SessionOperation(id=1, lease=lease(holder="me", ttl=ms(30000))),
                 leases.SessionOperation(id=2, give_back=back())]).SerializeToString())
    seeds = {}
    for number, text in enumerate(texts):
        data = text if isinstance(text, bytes) else text.encode()
        seeds[f"parser-{number}"] = bytes([number]) + data
    seeds["parser-4-of-a-day"] = b"\x04" + b"1d"
    seeds["parser-5-of-a-name"] = b"\x05" + b"localhost:80"
    seeds["parser-6-of-no-utf-8"] = b"\x06\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\x1b[m"
    return seeds


# state_image.cc: how a file is damaged.
CHANGE, MEND, CUT, GROW, REPLACE = range(5)


def damage(kind, at=0, data=b""):
    return bytes([kind]) + at.to_bytes(2, "big") + (piece(data) if kind in (CHANGE, MEND) else data)


def damages():
    return {
        "whole": b"",
        "magic": damage(MEND, 16, b"X"),
        "capacity": damage(MEND, 32, b"\xff\xff\xff\xff"),
        "name": damage(MEND, 96, b"\x1b[2J"),
        "one-copy": damage(CHANGE, 3, b"\xff"),
        "both-copies": damage(CHANGE, 3, b"\xff") + damage(CHANGE, 1030, b"\xff"),
        "records": damage(CHANGE, 4096, b"\xff" * 40) + damage(CHANGE, 8200, b"\xff" * 16),
        "word": damage(CHANGE, 4096 + 9, b"\1"),
        "cut": damage(CUT, 4097),
        "empty": damage(CUT, 0),
        "longer": damage(GROW, 1),
        "other": damage(REPLACE, 0, b"not a pool"),
    }


def state_seeds():
    seeds = {}
    for name, data in damages().items():
        seeds[f"pool-{name}"] = b"\0\0" + data
        seeds[f"pool-after-a-cut-{name}"] = b"\0\1" + data
        seeds[f"clock-{name}"] = b"\1" + data
    return seeds


def dump_seeds():
    seeds = {f"pool-{name}": b"\0" + data for name, data in damages().items()}
    seeds.update({f"clock-{name}": piece(data) for name, data in damages().items()})
    return seeds


def config_seeds():
    seeds = {path.name: path.read_bytes() for path in sorted((ROOT / "deploy").glob("*.textproto"))}
    seeds["every-key"] = b"""
listen: "[::1]:7420" metrics_listen: "off" ready_file: "/run/x" insecure_allow_plaintext: true
engine: ENGINE_H2 workers: 3 shutdown_grace { seconds: 2 nanos: 500000000 } reflection: false
state_dir: "/var/lib/x"
pools {
  name: "a" ids { first: -5 count: 9 } ttl_min { nanos: 1000000 } ttl_default { seconds: 30 }
  ttl_max { seconds: 604800 } durability: DURABILITY_DISK reuse_delay { seconds: 1 }
  max_waiters: 5 dirty_unless_returned: true
  handle_labels { first: 0 last: 3 labels { key: "k" value: "v" } }
  quota_per_identity { handles: 2 calls_per_s: 5 }
}
pools { name: "b" buffers { count: 2 size_bytes: 4096 } scrub: true restart_wait { seconds: 3 } }
pools { name: "c" labels { label: "x" label: "y\\303\\244" } }
"""
    seeds["json"] = (b'{"listen": "127.0.0.1:0", "engine": "ENGINE_H2", "shutdownGrace": "2.5s",'
                     b' "pools": [{"name": "a", "ids": {"first": "3", "count": 4}, "ttl_max": "9s",'
                     b' "handleLabels": [{"first": 0, "last": 1, "labels": {"k": "v"}}]}]}')
    seeds["json-twice"] = b'{"workers": 1, "workers": 2, "pools": [{"name": "\\u00e4"}]}'
    seeds["mistakes"] = b'listen: "nowhere" workers: 9999 pools { name: "A" } pools { name: "A" }'
    seeds["no-syntax"] = b"pools { name: 'x' ids { count: }"
    return seeds


def policy_seeds():
    seeds = {"every-key": b"""
rules { name: "web" identities: "spiffe://a/**" identities: "10.0.0.0/8" identities: "dns:*.b.c"
  methods: "lease" methods: "CheckFence" pools: "a*" pools: "p**s"
  quota { handles: 3 calls_per_s: 5 } }
rules { identities: "*" methods: "*" }
rules { identities: "2001:db8::/32" identities: "::1" identities: "uid:0" methods: "admin" }
"""}
    seeds["json"] = (b'{"rules": [{"identities": ["127.0.0.1"], "methods": ["read", "Lease"],'
                     b' "pools": ["a-*"], "quota": {"callsPerS": 9}}]}')
    seeds["mistakes"] = (b'rules { identities: "10.0.0.1/8" identities: "10.*" identities: ""'
                         b' identities: "2001:db8::1" methods: "all" pools: "" }'
                         b' rules { name: "\\n" quota { handles: 99999999 } } deny: 1')
    seeds["stars"] = b'rules { identities: "*a*a*a*b" methods: "*" pools: "***-**-*" }'
    seeds["no-syntax"] = b"rules { identities: }"
    return seeds


def page_seeds():
    paths = ("/", "/metrics", "/healthz", "/readyz", "/statusz", "/statusz/ids", "/statusz/none",
             "/metrics\napplication/openmetrics-text;q=0.9,text/plain;q=0.1", "/%00", "")
    seeds = {f"path-{number}": path.encode() for number, path in enumerate(paths)}
    seeds["get"] = b"GET /statusz/ids?x=y HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n"
    seeds["two"] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2
    seeds["head"] = b"HEAD /metrics HTTP/1.0\r\n\r\n"
    seeds["post"] = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    seeds["chunked"] = (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"5\r\nhello\r\n0\r\n\r\n")
    seeds["long-line"] = b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n"
    seeds["no-http"] = b"HELO\r\n\r\n"
    return seeds


# tls_fuzz.cc: what the client is like, and the steps of a script.
T_RAW, T_RECORD, T_PASS, T_BYTES, T_LOSE, T_CHANGE, T_ANSWER, T_SAY, T_MUCH, T_TELL, T_END, \
    T_TELL_END, T_KEYS = range(13)
TLS_1_3, TLS_1_2, OTHER_GROUP, OTHER_PROTOCOL, NO_PROTOCOL = range(5)
ALL = bytes([T_PASS, 255])


def tls_opened(client, passing=ALL):
    return bytes([client]) + (passing + bytes([T_ANSWER])) * 3 + passing


def tls_seeds():
    some = bytes([T_PASS, 3]) * 40
    single = bytes([T_BYTES, 255]) * 6
    both = (bytes([T_SAY]) + piece("hello") + ALL + bytes([T_TELL]) + piece("answer")
            + bytes([T_ANSWER]))
    seeds = {
        "both-ways": tls_opened(TLS_1_3) + both,
        "both-ways-1.2": tls_opened(TLS_1_2) + both,
        "hello-again": tls_opened(OTHER_GROUP) + both,
        "hello-again-in-bytes": tls_opened(OTHER_GROUP, single) + both,
        "in-pieces": tls_opened(TLS_1_3, some) + both,
        "in-bytes": tls_opened(TLS_1_2, single) + both,
        "other-protocol": tls_opened(OTHER_PROTOCOL),
        "no-protocol": tls_opened(NO_PROTOCOL),
        "much": tls_opened(TLS_1_3) + bytes([T_MUCH, 19]) + some + ALL,
        "ends": tls_opened(TLS_1_3) + both + bytes([T_END]) + ALL + bytes([T_TELL_END, T_ANSWER]),
        "new-keys": tls_opened(TLS_1_3) + bytes([T_KEYS]) + both + bytes([T_KEYS]) + both,
        "lost": tls_opened(TLS_1_3) + bytes([T_SAY]) + piece("hello") + bytes([T_LOSE, 10]) + ALL,
        "plain-text": bytes([TLS_1_3, T_RAW]) + piece("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        "record-behind": tls_opened(TLS_1_2) + bytes([T_RECORD, 23]) + piece("x" * 40),
        "alert": tls_opened(TLS_1_2, bytes([T_RECORD, 21]) + piece(b"\x02\x50")),
        "long-record": bytes([TLS_1_3, T_RAW]) + piece(b"\x16\x03\x01\x40\x01\x01\x00\x10\x00"),
        "no-hello": bytes([TLS_1_3, T_RECORD, 22]) + piece(b"\x02\x00\x00\x04abcd"),
        "hello-in-records": bytes([TLS_1_3, T_RECORD, 22]) + piece(b"\x01\x00\x00\x08abcd")
        + bytes([T_RECORD, 22]) + piece("efgh"),
    }
    for at in (0, 3, 5, 9, 11, 43, 76, 100):
        seeds[f"changed-{at}"] = bytes([TLS_1_3, T_CHANGE, at, 1]) + tls_opened(TLS_1_3)[1:]
    return seeds


def main():
    for target, seeds in (("h2", h2_seeds()), ("tls", tls_seeds()), ("service", service_seeds()),
                          ("texts", text_seeds()), ("state", state_seeds()),
                          ("dump", dump_seeds()), ("config", config_seeds()),
                          ("policy", policy_seeds()), ("pages", page_seeds())):
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in seeds.items():
            (folder / name).write_bytes(data)
        print(f"{target}: {len(seeds)} inputs")


if __name__ == "__main__":
    main()
