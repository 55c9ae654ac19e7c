"""Leases of some handles only: by their labels, and within the quota of whoever asks."""

import threading
import unittest

from objpool_testing import (Api, Server, lease_service_pb2, pool_handles_pb2, pool_service_pb2,
                             refused, server_config_pb2, wait_until)

CONFIG = """
pools {
  name: "gpus" ids { count: 6 }
  handle_labels { first: 0 last: 3 labels { key: "model" value: "a100" } }
  handle_labels { first: 4 last: 5 labels { key: "model" value: "h100" } }
  handle_labels { first: 0 last: 1 labels { key: "rack" value: "r1" } }
}
pools { name: "shared" ids { count: 100 } quota_per_identity { handles: 10 } }
pools { name: "often" ids { count: 100 } quota_per_identity { calls_per_s: 8 } }
"""
Term = lease_service_pb2.SelectorTerm


def having(key, *values):
    return Term(key=key, values=values)


class SelectTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(CONFIG))

    def setUp(self):
        self.api = self.enterContext(Api(self.server))

    def tearDown(self):
        for name in ("gpus", "shared", "often"):
            reply = self.api.call("AuditPool", pool_handles_pb2.AuditPoolRequest(pool=name))
            self.assertTrue(reply.consistent, list(reply.differences))

    def leased(self, pool="gpus", **fields):
        """The refs; returned at the end of the test."""
        reply = self.api.lease(pool, **fields)
        refs = [grant.ref for grant in reply.grants]
        self.addCleanup(self.give_back, pool, refs)
        return reply.grants

    def give_back(self, pool, refs):
        with Api(self.server) as api:
            api.give_back(pool, *refs)

    def test_gets_what_it_means(self):
        grants = self.leased(count=2, selector=[having("model", "h100")])
        self.assertEqual({grant.id for grant in grants}, {4, 5})
        self.assertEqual(dict(grants[0].labels), {"model": "h100"})
        with refused(self, "RESOURCE_EXHAUSTED", "POOL_EXHAUSTED"):
            self.api.lease("gpus", selector=[having("model", "h100")])
        (grant,) = self.leased(selector=[having("model", "a100"),
                                         Term(key="rack", rule=Term.RULE_NOT_EXISTS)])
        self.assertIn(grant.id, (2, 3))
        handle = self.api.call("GetHandle", pool_handles_pb2.GetHandleRequest(pool="gpus"))
        self.assertEqual(dict(handle.handle.labels), {"model": "a100", "rack": "r1"})

    def test_waits_for_what_it_means(self):
        held = self.leased(count=6)
        refs = {grant.id: grant.ref for grant in held}
        replies = {}

        def wait(name, *selector):
            with Api(self.server) as api:
                request = lease_service_pb2.LeaseRequest(pool="gpus", selector=selector)
                request.max_wait.seconds = 60
                replies[name] = api.call("Lease", request).grants[0]

        threads = []
        for name, selector in (("any", ()), ("h100", (having("model", "h100"),))):
            threads.append(threading.Thread(target=wait, args=(name, *selector)))
            threads[-1].start()
            wait_until(lambda: self.api.get_pool("gpus").waiters == len(threads), "waiting")
        self.api.give_back("gpus", refs[0])
        threads[0].join()
        self.assertEqual(replies["any"].id, 0)
        self.api.give_back("gpus", refs[1])
        self.assertEqual(self.leased()[0].id, 1, "nobody waits for an a100 any more")
        self.api.give_back("gpus", refs[5])
        threads[1].join()
        self.assertEqual(replies["h100"].id, 5)
        self.api.give_back("gpus", replies["any"].ref, replies["h100"].ref)

    def test_bad_selectors_are_told(self):
        for field, message, fields in (
                ("selector", "none like that", {"selector": [having("model", "v100")]}),
                ("count", "at most the 2 handles", {"selector": [having("model", "h100")],
                                                    "count": 3}),
                ("selector[0].key", "1 .. 63", {"selector": [having("", "x")]}),
                ("selector[0].values", "1 .. 16", {"selector": [having("model")]}),
                ("selector[0].values", "0 .. 63", {"selector": [having("model", "a b")]}),
                ("selector[0].values", "0 .. 0",
                 {"selector": [Term(key="model", rule=Term.RULE_EXISTS, values=["x"])]}),
                ("selector[0].rule", "got 9",
                 {"selector": [Term(key="model", rule=9, values=["x"])]}),
                ("selector", "0 .. 16 terms", {"selector": [having("model", "x")] * 17})):
            with self.subTest(field=field, message=message):
                with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as refusal:
                    self.api.lease("gpus", **fields)
                self.assertEqual(list(refusal[0].violations), [field])
                self.assertIn(message, refusal[0].violations[field])

    def test_pool_made_with_labels(self):
        config = server_config_pb2.PoolConfig(name="made")
        config.ids.count = 4
        labels = config.handle_labels.add(first=2)
        labels.labels["size"] = "big"
        self.api.call("CreatePool", pool_service_pb2.CreatePoolRequest(pool=config))
        (grant,) = self.api.lease("made", selector=[having("size", "big")]).grants
        self.assertEqual(grant.id, 2)
        config.name = "worse"
        config.handle_labels.add(first=2, last=4).labels["size"] = "small"
        with refused(self, "INVALID_ARGUMENT", "BAD_FIELD"):
            self.api.call("CreatePool", pool_service_pb2.CreatePoolRequest(pool=config))
        self.api.call("DeletePool", pool_service_pb2.DeletePoolRequest(name="made"))

    def test_same_request_with_another_selector_is_another(self):
        self.leased(request_id="r", selector=[having("model", "h100")])
        with refused(self, "INVALID_ARGUMENT", "REQUEST_ID_REUSED"):
            self.api.lease("gpus", request_id="r", selector=[having("model", "a100")])

    def test_quota_of_handles(self):
        held = self.leased("shared", count=8)
        self.assertEqual(len(self.leased("shared", count=8, min_count=1)), 2)
        with refused(self, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED") as refusal:
            self.api.lease("shared")
        ((subject, description),) = refusal[0].quotas.items()
        self.assertEqual(subject, "pools/shared/identities/127.0.0.1")
        self.assertIn("10 of its 10", description)
        with refused(self, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"):
            request = lease_service_pb2.LeaseRequest(pool="shared")
            request.max_wait.seconds = 60
            self.api.call("Lease", request)
        self.api.renew("shared", held[0].ref)
        self.api.give_back("shared", held[0].ref)
        self.assertEqual(len(self.leased("shared")), 1)
        self.assertGreater(self.server.metrics().sum("objpool_lease_refusals_total",
                                                     pool="shared", reason="quota"), 0)

    def test_quota_changes_while_it_serves(self):
        held = self.leased("shared", count=5)
        request = pool_service_pb2.UpdatePoolRequest(name="shared")
        request.quota_per_identity.handles = 5
        self.api.call("UpdatePool", request)
        with refused(self, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"):
            self.api.lease("shared")
        self.api.give_back("shared", held[0].ref)
        self.leased("shared")
        request.quota_per_identity.handles = 10
        reply = self.api.call("UpdatePool", request)
        self.assertEqual(reply.pool.quota_per_identity.handles, 10)

    def test_quota_of_calls_leaves_room_to_renew(self):
        (grant,) = self.leased("often")
        with refused(self, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED") as refusal:
            for _ in range(20):
                self.leased("often")
        self.assertTrue(1 <= refusal[0].retry_ms <= 1000, refusal[0].retry_ms)
        self.assertEqual(refusal[0].pushback_ms, str(refusal[0].retry_ms))
        for _ in range(20):
            self.api.renew("often", grant.ref)


if __name__ == "__main__":
    unittest.main()
