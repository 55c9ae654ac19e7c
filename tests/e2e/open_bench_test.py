"""objpoolctl bench --rate: arrivals that do not wait, answers that are checked, and a run that says
when it is worth nothing."""

import os
import signal
import subprocess
import unittest

from bench_testing import INVALID, VIOLATED, bench
from objpool_testing import BIN_DIR, DEADLINE_S, Api, Server, broken_server, wait_until

CONFIG = """
pools { name: "ids" ids { count: 64 } }
pools { name: "few" ids { count: 2 } ttl_default { seconds: 30 } }
pools { name: "many" ids { count: 65536 } ttl_default { seconds: 30 } }
"""


class OpenBenchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(CONFIG))

    def setUp(self):
        self.api = self.enterContext(Api(self.server))

    def tearDown(self):
        for pool in ("ids", "few", "many"):
            state = self.api.get_pool(pool)
            self.assertEqual(state.free, state.capacity, "it leaves nothing behind")

    def test_keeps_its_rate_and_its_books(self):
        granted = self.api.stats("ids").granted
        code, report = bench(self.server.address, "--pool=ids", "--rate=400", "--warmup=200ms",
                             "--duration=2s", "--hold=5ms", "--hold-dist=exp", "--verify")
        # On a machine that is busy with other things, it says so.
        self.assertEqual(code, 0 if report["valid"] else INVALID)
        self.assertEqual(report["verified"]["violations"], 0, report["verified"])
        self.assertGreater(report["verified"]["checks"], 2000)
        whole = report["whole_run"]
        self.assertEqual(self.api.stats("ids").granted - granted,
                         whole["begun"] - whole["exhausted"] - whole["failed"])
        # 880 are expected; six times their deviation.
        self.assertLess(abs(whole["begun"] + whole["dropped"] - 880), 180)
        self.assertGreater(report["latency_us"]["lease"]["count"], 0)
        self.assertEqual(len(report["seconds"]), 2)

    def test_evenly_is_exact(self):
        _, report = bench(self.server.address, "--pool=ids", "--rate=300", "--uniform",
                          "--warmup=0ms", "--duration=1s")
        self.assertIn(report["whole_run"]["begun"] + report["whole_run"]["dropped"], (299, 300))
        self.assertIsNone(report["verified"])

    def test_empty_is_an_answer_and_is_justified(self):
        _, report = bench(self.server.address, "--pool=few", "--rate=400", "--warmup=0ms",
                          "--duration=1s", "--hold=20ms", "--verify")
        self.assertGreater(report["whole_run"]["exhausted"], 50)
        self.assertEqual(report["verified"]["violations"], 0, report["verified"])

    def test_batches(self):
        _, report = bench(self.server.address, "--pool=ids", "--rate=200", "--batch=7",
                          "--warmup=0ms", "--duration=1s", "--verify")
        self.assertEqual(report["verified"]["violations"], 0, report["verified"])
        self.assertEqual(report["whole_run"]["failed"], 0)

    def test_renewals_are_made_within_the_hold(self):
        renewed = self.server.metrics()
        _, report = bench(self.server.address, "--pool=ids", "--rate=100", "--warmup=0ms",
                          "--duration=1s", "--hold=100ms", "--renews=3", "--batch=2", "--verify")
        self.assertEqual(report["verified"]["violations"], 0, report["verified"])
        self.assertEqual(report["whole_run"]["failed"], 0)
        leased = report["whole_run"]["begun"] - report["whole_run"]["exhausted"]
        # Every cycle was measured, so the measured renewals are those of all.
        self.assertEqual(report["latency_us"]["renew"]["count"], 3 * leased)
        self.assertEqual(self.server.metrics().sum("objpool_leases_renewed_total", pool="ids")
                         - renewed.sum("objpool_leases_renewed_total", pool="ids"), 2 * 3 * leased)

    def test_a_ramp_rises(self):
        _, report = bench(self.server.address, "--pool=ids", "--rate=400", "--uniform",
                          "--ramp=2s", "--warmup=0ms", "--duration=1s")
        begun = [second["begun"] for second in report["seconds"]]
        self.assertEqual([second["measured"] for second in report["seconds"]],
                         [False, False, True])
        # Of 400 in the ramp, a quarter come in its first half.
        self.assertAlmostEqual(begun[0], 100, delta=20)
        self.assertAlmostEqual(begun[1], 300, delta=40)
        self.assertAlmostEqual(begun[2], 400, delta=40)

    def test_threads_share_the_load(self):
        granted = self.api.stats("ids").granted
        _, report = bench(self.server.address, "--pool=ids", "--rate=400", "--uniform",
                          "--threads=3", "--connections=5", "--warmup=0ms", "--duration=2s",
                          "--hold=5ms", "--renews=1")
        whole = report["whole_run"]
        self.assertAlmostEqual(whole["begun"] + whole["dropped"], 800, delta=3)
        self.assertEqual(self.api.stats("ids").granted - granted,
                         whole["begun"] - whole["exhausted"])
        self.assertEqual(report["options"]["threads"], 3)
        self.assertEqual([second["measured"] for second in report["seconds"][:2]], [True, True])
        # Every second has what all of them did in it.
        self.assertAlmostEqual(report["seconds"][0]["begun"], 400, delta=60)
        self.assertEqual(sum(second["begun"] for second in report["seconds"]), whole["begun"])
        self.assertEqual(report["latency_us"]["renew"]["count"],
                         report["latency_us"]["lease"]["count"])
        code, why = bench(self.server.address, "--rate=1", "--threads=3", "--connections=2")
        self.assertEqual(code, 2)
        self.assertIn("--threads: must be from 1 to --connections, which is 2; got 3", why)

    def test_rates_of_their_own(self):
        # Half of what is leased is returned in its time, and renewals hit any that are held.
        for flags in ([], ["--stream"]):
            with self.subTest(flags):
                before = self.api.stats("many")
                _, report = bench(self.server.address, "--pool=many", "--rate=200", "--uniform",
                                  "--renew-rate=300", "--return-rate=100", "--warmup=0ms",
                                  "--duration=2s", "--ttl=60s", "--batch=2", "--verify", *flags)
                self.assertEqual(report["verified"]["violations"], 0, report["verified"])
                whole = report["whole_run"]
                self.assertEqual((whole["failed"], whole["exhausted"]), (0, 0))
                after = self.api.stats("many")
                self.assertEqual(after.granted - before.granted, 2 * whole["begun"])
                self.assertEqual(after.returned - before.returned, 2 * whole["begun"])
                renewed = report["latency_us"]["renew"]["count"]
                self.assertEqual(after.renewed - before.renewed, 2 * renewed)
                # Each arrival did what it was to do, or found nothing.
                self.assertIn(whole["begun"] + whole["dropped"], (399, 400))
                self.assertLessEqual(renewed, 600)
                self.assertGreaterEqual(renewed + whole["nothing_held"], 599)

    def test_rates_of_their_own_keep_them_leased(self):
        process = subprocess.Popen(
            [BIN_DIR / "objpoolctl", "--server", self.server.address, "bench", "--pool=many",
             "--rate=400", "--return-rate=20", "--duration=1h"], stdout=subprocess.DEVNULL)
        self.addCleanup(process.kill)
        # By a hold of 0, one or two would be held at any time.
        wait_until(lambda: self.api.get_pool("many").leased > 300, "they pile up")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(DEADLINE_S), 130)

    def test_rates_of_their_own_exclude_what_they_replace(self):
        for flags, why in (
                (["--renew-rate=1", "--renews=1"], "--renews excludes --renew-rate"),
                (["--return-rate=1", "--hold=1s"], "--hold excludes --return-rate"),
                (["--return-rate=1", "--scenario=exhaust"],
                 "--return-rate: only with --scenario steady or burst; got exhaust"),
                (["--renew-rate=1", "--scenario=thundering-renew"],
                 "--renew-rate: only with --scenario steady or burst; got thundering-renew")):
            code, said = bench(self.server.address, "--rate=1", *flags)
            self.assertEqual(code, 2)
            self.assertIn(why, said)
        code, said = bench(self.server.address, "--renew-rate=1")
        self.assertEqual(code, 2)
        self.assertIn("--renew-rate needs --rate, --scenario or --find-max", said)

    def test_on_streams(self):
        started = self.calls()
        for flags in (["--pool=ids", "--rate=400", "--hold=20ms", "--renews=1", "--connections=3"],
                      ["--pool=ids", "--rate=400", "--batch=7"],
                      ["--pool=many", "--rate=100", "--batch=1024", "--connections=1"],
                      ["--pool=few", "--rate=400", "--hold=20ms"]):
            with self.subTest(flags):
                _, report = bench(self.server.address, "--stream", "--warmup=0ms", "--duration=1s",
                                  "--verify", *flags)
                self.assertTrue(report["options"]["stream"])
                self.assertEqual(report["verified"]["violations"], 0, report["verified"])
                self.assertGreater(report["verified"]["checks"], 100)
                self.assertEqual(report["whole_run"]["failed"], 0)
                if "--pool=few" in flags:
                    self.assertGreater(report["whole_run"]["exhausted"], 50)
                if "--renews=1" in flags:
                    self.assertEqual(report["latency_us"]["renew"]["count"],
                                     report["latency_us"]["lease"]["count"])
        # Nothing was leased by a call, and no session is left.
        self.assertEqual(self.calls(), started)
        wait_until(lambda: self.server.metrics().sum("objpool_sessions_open") == 0, "they end")

    def calls(self):
        return sum(self.server.metrics().sum_or_zero(
            "grpc_server_started_total", grpc_service="objpool.v1.LeaseService", grpc_method=method)
                   for method in ("Lease", "Renew", "Return"))

    def test_streams_that_would_break_are_refused(self):
        for scenario in ("crash-clients", "avalanche"):
            code, why = bench(self.server.address, f"--scenario={scenario}", "--stream")
            self.assertEqual(code, 2)
            self.assertIn(f"--stream: not with --scenario {scenario}, where connections break", why)
        code, why = bench(self.server.address, "--stream")
        self.assertEqual(code, 2)
        self.assertIn("--stream needs --rate, --scenario or --find-max", why)

    def test_uniform_holds(self):
        _, report = bench(self.server.address, "--pool=ids", "--rate=100", "--warmup=0ms",
                          "--duration=1s", "--hold=50ms", "--hold-dist=uniform", "--verify")
        self.assertEqual(report["options"]["hold_distribution"], "uniform")
        self.assertEqual(report["verified"]["violations"], 0, report["verified"])

    def test_a_line_each_second_where_it_is_asked_for(self):
        command = [BIN_DIR / "objpoolctl", "--server", self.server.address, "bench", "--pool=ids",
                   "--rate=100", "--warmup=1s", "--duration=1s"]
        done = subprocess.run([*command, "--progress"], capture_output=True, text=True,
                              timeout=DEADLINE_S)
        lines = done.stderr.splitlines()
        self.assertRegex(lines[0], r"^ +1 s  warm-up  \d+ leases/s  p50 \d+ us  p99 \d+ us  max")
        self.assertRegex(lines[1], r"^ +2 s  measuring  \d+ leases/s")
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
        self.assertEqual(done.stderr, "", "there is no terminal")

    def test_a_load_without_cpu_says_that_it_is_invalid(self):
        # More than anybody can send.
        code, report = bench(self.server.address, "--pool=ids", "--rate=1000000", "--warmup=0ms",
                             "--duration=500ms")
        self.assertFalse(report["valid"])
        self.assertEqual(code, INVALID)
        self.assertRegex(report["why_invalid"], "late|dropped")

    def test_a_pool_of_others_cannot_be_verified(self):
        (grant,) = self.api.lease("few").grants
        code, why = bench(self.server.address, "--pool=few", "--rate=10", "--verify",
                          "--duration=100ms")
        self.api.give_back("few", grant.ref)
        self.assertEqual(code, 1)
        self.assertIn("a pool for itself", why)

    def test_interrupted_it_returns_what_it_holds(self):
        process = subprocess.Popen(
            [BIN_DIR / "objpoolctl", "--server", self.server.address, "bench", "--pool=ids",
             "--rate=200", "--hold=100ms", "--duration=1h"], stdout=subprocess.PIPE)
        self.addCleanup(process.kill)
        while self.api.get_pool("ids").leased == 0:
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 130)


