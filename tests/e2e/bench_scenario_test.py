"""objpoolctl bench --scenario: each does to a real server what its name says, and the server's
answers stand up to --verify meanwhile."""

import json
import pathlib
import subprocess
import tempfile
import unittest

from objpool_testing import BIN_DIR, DEADLINE_S, Api, Server, broken_server, wait_until
from proxy import Proxy

CAPACITY = 256
# With two workers, and so two slots, on a machine of any size.
CONFIG = f"""
workers: 2
pools {{ name: "ids" ids {{ count: {CAPACITY} }} ttl_default {{ seconds: 30 }} }}
"""
DURABLE = CONFIG.replace("ttl_default", "durability: DURABILITY_PROCESS ttl_default")
# A load that was late by itself says so, and is a good test of the server still.
DONE = (0, 7)


def start(address, scenario, *flags):
    return subprocess.Popen(
        [BIN_DIR / "objpoolctl", "--server", address, "--output", "json", "bench", "--pool=ids",
         f"--scenario={scenario}", "--verify", "--warmup=0ms", *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=DEADLINE_S)
    return process.returncode, json.loads(out) if out else err


class ScenarioTest(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server(CONFIG))
        self.api = self.enterContext(Api(self.server))

    def run_scenario(self, name, *flags):
        """Its report, once it was seen to be true; and it leaves nothing behind."""
        code, report = finish(start(self.server.address, name, *flags))
        self.assertIn(code, DONE, report)
        self.assertEqual(report["options"]["scenario"], name)
        self.assertGreater(report["verified"]["checks"], 100)
        self.assertEqual(report["verified"]["violations"], 0, report["verified"])
        self.assertEqual(report["whole_run"]["failed"], 0)
        self.assertEqual(self.api.get_pool("ids").free, CAPACITY)
        return report

    def test_steady(self):
        report = self.run_scenario("steady", "--duration=1s")
        self.assertEqual(report["options"]["rate"], 1000)
        self.assertGreater(report["whole_run"]["begun"], 700)

    def test_burst(self):
        # Each holds for longer than a burst lasts, so that all of it is held at once.
        report = self.run_scenario("burst", "--duration=2s", "--rate=100", "--hold=300ms",
                                   "--uniform")
        self.assertAlmostEqual(report["whole_run"]["begun"], 200, delta=2)
        process = start(self.server.address, "burst", "--duration=2s", "--rate=100",
                        "--hold=300ms", "--uniform")
        # Evenly, no more than 30 would be held at any time.
        wait_until(lambda: self.api.get_pool("ids").leased > 80 or process.poll() is not None,
                   "a burst is held")
        self.assertIsNone(process.poll(), "none was seen")
        self.assertIn(finish(process)[0], DONE)

    def test_exhaust(self):
        report = self.run_scenario("exhaust", "--duration=2s", "--rate=500")
        # Of 1000 a quarter can be had, and those are held to the end.
        self.assertEqual(report["options"]["hold_ms"], 2000 * CAPACITY // 500)
        self.assertGreater(report["whole_run"]["exhausted"], 300)

    def test_exhaust_says_when_the_demand_is_too_small(self):
        code, why = finish(start(self.server.address, "exhaust", "--duration=1s", "--rate=100"))
        self.assertEqual(code, 2)
        self.assertIn("--rate: with --scenario exhaust, 100 handles would be asked for", why)
        code, why = finish(start(self.server.address, "exhaust", "--hold=10ms"))
        self.assertEqual(code, 2)
        self.assertIn("more than the 256 handles of the pool; got 10ms", why)

    def test_steal_heavy(self):
        # Of so many connections some are the other worker's.
        report = self.run_scenario("steal-heavy", "--duration=2s", "--connections=16")
        delta = report["server_delta"]
        self.assertGreater(delta["steals"]["total"] + delta["depot_hits"],
                           report["whole_run"]["begun"] / 10)
        self.assertGreater(delta["steals"]["total"], 100)
        code, why = finish(start(self.server.address, "steal-heavy", "--connections=1"))
        self.assertEqual(code, 2)
        self.assertIn("--connections: with --scenario steal-heavy it must be at least 2,", why)

    def test_thundering_renew(self):
        report = self.run_scenario("thundering-renew", "--duration=3s", "--rate=50")
        # Half of the pool is held, and renewed in each of the moments; the last two are full.
        self.assertEqual(report["options"]["hold_ms"], 1000 * CAPACITY // 2 // 50)
        self.assertGreater(report["latency_us"]["renew"]["count"], 100)
        renewed = [second["renewed"] for second in report["seconds"]]
        self.assertEqual(renewed[0], 0)
        self.assertGreater(max(renewed[1:]), 50)

    def test_crash_clients(self):
        # A connection has some thirty of them each time.
        report = self.run_scenario("crash-clients", "--duration=2s", "--rate=300", "--ttl=1s",
                                   "--hold=400ms")
        self.assertEqual(report["whole_run"]["breaks"], 3)
        self.assertGreater(report["whole_run"]["abandoned"], 3)
        # Nobody returned them: they came back by their time.
        expired = self.server.metrics().sum("objpool_leases_expired_total", pool="ids")
        self.assertGreaterEqual(expired, report["whole_run"]["abandoned"])
        self.assertIsNotNone(report["came_back_s"])
        code, why = finish(start(self.server.address, "crash-clients", "--ttl=61s"))
        self.assertEqual(code, 2)
        self.assertIn("must be at most 1m; got 61s", why)

    def test_avalanche(self):
        report = self.run_scenario("avalanche", "--duration=3s")
        self.assertEqual(report["options"]["rate"], CAPACITY / 2)
        returned = [second["returned"] for second in report["seconds"]]
        self.assertEqual(returned[0], 0, "all hold")
        self.assertGreater(returned[1], CAPACITY / 4, "and return at once")


class SlowReturnsTest(unittest.TestCase):
    def test_what_may_have_been_returned_when_its_connection_broke_is_in_doubt(self):
        # Without a hold, whatever a connection has when it breaks is a call under way.
        with broken_server("slow_returns") as address:
            done = subprocess.run(
                [BIN_DIR / "objpoolctl", "--server", address, "--output", "json", "bench",
                 "--pool=ids", "--scenario=crash-clients", "--rate=20", "--uniform", "--hold=0ms",
                 "--warmup=0ms", "--duration=1800ms", "--connections=1"],
                capture_output=True, text=True, timeout=DEADLINE_S)
        self.assertIn(done.returncode, DONE, done.stderr)
        whole = json.loads(done.stdout)["whole_run"]
        self.assertEqual((whole["breaks"], whole["failed"], whole["abandoned"]), (3, 0, 0))
        self.assertGreater(whole["in_doubt"], 0)
        self.assertEqual(whole["in_doubt"], whole["lost"])


class RestartTest(unittest.TestCase):
    def test_an_avalanche_goes_on_when_the_server_was_restarted(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        flags = [f"--state_dir={folder / 'state'}"]
        first = self.enterContext(Server(DURABLE, flags))
        proxy = self.enterContext(Proxy(first.address))
        process = start(proxy.address, "avalanche", "--duration=4s", "--hold=2s", "--rate=40")
        self.addCleanup(process.kill)
        with Api(first) as api:
            wait_until(lambda: api.get_pool("ids").leased > 20, "many hold")
        first.process.kill()
        first.process.wait()
        second = self.enterContext(Server(DURABLE, flags))
        proxy.target = second.address
        proxy.cut()
        code, report = finish(process)
        self.assertIn(code, DONE, report)
        self.assertEqual(report["verified"]["violations"], 0, report["verified"])
        self.assertGreaterEqual(report["whole_run"]["reconnects"], 4)
        # What was leased of the first one came back to the second.
        with Api(second) as api:
            self.assertGreater(api.stats("ids").returned, api.stats("ids").granted)
            wait_until(lambda: api.get_pool("ids").free == CAPACITY, "nothing is left behind")


if __name__ == "__main__":
    unittest.main()
