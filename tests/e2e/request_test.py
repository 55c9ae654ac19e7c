"""A request that is repeated, because its answer was lost, gets what it got before."""

import signal
import tempfile
import unittest
import uuid

from google.protobuf import duration_pb2

from objpool_testing import DEADLINE_S, Api, Server, lease_service_pb2, refused, wait_until

CONFIG = """
pools { name: "ids" ids { count: 8 } ttl_default { seconds: 60 } }
pools { name: "others" ids { count: 8 } }
"""


class RequestTest(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server(CONFIG))
        self.api = self.enterContext(Api(self.server))
        self.id = str(uuid.uuid4())

    def free(self):
        return self.api.get_pool("ids").free

    def test_the_same_request_gets_the_same_grants_on_any_connection(self):
        first = self.api.lease("ids", count=3, request_id=self.id, holder="me")
        for _ in range(4):  # connections go to any worker
            with Api(self.server) as other:
                again = other.lease("ids", count=3, request_id=self.id, holder="me")
            self.assertEqual([g.ref for g in again.grants], [g.ref for g in first.grants])
            self.assertLessEqual(again.ttl.ToMilliseconds(), 60_000)
        self.assertEqual(self.free(), 5)
        self.api.give_back("ids", first.grants[0].ref)
        again = self.api.lease("ids", count=3, request_id=self.id, holder="me")
        self.assertEqual([g.ref for g in again.grants], [g.ref for g in first.grants[1:]])
        self.api.give_back("ids", *[grant.ref for grant in again.grants])
        with refused(self, "FAILED_PRECONDITION", "REQUEST_SPENT"):
            self.api.lease("ids", count=3, request_id=self.id, holder="me")
        self.assertEqual(self.free(), 8)

    def test_another_request_of_the_same_id_is_refused(self):
        self.api.lease("ids", request_id=self.id)
        for pool, fields in (("ids", {"count": 2}), ("others", {}), ("ids", {"holder": "else"})):
            with self.subTest(pool=pool, **fields):
                with refused(self, "INVALID_ARGUMENT", "REQUEST_ID_REUSED"):
                    self.api.lease(pool, request_id=self.id, **fields)
        with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
            self.api.lease("ids", request_id="x" * 65)
        self.assertEqual(list(caught[0].violations), ["request_id"])
        self.assertEqual((self.free(), self.api.get_pool("others").free), (7, 8))

    def test_a_refused_request_may_be_tried_again(self):
        held = [grant.ref for grant in self.api.lease("ids", count=8).grants]
        with refused(self, "RESOURCE_EXHAUSTED", "POOL_EXHAUSTED"):
            self.api.lease("ids", request_id=self.id)
        self.api.give_back("ids", *held)
        self.assertEqual(len(self.api.lease("ids", request_id=self.id).grants), 1)

    def test_one_that_waits_is_asked_once(self):
        held = [grant.ref for grant in self.api.lease("ids", count=8).grants]
        wait = duration_pb2.Duration(seconds=30)
        request = lease_service_pb2.LeaseRequest(pool="ids", request_id=self.id, max_wait=wait)
        call = self.api._methods["Lease"].future(request, timeout=DEADLINE_S)
        wait_until(lambda: self.server.metrics().sum("objpool_lease_waiters", pool="ids") == 1,
                   "it waits")
        with refused(self, "ABORTED", "REQUEST_PENDING"):
            self.api.lease("ids", request_id=self.id, max_wait=wait)
        self.api.give_back("ids", *held)
        first = call.result(DEADLINE_S)
        again = self.api.lease("ids", request_id=self.id, max_wait=wait)
        self.assertEqual([g.ref for g in again.grants], [g.ref for g in first.grants])
        self.assertEqual(self.free(), 7)


if __name__ == "__main__":
    unittest.main()


class RestartTest(unittest.TestCase):
    """A durable pool knows its requests after the server was killed."""

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def serve(self):
        self.server = self.enterContext(
            Server('pools { name: "ids" ids { count: 4 } }', [f"--state_dir={self.folder}/state"]))
        self.api = self.enterContext(Api(self.server))

    def test_the_same_request_gets_the_same_grants(self):
        self.serve()
        first = self.api.lease("ids", count=2, request_id="a", holder="me")
        self.server.stop(signal.SIGKILL)
        self.serve()
        again = self.api.lease("ids", count=2, request_id="a", holder="me")

        def refs(reply):
            return sorted((g.ref.handle, g.ref.fence, g.ref.key) for g in reply.grants)

        self.assertEqual(refs(again), refs(first))
        self.assertEqual(self.api.get_pool("ids").leased, 2)
        with refused(self, "INVALID_ARGUMENT", "REQUEST_ID_REUSED"):
            self.api.lease("ids", count=1, request_id="a", holder="me")
        self.api.give_back("ids", *(grant.ref for grant in again.grants))
        self.server.stop(signal.SIGKILL)
        self.serve()
        self.assertEqual(len(self.api.lease("ids", count=1, request_id="a").grants), 1,
                         "what was returned is forgotten with the server")
