"""What those who do not hold a grant may do with it: check its fence, list it, revoke it."""

import itertools
import threading
import time
import unittest

import grpc
from google.protobuf import duration_pb2

from objpool_testing import (DEADLINE_S, Api, Refusal, Server, lease_service_pb2,
                             pool_service_pb2, refused, wait_until)

CONFIG = """
pools { name: "ids" ids { first: 100 count: 8 } ttl_min { nanos: 1000000 } }
pools { name: "one" ids { count: 1 } }
pools { name: "seats" labels { label: "window" label: "aisle" } }
pools { name: "busy" ids { count: 3000 } }
pools { name: "wide" ids { count: 40000 } }
"""
MAX_FENCE = 2**64 - 1


def ms(number):
    duration = duration_pb2.Duration()
    duration.FromMilliseconds(number)
    return duration


def state(reply):
    return lease_service_pb2.FenceState.Name(reply.state).removeprefix("FENCE_STATE_")


class OnlookerCase(unittest.TestCase):
    """Every test leaves the pools free; tearDown sees to it and looks at the sums."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(CONFIG))
        cls.api = cls.enterClassContext(Api(cls.server))

    def tearDown(self):
        pools = ("ids", "one", "seats", "busy", "wide")
        for name in pools:
            for grant in self.all_grants(name):
                self.api.revoke(name, grant.ref.handle, grant.ref.fence)
            # What has expired is not listed, but comes back with the next sweep only.
            wait_until(lambda name=name: self.api.get_pool(name).leased == 0, "nothing is leased")
        metrics = self.server.metrics()
        for name in pools:
            pool = self.api.get_pool(name)
            self.assertEqual(pool.free, pool.capacity, name)
            stats = self.api.stats(name)
            self.assertEqual(stats.granted, stats.returned + stats.expired + stats.revoked, name)
            sums = {what: metrics.sum(f"objpool_leases_{what}_total", pool=name)
                    for what in ("granted", "returned", "expired", "revoked")}
            self.assertEqual(sums.pop("granted") - sum(sums.values()),
                             metrics.sum("objpool_leases_active", pool=name), name)

    def lease_one(self, pool, **fields):
        (grant,) = self.api.lease(pool, **fields).grants
        return grant.ref

    def pages(self, pool, api=None, **fields):
        """All pages, the first one first."""
        token = ""
        for _ in range(100_000):
            page = (api or self.api).list_grants(pool, page_token=token, **fields)
            yield page
            token = page.next_page_token
            if not token:
                return
        self.fail("the pages never end")

    def all_grants(self, pool, api=None, **fields):
        return list(itertools.chain.from_iterable(
            page.grants for page in self.pages(pool, api, **fields)))

    def assert_bad_field(self, call, **texts):
        with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
            call()
        self.assertEqual(set(caught[0].violations), set(texts))
        for field, text in texts.items():
            self.assertIn(text, caught[0].violations[field])

    def assert_names_are_checked(self, call):
        """`call(pool, handle, fence)` looks at all three, and names all that is wrong."""
        for name in ("nobody", "pools/nobody"):
            with refused(self, "NOT_FOUND", "POOL_UNKNOWN"):
                call(name, 0, 1)
        self.assert_bad_field(lambda: call("", 0, 1), pool="is required")
        for handle in (8, 2**32, 2**64 - 1):
            self.assert_bad_field(lambda handle=handle: call("ids", handle, 1), handle="0 .. 7")
        self.assert_bad_field(lambda: call("ids", 0, 0), fence="is required")
        self.assert_bad_field(lambda: call("ids", 8, 0), fence="is required", handle="got 8")


class CheckFenceTest(OnlookerCase):
    def check(self, pool, ref):
        return self.api.check_fence(pool, ref.handle, ref.fence)

    def test_a_running_grants_fence_is_told_with_its_time(self):
        ref = self.lease_one("ids", ttl=ms(20_000))
        reply = self.check("pools/ids", ref)
        self.assertEqual(state(reply), "RUNNING")
        self.assertEqual(reply.current_fence, ref.fence)
        self.assertTrue(0 < reply.remaining.ToMilliseconds() <= 20_000)
        self.assertAlmostEqual(reply.expire_time.ToSeconds(), time.time() + 20, delta=5)
        self.assertFalse(reply.HasField("ended_ago"))
        self.api.renew("ids", ref, ttl=ms(60_000))
        self.assertGreater(self.check("ids", ref).remaining.ToMilliseconds(), 20_000)

    def test_an_ended_grants_fence_is_told_how_and_when(self):
        returned, revoked = self.lease_one("ids"), self.lease_one("ids")
        expired = self.lease_one("ids", ttl=ms(1))
        self.api.give_back("ids", returned)
        self.api.revoke("ids", revoked.handle, revoked.fence)
        wait_until(lambda: state(self.check("ids", expired)) == "EXPIRED", "it expires")
        for ref, how in ((returned, "RETURNED"), (revoked, "REVOKED"), (expired, "EXPIRED")):
            reply = self.check("ids", ref)
            self.assertEqual((state(reply), reply.current_fence), (how, ref.fence))
            self.assertTrue(reply.HasField("ended_ago"))
            self.assertTrue(0 <= reply.ended_ago.ToMilliseconds() < DEADLINE_S * 1000)
            self.assertFalse(reply.HasField("remaining") or reply.HasField("expire_time"))
        before = self.check("ids", returned).ended_ago.ToMilliseconds()
        wait_until(lambda: self.check("ids", returned).ended_ago.ToMilliseconds() > before,
                   "time goes on")

    def test_an_older_fence_is_told_the_current_one(self):
        old = self.lease_one("one")
        self.api.give_back("one", old)
        current = self.lease_one("one")
        for fence in (old.fence, 1):
            reply = self.api.check_fence("one", 0, fence)
            self.assertEqual((state(reply), reply.current_fence), ("OLDER", current.fence))
            self.assertFalse(reply.HasField("remaining") or reply.HasField("ended_ago"))

    def test_a_fence_that_was_never_given_is_told_so(self):
        with Server('pools { name: "new" ids { count: 1 } }') as server, Api(server) as api:
            for fence in (1, MAX_FENCE):
                reply = api.check_fence("new", 0, fence)
                self.assertEqual((state(reply), reply.current_fence), ("NEVER_GIVEN", 0))
        current = self.lease_one("one")
        for fence in (current.fence + 1, MAX_FENCE):
            reply = self.api.check_fence("one", 0, fence)
            self.assertEqual((state(reply), reply.current_fence), ("NEVER_GIVEN", current.fence))
        self.api.give_back("one", current)
        self.assertEqual(state(self.api.check_fence("one", 0, current.fence + 1)), "NEVER_GIVEN")

    def test_names_are_checked_and_nothing_is_changed(self):
        ref = self.lease_one("ids")
        self.assert_names_are_checked(self.api.check_fence)
        for fence in (1, ref.fence, ref.fence + 1):
            self.api.check_fence("ids", ref.handle, fence)
        self.assertEqual(self.api.get_grant("ids", ref.handle).ref.fence, ref.fence)
        (result,) = self.api.give_back("ids", ref).results
        self.assertFalse(result.already_returned)


class ListGrantsTest(OnlookerCase):
    def test_grants_are_listed_by_handle_without_their_keys(self):
        leased = {g.ref.handle: g.ref.fence
                  for g in self.api.lease("ids", count=5, holder="me").grants}
        grants = self.all_grants("pools/ids")
        self.assertEqual([g.ref.handle for g in grants], sorted(leased))
        for grant in grants:
            self.assertEqual((grant.ref.fence, grant.ref.key), (leased[grant.ref.handle], 0))
            self.assertEqual((grant.id, grant.holder), (100 + grant.ref.handle, "me"))
            self.assertTrue(0 < grant.remaining.ToMilliseconds() <= 60_000)
            self.assertTrue(0 <= grant.held.ToMilliseconds() < DEADLINE_S * 1000)
            self.assertAlmostEqual(grant.expire_time.ToSeconds(),
                                   time.time() + grant.remaining.ToSeconds(), delta=5)
        self.api.lease("seats", count=2)
        self.assertEqual([g.label for g in self.all_grants("seats")], ["window", "aisle"])

    def test_what_is_over_is_not_listed(self):
        gone = [self.lease_one("ids"), self.lease_one("ids"), self.lease_one("ids", ttl=ms(1))]
        runs = self.lease_one("ids")
        self.api.give_back("ids", gone[0])
        self.api.revoke("ids", gone[1].handle, gone[1].fence)
        wait_until(lambda: len(self.all_grants("ids")) == 1, "the short one expires")
        self.assertEqual(self.all_grants("ids")[0].ref.fence, runs.fence)

    def test_filters_pick_by_holder_and_by_time_held(self):
        old = self.lease_one("ids", holder="web-1")
        wait_until(lambda: self.api.get_grant("ids", old.handle).held.ToMilliseconds() >= 300,
                   "it gets old")
        self.api.renew("ids", old)
        self.lease_one("ids", holder="web-12")
        self.lease_one("ids")

        def holders(**filters):
            return sorted(g.holder for g in self.all_grants("ids", **filters))

        self.assertEqual(holders(), ["", "web-1", "web-12"])
        self.assertEqual(holders(holder="web-1"), ["web-1"])
        self.assertEqual(holders(holder="web"), [])
        self.assertEqual(holders(holder=""), [""])
        # What was leased after 300 ms may be that old itself, on a busy machine, but no older.
        self.assertIn("web-1", holders(held_at_least=ms(300)))
        self.assertEqual(holders(held_at_least=ms(3_600_000)), [])
        self.assertEqual(holders(held_at_least=duration_pb2.Duration(seconds=2**62)), [])
        self.assertEqual(holders(holder="web-1", held_at_least=ms(300)), ["web-1"])
        self.assertEqual(holders(held_at_least=ms(0)), ["", "web-1", "web-12"])

    def test_pages_have_the_size_that_was_asked_for(self):
        refs = [g.ref for count in (1024, 1024, 952)
                for g in self.api.lease("busy", count=count).grants]
        self.api.lease("ids", count=8)
        for size, pool, lengths in ((0, "busy", [100] * 30), (1000, "busy", [1000] * 3),
                                    (999, "busy", [999] * 3 + [3]), (3, "ids", [3, 3, 2]),
                                    (8, "ids", [8]), (1, "ids", [1] * 8)):
            self.assertEqual([len(page.grants) for page in self.pages(pool, page_size=size)],
                             lengths)
        for start in range(0, 3000, 1000):
            self.api.give_back("busy", *refs[start:start + 1000])
        self.assertEqual([len(page.grants) for page in self.pages("busy")], [0])

    def test_a_call_looks_at_so_many_handles_and_gives_a_token_all_the_same(self):
        pages = list(self.pages("wide"))
        self.assertEqual([len(page.grants) for page in pages], [0, 0, 0])
        refs = [g.ref for _ in range(40) for g in self.api.lease("wide", count=1000).grants]
        self.assertEqual(len(list(self.pages("wide", holder="nobody"))), 3)
        self.assertEqual(len(self.all_grants("wide", page_size=1000)), 40_000)
        for start in range(0, 40_000, 1000):
            self.api.give_back("wide", *refs[start:start + 1000])

    def test_grants_that_stay_are_listed_once_while_others_come_and_go(self):
        stay = {g.ref.handle: g.ref.fence
                for g in self.api.lease("busy", count=500, holder="stays").grants}
        done = threading.Event()

        def churn():
            with Api(self.server) as api:
                while not done.is_set():
                    refs = [g.ref for g in api.lease("busy", count=400, holder="goes").grants]
                    api.renew("busy", *refs)
                    api.give_back("busy", *refs)

        threads = [threading.Thread(target=churn) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for size in (7, 100, 1000) * 3:
                grants = self.all_grants("busy", page_size=size)
                handles = [g.ref.handle for g in grants]
                self.assertEqual(handles, sorted(set(handles)))
                self.assertEqual({g.ref.handle: g.ref.fence
                                  for g in grants if g.holder == "stays"}, stay)
                self.assertLessEqual({g.holder for g in grants}, {"stays", "goes"})
        finally:
            done.set()
            for thread in threads:
                thread.join()

    def test_what_is_wrong_is_refused_by_name(self):
        self.api.lease("ids", count=8)
        for name in ("nobody", "pools/nobody"):
            with refused(self, "NOT_FOUND", "POOL_UNKNOWN"):
                self.api.list_grants(name)
        self.assert_bad_field(lambda: self.api.list_grants(""), pool="is required")
        for token in ("8", "0", "01", "-1", "+1", " 1", "1 ", "x", "1e1", "4294967297",
                      "18446744073709551617", "ü", "1" * 5000):
            text = f'got "{token}"' if len(token) <= 16 else f"got {len(token)} bytes"
            self.assert_bad_field(lambda token=token: self.api.list_grants(
                "ids", page_token=token), page_token=text)
        for time_held in (duration_pb2.Duration(seconds=-1), duration_pb2.Duration(nanos=-1),
                          duration_pb2.Duration(nanos=1_000_000_000)):
            self.assert_bad_field(lambda time_held=time_held: self.api.list_grants(
                "ids", held_at_least=time_held), held_at_least="0 ms or more")
        self.assert_bad_field(
            lambda: self.api.list_grants("ids", page_size=1001, holder="h" * 65, page_token="x",
                                         held_at_least=duration_pb2.Duration(seconds=-5)),
            page_size="0 .. 1000, got 1001", holder="64 bytes, got 65", page_token="of this pool",
            held_at_least="seconds: -5")
        self.assert_bad_field(lambda: self.api.list_grants("ids", holder="a\nb"),
                              holder="control characters")


class RevokeGrantTest(OnlookerCase):
    def refusals(self, verb, reason, pool):
        return self.server.metrics().sum("objpool_lease_refusals_total", pool=pool, verb=verb,
                                         reason=reason)

    def test_a_revoked_handle_is_free_and_its_holder_is_told(self):
        ref = self.lease_one("one")
        before = self.api.stats("one").revoked
        self.assertFalse(self.api.revoke("pools/one", ref.handle, ref.fence).already_revoked)
        self.assertEqual(self.api.get_pool("one").free, 1)
        self.assertEqual(self.api.stats("one").revoked, before + 1)
        told = {verb: self.refusals(verb, "revoked", "one") for verb in ("return", "renew")}
        for verb in (self.api.give_back, self.api.renew):
            with refused(self, "NOT_FOUND", "GRANT_REVOKED") as caught:
                verb("one", ref)
            self.assertEqual(caught[0].info.metadata["ended_by"], "revoked")
            self.assertIn("revoked", caught[0].message)
            self.assertTrue(0 <= int(caught[0].info.metadata["ended_ago_ms"]) < DEADLINE_S * 1000)
        for verb, count in told.items():
            self.assertEqual(self.refusals(verb, "revoked", "one"), count + 1)
        with refused(self, "NOT_FOUND", "NO_GRANT"):
            self.api.get_grant("one", ref.handle)
        self.assertGreater(self.lease_one("one").fence, ref.fence)
        with refused(self, "FAILED_PRECONDITION", "STALE_FENCE"):
            self.api.renew("one", ref)

    def test_a_batch_tells_the_revoked_one_apart(self):
        refs = [grant.ref for grant in self.api.lease("ids", count=3).grants]
        self.api.revoke("ids", refs[1].handle, refs[1].fence)
        results = self.api.give_back("ids", *refs).results
        self.assertEqual([r.error.code for r in results],
                         [0, grpc.StatusCode.NOT_FOUND.value[0], 0])

    def test_a_repeat_is_no_error(self):
        ref = self.lease_one("ids")
        self.api.revoke("ids", ref.handle, ref.fence)
        before = self.api.stats("ids").revoked
        self.assertTrue(self.api.revoke("ids", ref.handle, ref.fence).already_revoked)
        self.assertEqual(self.api.stats("ids").revoked, before)

    def test_what_is_no_running_grant_is_refused_and_nothing_is_changed(self):
        old = self.lease_one("one")
        self.api.give_back("one", old)
        with refused(self, "NOT_FOUND", "GRANT_RETURNED") as caught:
            self.api.revoke("one", 0, old.fence)
        self.assertEqual(caught[0].info.metadata["ended_by"], "returned")
        current = self.lease_one("one")
        before = self.api.stats("one").revoked
        with refused(self, "FAILED_PRECONDITION", "STALE_FENCE") as caught:
            self.api.revoke("one", 0, old.fence)
        self.assertEqual(caught[0].info.metadata["current_fence"], str(current.fence))
        for fence in (current.fence + 1, MAX_FENCE):
            with refused(self, "NOT_FOUND", "NO_GRANT"):
                self.api.revoke("one", 0, fence)
        self.assert_names_are_checked(self.api.revoke)
        self.assertEqual(self.api.get_grant("one", 0).ref.fence, current.fence)
        self.assertEqual(self.api.stats("one").revoked, before)
        for reason in ("returned", "stale_fence", "no_grant"):
            self.assertGreater(self.refusals("revoke", reason, "one"), 0)
        (result,) = self.api.give_back("one", current).results
        self.assertFalse(result.already_returned)

    def test_an_expired_grant_cannot_be_revoked(self):
        ref = self.lease_one("ids", ttl=ms(1))
        wait_until(lambda: state(self.api.check_fence("ids", ref.handle, ref.fence)) == "EXPIRED",
                   "it expires")
        with refused(self, "NOT_FOUND", "GRANT_EXPIRED") as caught:
            self.api.revoke("ids", ref.handle, ref.fence)
        self.assertEqual(caught[0].info.metadata["ended_by"], "expired")

    def outcome(self, call):
        """"OK", or the reason why the call was refused."""
        try:
            call.result(timeout=DEADLINE_S)
        except grpc.RpcError as error:
            return Refusal(error).reason
        return "OK"

    def test_against_return_and_renew_exactly_one_wins(self):
        """On connections of their own, which may be served by different workers."""
        wins = {"returned": 0, "revoked": 0}
        before = self.api.stats("ids")
        with Api(self.server) as one, Api(self.server) as two, Api(self.server) as three:
            for turn in range(200):
                ref = self.lease_one("ids")
                calls = {
                    "returned": lambda ref=ref: one.start("Return", lease_service_pb2.ReturnRequest(
                        pool="ids", items=[lease_service_pb2.ReturnItem(grant=ref)])),
                    "revoked": lambda ref=ref: two.start("RevokeGrant",
                        pool_service_pb2.RevokeGrantRequest(
                            pool="ids", handle=ref.handle, fence=ref.fence)),
                    "renewed": lambda ref=ref: three.start("Renew", lease_service_pb2.RenewRequest(
                        pool="ids", grants=[ref]))}
                order = list(itertools.permutations(calls))[turn % 6]
                started = {verb: calls[verb]() for verb in order}
                told = {verb: self.outcome(call) for verb, call in started.items()}
                (winner,) = [verb for verb in wins if told[verb] == "OK"]
                wins[winner] += 1
                loser = "revoked" if winner == "returned" else "returned"
                self.assertEqual(told[loser], f"GRANT_{winner.upper()}")
                self.assertIn(told["renewed"], ("OK", f"GRANT_{winner.upper()}"))
        after = self.api.stats("ids")
        self.assertEqual({"returned": after.returned - before.returned,
                          "revoked": after.revoked - before.revoked}, wins)


if __name__ == "__main__":
    unittest.main()
