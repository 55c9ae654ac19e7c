"""Pools that are made, changed, drained and deleted while the server serves."""

import pathlib
import signal
import tempfile
import threading
import unittest

import grpc
from google.protobuf import text_format

from objpool_testing import (DEADLINE_S, Api, Server, lease_service_pb2, pool_handles_pb2,
                             pool_service_pb2, pool_service_pb2_grpc, refused, server_config_pb2,
                             wait_until)

CONFIG = 'pools { name: "first" ids { count: 4 } }'


def config(text):
    return text_format.Parse(text, server_config_pb2.PoolConfig())


class PoolsCase(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def serve(self, text=CONFIG, state=True):
        flags = [f"--state_dir={self.folder}/state"] if state else []
        self.server = self.enterContext(Server(text, flags))
        self.api = self.enterContext(Api(self.server))

    def create(self, text):
        return self.api.call(
            "CreatePool", pool_service_pb2.CreatePoolRequest(pool=config(text))).pool

    def create_when_gone(self, text):
        """A deleted pool's name is free a moment after nobody can find the pool."""
        def created():
            try:
                return self.create(text)
            except grpc.RpcError as error:
                self.assertIn(error.code(), (grpc.StatusCode.ALREADY_EXISTS,
                                             grpc.StatusCode.RESOURCE_EXHAUSTED))
                return None
        return wait_until(created, "it can be made")

    def listed(self):
        return self.api.call("ListPools", pool_service_pb2.ListPoolsRequest(page_size=1000)).pools

    def on_pool(self, method, name="made", **fields):
        request = getattr(pool_service_pb2, f"{method}PoolRequest")(name=name, **fields)
        return self.api.call(f"{method}Pool", request).pool

    def state(self, name="made"):
        return pool_service_pb2.PoolState.Name(self.api.get_pool(name).state).removeprefix(
            "POOL_STATE_")

    def gone(self, name="made"):
        try:
            self.api.get_pool(name)
        except grpc.RpcError as error:
            return error.code() == grpc.StatusCode.NOT_FOUND
        return False

    def give_back(self, name, reply):
        self.api.give_back(name, *(grant.ref for grant in reply.grants))

    def audit(self, name):
        reply = self.api.call("AuditPool", pool_handles_pb2.AuditPoolRequest(pool=name))
        self.assertTrue(reply.consistent, list(reply.differences))
        counts = reply.recounted
        self.assertEqual(reply.capacity, counts.free + counts.leased + counts.dirty +
                         counts.resting + counts.quarantined)
        return counts


class CreateTest(PoolsCase):
    def test_a_new_pool_serves_when_the_answer_comes(self):
        self.serve()
        pool = self.create('name: "made" ids { first: 10 count: 3 } ttl_max { seconds: 60 }')
        self.assertEqual((pool.name, pool.capacity, pool.free), ("pools/made", 3, 3))
        reply = self.api.lease("made", count=3)
        self.assertEqual(sorted(grant.id for grant in reply.grants), [10, 11, 12])
        self.assertEqual([pool.name for pool in self.listed()],
                         ["pools/first", "pools/made"])
        metrics = self.server.metrics()
        self.assertEqual(metrics.sum("objpool_leases_active", pool="made"), 3)
        self.give_back("made", reply)
        self.assertEqual(self.audit("made").free, 3)

    def test_every_kind(self):
        self.serve()
        self.create('name: "words" labels { label: "a" label: "b" }')
        self.assertEqual(sorted(g.label for g in self.api.lease("words", count=2).grants),
                         ["a", "b"])
        self.create('name: "mem" buffers { count: 5 size_bytes: 4096 }')
        self.assertEqual(self.api.lease("mem").grants[0].buffer.size_bytes, 4096)

    def test_what_is_refused(self):
        self.serve()
        for text, code, reason, field in (
                ('name: "Bad" ids { count: 1 }', "INVALID_ARGUMENT", "BAD_FIELD", "pool.name"),
                ('name: "made" ids { count: 0 }', "INVALID_ARGUMENT", "BAD_FIELD",
                 "pool.ids.count"),
                ('name: "made" ids { count: 1 } reuse_delay { seconds: 700000 }',
                 "INVALID_ARGUMENT", "BAD_FIELD", "pool.reuse_delay"),
                ('name: "made"', "INVALID_ARGUMENT", "BAD_FIELD", "pool"),
                ('name: "first" ids { count: 1 }', "ALREADY_EXISTS", "POOL_EXISTS", None)):
            with self.subTest(text), refused(self, code, reason) as caught:
                self.create(text)
            if field:
                self.assertIn(field, caught[0].violations)
        self.assertEqual(len(self.listed()), 1)

    def test_a_thousand_and_no_more(self):
        self.serve(state=False)
        for number in range(1023):
            self.create(f'name: "p{number}" ids {{ count: 1 }}')
        with refused(self, "RESOURCE_EXHAUSTED", "TOO_MANY_POOLS"):
            self.create('name: "made" ids { count: 1 }')
        self.on_pool("Delete", "p7")
        wait_until(lambda: self.gone("p7"), "p7 is gone")
        self.create_when_gone('name: "made" ids { count: 1 }')

    def test_under_load(self):
        """Pools come and go while others are used; nobody sees anything but what is true."""
        self.serve()
        stop = threading.Event()
        faults = []

        def use():
            with Api(self.server) as api:
                while not stop.is_set():
                    try:
                        reply = api.lease("first")
                        api.give_back("first", *(grant.ref for grant in reply.grants))
                        reply = api.lease("made", count=2)
                        api.give_back("made", *(grant.ref for grant in reply.grants))
                    except grpc.RpcError as error:
                        if error.code() not in (grpc.StatusCode.NOT_FOUND,
                                                grpc.StatusCode.FAILED_PRECONDITION,
                                                grpc.StatusCode.RESOURCE_EXHAUSTED):
                            faults.append(error)

        users = [threading.Thread(target=use) for _ in range(4)]
        for user in users:
            user.start()
        for _ in range(30):
            self.create_when_gone('name: "made" ids { count: 100 }')
            self.api.lease("made")
            grants = self.api.call("ListGrants", lease_service_pb2.ListGrantsRequest(pool="made"))
            self.on_pool("Delete")
            for grant in grants.grants:
                try:
                    self.api.revoke("made", grant.ref.handle, grant.ref.fence)
                except grpc.RpcError:
                    pass  # its holder was faster
            wait_until(self.gone, "the pool is gone")
        stop.set()
        for user in users:
            user.join(DEADLINE_S)
        self.assertEqual(faults, [])
        self.assertEqual(self.audit("first").free, 4)


class DrainTest(PoolsCase):
    def test_drained_pool_leases_no_more_and_takes_back(self):
        self.serve()
        held = self.api.lease("first", count=2)
        pool = self.on_pool("Drain", "first")
        self.assertEqual((pool.state, pool.leased), (pool_service_pb2.POOL_STATE_DRAINING, 2))
        with refused(self, "FAILED_PRECONDITION", "POOL_DRAINING"):
            self.api.lease("first")
        self.api.renew("first", held.grants[0].ref)
        self.give_back("first", held)
        self.assertEqual(self.on_pool("Drain", "first").free, 4)
        self.assertEqual(self.on_pool("Resume", "first").state, pool_service_pb2.POOL_STATE_ACTIVE)
        self.assertEqual(len(self.api.lease("first", count=4).grants), 4)

    def test_who_waits_is_told(self):
        self.serve()
        self.api.lease("first", count=4)
        request = lease_service_pb2.LeaseRequest(pool="first")
        request.max_wait.seconds = DEADLINE_S
        waiting = self.api.start("Lease", request)
        wait_until(lambda: self.api.get_pool("first").waiters == 1, "it waits")
        self.on_pool("Drain", "first")
        self.assertEqual(waiting.exception(DEADLINE_S).code(),
                         grpc.StatusCode.FAILED_PRECONDITION)

    def test_durable_pool_drains_on_after_a_restart(self):
        self.serve()
        self.on_pool("Drain", "first")
        self.server.stop(signal.SIGKILL)
        self.serve()
        self.assertEqual(self.state("first"), "DRAINING")
        self.on_pool("Resume", "first")
        self.server.stop()
        self.serve()
        self.assertEqual(self.state("first"), "ACTIVE")


class DeleteTest(PoolsCase):
    def test_pool_without_grants_is_gone_with_its_files(self):
        self.serve()
        self.create('name: "made" ids { count: 3 }')
        files = {path.name for path in pathlib.Path(self.folder, "state").iterdir()}
        self.assertLessEqual({"made.pool", "made.config"}, files)
        self.on_pool("Delete")
        wait_until(self.gone, "the pool is gone")
        wait_until(lambda: not list(pathlib.Path(self.folder, "state").glob("made.*")),
                   "so are its files")
        self.assertNotIn('pool="made"', self.server.page())

    def test_the_last_handle_home_ends_it(self):
        self.serve()
        self.create('name: "made" ids { count: 3 }')
        held = self.api.lease("made", count=2)
        self.assertEqual(self.on_pool("Delete").state, pool_service_pb2.POOL_STATE_DELETING)
        self.api.renew("made", held.grants[0].ref)
        with refused(self, "FAILED_PRECONDITION", "POOL_DRAINING"):
            self.api.lease("made")
        with refused(self, "FAILED_PRECONDITION", "POOL_DELETING"):
            self.on_pool("Resume")
        with refused(self, "ALREADY_EXISTS", "POOL_EXISTS"):
            self.create('name: "made" ids { count: 3 }')
        self.api.give_back("made", held.grants[0].ref)
        self.assertEqual(self.state(), "DELETING")
        self.api.give_back("made", held.grants[1].ref)
        wait_until(self.gone, "the pool is gone")

    def test_expiry_ends_it_too(self):
        self.serve()
        self.create('name: "made" ids { count: 3 } ttl_default { nanos: 200000000 }')
        self.api.lease("made")
        self.on_pool("Delete")
        wait_until(self.gone, "the pool is gone")

    def test_fences_rise_over_a_deletion(self):
        for durable in (True, False):
            with self.subTest(durable=durable):
                self.serve(state=durable)
                fences = []
                for _ in range(3):
                    self.create_when_gone('name: "made" ids { count: 1 }')
                    reply = self.api.lease("made")
                    fences.append(reply.grants[0].ref.fence)
                    self.give_back("made", reply)
                    self.on_pool("Delete")
                    wait_until(self.gone, "the pool is gone")
                    # Durable fences begin with the second in which the pool was made.
                    threading.Event().wait(1.0)
                self.assertEqual(fences, sorted(set(fences)))
                self.server.stop()


class RestartTest(PoolsCase):
    def test_made_pool_is_there_again_with_its_grants(self):
        self.serve()
        self.create('name: "made" ids { first: 5 count: 3 } reuse_delay { nanos: 1000000 }')
        held = self.api.lease("made", count=2)
        self.server.stop(signal.SIGKILL)
        self.serve()
        pool = self.api.get_pool("made")
        self.assertEqual((pool.capacity, pool.leased, pool.reuse_delay.nanos), (3, 2, 1000000))
        self.give_back("made", held)
        self.on_pool("Update", reuse_delay={"seconds": 0}, ttl_max={"seconds": 77})
        self.server.stop()
        self.serve()
        pool = self.api.get_pool("made")
        self.assertEqual((pool.reuse_delay.seconds, pool.reuse_delay.nanos, pool.ttl_max.seconds),
                         (0, 0, 77))

    def test_deleted_pool_is_not(self):
        self.serve()
        self.create('name: "made" ids { count: 3 }')
        self.on_pool("Delete")
        wait_until(self.gone, "the pool is gone")
        self.server.stop(signal.SIGKILL)
        self.serve()
        self.assertTrue(self.gone())

    def test_one_of_the_same_name_in_the_configuration_stops_the_start(self):
        self.serve()
        self.create('name: "made" ids { count: 3 }')
        self.server.stop()
        with self.assertRaisesRegex(AssertionError, "made.config: is a pool that was made"):
            self.serve(CONFIG + ' pools { name: "made" ids { count: 3 } }')

    def test_restart_wait(self):
        self.serve('pools { name: "first" ids { count: 4 } restart_wait { seconds: 2 } }',
                   state=False)
        with refused(self, "UNAVAILABLE", "RESTART_GRACE"):
            self.api.lease("first")
        def leased():
            try:
                return self.api.lease("first")
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
                return None
        wait_until(leased, "the wait is over")


class UpdateTest(PoolsCase):
    def test_new_bounds_hold_from_the_next_call_on(self):
        self.serve()
        pool = self.on_pool("Update", "first", ttl_min={"seconds": 1}, ttl_default={"seconds": 2},
                            ttl_max={"seconds": 3})
        self.assertEqual((pool.ttl_min.seconds, pool.ttl_default.seconds, pool.ttl_max.seconds),
                         (1, 2, 3))
        self.assertEqual(self.api.lease("first").ttl.seconds, 2)
        with refused(self, "INVALID_ARGUMENT", "BAD_FIELD"):
            self.api.lease("first", ttl={"seconds": 4})

    def test_what_is_refused_changes_nothing(self):
        self.serve()
        for fields, field in (({"ttl_max": {"seconds": 1}}, "ttl_default"),
                              ({"ttl_min": {"seconds": -1}}, "ttl_min"),
                              ({"reuse_delay": {"seconds": 10**9}}, "reuse_delay")):
            with self.subTest(fields), refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
                self.on_pool("Update", "first", **fields)
            self.assertIn(field, caught[0].violations)
        self.assertEqual(self.api.get_pool("first").ttl_max.seconds, 3600)


class WatchTest(PoolsCase):
    def test_tells_of_changes_until_the_pool_is_gone(self):
        self.serve()
        self.create('name: "made" ids { count: 3 }')
        stub = pool_service_pb2_grpc.PoolServiceStub(self.api.channel)
        request = pool_service_pb2.WatchPoolRequest(name="made")
        request.min_interval.FromMilliseconds(100)
        stream = stub.WatchPool(request, timeout=DEADLINE_S)
        self.assertEqual(next(stream).pool.free, 3)
        reply = self.api.lease("made")
        self.assertEqual(next(stream).pool.leased, 1)
        self.on_pool("Delete")
        self.assertEqual(next(stream).pool.state, pool_service_pb2.POOL_STATE_DELETING)
        self.give_back("made", reply)
        with self.assertRaises(grpc.RpcError) as caught:
            for _ in stream:
                pass
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_that_somebody_waits_on_is_no_change(self):
        self.serve()
        self.create('name: "made" ids { count: 1 }')
        stub = pool_service_pb2_grpc.PoolServiceStub(self.api.channel)
        request = pool_service_pb2.WatchPoolRequest(name="made")
        request.min_interval.FromMilliseconds(100)
        held = self.api.lease("made")
        self.assertFalse(self.api.get_pool("made").HasField("oldest_wait"))
        waiting = self.api.start("Lease", lease_service_pb2.LeaseRequest(
            pool="made", max_wait={"seconds": DEADLINE_S}))
        wait_until(lambda: self.api.get_pool("made").waiters == 1, "it waits")
        stream = stub.WatchPool(request, timeout=DEADLINE_S)
        self.assertTrue(next(stream).pool.HasField("oldest_wait"))
        wait_until(lambda: self.api.get_pool("made").oldest_wait.ToMilliseconds() > 500, "it grows")
        self.give_back("made", held)
        self.give_back("made", waiting.result())
        for answer in stream:
            if answer.pool.waiters == 0:
                break
            self.assertNotEqual(answer.pool.leased, 1, "this was told before")
        self.assertFalse(answer.pool.HasField("oldest_wait"))

    def test_bad_fields(self):
        self.serve()
        stub = pool_service_pb2_grpc.PoolServiceStub(self.api.channel)
        for fields in ({}, {"name": "first", "min_interval": {"nanos": 1}}):
            request = pool_service_pb2.WatchPoolRequest(**fields)
            with self.subTest(fields), self.assertRaises(grpc.RpcError) as caught:
                next(stub.WatchPool(request, timeout=DEADLINE_S))
            self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
