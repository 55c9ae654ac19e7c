"""The C++ client library against a real server: sessions that go on over broken and hanging
connections, and a cache of handles under a server that is killed. A program, client_drive, does
what it is told here."""

import os
import pathlib
import queue
import random
import select
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from objpool_testing import BIN_DIR, DEADLINE_S, Api, Server, wait_until
from proxy import Proxy

CONFIG = """
pools { name: "wide" ids { count: 1000 } ttl_default { seconds: 60 } }
pools { name: "scarce" ids { count: 1 } ttl_default { seconds: 60 } }
"""


class Driver:
    """A client_drive; what it says is read by a thread."""

    def __init__(self, *words):
        self.process = subprocess.Popen([BIN_DIR / "client_drive", *map(str, words)], text=True,
                                        errors="surrogateescape",
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines, self._all = queue.Queue(), []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._thread.join()
        self.process.stdin.close()
        self.process.stdout.close()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self, beginning):
        """The next line that begins so; others are left out."""
        end = time.monotonic() + DEADLINE_S
        while True:
            line = self.lines.get(timeout=max(0, end - time.monotonic()))
            if line.startswith(beginning):
                return line

    def state(self):
        self.tell("state")
        words = self.hear("valid").split()
        return words[1] == "1", int(words[3])


class SessionTest(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server(CONFIG))
        self.api = self.enterContext(Api(self.server))
        self.proxy = self.enterContext(Proxy(self.server.address))

    def drive(self, linger_ms=5000):
        driver = self.enterContext(Driver("session", self.proxy.address, linger_ms))
        driver.hear("open")
        return driver

    def free(self, pool):
        return self.api.get_pool(pool).free

    def test_leases_are_kept_while_it_lives_and_come_back_when_it_is_closed(self):
        driver = self.drive()
        driver.tell("lease wide 10 2000 0")
        driver.tell("lease wide 5 60000 0")
        refs = driver.hear("lease 10").split()[2:]
        driver.hear("lease 5")
        _, handle, fence = refs[0].split("/")
        held = self.api.get_grant("wide", int(handle))
        self.assertEqual(held.ref.fence, int(fence))
        select.select([], [], [], 3)
        self.assertEqual(self.free("wide"), 985)
        self.assertEqual(self.api.get_grant("wide", int(handle)).ref.fence, int(fence))
        self.assertEqual(held.holder, "drive")
        self.assertEqual(driver.state(), (True, 1))
        driver.tell("close")
        driver.hear("closed")
        self.assertEqual(self.free("wide"), 1000)
        self.assertFalse(driver.state()[0])

    def test_takes_over_what_was_leased_elsewhere_and_returns_all(self):
        driver = self.drive(linger_ms=3000)
        ref = self.api.lease("scarce", ttl={"seconds": 3}).grants[0].ref
        text = f"scarce/{ref.handle}/{ref.fence}/{ref.key:016x}"
        driver.tell(f"attach 2700 {text}")
        self.assertEqual(driver.hear("attach"), "attach 2700")
        driver.tell("lease wide 4 60000 0")
        driver.hear("lease 4")
        select.select([], [], [], 4)
        self.assertEqual((self.free("scarce"), self.free("wide")), (0, 996))
        driver.tell("return-all")
        self.assertEqual(driver.hear("return-all"), "return-all 5")
        self.assertEqual((self.free("scarce"), self.free("wide")), (1, 1000))
        driver.tell(f"attach 2700 {text}")
        self.assertIn("GRANT_RETURNED", driver.hear("attach error"))
        self.assertEqual(driver.state(), (True, 1))

    def test_goes_on_over_a_connection_that_is_cut(self):
        driver = self.drive()
        for cuts in range(1, 6):
            driver.tell("lease wide 7 60000 0")
            driver.hear("lease 7")
            self.proxy.cut()
            wait_until(lambda: driver.state() == (True, cuts + 1), "another stream")
        self.assertEqual(self.free("wide"), 1000 - 35)
        driver.tell("return wide")
        self.assertEqual(driver.hear("return"), "return 35")

    def test_what_was_not_answered_is_asked_again_and_nothing_is_leased_twice(self):
        driver = self.drive()
        leases = 400
        for number in range(leases):
            driver.tell("lease wide 1 60000 0")
            if number % 50 == 25:
                self.proxy.cut()
        handles = {driver.hear("lease 1").split()[2] for _ in range(leases)}
        self.assertEqual(len(handles), leases)
        self.assertEqual(self.free("wide"), 1000 - leases)

    def test_goes_on_over_a_connection_that_hangs(self):
        driver = self.drive(4000)
        driver.tell("lease wide 3 60000 0")
        driver.hear("lease 3")
        self.proxy.hang()
        wait_until(lambda: driver.state()[1] >= 2, "another stream")
        wait_until(lambda: driver.state()[0], "it is valid")
        self.assertEqual(self.free("wide"), 997)

    def test_a_lease_that_waits_outlives_a_cut_and_its_time_counts_from_its_service(self):
        held = self.api.lease("scarce").grants[0]
        driver = self.drive()
        driver.tell("lease scarce 1 1500 30000")
        wait_until(lambda: self.server.metrics().sum("objpool_lease_waiters") == 1, "it waits")
        self.proxy.cut()
        wait_until(lambda: driver.state()[1] == 2, "another stream")
        select.select([], [], [], 1.6)
        self.api.give_back("scarce", held.ref)
        driver.hear("lease 1")
        self.assertTrue(driver.state()[0])

    def test_tells_of_grants_that_are_revoked_and_of_its_own_end(self):
        driver = self.drive()
        driver.tell("lease wide 1 60000 0")
        ref = driver.hear("lease 1").split()[2]
        _, handle, fence = ref.split("/")
        self.api.revoke("wide", int(handle), int(fence))
        self.assertEqual(driver.hear("notice"), f"notice REVOKED {ref}")
        self.server.process.kill()
        self.server.process.wait()
        driver.tell("lease wide 1 60000 0")
        with Server(CONFIG) as other:
            self.proxy.target = other.address
            self.proxy.cut()
            self.assertEqual(driver.hear("lease"), "lease error SESSION_UNKNOWN")
            self.assertEqual(driver.hear("lost"), "lost SESSION_UNKNOWN")
            self.assertFalse(driver.state()[0])

    def test_is_over_by_its_own_clock_when_the_server_stays_away(self):
        driver = self.drive(500)
        driver.tell("lease wide 1 60000 0")
        driver.hear("lease 1")
        self.server.process.kill()
        self.server.process.wait()
        driver.hear("lost")
        self.assertFalse(driver.state()[0])

    def test_is_over_in_time_when_nobody_answers_at_all(self):
        driver = self.drive(1000)
        driver.tell("lease wide 1 60000 0")
        driver.hear("lease 1")
        self.proxy.swallow()
        began = time.monotonic()
        driver.hear("lost")
        # A library that waited for gRPC's own limit would take 20 s for one attempt to connect.
        self.assertLess(time.monotonic() - began, 15)

    def test_what_the_server_could_not_read_fails_alone(self):
        driver = self.drive()
        driver.tell("lease wide 1 60000 0")
        driver.hear("lease 1")
        driver.tell("lease bad\udcff 1 60000 0")
        self.assertEqual(driver.hear("lease"), "lease error INVALID_ARGUMENT")
        self.assertEqual(driver.state(), (True, 1))

    def test_a_client_that_dies_gives_back_what_it_had(self):
        driver = self.drive(200)
        driver.tell("lease wide 100 60000 0")
        driver.hear("lease 100")
        driver.process.kill()
        wait_until(lambda: self.free("wide") == 1000, "all are back")


