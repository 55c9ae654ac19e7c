"""A durable server that is killed at any moment: no grant is lost, none is given twice.

Clients lease, renew and return as fast as they can and write down what was acknowledged. Then the
server is killed (SIGKILL), started again on the same state_dir, and asked. What a client was not
told of may have happened or not; everything else must be as it was told.
"""

import os
import pathlib
import random
import select
import shutil
import tempfile
import threading
import unittest

import grpc
from objpool_testing import Api, Refusal, Server, lease_service_pb2, refused, wait_until

CAPACITY = 3000
TTL_S = 30
CONFIG = f"""
pools {{ name: "ids" ids {{ count: {CAPACITY} }} ttl_default {{ seconds: {TTL_S} }} }}
pools {{ name: "soon" ids {{ count: 8 }} ttl_default {{ seconds: 1 }} }}
pools {{ name: "light" ids {{ count: 8 }} durability: DURABILITY_VOLATILE }}
"""
KILLS = int(os.environ.get("OBJPOOL_KILLS", "20"))
CLIENTS = 4


class Books:
    """What one client was told."""

    def __init__(self):
        self.held = {}      # handle -> ref
        self.unsure = set()  # handles whose last call was not answered
        self.highest = {}   # handle -> the highest fence seen


def churn(server, books, stop, seed):
    chance = random.Random(seed)
    with Api(server) as api:
        while not stop.is_set():
            handles = []
            try:
                if chance.random() < 0.55 or not books.held:
                    for grant in api.lease("ids", count=chance.randint(1, 8), min_count=1).grants:
                        books.held[grant.ref.handle] = grant.ref
                        books.highest[grant.ref.handle] = grant.ref.fence
                    continue
                handles = chance.sample(sorted(books.held), min(len(books.held), 4))
                refs = [books.held[handle] for handle in handles]
                if chance.random() < 0.3:
                    api.renew("ids", *refs)
                else:
                    api.give_back("ids", *refs)
                    for handle in handles:
                        del books.held[handle]
            except grpc.RpcError as error:
                if Refusal(error).reason == "POOL_EXHAUSTED":
                    continue
                books.unsure.update(handles)  # the server was killed meanwhile
                return


