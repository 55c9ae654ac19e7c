"""A million grants: they run out together without holding up other calls, and are there after a
kill. It prints what it measures."""

import tempfile
import time
import unittest

from objpool_testing import Api, Server, wait_until

MANY = 1 << 20
BATCH = 1024


def percentile(sorted_values, part):
    return sorted_values[min(int(len(sorted_values) * part), len(sorted_values) - 1)]


class ManyTest(unittest.TestCase):
    CONFIG = f"""
    pools {{ name: "many" ids {{ count: {MANY} }} }}
    pools {{ name: "other" ids {{ count: 4 }} }}
    """

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def serve(self):
        return Server(self.CONFIG, [f"--state_dir={self.folder}/state"])

    @staticmethod
    def latencies_ms(api, until):
        """Of calls to the other pool, one after the other."""
        taken = []
        while time.monotonic() < until:
            began = time.perf_counter()
            api.give_back("other", api.lease("other").grants[0].ref)
            taken.append((time.perf_counter() - began) * 500)
        return sorted(taken)

    def lease_all(self, api, end):
        """Grants that all end at the same millisecond, nearly."""
        for _ in range(MANY // BATCH):
            left = end - time.monotonic()
            api.lease("many", count=BATCH,
                      ttl={"seconds": int(left), "nanos": int(left % 1 * 1e9)})

    def test_a_million_at_once(self):
        with self.serve() as server, Api(server) as api:
            idle = self.latencies_ms(api, time.monotonic() + 3)
            end = time.monotonic() + 30
            self.lease_all(api, end)
            self.assertGreater(end, time.monotonic() + 0.2, "the machine is too slow for this")
            wait_until(lambda: time.monotonic() > end - 0.5, "nearly the end")
            expired = server.metrics().sum("objpool_leases_expired_total", pool="many")
            self.assertEqual(expired, 0, "early")
            wait_until(lambda: time.monotonic() > end - 0.01, "the end")
            busy = self.latencies_ms(api, end + 0.1)
            wait_until(lambda: api.get_pool("many").free == MANY, "all home")
            metrics = server.metrics()
            lag = "objpool_lease_expiry_lag_seconds"
            self.assertEqual(metrics.sum(f"{lag}_count", pool="many"), MANY)
            self.assertEqual(metrics.sum("objpool_pool_unaccounted_handles"), 0)
            within = {bound: metrics.sum(f"{lag}_bucket", pool="many", le=bound) / MANY
                      for bound in ("0.01", "0.05", "0.1", "1")}
            print(f"\nlag: {within}")
            for part in (0.5, 0.99):
                a, b = percentile(idle, part), percentile(busy, part)
                print(f"p{part * 100:g} of a call: {a:.2f} ms idle, {b:.2f} ms meanwhile, "
                      f"{b / a:.1f} times ({len(busy)} calls)")
            self.assertEqual(within["1"], 1)

    def test_a_million_are_there_after_a_kill(self):
        with self.serve() as server, Api(server) as api:
            self.lease_all(api, time.monotonic() + 600)
        began = time.monotonic()
        with self.serve() as server, Api(server) as api:
            print(f"\nready {time.monotonic() - began:.2f} s after a kill with {MANY} grants")
            self.assertEqual(api.get_pool("many").leased, MANY)


if __name__ == "__main__":
    unittest.main()
