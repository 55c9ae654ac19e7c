"""All attacks at once, again and again, by hostile processes that connect anew as soon as they are
cut off."""

import multiprocessing
import os
import random
import time
import unittest

import raw_http2 as h2
from attack_testing import Besieged, cuts
from objpool_testing import DEADLINE_S, wait_until
from raw_http2 import Raw

SECONDS = float(os.environ.get("OBJPOOL_SIEGE_S", "6"))
HOSTILES = 8
OPENING = h2.PREFACE + h2.settings()
STREAMS = range(1, 512, 2)

# (what comes first, what comes then, again and again; whether it reads what it is sent)
ATTACKS = (
    (OPENING, b"".join(h2.call(s) + h2.frame(h2.RST_STREAM, 0, s, b"\0\0\0\x08")
                       for s in range(1, 20_001, 2)), True),
    (OPENING, h2.frame(h2.PING, 0, 0, b"12345678") * 1000, True),
    (OPENING, h2.settings(initial_window_size=65535) * 1000, False),
    (OPENING + h2.headers(1), h2.frame(h2.DATA, 0, 1) * 1000, True),
    (OPENING + h2.headers(1, flags=0), h2.frame(h2.CONTINUATION, 0, 1) * 1000, True),
    (OPENING, b"".join(h2.headers(s) for s in range(1, 20_001, 2)), True),
    (OPENING + b"".join(h2.headers(s) for s in STREAMS), b"", True),
    (h2.PREFACE + h2.settings(initial_window_size=0)
     + b"".join(h2.call(s, path=h2.LIST_POOLS) for s in STREAMS), b"", False),
    (OPENING, b"".join(h2.call(s, path="/no/" + "x" * 100) for s in range(1, 20_001, 2)), False),
    (OPENING, b"".join(h2.headers(s) + h2.frame(h2.DATA, 0, s, b"\0\0\x03\xd0\x90" + b"x" * 16_000)
                       for s in range(1, 2001, 2)), True),
    (h2.PREFACE[:10], b"", True),
    (b"GET / HTTP/1.1\r\n\r\n", b"", True),
)


def besiege(address, seed, end):
    rng = random.Random(seed)
    while time.monotonic() < end:
        opening, then, reading = rng.choice(ATTACKS)
        try:
            with Raw(address, opening) as raw:
                raw.flood(then, 1, reading) if then else raw.read_to_end(1)
        except AssertionError:
            pass  # the server still waits, and holds little
        except OSError:
            pass  # refused or cut off while it opened


class SiegeTest(unittest.TestCase):
    def test_everything_at_once(self):
        seed = random.SystemRandom().randrange(2**32)
        print("seed", seed)
        with Besieged(self) as besieged:
            begin = time.monotonic()
            wait_until(lambda: besieged.honest.cycles > 500, "some cycles")
            idle_rate = besieged.honest.cycles / (time.monotonic() - begin)
            begin, cycles = time.monotonic(), besieged.honest.cycles
            hostiles = [multiprocessing.Process(target=besiege, args=(
                besieged.address, seed + i, begin + SECONDS)) for i in range(HOSTILES)]
            for hostile in hostiles:
                hostile.start()
            for hostile in hostiles:
                hostile.join(SECONDS + DEADLINE_S)
                self.assertEqual(hostile.exitcode, 0)
            rate = (besieged.honest.cycles - cycles) / (time.monotonic() - begin)
            print(f"honest client: {idle_rate:.0f} cycles/s alone, {rate:.0f} besieged")
            reasons = {reason: cuts(besieged.server, reason)
                       for reason in ("flood", "protocol", "slow", "not_reading")}
            print(f"connections cut off: {reasons}")
            self.assertGreater(rate, 0)
            self.assertGreater(reasons["flood"], 0)
            self.assertGreater(reasons["protocol"], 0)


if __name__ == "__main__":
    unittest.main()
