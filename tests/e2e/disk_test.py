"""Pools whose answers wait for the disk: many in one write, and none when the disk fails."""

import os
import pathlib
import signal
import tempfile
import time
import unittest

from objpool_testing import DEADLINE_S, Api, Server, lease_service_pb2, refused, wait_until
from session_testing import SessionClient, session_pb2

CONFIG = """
pools { name: "disk" ids { count: 1000 } durability: DURABILITY_DISK }
pools { name: "plain" ids { count: 4 } }
"""


class DiskTest(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.fault = pathlib.Path(self.folder, "fault")

    def serve(self):
        shim = os.environ.get("OBJPOOL_DISK_FAULT_SHIM", "")
        prefix = ["env", f"LD_PRELOAD={shim}", f"OBJPOOL_TEST_DISK_FAULT={self.fault}"]
        self.server = self.enterContext(
            Server(CONFIG, [f"--state_dir={self.folder}/state"], prefix if shim else []))
        self.api = self.enterContext(Api(self.server))

    def syncs(self):
        return self.server.metrics().sum("objpool_disk_syncs_total")

    def test_what_was_answered_is_there_after_a_kill(self):
        self.serve()
        held = self.api.lease("disk", count=3)
        self.api.renew("disk", *(grant.ref for grant in held.grants), ttl={"seconds": 600})
        self.server.stop(signal.SIGKILL)
        self.serve()
        self.assertEqual(self.api.get_pool("disk").leased, 3)
        self.api.give_back("disk", *(grant.ref for grant in held.grants))
        self.assertEqual(self.api.get_pool("disk").free, 1000)

    def test_each_answer_waits_and_many_share_a_write(self):
        self.serve()
        before = self.syncs()
        start = time.monotonic()
        self.api.lease("disk")
        self.assertGreaterEqual(time.monotonic() - start, 0.005, "as long as the disk takes")
        self.assertEqual(self.syncs(), before + 1)
        waves, users = 20, [self.enterContext(Api(self.server)) for _ in range(20)]
        request = lease_service_pb2.LeaseRequest(pool="disk")
        for _ in range(waves):
            for call in [user.start("Lease", request) for user in users]:
                call.result()
        calls = waves * len(users)
        self.assertEqual(self.api.get_pool("disk").leased, calls + 1)
        self.assertLess(self.syncs() - before, calls / 2)
        syncs = self.syncs()
        self.api.lease("plain")
        self.assertEqual(self.syncs(), syncs, "others do not wait")

    def test_who_waited_for_a_handle_waits_for_the_disk_too(self):
        self.serve()
        held = self.api.lease("disk", count=1000)
        request = lease_service_pb2.LeaseRequest(pool="disk", max_wait={"seconds": DEADLINE_S})
        waiting = self.api.start("Lease", request)
        wait_until(lambda: self.api.get_pool("disk").waiters == 1, "it waits")
        before = self.syncs()
        self.api.give_back("disk", held.grants[0].ref)
        self.assertEqual(len(waiting.result().grants), 1)
        self.assertEqual(self.syncs(), before + 1)

    def test_sessions_wait_as_well(self):
        self.serve()
        before = self.syncs()
        with SessionClient(self.server.address) as session:
            self.assertEqual(len(session.lease("disk", count=2)), 2)
            self.assertGreater(self.syncs(), before)
            before = self.syncs()
            beat = session.do(heartbeat=session_pb2.HeartbeatRequest())
            self.assertEqual(beat.heartbeat.renewed, 2)
            self.assertGreater(self.syncs(), before)

    def test_disk_that_fails(self):
        self.serve()
        held = self.api.lease("disk")
        self.fault.touch()
        with refused(self, "UNAVAILABLE", "DISK_FAILED"):
            self.api.lease("disk")
        with refused(self, "UNAVAILABLE", "DISK_FAILED"):
            self.api.lease("disk")
        with refused(self, "UNAVAILABLE", "DISK_FAILED"):
            self.api.renew("disk", held.grants[0].ref)
        self.api.give_back("disk", held.grants[0].ref)
        self.api.lease("plain")
        self.assertEqual(self.server.metrics().sum("objpool_disk_failed"), 1)
        self.fault.unlink()
        self.server.stop(signal.SIGKILL)
        self.serve()
        # What was refused may be held: nobody knows that it was not.
        self.assertLessEqual(self.api.get_pool("disk").leased, 1)
        self.api.lease("disk")
