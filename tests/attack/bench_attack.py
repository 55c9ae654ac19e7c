"""Prints what each class of attacks costs, by engine: bench_attack.py [SECONDS [NAME...]]"""

import contextlib
import random
import sys
import time

import raw_http2 as h2
from attack_table import EVERYTHING
from attack_testing import CONFIG
from objpool_testing import Server
from raw_http2 import Raw
from siege import HOSTILES, RATE, Siege, besieged_server

COLUMNS = ("engine", "memory", "p99 calm", "attacked", "after", "rate", "errors", "cut off after")
PATIENCE_S = 10


def served_again(engine):
    """After 200 connections where there is room for 40 have come and gone."""
    with Server(CONFIG, [f"--engine={engine}", "--workers=2"],
                prefix=("prlimit", "--nofile=64:64")) as server:
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(Raw(server.address)) for _ in range(200)]
            end = time.monotonic() + 1
            while time.monotonic() < end:
                for raw in crowd:
                    raw.settled()
        begin = time.monotonic()
        while time.monotonic() < begin + PATIENCE_S:
            try:
                with Raw(server.address) as raw:
                    raw.send(h2.call(1, path=h2.LIST_POOLS))
                    if raw.read_until(lambda frames: any(
                            kind == h2.HEADERS and flags & h2.END_STREAM
                            for kind, flags, *_ in frames), PATIENCE_S):
                        return f"{(time.monotonic() - begin) * 1000:.0f} ms"
            except (AssertionError, OSError):
                pass
        return f"not within {PATIENCE_S} s"


def main(seconds=3.0, *names):
    seed = random.SystemRandom().randrange(2**32)
    print(f"{HOSTILES} hostile clients, {float(seconds):g} s each; an honest one, {RATE} calls a "
          f"second, its p99 in ms; cut off: median / 99 %; seed {seed}\n")
    print("| attack | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    classes = {name: {name: attack} for name, attack in EVERYTHING.items()
               if not names or name in names}
    for name, attacks in {**classes, "all at once": EVERYTHING}.items():
        for engine in ("h2", "grpc"):
            with besieged_server(engine) as server:
                siege = Siege(server, attacks, float(seconds), seed)
            print(f"| {name} | {engine} | " + " | ".join(siege.row()) + " |", flush=True)
    print(f"\nServing again when descriptors come back: h2 after {served_again('h2')}, "
          f"grpc {served_again('grpc')}")


if __name__ == "__main__":
    main(*sys.argv[1:])
