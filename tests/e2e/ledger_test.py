"""Eight clients on four connections: the server's counters are what the clients' own books say."""

import json
import os
import subprocess
import unittest

from objpool_testing import BIN_DIR, Api, Server

CLIENTS, CONNECTIONS = 8, 4
LEASE = {"grpc_method": "Lease"}
RETURN = {"grpc_method": "Return"}


class LedgerCase(unittest.TestCase):
    """Runs a load and compares its books with a scrape."""

    def drive(self, server, pool, pairs, batch, held, clients=CLIENTS):
        done = subprocess.run(
            [BIN_DIR / "ledger_load", server.address, pool, str(clients), str(CONNECTIONS),
             str(pairs), str(batch), str(held)], stdout=subprocess.PIPE, text=True, timeout=3000,
            check=False)
        self.assertTrue(done.stdout, "the load ended without books")
        books = json.loads(done.stdout)
        for fault in ("errors", "doubles", "fence_faults", "false_empty", "lost"):
            self.assertEqual(books[fault], 0, books)
        self.assertEqual(done.returncode, 0)
        self.assertGreaterEqual(books["leased"], pairs)
        return books

    def compare(self, server, pool, capacity, books, batch):
        """Every counter that the load moves, exactly."""
        metrics = server.metrics()
        self.assertEqual(metrics.sum("objpool_leases_granted_total", pool=pool), books["leased"])
        self.assertEqual(metrics.sum("objpool_leases_returned_total", pool=pool),
                         books["returned"])
        self.assertEqual(metrics.sum("objpool_leases_expired_total", pool=pool), 0)
        self.assertEqual(metrics.sum("objpool_leases_revoked_total", pool=pool), 0)
        self.assertEqual(metrics.sum("objpool_leases_active", pool=pool), 0)
        self.assertEqual(metrics.sum("objpool_lease_refusals_total", pool=pool),
                         books["refused"])
        self.assertEqual(metrics.sum("objpool_slot_misses_total", pool=pool), books["refused"])
        self.assertEqual(metrics.sum("objpool_acquires_total", pool=pool), books["leased"])
        self.assertEqual(metrics.sum("objpool_slot_pushes_total", pool=pool), books["returned"])
        self.assertEqual(metrics.sum("objpool_slot_occupancy_handles", pool=pool), capacity)
        self.assertEqual(metrics.sum("objpool_pool_free_handles", pool=pool), capacity)
        self.assertEqual(metrics.sum("objpool_lease_hold_seconds_count", pool=pool),
                         books["returned"])
        self.assertEqual(metrics.sum_or_zero("objpool_handles_stolen_by_total", pool=pool),
                         metrics.sum_or_zero("objpool_handles_stolen_from_total", pool=pool))
        handled = "grpc_server_handled_total"
        self.assertEqual(metrics.sum(handled, **LEASE, grpc_code="OK") * batch, books["leased"])
        self.assertEqual(
            metrics.sum_or_zero(handled, **LEASE, grpc_code="RESOURCE_EXHAUSTED"),
            books["refused"])
        self.assertEqual(metrics.sum("grpc_server_started_total", **RETURN),
                         metrics.sum(handled, **RETURN, grpc_code="OK"))
        return metrics

    def check_slots(self, api, pool, capacity):
        """What each slot's counters say of its occupancy is what it has."""
        def total(by):
            return by.same_core + by.same_cache + by.same_node + by.remote_node

        slots = api.stats(pool).slots
        for i, slot in enumerate(slots):
            share = (i + 1) * capacity // len(slots) - i * capacity // len(slots)
            self.assertEqual(slot.occupancy, share + slot.pushes + total(slot.stolen_by)
                             - total(slot.acquired_by_steal) - slot.local_hits
                             - slot.depot_hits - total(slot.stolen_from))


class LedgerTest(LedgerCase):
    def test_200000_single_leases_and_returns_add_up(self):
        with Server('pools { name: "ids" ids { count: 1024 } ttl_default { seconds: 3600 } }'
                    ) as server, Api(server) as api:
            books = self.drive(server, "ids", pairs=200_000, batch=1, held=1)
            self.assertEqual(books["refused"], 0)
            self.compare(server, "ids", 1024, books, 1)
            self.check_slots(api, "ids", 1024)

    def test_with_just_enough_handles_nobody_is_ever_refused(self):
        with Server('pools { name: "ids" ids { count: 32 } ttl_default { seconds: 3600 } }'
                    ) as server:
            books = self.drive(server, "ids", pairs=30_000, batch=1, held=4)
            self.assertEqual(books["refused"], 0, "each refusal was a lie: 8 clients hold 4")
            self.compare(server, "ids", 32, books, 1)

    def test_with_more_clients_than_handles_every_empty_is_true_and_handles_are_stolen(self):
        with Server('pools { name: "ids" ids { count: 6 } ttl_default { seconds: 3600 } }'
                    ) as server, Api(server) as api:
            books = self.drive(server, "ids", pairs=30_000, batch=1, held=2)
            self.assertGreater(books["refused"], 0)
            metrics = self.compare(server, "ids", 6, books, 1)
            self.check_slots(api, "ids", 6)
            if len(os.sched_getaffinity(0)) > 1:
                self.assertGreater(metrics.sum("objpool_handles_stolen_by_total"), 0)


if __name__ == "__main__":
    unittest.main()
