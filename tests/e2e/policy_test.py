"""What a policy does not allow is refused and changes nothing, wherever it is asked for."""

import unittest

from objpool_testing import (DEADLINE_S, Refusal, lease_service_pb2, pool_service_pb2, refused)
from policy_testing import (ADMIN, NOBODY, POLICY, READER, WEB, WithServer, reason_in, reason_of,
                            requests)
from session_testing import SessionClient, lease_of, return_of
from objpool.v1 import session_pb2

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


class DecideTest(WithServer):
    """What is allowed, and what is not."""

    def counts(self):
        return [(pool.name, pool.free, pool.leased, pool.quarantined, pool.state)
                for pool in self.api.call("ListPools", pool_service_pb2.ListPoolsRequest()).pools]

    def test_what_no_rule_allows_is_denied_and_changes_nothing(self):
        nobody = self.client(NOBODY)
        before = self.counts()
        for method, _, request in requests("web-1"):
            with refused(self, "PERMISSION_DENIED", "POLICY_DENIED") as caught:
                nobody.call(method, request)
            self.assertEqual(dict(caught[0].info.metadata),
                             {"identity": NOBODY, "method": method, "pool": "web-1"})
        with refused(self, "PERMISSION_DENIED", "POLICY_DENIED"):
            nobody.call("ListPools", pool_service_pb2.ListPoolsRequest())
        self.assertEqual(self.counts(), before)
        self.assertEqual(nobody.check_health(), 1, "health is served to everybody")
        denied = self.server.metrics()
        for group, count in (("lease", 3), ("read", 8), ("admin", 9), ("buffers", 0)):
            self.assertEqual(denied.sum("objpool_calls_denied_total", group=group), count, group)

    def test_groups_and_pools_are_those_of_the_rules(self):
        for source, groups, pools in ((WEB, ("lease",), ("web-1", "web-2", "seats")),
                                      (READER, ("read",), ("web-2", "seats")),
                                      (ADMIN, ("read", "admin"), ("web-1", "web-2", "seats")),
                                      ("127.0.0.1", ("lease", "read", "admin"),
                                       ("web-1", "web-2", "seats"))):
            client = self.client(source)
            for pool in ("web-1", "pools/web-2", "seats"):
                for method, group, request in requests(pool):
                    if method in ("DeletePool", "DrainPool", "QuarantineHandle", "CreatePool"):
                        continue  # what others need
                    allowed = group in groups and pool.removeprefix("pools/") in pools
                    reason = reason_of(lambda: client.call(method, request))
                    self.assertEqual(reason != "POLICY_DENIED", allowed, (source, pool, method))

    def test_unknown_pools_and_bad_requests_tell_strangers_nothing(self):
        web = self.client(WEB)
        for pool in ("nowhere", "pools/pools/web-1", "x" * 1000):
            with refused(self, "PERMISSION_DENIED", "POLICY_DENIED"):
                web.lease(pool)
        with refused(self, "NOT_FOUND", "POOL_UNKNOWN"):
            web.lease("web-3")

    def test_lists_show_what_the_client_may_see(self):
        names = {source: [pool.name for pool in self.client(source).call(
            "ListPools", pool_service_pb2.ListPoolsRequest()).pools]
            for source in (WEB, READER, ADMIN)}
        self.assertEqual(names, {
            WEB: ["pools/web-1"], READER: ["pools/seats", "pools/web-2"],
            ADMIN: ["pools/buffers", "pools/seats", "pools/web-1", "pools/web-2"]})
        reader = self.client(READER)
        first = reader.call("ListPools", pool_service_pb2.ListPoolsRequest(page_size=1))
        second = reader.call("ListPools", pool_service_pb2.ListPoolsRequest(
            page_size=1, page_token=first.next_page_token))
        self.assertEqual([first.pools[0].name, second.pools[0].name, second.next_page_token],
                         ["pools/seats", "pools/web-2", ""])

    def test_a_rules_quota_stands_for_the_pools(self):
        web = self.client(WEB)
        grants = web.lease("seats", count=8, min_count=1).grants
        self.assertEqual(len(grants), 3)
        with refused(self, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED") as caught:
            web.lease("seats")
        self.assertEqual(caught[0].info.metadata["max"], "3")
        self.assertEqual(len(self.api.lease("seats", count=8, min_count=1).grants), 2)
        web.give_back("seats", grants[0].ref)
        self.assertEqual(len(web.lease("seats", count=8, min_count=1).grants), 1)

    def test_streams_are_refused_too(self):
        web = self.client(WEB)
        (grant,) = self.api.lease("buffers").grants
        for call in (lambda: list(web.read("buffers", grant.ref)),
                     lambda: web.write("buffers", grant.ref, b"x"),
                     lambda: list(web.channel.unary_stream(
                         "/objpool.v1.PoolService/WatchPool")(
                             pool_service_pb2.WatchPoolRequest(name="web-1").SerializeToString(),
                             timeout=DEADLINE_S)),
                     lambda: list(web.channel.stream_stream(REFLECTION)(
                         iter([b""]), timeout=DEADLINE_S))):
            self.assertEqual(reason_of(call), "POLICY_DENIED")
        self.reload(POLICY + f"""
            rules {{ identities: "{WEB}" methods: "buffers" pools: "b*"
                     methods: "reflection" methods: "WatchPool" }}""")
        self.assertEqual(web.write("buffers", grant.ref, b"x").bytes_written, 1)
        self.assertEqual(web.read_all("buffers", grant.ref)[:1], b"x")
        answers = list(web.channel.stream_stream(REFLECTION)(iter([b""]), timeout=DEADLINE_S))
        self.assertEqual(len(answers), 1)
        with refused(self, "PERMISSION_DENIED", "POLICY_DENIED"):  # by its pool
            list(web.read("web-1", grant.ref))

    def test_a_session_may_what_its_client_may(self):
        with SessionClient(self.way(NOBODY).address) as stream:
            self.assertEqual(Refusal(stream.end()).reason, "POLICY_DENIED")
        (foreign,) = self.api.lease("buffers").grants
        attach = session_pb2.AttachRequest(
            items=[session_pb2.AttachItem(pool="buffers", grant=foreign.ref)])
        with SessionClient(self.way(WEB).address) as stream:
            renew = lease_service_pb2.RenewRequest(pool="buffers", grants=[foreign.ref])
            for denied in ({"lease": lease_of("buffers")}, {"attach": attach}, {"renew": renew},
                           {"give_back": return_of("buffers", foreign.ref)}):
                self.assertEqual(reason_in(stream.do(**denied).error), "POLICY_DENIED", denied)
            # The pool is withdrawn, and with it what the session has of it.
            ref = stream.lease("web-1")[0].ref
            self.reload(POLICY.replace("web-*", "web-2"))
            beat = stream.do(heartbeat=session_pb2.HeartbeatRequest())
            self.assertEqual([(lost.pool, lost.grant.fence, reason_in(lost.reason))
                              for lost in beat.heartbeat.lost],
                             [("web-1", ref.fence, "POLICY_DENIED")])
            # And then sessions as such.
            self.reload("")
            self.assertEqual(Refusal(stream.end()).reason, "POLICY_DENIED")


if __name__ == "__main__":
    unittest.main()