class CachedPoolTest(unittest.TestCase):
    TTL_MS = 900

    def test_no_handle_is_given_out_late_while_the_server_is_killed_again_and_again(self):
        chance = random.Random(7)
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="objpool-state-"))
        flags = [f"--state_dir={pathlib.Path(folder) / 'state'}"]
        with Server(CONFIG, flags) as server, Proxy(server.address) as proxy, \
                Driver("cached", proxy.address, "wide", self.TTL_MS, 8) as driver:
            self.wait_given(driver, 1000)
            for _ in range(6):
                server.process.kill()
                server.process.wait()
                # Shorter than the grants run, and longer.
                select.select([], [], [], chance.choice((0.05, 0.4, 1.3)))
                server = self.enterContext(Server(CONFIG, flags))
                proxy.target = server.address
                proxy.cut()
                self.wait_given(driver, self.given(driver)["given"] + 1000)
            driver.tell("stop")
            counts = self.counts(driver)
            self.assertEqual((counts["stale"], counts["ended"]), (0, 0), counts)
            self.assertGreater(counts["checked"], 10)
            self.assertEqual(driver.process.wait(DEADLINE_S), 0)
            with Api(server) as api:
                wait_until(lambda: api.get_pool("wide").free == 1000, "all are back")

    def test_leases_from_a_pool_that_is_smaller_than_its_batch(self):
        with Server(CONFIG) as server, \
                Driver("cached", server.address, "scarce", self.TTL_MS, 1) as driver:
            self.wait_given(driver, 1000)

    def test_a_process_that_was_stopped_for_longer_than_its_grants_gives_out_nothing_old(self):
        with Server(CONFIG) as server, \
                Driver("cached", server.address, "wide", self.TTL_MS, 4) as driver:
            self.wait_given(driver, 1000)
            for _ in range(3):
                os.kill(driver.process.pid, signal.SIGSTOP)
                select.select([], [], [], 1.5)
                os.kill(driver.process.pid, signal.SIGCONT)
                self.wait_given(driver, self.given(driver)["given"] + 1000)
            driver.tell("stop")
            counts = self.counts(driver)
            self.assertEqual((counts["stale"], counts["ended"]), (0, 0), counts)

    @staticmethod
    def counts(driver):
        words = driver.hear("given").split()
        return dict(zip(words[::2], map(int, words[1::2])))

    def given(self, driver):
        driver.tell("state")
        return self.counts(driver)

    def wait_given(self, driver, least):
        return wait_until(lambda: self.given(driver)["given"] >= least, "more are given out")


if __name__ == "__main__":
    unittest.main()