class BrokenServerTest(unittest.TestCase):
    def verify(self, fault):
        """Where the machine was too busy for a load that may see something, it runs once more."""
        for _ in range(5):
            code, report = self.verify_once(fault)
            if code != INVALID:
                break
        return code, report

    def verify_once(self, fault):
        with broken_server(fault) as address:
            return bench(address, "--pool=ids", "--rate=1000", "--warmup=0ms", "--duration=2s",
                         "--hold=30ms", "--hold-dist=exp", "--renews=1", "--ttl=30s",
                         "--connections=2", "--verify")

    def test_every_fault_is_seen(self):
        faults = subprocess.run([BIN_DIR / "broken_server"], capture_output=True, text=True,
                                check=True).stdout.split()
        self.assertGreater(len(faults), 9)
        for fault in faults:
            with self.subTest(fault=fault):
                code, report = self.verify(fault)
                if fault == "none":
                    self.assertEqual(report["verified"]["violations"], 0, report["verified"])
                    self.assertNotEqual(code, VIOLATED)
                    continue
                self.assertEqual(code, VIOLATED, report)
                self.assertTrue(report["verified"]["first_violation"])
                if "OBJPOOL_SHOW" in os.environ:
                    print(f"{fault}: {report['verified']['first_violation']}")


if __name__ == "__main__":
    unittest.main()
