"""A siege: hostile processes that attack a server, an honest one that goes on at its own pace, and
what both, and the server, saw of it.

The hostile ones run at a lower priority: they stand for other machines, and are not to take the
CPUs from the server by being here.
"""

import multiprocessing
import os
import random
import statistics
import time

from attack_table import FLOODS
from attack_testing import memory_kib
from objpool_testing import DEADLINE_S, wait_until
from raw_http2 import Raw

HOSTILES = 8
LOWER = 10
RATE = 200  # calls a second of the honest client: a Lease and a Return, again and again
GO_ON_S = 1  # how long one attack takes at the most, before its process begins another
SPAWN = multiprocessing.get_context("spawn")  # gRPC does not live through a fork


def besiege(address, attacks, seed, end, said):
    """One hostile process: what was cut off is said as (name, seconds), None where it was not."""
    os.nice(LOWER)
    rng = random.Random(seed)
    seen = []
    while time.monotonic() < end:
        name, attack = rng.choice(attacks)
        begin = time.monotonic()
        try:
            with Raw(address, attack.opening) as raw:
                if attack.then:
                    seconds = raw.flood(attack.then, GO_ON_S, attack.reading)
                else:
                    seconds = raw.read_to_end(GO_ON_S)
        except AssertionError:
            seconds = None  # the server still waits
        except OSError:
            seconds = time.monotonic() - begin  # refused, or cut off while it opened
        seen.append((name, seconds))
    said.send(seen)


def go_on(address, over, said):
    """The honest client: (when it was due, seconds since then, error) of each call. A Return is due
    when its Lease was answered."""
    import grpc
    from objpool_testing import Api

    class At:
        def channel(self, options=(), credentials=None):
            assert credentials is None
            return grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1), *options])

    seen = []
    with Api(At()) as api:
        api.get_pool("ids")  # what connecting takes is no call's
        cycle_at = time.monotonic()
        while not over.is_set():
            cycle_at += 2 / RATE
            over.wait(max(0, cycle_at - time.monotonic()))
            due = cycle_at
            try:
                (grant,) = api.lease("ids").grants
                answered = time.monotonic()
                seen.append((due, answered - due, None))
                due = answered
                api.give_back("ids", grant.ref)
                seen.append((due, time.monotonic() - due, None))
            except grpc.RpcError as failure:
                seen.append((due, time.monotonic() - due, str(failure.code())))
    said.send(seen)


def pass_time(seconds):
    """What happens meanwhile is what is measured."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, "time", seconds + DEADLINE_S)


def p99_ms(calls):
    times = sorted(seconds for _, seconds, error in calls if error is None)
    return times[min(len(times) - 1, len(times) * 99 // 100)] * 1000 if times else float("inf")


class Siege:
    """The figures of one, of so many seconds before it and as many under it."""

    def __init__(self, server, attacks, seconds, seed):
        over, (heard, said) = SPAWN.Event(), SPAWN.Pipe(duplex=False)
        honest = SPAWN.Process(target=go_on, args=(server.address, over, said))
        honest.start()
        try:
            self._run(server, list(attacks.items()), seconds, seed)
        finally:
            over.set()
            calls = heard.recv() if heard.poll(DEADLINE_S) else []
            honest.join(DEADLINE_S)
        first = calls[0][0] if calls else 0
        self.calm = [at for at in calls if first + 0.5 < at[0] < self.began]
        self.attacked = [at for at in calls if self.began <= at[0] < self.ended]
        self.after = [at for at in calls if at[0] >= self.ended + 1]
        self.errors = sum(error is not None for _, _, error in self.calm + self.attacked)
        done = sum(error is None and seconds < 1 for _, seconds, error in self.attacked)
        self.rate = done / max(1, (self.ended - self.began) * RATE)

    def _run(self, server, attacks, seconds, seed):
        pid = server.process.pid
        wait_until(lambda: server.metrics().sum_or_zero(
            "grpc_server_handled_total", grpc_method="Return"), "the honest client")
        pass_time(seconds)  # the calm before: what it is compared with
        self.idle_kib = memory_kib(pid, "VmRSS")
        with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as peak:
            peak.write("5")
        self.began = time.monotonic()
        ears, hostiles = [], []
        for i in range(HOSTILES):
            ear, mouth = multiprocessing.Pipe(duplex=False)
            ears.append(ear)
            hostiles.append(multiprocessing.Process(target=besiege, args=(
                server.address, attacks, seed + i, self.began + seconds, mouth)))
            hostiles[-1].start()
        seen = [cut for ear in ears if ear.poll(seconds + DEADLINE_S) for cut in ear.recv()]
        for hostile in hostiles:
            hostile.join(DEADLINE_S)
        self.ended = time.monotonic()
        self.more_mib = (memory_kib(pid, "VmHWM") - self.idle_kib) / 1024
        self.floods = [took for name, took in seen if name in FLOODS]
        self.cut_ms = sorted(took * 1000 for took in self.floods if took is not None)
        pass_time(2)  # what comes after
        self.alive = server.process.poll() is None

    def cut_text(self):
        """How fast those were cut off that flood."""
        if not self.floods:
            return "-"
        if len(self.cut_ms) < len(self.floods) / 2:
            return f"never ({len(self.floods) - len(self.cut_ms)} of {len(self.floods)})"
        worst = self.cut_ms[len(self.cut_ms) * 99 // 100]
        return f"{statistics.median(self.cut_ms):.0f} / {worst:.0f} ms"

    def row(self):
        """Memory; the honest client's p99 before, under it and after; its rate; cut offs."""
        return (f"{self.more_mib:.0f} MiB", f"{p99_ms(self.calm):.1f}",
                f"{p99_ms(self.attacked):.1f}", f"{p99_ms(self.after):.1f} ms",
                f"{self.rate * 100:.0f} %", str(self.errors), self.cut_text())
