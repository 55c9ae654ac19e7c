"""objpoolctl pool, handles, handle, watch and session against a server."""

import json
import signal
import subprocess
import unittest

from ctl_testing import CtlCase
from objpool_testing import DEADLINE_S, pool_service_pb2, wait_until


class PoolTest(CtlCase):
    def good(self, *arguments, **more):
        run = self.ctl(*arguments, **more)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def test_a_pool_is_made_changed_drained_and_ended(self):
        self.assertEqual(self.good("pool", "create", "new", "--ids", "3", "--first", "-1",
                                   "--ttl-default", "1m"), "new\tcreated\n")
        new = self.api.get_pool("new")
        self.assertEqual((new.capacity, new.ids.first_id, new.ttl_default.seconds), (3, -1, 60))
        self.good("pool", "update", "new", "--ttl-max", "2m", "--quota-handles", "2")
        self.assertEqual(self.api.get_pool("new").ttl_max.seconds, 120)
        self.assertEqual(self.ctl("lease", "new", "--count", "3").returncode, 1)
        ref = self.good("lease", "new").split("\t")[1]
        self.good("pool", "drain", "new")
        self.assertIn("POOL_DRAINING", self.ctl("lease", "new").stderr)
        self.good("pool", "resume", "new")
        deleting = self.start("pool", "delete", "new", "--wait")
        # Not by leasing: a lease that comes before the drain would hold the pool for its TTL.
        wait_until(lambda: self.api.get_pool("new").state == pool_service_pb2.POOL_STATE_DELETING,
                   "it drains")
        self.assertIsNone(deleting.poll())
        self.good("return", ref)
        self.assertEqual(deleting.communicate(timeout=DEADLINE_S)[0], "new\tdeleted\n")
        self.assertEqual(self.ctl("pools", "new").returncode, 1)

    def test_labels_buffers_and_files(self):
        self.good("pool", "create", "words", "--labels", "x,y")
        self.good("pool", "create", "frames", "--buffers", "2", "--size", "64KiB", "--scrub")
        frames = json.loads(self.good("pools", "frames", "--output", "json"))
        self.assertEqual((frames["size_bytes"], frames["state"]), (65536, "ACTIVE"))
        file = self.folder / "pool.textproto"
        file.write_text('name: "filed"\nids { count: 2 }\nttl_default { seconds: 9 }\n')
        self.good("pool", "create", "--file", str(file), "--ttl-default", "8s")
        self.assertEqual(self.api.get_pool("filed").ttl_default.seconds, 8)
        file.write_text('name: "filed"\nids { cont: 2 }\n')
        wrong = self.ctl("pool", "create", "--file", str(file))
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("pool.textproto:2:", wrong.stderr)
        self.assertEqual(self.ctl("pool", "create", "none").returncode, 2)

    def test_audit(self):
        self.assertIn("consistent  yes", self.good("pool", "audit", "ports"))
        audit = json.loads(self.good("pool", "audit", "ports", "--output", "json"))
        self.assertEqual((audit["recounted"]["free"], audit["differences"]), (4, []))

    def test_handles(self):
        self.good("handle", "quarantine", "ports", "3")
        self.assertIn("state   QUARANTINED", self.good("handle", "show", "ports", "3"))
        rows = self.good("handles", "ports").splitlines()
        self.assertEqual(len(rows), 5)
        only = json.loads(self.good("handles", "ports", "--state", "quarantined", "--output",
                                    "json"))
        self.assertTrue(only["complete"])
        self.assertEqual([(h["handle"], h["id"]) for h in only["handles"]], [(3, 8003)])
        self.good("handle", "reinstate", "ports", "3")
        self.assertEqual(self.free(), 4)
        self.assertEqual(self.ctl("handle", "show", "ports", "4").returncode, 1)

    def test_how_long_the_oldest_waits(self):
        def seats():
            return json.loads(self.good("pools", "seats", "--output", "json"))

        refs = [line.split("\t")[1] for line in
                self.good("lease", "seats", "--count", "2").splitlines()]
        self.assertEqual((seats()["waiters"], seats()["oldest_wait_ms"]), (0, None))
        waiting = self.start("lease", "seats", "--max-wait", "1m")
        wait_until(lambda: (seats()["oldest_wait_ms"] or 0) > 20, "somebody waits")
        self.assertRegex(self.good("pools", "seats"), r"1 waiting, the longest for \d+m?s, 0 dirty")
        self.assertRegex(self.good("top", "--once", "--interval", "100ms"),
                         r"(?m)^seats +labels +2 +0 +2 +1 +\d+m?s +0 +ACTIVE$")
        self.good("return", *refs)
        self.assertEqual(waiting.wait(DEADLINE_S), 0)

    def test_watch_tells_each_change(self):
        watch = self.start("watch", "ports", "--interval", "100ms", "--count", "2", "--output",
                           "json")
        first = json.loads(watch.stdout.readline())
        self.assertEqual((first["name"], first["free"]), ("ports", 4))
        self.good("lease", "ports", "--ttl", "1m")
        self.assertEqual(json.loads(watch.stdout.readline())["leased"], 1)
        self.assertEqual(watch.wait(DEADLINE_S), 0)
        gone = self.start("watch", "seats", "--interval", "100ms")
        self.assertIn("\tseats\tACTIVE\tfree 2", gone.stdout.readline())
        self.good("pool", "delete", "seats")
        self.assertEqual(gone.wait(DEADLINE_S), 1)
        self.assertIn("POOL_UNKNOWN", gone.stderr.read())


class SessionTest(CtlCase):
    def session(self, *options):
        process = self.start("session", "ports", "--count", "2", *options, stdin=subprocess.PIPE)
        refs = [process.stdout.readline().split("\t")[1] for _ in range(2)]
        return process, refs

    def test_handles_are_held_until_the_input_ends(self):
        process, _ = self.session()
        wait_until(lambda: self.api.stats("ports").renewed >= 2, "heartbeats renew")
        self.assertEqual(self.free(), 2)
        process.communicate(timeout=DEADLINE_S)
        self.assertEqual((process.returncode, self.free()), (0, 4))

    def test_a_signal_and_a_kill_end_it(self):
        process, _ = self.session()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(DEADLINE_S), 128 + signal.SIGTERM)
        self.assertEqual(self.free(), 4)
        process, _ = self.session("--ttl", "10m", "--linger", "100ms")
        process.kill()
        wait_until(lambda: self.free() == 4, "the server returns them")

    def test_a_lost_handle_is_told(self):
        process, refs = self.session()
        pool, handle, fence, _ = refs[0].split("/")
        self.api.revoke(pool, int(handle), int(fence))
        self.assertIn(f"lost {pool}/{handle}/{fence}", process.stderr.readline())
        process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 6)


if __name__ == "__main__":
    unittest.main()