class KillTest(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="objpool-state-"))
        self.flags = [f"--state_dir={pathlib.Path(self.folder) / 'state'}"]

    def test_no_acknowledged_grant_is_lost_and_none_is_given_twice(self):
        highest, told = {}, 0
        chance = random.Random(1)
        for round_ in range(KILLS):
            books = [Books() for _ in range(CLIENTS)]
            with Server(CONFIG, self.flags) as server:
                stop = threading.Event()
                clients = [threading.Thread(target=churn, args=(server, b, stop, f"{round_} {i}"))
                           for i, b in enumerate(books)]
                for client in clients:
                    client.start()
                stop.wait(chance.uniform(0.02, 0.4))
                server.process.kill()
                server.process.wait()
                stop.set()
                for client in clients:
                    client.join()
            told += sum(len(b.held) for b in books)
            for handle, fence in ((h, f) for b in books for h, f in b.highest.items()):
                highest[handle] = max(fence, highest.get(handle, 0))
            self.check_after_kill(books, highest)
        self.assertGreater(told, KILLS, "the clients did something")

    def check_after_kill(self, books, highest):
        with Server(CONFIG, self.flags) as server, Api(server) as api:
            for book in books:
                for handle, ref in book.held.items():
                    if handle not in book.unsure:
                        self.assertEqual(api.get_grant("ids", handle).ref.fence, ref.fence)
            # Nobody is given what another one holds, and fences rise.
            sure = {h for b in books for h in b.held if h not in b.unsure}
            got = {}
            while (reply := self.lease_all(api)) is not None:
                got.update((grant.ref.handle, grant.ref) for grant in reply.grants)
            self.assertFalse(sure & set(got))
            for handle, ref in got.items():
                self.assertGreater(ref.fence, highest.get(handle, 0))
                highest[handle] = ref.fence
            pool = api.get_pool("ids")
            self.assertEqual((pool.free, pool.leased), (0, CAPACITY))
            metrics = server.metrics()
            self.assertGreaterEqual(metrics.sum("objpool_leases_recovered_total", pool="ids"),
                                    len(sure))
            self.assertEqual(metrics.sum("objpool_pool_quarantined_handles", pool="ids"), 0)
            # The keys are good still. What nobody was told of runs out by itself.
            certain = [*got.values(), *(ref for b in books for handle, ref in b.held.items()
                                        if handle not in b.unsure)]
            for first in range(0, len(certain), 1024):
                for result in api.give_back("ids", *certain[first:first + 1024]).results:
                    self.assertFalse(result.HasField("error") or result.already_returned, result)
            for book in books:
                for handle in book.unsure & book.held.keys():
                    self.give_back_what_may_be_back(api, book.held[handle])

    def lease_all(self, api):
        try:
            return api.lease("ids", count=1024, min_count=1)
        except grpc.RpcError as error:
            self.assertEqual(Refusal(error).reason, "POOL_EXHAUSTED")
            return None

    def give_back_what_may_be_back(self, api, ref):
        try:
            api.give_back("ids", ref)
        except grpc.RpcError as error:
            self.assertEqual(Refusal(error).reason, "STALE_FENCE")

    def test_a_revoked_grant_stays_revoked_and_its_handle_free(self):
        with Server(CONFIG, self.flags) as server, Api(server) as api:
            gone, runs = (grant.ref for grant in api.lease("ids", count=2).grants)
            api.revoke("ids", gone.handle, gone.fence)
            # Killed at the end of the block.
        with Server(CONFIG, self.flags) as server, Api(server) as api:
            self.assertEqual([api.check_fence("ids", ref.handle, ref.fence).state
                              for ref in (gone, runs)],
                             [lease_service_pb2.FENCE_STATE_REVOKED,
                              lease_service_pb2.FENCE_STATE_RUNNING])
            with refused(self, "NOT_FOUND", "GRANT_REVOKED"):
                api.renew("ids", gone)
            (grant,) = api.list_grants("ids").grants
            self.assertEqual(grant.ref.fence, runs.fence)
            pool = api.get_pool("ids")
            self.assertEqual((pool.free, pool.leased), (CAPACITY - 1, 1))
            self.assertFalse(api.revoke("ids", runs.handle, runs.fence).already_revoked)
            self.assertEqual(api.get_pool("ids").free, CAPACITY)

    def test_a_volatile_pool_forgets_and_a_short_grant_runs_out_meanwhile(self):
        with Server(CONFIG, self.flags) as server, Api(server) as api:
            (short,) = api.lease("soon").grants
            (light,) = api.lease("light").grants
            server.process.kill()
            server.process.wait()
        select.select([], [], [], 1.1)
        with Server(CONFIG, self.flags) as server, Api(server) as api:
            with refused(self, "NOT_FOUND", "GRANT_EXPIRED"):
                api.renew("soon", short.ref)
            with refused(self, "PERMISSION_DENIED", "NOT_HOLDER"):
                api.give_back("light", light.ref)
            self.assertIn("1 running grant", server.log())

    def test_a_drain_keeps_grants_too(self):
        with Server(CONFIG, self.flags) as server, Api(server) as api:
            (grant,) = api.lease("ids", holder="me").grants
            self.assertEqual(server.stop(), 0)
        with Server(CONFIG, self.flags) as server, Api(server) as api:
            seen = api.get_grant("ids", grant.ref.handle, grant.ref.fence)
            self.assertEqual(seen.holder, "me")
            self.assertLess(seen.remaining.ToMilliseconds(), TTL_S * 1000)

    def test_what_cannot_be_used_stops_the_start_and_says_why(self):
        state = pathlib.Path(self.folder) / "state"
        with Server(CONFIG, self.flags) as server:
            with self.assertRaisesRegex(AssertionError, "two servers cannot share a state_dir"):
                Server(CONFIG, self.flags)
            self.assertEqual(server.stop(), 0)
        (state / "ids.pool").write_bytes((state / "ids.pool").read_bytes()[:-1])
        with self.assertRaisesRegex(AssertionError, "pool ids: .*ids.pool: must be a file of"):
            Server(CONFIG, self.flags)
        with self.assertRaisesRegex(AssertionError, r"pools\[0\].durability"):
            Server('pools { name: "a" ids { count: 1 } durability: DURABILITY_PROCESS }')

    def test_a_state_dir_that_is_deleted_stops_leasing_but_not_returning(self):
        with Server(CONFIG, self.flags) as server, Api(server) as api:
            (grant,) = api.lease("ids").grants
            shutil.rmtree(pathlib.Path(self.folder) / "state")

            def refusal():
                try:
                    (more,) = api.lease("ids").grants
                    api.give_back("ids", more.ref)
                    return None
                except grpc.RpcError as error:
                    return Refusal(error)
            seen = wait_until(refusal, "it notices")
            self.assertEqual((seen.code, seen.reason), (grpc.StatusCode.UNAVAILABLE, "STATE_LOST"))
            self.assertFalse(api.give_back("ids", grant.ref).results[0].HasField("error"))
            self.assertEqual(len(api.lease("light").grants), 1)


if __name__ == "__main__":
    unittest.main()
