"""Ten million leases and returns, in batches, while they are scraped: the books add up, and
no scrape ever showed a counter that went back or a handle too many."""

import threading
import unittest

from ledger_test import LedgerCase
from objpool_testing import Api, Server

CAPACITY = 4096


class Scraper:
    """Scrapes ten times a second, and notes what cannot be."""

    def __init__(self, server):
        self.server = server
        self.scrapes, self.faults = 0, []
        self._last, self._stop = {}, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        while not self._stop.wait(0.1):
            self._look(self.server.metrics())

    def _look(self, metrics):
        self.scrapes += 1
        for name, labels, value in metrics.samples:
            if not name.endswith(("_total", "_bucket", "_count")):
                continue
            key = (name, *sorted(labels.items()))
            if value < self._last.get(key, 0):
                self.faults.append(f"{key} went from {self._last[key]} to {value}")
            self._last[key] = value
        free = metrics.sum("objpool_pool_free_handles")
        leased = metrics.sum("objpool_leases_active")
        if not (0 <= free <= CAPACITY and 0 <= leased <= CAPACITY):
            self.faults.append(f"{free} free and {leased} leased")


class LedgerLongTest(LedgerCase):
    def test_ten_million_leases_and_returns_add_up_while_they_are_scraped(self):
        with Server(f'pools {{ name: "ids" ids {{ count: {CAPACITY} }} '
                    'ttl_default { seconds: 3600 } }') as server, Api(server) as api:
            with Scraper(server) as scraper:
                books = self.drive(server, "ids", pairs=10_000_000, batch=64, held=128)
            self.assertEqual(scraper.faults[:5], [])
            self.assertGreater(scraper.scrapes, 20)
            self.compare(server, "ids", CAPACITY, books, 64)
            self.check_slots(api, "ids", CAPACITY)


if __name__ == "__main__":
    unittest.main()
