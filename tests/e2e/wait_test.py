"""Waiting for a handle: a return on any worker serves who waits, in order, and nobody else."""

import contextlib
import threading
import time
import unittest

import grpc
from google.protobuf import duration_pb2

from objpool_testing import DEADLINE_S, Api, Refusal, Server, lease_service_pb2, refused, wait_until

CONFIG = """
pools { name: "one" ids { count: 1 } ttl_default { seconds: 60 } }
pools { name: "ten" ids { count: 10 } ttl_default { seconds: 60 } }
"""


def seconds(number):
    duration = duration_pb2.Duration()
    duration.FromMilliseconds(int(number * 1000))
    return duration


class WaitTest(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server(CONFIG))
        self.api = self.enterContext(Api(self.server))

    def start(self, api, pool, **fields):
        """A Lease that waits; a future."""
        stub = api._methods["Lease"]
        request = lease_service_pb2.LeaseRequest(pool=pool, max_wait=seconds(30), **fields)
        return stub.future(request, timeout=DEADLINE_S)

    def wait_for_waiters(self, count, pool="one"):
        wait_until(lambda: self.server.metrics().sum("objpool_lease_waiters", pool=pool) == count,
                   f"{count} waiters")

    def test_a_return_serves_the_one_that_waits_longest_on_any_worker(self):
        (held,) = self.api.lease("one").grants
        with stack(Api(self.server) for _ in range(6)) as apis:
            calls = []
            for count, api in enumerate(apis, 1):
                calls.append(self.start(api, "one"))
                self.wait_for_waiters(count)
            refs, took = [held.ref], []
            for call in calls:
                began = time.monotonic()
                self.api.give_back("one", refs[-1])
                (grant,) = call.result(DEADLINE_S).grants
                took.append(time.monotonic() - began)
                self.assertGreater(grant.ref.fence, refs[-1].fence)
                refs.append(grant.ref)
            self.assertLess(sorted(took)[len(took) // 2], 0.5, took)
            self.api.give_back("one", refs[-1])
        metrics = self.server.metrics()
        self.assertEqual(metrics.sum("objpool_lease_waits_total", pool="one", result="served"), 6)
        self.assertEqual(metrics.sum("objpool_lease_refusals_total", pool="one", verb="lease"), 0)

    def test_a_wait_ends_at_its_time_and_not_before(self):
        (held,) = self.api.lease("one").grants
        began = time.monotonic()
        with refused(self, "DEADLINE_EXCEEDED", "WAITED_TOO_LONG"):
            self.api.lease("one", max_wait=seconds(0.3))
        self.assertGreaterEqual(time.monotonic() - began, 0.3)
        self.wait_for_waiters(0)
        self.api.give_back("one", held.ref)
        self.assertEqual(self.api.get_pool("one").free, 1)

    def test_who_stops_waiting_takes_nothing(self):
        (held,) = self.api.lease("one").grants
        cancelled = self.start(self.api, "one")
        self.wait_for_waiters(1)
        cancelled.cancel()
        self.wait_for_waiters(0)
        with Api(self.server) as gone:
            call = self.start(gone, "one")
            self.wait_for_waiters(1)
            self.assertFalse(call.done())
        self.wait_for_waiters(0)
        late = self.api._methods["Lease"].future(
            lease_service_pb2.LeaseRequest(pool="one", max_wait=seconds(30)), timeout=0.2)
        self.assertEqual(late.exception(DEADLINE_S).code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.wait_for_waiters(0)
        self.api.give_back("one", held.ref)
        wait_until(lambda: self.api.get_pool("one").free == 1, "the handle is free")

    def test_a_higher_priority_is_served_first(self):
        (held,) = self.api.lease("one").grants
        low = self.start(self.api, "one", priority=1)
        self.wait_for_waiters(1)
        high = self.start(self.api, "one", priority=9)
        self.wait_for_waiters(2)
        self.api.give_back("one", held.ref)
        (grant,) = high.result(DEADLINE_S).grants
        self.assertFalse(low.done())
        self.api.give_back("one", grant.ref)
        self.assertEqual(len(low.result(DEADLINE_S).grants), 1)

    def test_what_is_wrong_is_named(self):
        with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
            self.api.lease("one", max_wait=seconds(3601), priority=10)
        self.assertEqual(set(caught[0].violations), {"max_wait", "priority"})

    def test_a_shutdown_ends_all_waits(self):
        self.api.lease("one")
        call = self.start(self.api, "one")
        self.wait_for_waiters(1)
        stopper = threading.Thread(target=self.server.stop)
        stopper.start()
        error = call.exception(DEADLINE_S)
        self.assertEqual(Refusal(error).reason, "SHUTTING_DOWN")
        self.server.stop()
        stopper.join()

    def test_a_thousand_waiters_are_all_served_one_by_one(self):
        held = [grant.ref for grant in self.api.lease("ten", count=10).grants]
        holders, doubles = {ref.handle for ref in held}, []
        with stack(Api(self.server) for _ in range(4)) as apis, Api(self.server) as returner:
            calls = [self.start(apis[i % 4], "ten") for i in range(1000)]
            self.wait_for_waiters(1000, "ten")
            # One by one: each that comes back makes one waiter go on.
            refs = held
            for _ in range(100):
                for ref in refs:
                    holders.remove(ref.handle)
                    returner.give_back("ten", ref)
                wait_until(lambda: sum(call.done() for call in calls) >= len(refs), "ten served")
                served = [call for call in calls if call.done()]
                calls = [call for call in calls if not call.done()]
                refs = [call.result().grants[0].ref for call in served]
                doubles += [ref for ref in refs if ref.handle in holders]
                holders.update(ref.handle for ref in refs)
            self.assertEqual((calls, doubles), ([], []))
            returner.give_back("ten", *refs)
        self.assertEqual(self.api.get_pool("ten").free, 10)


@contextlib.contextmanager
def stack(managers):
    """Several context managers as one, which gives the list of them."""
    with contextlib.ExitStack() as exits:
        yield [exits.enter_context(manager) for manager in managers]


if __name__ == "__main__":
    unittest.main()
