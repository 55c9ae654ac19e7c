"""Ten million leases and returns, in batches: the books add up."""

import unittest

from ledger_test import LedgerCase
from objpool_testing import Api, Server


class LedgerLongTest(LedgerCase):
    def test_ten_million_leases_and_returns_add_up(self):
        with Server('pools { name: "ids" ids { count: 4096 } ttl_default { seconds: 3600 } }'
                    ) as server, Api(server) as api:
            books = self.drive(server, "ids", pairs=10_000_000, batch=64, held=128)
            self.compare(server, "ids", 4096, books, 64)
            self.check_slots(api, "ids", 4096)


if __name__ == "__main__":
    unittest.main()
