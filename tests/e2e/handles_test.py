"""Handles that are neither free nor leased: dirty, resting and quarantined ones."""

import signal
import tempfile
import unittest

from objpool_testing import (Api, Server, grant_pb2, lease_service_pb2, pool_handles_pb2, refused,
                             wait_until)

CONFIG = """
pools { name: "ids" ids { first: 100 count: 4 } }
pools { name: "ports" ids { count: 2 } reuse_delay { seconds: 2 } }
pools { name: "shaky" ids { count: 2 } dirty_unless_returned: true
        ttl_default { nanos: 100000000 } }
"""


class HandlesTest(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.serve()

    def serve(self):
        self.server = self.enterContext(Server(CONFIG, [f"--state_dir={self.folder}/state"]))
        self.api = self.enterContext(Api(self.server))

    def tearDown(self):
        for name in ("ids", "ports", "shaky"):
            reply = self.api.call("AuditPool", pool_handles_pb2.AuditPoolRequest(pool=name))
            self.assertTrue(reply.consistent, list(reply.differences))
            self.assertEqual(
                self.server.metrics().sum("objpool_pool_unaccounted_handles", pool=name), 0)

    def give_back(self, pool, ref, disposition):
        item = lease_service_pb2.ReturnItem(grant=ref, disposition=disposition)
        return self.api.call("Return", lease_service_pb2.ReturnRequest(pool=pool, items=[item]))

    def on_handle(self, method, handle, pool="ids"):
        request = getattr(pool_handles_pb2, f"{method}HandleRequest")(pool=pool, handle=handle)
        return self.api.call(f"{method}Handle", request).handle

    def state(self, handle, pool="ids"):
        return grant_pb2.HandleState.Name(self.on_handle("Get", handle, pool).state).removeprefix(
            "HANDLE_STATE_")

    def test_dirty_handle_goes_to_a_cleaner(self):
        ref = self.api.lease("ids", count=4).grants[0].ref
        self.give_back("ids", ref, lease_service_pb2.DISPOSITION_DIRTY)
        self.assertEqual(self.state(ref.handle), "DIRTY")
        with refused(self, "RESOURCE_EXHAUSTED", "POOL_EXHAUSTED"):
            self.api.lease("ids")
        (cleaning,) = self.api.lease("ids", state=grant_pb2.HANDLE_STATE_DIRTY).grants
        self.assertEqual(cleaning.ref.handle, ref.handle)
        self.assertTrue(self.on_handle("Get", ref.handle).for_cleaning)
        self.api.give_back("ids", cleaning.ref)
        self.assertEqual(self.state(ref.handle), "FREE")

    def test_cleaner_waits_for_a_dirty_handle(self):
        ref = self.api.lease("ids").grants[0].ref
        request = lease_service_pb2.LeaseRequest(pool="ids", state=grant_pb2.HANDLE_STATE_DIRTY)
        request.max_wait.seconds = 50
        waiting = self.api.start("Lease", request)
        wait_until(lambda: self.api.get_pool("ids").waiters == 1, "the cleaner waits")
        self.give_back("ids", ref, lease_service_pb2.DISPOSITION_DIRTY)
        self.assertEqual(waiting.result().grants[0].ref.handle, ref.handle)

    def test_dirty_handle_is_dirty_after_a_restart(self):
        refs = [grant.ref for grant in self.api.lease("ids", count=2).grants]
        self.give_back("ids", refs[0], lease_service_pb2.DISPOSITION_DIRTY)
        self.give_back("ids", refs[1], lease_service_pb2.DISPOSITION_BROKEN)
        self.server.stop(signal.SIGKILL)
        self.serve()
        self.assertEqual([self.state(ref.handle) for ref in refs], ["DIRTY", "QUARANTINED"])
        (cleaning,) = self.api.lease("ids", state=grant_pb2.HANDLE_STATE_DIRTY).grants
        self.server.stop(signal.SIGKILL)
        self.serve()
        self.assertTrue(self.on_handle("Get", cleaning.ref.handle).for_cleaning)
        self.api.revoke("ids", cleaning.ref.handle, cleaning.ref.fence)
        self.assertEqual(self.state(cleaning.ref.handle), "DIRTY")

    def test_broken_handle_is_out_until_reinstated(self):
        ref = self.api.lease("ids", count=4).grants[0].ref
        self.give_back("ids", ref, lease_service_pb2.DISPOSITION_BROKEN)
        self.assertEqual(self.api.get_pool("ids").quarantined, 1)
        with refused(self, "RESOURCE_EXHAUSTED", "POOL_EXHAUSTED"):
            self.api.lease("ids")
        self.assertEqual(self.on_handle("Reinstate", ref.handle).state,
                         grant_pb2.HANDLE_STATE_FREE)
        with refused(self, "FAILED_PRECONDITION", "NOT_QUARANTINED"):
            self.on_handle("Reinstate", ref.handle)
        self.assertEqual(self.api.lease("ids").grants[0].ref.handle, ref.handle)

    def test_quarantine(self):
        self.assertEqual(self.on_handle("Quarantine", 1).state,
                         grant_pb2.HANDLE_STATE_QUARANTINED)
        ref = self.api.lease("ids", count=3).grants[0].ref
        leased = self.on_handle("Quarantine", ref.handle)
        self.assertEqual((leased.state, leased.to_be_quarantined),
                         (grant_pb2.HANDLE_STATE_LEASED, True))
        self.api.give_back("ids", ref)
        self.assertEqual(self.state(ref.handle), "QUARANTINED")
        self.server.stop(signal.SIGKILL)
        self.serve()
        request = pool_handles_pb2.ListHandlesRequest(
            pool="ids", state=grant_pb2.HANDLE_STATE_QUARANTINED)
        listed = [handle.handle for handle in self.api.call("ListHandles", request).handles]
        self.assertEqual(listed, sorted([1, ref.handle]))

    def test_rest(self):
        refs = [grant.ref for grant in self.api.lease("ports", count=2).grants]
        self.api.give_back("ports", *refs)
        self.assertEqual(self.api.get_pool("ports").resting, 2)
        with refused(self, "RESOURCE_EXHAUSTED", "POOL_EXHAUSTED"):
            self.api.lease("ports")
        wait_until(lambda: self.api.get_pool("ports").free == 2, "they have rested")
        self.assertEqual(len(self.api.lease("ports", count=2).grants), 2)

    def test_dirty_unless_returned(self):
        returned = self.api.lease("shaky", ttl={"seconds": 60}).grants[0].ref
        kept = self.api.lease("shaky").grants[0].ref
        self.api.give_back("shaky", returned)
        wait_until(lambda: self.state(kept.handle, "shaky") == "DIRTY", "it has expired")
        self.assertEqual(self.state(returned.handle, "shaky"), "FREE")

    def test_pages_of_handles(self):
        seen = []
        token = ""
        while True:
            page = self.api.call("ListHandles", pool_handles_pb2.ListHandlesRequest(
                pool="ids", page_size=3, page_token=token))
            seen += [(handle.handle, handle.id) for handle in page.handles]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(seen, [(0, 100), (1, 101), (2, 102), (3, 103)])

    def test_bad_fields(self):
        for method, request in (
                ("Lease", lease_service_pb2.LeaseRequest(
                    pool="ids", state=grant_pb2.HANDLE_STATE_RESTING)),
                ("GetHandle", pool_handles_pb2.GetHandleRequest(pool="ids", handle=4)),
                ("QuarantineHandle", pool_handles_pb2.QuarantineHandleRequest(
                    pool="ids", handle=2**60)),
                ("ListHandles", pool_handles_pb2.ListHandlesRequest(pool="ids", page_size=1001)),
                ("ListHandles", pool_handles_pb2.ListHandlesRequest(pool="ids", page_token="x"))):
            with self.subTest(method), refused(self, "INVALID_ARGUMENT", "BAD_FIELD"):
                self.api.call(method, request)
        ref = self.api.lease("ids").grants[0].ref
        with refused(self, "INVALID_ARGUMENT", "BAD_FIELD"):
            self.give_back("ids", ref, 7)
        self.api.give_back("ids", ref)
