"""Clients that take all descriptors, again and again: who comes once they have gone is served."""

import contextlib
import statistics
import time
import unittest

import raw_http2 as h2
from attack_testing import CONFIG, cuts
from objpool_testing import Server, wait_until
from raw_http2 import Raw

TIMES = 100
CROWD = 200
# The system does not promise which of the two workers has freed what by then.
REFUSED_AT_MOST = TIMES // 5


def is_served(server):
    with Raw(server.address) as raw:
        raw.send(h2.call(1, path=h2.LIST_POOLS))
        return raw.read_until(lambda frames: any(
            kind == h2.HEADERS and flags & h2.END_STREAM for kind, flags, *_ in frames))


class DescriptorTest(unittest.TestCase):
    def test_who_comes_after_the_crowd_is_served(self):
        """Each attempt is answered by the server, if only by closing it: so the count of those that
        were refused says nothing of how busy the machine is."""
        with Server(CONFIG, ["--engine=h2", "--workers=2"],
                    prefix=("prlimit", "--nofile=64:64")) as server:
            refused, seconds = 0, []
            for _ in range(TIMES):
                with contextlib.ExitStack() as stack:
                    crowd = [stack.enter_context(Raw(server.address)) for _ in range(CROWD)]
                    wait_until(lambda: all(raw.settled() or raw.gone for raw in crowd), "answers")
                    self.assertTrue(any(raw.gone for raw in crowd), "there was room for all")
                begin = time.monotonic()
                while not is_served(server):
                    refused += 1
                    self.assertLessEqual(refused, REFUSED_AT_MOST)
                seconds.append(time.monotonic() - begin)
            print(f"served again {TIMES} times, {refused} refused before; after "
                  f"{statistics.median(seconds) * 1000:.1f} ms, at the most "
                  f"{max(seconds) * 1000:.1f} ms")
            self.assertGreater(cuts(server, "no_descriptor"), TIMES)


if __name__ == "__main__":
    unittest.main()
