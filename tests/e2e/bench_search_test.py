"""objpoolctl bench --find-max: short runs that look for the highest rate."""

import subprocess
import unittest

from bench_testing import INVALID, bench
from objpool_testing import BIN_DIR, DEADLINE_S, Api, Server, broken_server

CONFIG = """
pools { name: "ids" ids { count: 4096 } ttl_default { seconds: 30 } }
pools { name: "few" ids { count: 2 } ttl_default { seconds: 30 } }
"""


class FindMaxTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(CONFIG))

    def tearDown(self):
        with Api(self.server) as api:
            for pool in ("ids", "few"):
                state = api.get_pool(pool)
                self.assertEqual(state.free, state.capacity, "it leaves nothing behind")

    def check(self, report, limit_us):
        """That it says nothing else than its trials do."""
        self.assertEqual(report["schema"], "objpool.bench.find_max.v1")
        self.assertEqual(report["limit_us"], limit_us)
        passed = [trial for trial in report["trials"] if trial["verdict"] == "passed"]
        for trial in passed:
            self.assertLessEqual(trial["lease_p99_us"], limit_us)
            self.assertEqual((trial["failed"], trial["why_invalid"]), (0, ""))
        for trial in report["trials"]:
            if trial["verdict"] == "too slow":
                self.assertGreater(trial["lease_p99_us"], limit_us)
            if trial["verdict"] == "INVALID":
                self.assertTrue(trial["why_invalid"])
        rates = [trial["rate"] for trial in passed]
        self.assertEqual(report["rate"], max(rates, default=None))
        self.assertEqual(report["valid"], report["limited_by"] != "load")

    def test_a_pool_that_runs_dry_is_the_limit(self):
        # Two handles of 20 ms each are 100 a second at most.
        code, report = bench(self.server.address, "--pool=few", "--find-max=10000000",
                                "--rate=10", "--duration=500ms", "--warmup=0ms", "--hold=20ms",
                                "--uniform")
        self.check(report, 10_000_000)
        self.assertLess(report["rate"] or 0, 130)
        if report["limited_by"] == "pool":  # else this machine was too busy to say
            self.assertEqual(code, 0)
            self.assertGreaterEqual(report["rate"], 10)  # the first, which needs a handle at a time
            self.assertIn("the pool was empty too often", report["why_no_more"])
            self.assertIn("exhausted", {trial["verdict"] for trial in report["trials"]})
        else:
            self.assertEqual((code, report["limited_by"]), (INVALID, "load"))

    def test_a_server_that_is_too_slow_is_the_limit(self):
        # Leases take 100 ms, one after the other: those of 16 a second wait for 0.7 s in the end.
        with broken_server("slow_leases") as address:
            code, report = bench(address, "--pool=ids", "--find-max=500000", "--rate=8",
                                    "--uniform", "--duration=1s", "--warmup=0ms")
        self.check(report, 500_000)
        self.assertLess(report["rate"] or 0, 16)
        if report["limited_by"] == "server":  # else this machine was too busy to say
            self.assertIn("too slow", {trial["verdict"] for trial in report["trials"]})
            self.assertEqual((code, report["valid"]), (0, True))
            self.assertGreaterEqual(report["lease_p99_us"], 100_000)
            self.assertRegex(report["why_no_more"], r"^at [0-9.]+ cycles/s the server was too slow")
        else:
            self.assertEqual((code, report["limited_by"]), (INVALID, "load"))

    def test_where_no_rate_passes_it_says_so(self):
        code, report = bench(self.server.address, "--pool=ids", "--find-max=1",
                                "--duration=100ms", "--warmup=0ms")
        self.check(report, 1)
        self.assertIsNone(report["rate"])
        self.assertIn((code, report["limited_by"]), ((1, "server"), (INVALID, "load")))

    def test_a_load_at_its_end_is_not_the_servers_limit(self):
        # More than anybody can send, and a limit that no server misses.
        code, report = bench(self.server.address, "--pool=ids", "--find-max=10000000",
                                "--rate=1000000", "--duration=100ms", "--warmup=0ms")
        self.check(report, 10_000_000)
        self.assertIn(report["limited_by"], ("load", "pool"))
        self.assertEqual(code, INVALID if report["limited_by"] == "load" else 0)
        self.assertNotEqual(report["trials"][0]["verdict"], "passed")
        if report["limited_by"] == "load":
            self.assertIn("the server may do more", report["why_no_more"])

    def test_every_trial_can_be_verified(self):
        _, report = bench(self.server.address, "--pool=ids", "--find-max=10000000",
                             "--rate=500000", "--duration=50ms", "--warmup=0ms", "--verify")
        self.check(report, 10_000_000)

    def test_as_text(self):
        done = subprocess.run(
            [BIN_DIR / "objpoolctl", "--server", self.server.address, "bench", "--pool=few",
             "--find-max=1", "--duration=50ms", "--warmup=0ms"],
            capture_output=True, text=True, timeout=DEADLINE_S)
        self.assertIn("leases take at most 1 us at p99", done.stdout)
        self.assertIn("none passed", done.stdout)


if __name__ == "__main__":
    unittest.main()
