"""All attacks at once, again and again, by hostile processes that connect anew as soon as they are
cut off."""

import os
import random
import unittest

from attack_table import EVERYTHING
from attack_testing import MORE_KIB, cuts
from objpool_testing import Api
from siege import Siege, besieged_server

SECONDS = float(os.environ.get("OBJPOOL_SIEGE_S", "6"))


class SiegeTest(unittest.TestCase):
    def test_everything_at_once(self):
        seed = random.SystemRandom().randrange(2**32)
        print("seed", seed)
        with besieged_server("h2") as server:
            siege = Siege(server, EVERYTHING, SECONDS, seed)
            print(f"{siege.more_mib:.1f} MiB more; honest client: "
                  f"{siege.attacked.rate * 100:.0f} % of its rate, p99 {siege.calm.p99_ms:.1f} ms "
                  f"alone, {siege.attacked.p99_ms:.1f} besieged, {siege.after.p99_ms:.1f} a second "
                  "later")
            print(f"{len(siege.cut_ms)} of {len(siege.floods)} floods cut off, median and 99 % "
                  f"after {siege.cut_text()}")
            reasons = {reason: cuts(server, reason)
                       for reason in ("flood", "protocol", "slow", "not_reading")}
            print(f"connections cut off: {reasons}")
            self.assertTrue(siege.alive, server.log())
            self.assertEqual(siege.errors, 0)
            self.assertGreater(siege.attacked.cycles, 0)
            self.assertGreater(siege.after.cycles, 0)
            self.assertLess(siege.more_mib * 1024, MORE_KIB)
            self.assertGreater(reasons["flood"], 0)
            self.assertGreater(reasons["protocol"], 0)
            with Api(server) as api:
                api.lease("ids")


if __name__ == "__main__":
    unittest.main()
