"""Grants run out when their time is over, and not before, also when the wall clock is moved by ten
years."""

import os
import pathlib
import tempfile
import time
import unittest

from objpool_testing import DEADLINE_S, Api, Server, wait_until

TEN_YEARS_S = 3652 * 24 * 3600


class WallClockTest(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.offset = pathlib.Path(self.folder, "offset")

    def check(self, years_s, flags):
        self.offset.write_text("0")
        prefix = ["env", f"LD_PRELOAD={os.environ['OBJPOOL_WALL_CLOCK_SHIM']}",
                  f"OBJPOOL_TEST_WALL_OFFSET={self.offset}"]
        with Server('pools { name: "p" ids { count: 64 } }', flags, prefix) as server, \
                Api(server) as api:
            began = time.monotonic()
            before = api.lease("p", count=10, ttl={"seconds": 2})
            self.offset.write_text(str(years_s))
            after = api.lease("p", ttl={"seconds": 3600})
            moved = after.expire_time.seconds - before.expire_time.seconds - 3598
            self.assertLess(abs(moved - years_s), DEADLINE_S, "the clock was not moved")
            while time.monotonic() < began + 1.9:
                leased = api.get_pool("p").leased
                if time.monotonic() < began + 2:
                    self.assertEqual(leased, 11, "early")
            wait_until(lambda: api.get_pool("p").leased == 1, "expired")
            self.assertLess(time.monotonic() - began, 2 + DEADLINE_S / 4, "late")
            api.renew("p", after.grants[0].ref)

    def test_a_step_of_ten_years_changes_nothing(self):
        for years_s in (TEN_YEARS_S, -TEN_YEARS_S):
            for flags in ([], [f"--state_dir={self.folder}/state{years_s}"]):
                with self.subTest(years_s=years_s, flags=flags):
                    self.check(years_s, flags)


if __name__ == "__main__":
    unittest.main()
