"""A siege: hostile processes that attack a server, an honest one that goes on at its own pace, and
what both, and the server, saw of it.

All clients stand for other machines. So they have CPUs of their own, where there is more than one,
and the server has its own; of theirs the hostile ones take what the honest one leaves.
"""

import json
import multiprocessing
import os
import random
import statistics
import subprocess
import time

from attack_table import FLOODS
from attack_testing import CONFIG, memory_kib, pass_time
from objpool_testing import BIN_DIR, DEADLINE_S, Server
from raw_http2 import Raw

HOSTILES = 8
LOWEST = 19
CPUS = sorted(os.sched_getaffinity(0))
OF_SERVER = CPUS[:min(2, len(CPUS) // 2)] or CPUS
OF_CLIENTS = CPUS[len(OF_SERVER):] or CPUS
RATE = 1000  # calls a second of the honest client: a Lease and a Return, again and again
GO_ON_S = 1  # how long one attack takes at the most, before its process begins another


def on(cpus):
    """What runs a command on these."""
    return ("taskset", "--cpu-list", ",".join(map(str, cpus)))


def besieged_server(engine):
    return Server(CONFIG, [f"--engine={engine}", f"--workers={len(OF_SERVER)}"], on(OF_SERVER))


def besiege(address, attacks, seed, end, said):
    """One hostile process: what was cut off is said as (name, seconds), None where it was not."""
    os.sched_setaffinity(0, OF_CLIENTS)
    os.nice(LOWEST)
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


class HonestLoad:
    """A client that goes on at its own pace: the bundled load, whose frames cost so little that
    what it measures is the server and the machine. A Lease is due whatever the one before it takes,
    and its Return when it is answered."""

    def __init__(self, address, seconds):
        self._seconds = seconds
        self._process = subprocess.Popen(
            [*on(OF_CLIENTS), BIN_DIR / "objpoolctl", "--server", address, "--output", "json",
             "bench", "--pool=ids", f"--rate={RATE / 2}", "--uniform", "--connections=4",
             "--warmup=0ms", f"--duration={round(seconds * 1000)}ms"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def end(self):
        """Waits for its end."""
        out, said = self._process.communicate(timeout=self._seconds + DEADLINE_S)
        # 7: it was late itself, which is part of what it measures. 1: the server refused something.
        if self._process.returncode not in (0, 1, 7):
            raise AssertionError(f"the honest client ended: {said.decode()}")
        seen = json.loads(out)
        times = [times for times in (seen["latency_us"]["lease"], seen["latency_us"]["return"])
                 if times]
        whole = seen["whole_run"]
        self.p99_ms = max((at["p99"] for at in times), default=float("inf")) / 1000
        self.cycles = seen["cycles"]
        self.errors = sum(whole[of] for of in (
            "failed", "exhausted", "dropped", "lost", "breaks", "abandoned", "in_doubt"))
        # By whole seconds: what was answered later is not its rate.
        done = [second["returned"] for second in seen["seconds"] if second["measured"]]
        self.rate = sum(done) / max(1, len(done)) / (RATE / 2)
        return self


class Siege:
    """The figures of one, of so many seconds before it and as many under it."""

    def __init__(self, server, attacks, seconds, seed):
        pid = server.process.pid
        self.calm = HonestLoad(server.address, seconds).end()  # what it is compared with
        self.idle_kib = memory_kib(pid, "VmRSS")
        with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as peak:
            peak.write("5")
        seen = self._attack(server, list(attacks.items()), seconds, seed)
        self.more_mib = (memory_kib(pid, "VmHWM") - self.idle_kib) / 1024
        self.floods = [took for name, took in seen if name in FLOODS]
        self.cut_ms = sorted(took * 1000 for took in self.floods if took is not None)
        pass_time(1)  # as long as full service may take to come back
        self.after = HonestLoad(server.address, max(1, seconds / 4)).end()
        self.alive = server.process.poll() is None
        self.errors = self.calm.errors + self.attacked.errors

    def _attack(self, server, attacks, seconds, seed):
        """What the hostile ones saw of each attack: (name, seconds until cut off, or None)."""
        end = time.monotonic() + seconds
        ears, hostiles = [], []
        for i in range(HOSTILES):
            ear, mouth = multiprocessing.Pipe(duplex=False)
            ears.append(ear)
            hostiles.append(multiprocessing.Process(
                target=besiege, args=(server.address, attacks, seed + i, end, mouth)))
            hostiles[-1].start()
            mouth.close()
        honest = HonestLoad(server.address, seconds)
        seen = [cut for ear in ears if ear.poll(seconds + DEADLINE_S) for cut in ear.recv()]
        for hostile in hostiles:
            hostile.join(DEADLINE_S)
        self.attacked = honest.end()
        return seen

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
        return (f"{self.more_mib:.0f} MiB", f"{self.calm.p99_ms:.1f}",
                f"{self.attacked.p99_ms:.1f}", f"{self.after.p99_ms:.1f} ms",
                f"{self.attacked.rate * 100:.0f} %", str(self.errors), self.cut_text())
