"""What is wrong is refused with an error of its own, and changes nothing."""

import unittest

import grpc
from google.protobuf import duration_pb2

from objpool_testing import (DEADLINE_S, Api, Server, lease_service_pb2, pool_service_pb2,
                             ref_with, refused)

CONFIG = """
pools { name: "ids" ids { count: 8 } ttl_min { seconds: 1 } ttl_max { seconds: 60 } }
pools { name: "others" ids { count: 8 } }
pools { name: "large" ids { count: 2000 } }
"""
LEASE = "/objpool.v1.LeaseService/Lease"


class RefusalTest(unittest.TestCase):
    """Every test holds a grant of "ids" and leaves all pools as it found them; tearDown looks."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(CONFIG))
        cls.api = cls.enterClassContext(Api(cls.server))

    def setUp(self):
        (self.grant,) = self.api.lease("ids").grants
        self.ref = self.grant.ref

    def tearDown(self):
        still = self.api.get_grant("ids", self.ref.handle)
        self.assertEqual(still.ref.fence, self.ref.fence, "the refused call changed the grant")
        (result,) = self.api.give_back("ids", self.ref).results
        self.assertFalse(result.already_returned, "the refused call returned the grant")
        for name in ("ids", "others", "large"):
            pool = self.api.get_pool(name)
            self.assertEqual((pool.free, pool.leased), (pool.capacity, 0), name)

    def assert_bad_field(self, field, limit, value, method, request):
        with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
            self.api.call(method, request)
        text = caught[0].violations[field]
        self.assertIn(limit, text)
        self.assertIn(value, text)
        self.assertIn(field, caught[0].message)

    def test_a_foreign_key_is_not_the_holder(self):
        for change in ({"key": self.ref.key ^ 1}, {"key": 0}, {"fence": self.ref.fence + 1},
                       {"handle": (self.ref.handle + 1) % 8}):
            for verb in (self.api.give_back, self.api.renew):
                with refused(self, "PERMISSION_DENIED", "NOT_HOLDER"):
                    verb("ids", ref_with(self.ref, **change))

    def test_the_key_of_one_pool_opens_no_other(self):
        with refused(self, "PERMISSION_DENIED", "NOT_HOLDER"):
            self.api.give_back("others", self.ref)

    def test_a_stale_fence_names_the_current_one(self):
        (old,) = self.api.lease("others").grants
        self.api.give_back("others", old.ref)
        new = {grant.ref.handle: grant.ref for grant in self.api.lease("others", count=8).grants}
        for verb in (self.api.give_back, self.api.renew):
            with refused(self, "FAILED_PRECONDITION", "STALE_FENCE") as caught:
                verb("others", old.ref)
            self.assertEqual(caught[0].info.metadata["current_fence"],
                             str(new[old.ref.handle].fence))
        with refused(self, "FAILED_PRECONDITION", "STALE_FENCE"):
            self.api.get_grant("others", old.ref.handle, old.ref.fence)
        results = self.api.give_back("others", *new.values()).results
        self.assertFalse(any(r.HasField("error") or r.already_returned for r in results))

    def test_a_repeated_return_is_told_so_and_a_late_renewal_refused(self):
        (grant,) = self.api.lease("others").grants
        self.api.give_back("others", grant.ref)
        (again,) = self.api.give_back("others", grant.ref).results
        self.assertTrue(again.already_returned)
        with refused(self, "NOT_FOUND", "GRANT_RETURNED") as caught:
            self.api.renew("others", grant.ref)
        self.assertEqual(caught[0].info.metadata["ended_by"], "returned")
        with refused(self, "NOT_FOUND", "NO_GRANT"):
            self.api.get_grant("others", grant.ref.handle)

    def test_a_batch_answers_for_each_item(self):
        (grant,) = self.api.lease("others").grants
        bad = ref_with(grant.ref, key=grant.ref.key ^ 1)
        beyond = ref_with(grant.ref, handle=8)
        codes = [result.error.code
                 for result in self.api.give_back("others", bad, grant.ref, beyond).results]
        self.assertEqual(codes, [grpc.StatusCode.PERMISSION_DENIED.value[0], 0,
                                 grpc.StatusCode.INVALID_ARGUMENT.value[0]])

    def test_an_unknown_pool_is_not_found(self):
        for name in ("nobody", "pools/nobody", "pools/", "ids/", "x" * 5000, "ü" * 99):
            with refused(self, "NOT_FOUND", "POOL_UNKNOWN"):
                self.api.lease(name)

    def test_a_missing_pool_is_a_bad_field(self):
        with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
            self.api.lease("")
        self.assertEqual(caught[0].violations, {"pool": "is required"})

    def test_counts_out_of_range_name_limit_and_value(self):
        request = lease_service_pb2.LeaseRequest
        for count, pool, limit in ((9, "ids", "8"), (1025, "large", "1 .. 1024"),
                                   (2**32 - 1, "large", "1 .. 1024")):
            self.assert_bad_field("count", limit, str(count), "Lease",
                                  request(pool=pool, count=count))
        self.assert_bad_field("min_count", "1 .. 2", "3", "Lease",
                              request(pool="ids", count=2, min_count=3))

    def test_a_ttl_out_of_the_pools_bounds_is_refused(self):
        for seconds, nanos in ((0, 0), (0, 999_000_000), (60, 1), (61, 0), (-1, 0), (2**40, 0),
                               (1, -1), (5, 2_000_000_000), (-(2**63), 0), (2**63 - 1, 0)):
            ttl = duration_pb2.Duration(seconds=seconds, nanos=nanos)
            self.assert_bad_field("ttl", "1000 ms .. 60000 ms", str(seconds), "Lease",
                                  lease_service_pb2.LeaseRequest(pool="ids", ttl=ttl))
            self.assert_bad_field("ttl", "1000 ms .. 60000 ms", str(seconds), "Renew",
                                  lease_service_pb2.RenewRequest(pool="ids", grants=[self.ref],
                                                                 ttl=ttl))

    def test_a_holder_too_long_or_unprintable_is_refused(self):
        self.assert_bad_field("holder", "64 bytes", "65", "Lease",
                              lease_service_pb2.LeaseRequest(pool="ids", holder="h" * 65))
        with refused(self, "INVALID_ARGUMENT", "BAD_FIELD"):
            self.api.lease("ids", holder="a\nb")

    def test_all_that_is_wrong_is_named_at_once(self):
        with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
            self.api.lease("ids", count=9, min_count=10, holder="h" * 65)
        self.assertEqual(set(caught[0].violations), {"count", "min_count", "holder"})

    def test_handles_beyond_the_pool_are_refused(self):
        for handle in (8, 2**32, 2**64 - 1):
            with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
                self.api.get_grant("ids", handle)
            self.assertIn("0 .. 7", caught[0].violations["handle"])
            with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
                self.api.give_back("ids", ref_with(self.ref, handle=handle))
            self.assertIn("0 .. 7", caught[0].violations["items[0].grant.handle"])

    def test_batches_of_none_or_too_many_are_refused(self):
        for refs in ([], [self.ref] * 1025):
            with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
                self.api.give_back("ids", *refs)
            self.assertIn(f"got {len(refs)}", caught[0].violations["items"])
            with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
                self.api.renew("ids", *refs)
            self.assertIn("1 .. 1024", caught[0].violations["grants"])
        with refused(self, "INVALID_ARGUMENT", "BAD_FIELD"):
            self.api.call("Return", lease_service_pb2.ReturnRequest(
                pool="ids", items=[lease_service_pb2.ReturnItem()]))

    def test_bytes_that_are_no_message_are_malformed(self):
        for junk in (b"\xff", b"\x0a\x05ab", b"\x0a\x01\xff", b"\x80" * 64):
            with refused(self, "INVALID_ARGUMENT", "MALFORMED"):
                self.api.raw(LEASE, junk)

    def test_fields_of_a_later_version_are_passed_over(self):
        reply = self.api.raw(LEASE, b"\x0a\x06others" + b"\xfa\x3f\x03abc")
        (grant,) = lease_service_pb2.LeaseResponse.FromString(reply).grants
        self.api.give_back("others", grant.ref)

    def test_a_message_over_the_limit_is_refused_before_it_is_read(self):
        with refused(self, "RESOURCE_EXHAUSTED"):
            self.api.raw(LEASE, b"\x0a" + b"\x00" * 300_000)

    def test_unknown_methods_and_services_are_unimplemented(self):
        for path in ("/objpool.v1.LeaseService/Steal", "/no.Service/Lease", "/x"):
            with refused(self, "UNIMPLEMENTED"):
                self.api.raw(path)
        started = self.server.metrics().sum("grpc_server_started_total", grpc_method="unknown")
        self.assertGreaterEqual(started, 3)

    def test_a_call_without_a_message_is_refused(self):
        call = self.api.channel.stream_unary(LEASE)
        with refused(self, "INVALID_ARGUMENT"):
            call(iter(()), timeout=DEADLINE_S)

    def test_pages_out_of_range_are_refused(self):
        self.assert_bad_field("page_size", "0 .. 1000", "1001", "ListPools",
                              pool_service_pb2.ListPoolsRequest(page_size=1001))
        self.assert_bad_field("page_token", "63 bytes", "64", "ListPools",
                              pool_service_pb2.ListPoolsRequest(page_token="x" * 64))

    def test_an_empty_pool_says_when_to_try_again(self):
        refs = [grant.ref for grant in self.api.lease("others", count=8).grants]
        with refused(self, "RESOURCE_EXHAUSTED", "POOL_EXHAUSTED") as caught:
            self.api.lease("others")
        self.assertTrue(0 < caught[0].retry_ms <= 5000)
        with refused(self, "RESOURCE_EXHAUSTED", "POOL_EXHAUSTED"):
            self.api.lease("others", count=8, min_count=1)
        self.api.give_back("others", *refs)


if __name__ == "__main__":
    unittest.main()
