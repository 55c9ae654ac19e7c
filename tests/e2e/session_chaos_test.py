"""Sessions in a crowd: opened, resumed, taken over, cut off and ended at random, by many clients at
once. In the end nothing is held, nothing is forgotten, and the books are right."""

import os
import queue
import random
import threading
import time
import unittest

import grpc

from objpool_testing import (
    Api, Server, lease_service_pb2, lease_service_pb2_grpc, wait_until)
from objpool.v1 import session_pb2
from session_testing import lease_of, ms, operation, return_of

CONFIG = """
pools { name: "wide" ids { count: 5000 } ttl_default { seconds: 60 } }
pools { name: "scarce" ids { count: 3 } ttl_default { seconds: 60 } }
"""
RUN_S = float(os.environ.get("OBJPOOL_CHAOS_S", "5"))
ALLOWED = (grpc.StatusCode.CANCELLED, grpc.StatusCode.ABORTED, grpc.StatusCode.NOT_FOUND)


class Client(threading.Thread):
    """Lives many sessions, one after the other, on a connection for each stream."""

    def __init__(self, server, seed, end):
        super().__init__(daemon=True)
        self.server, self.random, self.until = server, random.Random(seed), end
        self.streams, self.resumed, self.failures = 0, 0, []

    def run(self):
        token = None
        while time.monotonic() < self.until:
            try:
                token = self.stream(token)
            except grpc.RpcError as error:
                token = None
                if error.code() not in ALLOWED:
                    self.failures.append(repr(error))

    def operations(self, refs):
        some = self.random
        for number in range(some.randrange(1, 12)):
            kind = some.randrange(7)
            if kind < 2:
                yield operation(number, lease=lease_of("wide", count=some.randrange(1, 200)))
            elif kind == 2:
                wait = ms(some.choice((5, 900)))
                yield operation(number, lease=lease_of("scarce", max_wait=wait))
            elif kind == 3 and refs:
                back = [refs.pop() for _ in range(min(len(refs), 100))]
                yield operation(number, give_back=return_of("wide", *back))
            elif kind == 4 and refs:
                yield operation(number, attach=session_pb2.AttachRequest(items=[
                    session_pb2.AttachItem(pool="wide", grant=ref) for ref in refs[:50]]))
            elif kind == 5:
                yield operation(number, release=session_pb2.ReleaseRequest())
            else:
                yield operation(number, heartbeat=session_pb2.HeartbeatRequest())

    def stream(self, token):
        """One stream; gives the token of a session that is left behind."""
        self.streams += 1
        if token is None:
            linger = ms(self.random.choice((0, 20, 200)))
            opening = {"start": session_pb2.StartSession(linger=linger)}
        else:
            opening = {"resume": session_pb2.ResumeSession(token=token)}
        say = queue.SimpleQueue()
        with self.server.channel() as channel:
            call = lease_service_pb2_grpc.LeaseServiceStub(channel).Session(
                iter(say.get, None), timeout=60)
            try:
                refs = []
                say.put(lease_service_pb2.SessionRequest(
                    operations=self.operations(refs), **opening))
                opened = next(call).opened
                self.resumed += opened.resumed
                for _ in range(self.random.randrange(6)):
                    say.put(lease_service_pb2.SessionRequest(operations=[
                        *self.operations(refs),
                        operation(99, heartbeat=session_pb2.HeartbeatRequest())]))
                    while not self.collect(next(call), refs):
                        pass
                return self.leave(call, say, opened.token)
            finally:
                call.cancel()
                say.put(None)

    @staticmethod
    def collect(message, refs):
        """True once the last operation of the message was answered."""
        for answer in message.answers:
            refs += [grant.ref for grant in answer.lease.grants if grant.ref.handle >= 3]
        return any(answer.id == 99 for answer in message.answers)

    def leave(self, call, say, token):
        way = self.random.randrange(4)
        if way == 0:
            say.put(lease_service_pb2.SessionRequest(operations=[
                operation(100, goodbye=session_pb2.GoodbyeRequest())]))
            for _ in call:
                pass
            return None
        if way == 1:
            say.put(None)
            for _ in call:
                pass
        # Else the stream is cut off; half of the sessions are come back to.
        return token if self.random.randrange(2) else None


class ChaosTest(unittest.TestCase):
    def test_a_crowd_leaves_nothing_behind(self):
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")
        with Server(CONFIG) as server, Api(server) as api:
            end = time.monotonic() + RUN_S
            clients = [Client(server, seed + number, end) for number in range(12)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            self.assertIsNone(server.process.poll(), server.log())
            self.assertEqual([failure for client in clients for failure in client.failures], [])
            self.assertGreater(sum(client.resumed for client in clients), 0)
            for pool, capacity in (("wide", 5000), ("scarce", 3)):
                wait_until(lambda: api.get_pool(pool).free == capacity, f"all of {pool} is back")
            wait_until(lambda: server.metrics().sum("objpool_sessions_lingering") == 0,
                       "nobody lingers")
            metrics = server.metrics()
            for name in ("sessions_open", "session_grants", "lease_waiters", "leases_active"):
                self.assertEqual(metrics.sum("objpool_" + name), 0, name)
            self.assertEqual(metrics.sum("objpool_leases_expired_total"), 0)
            self.assertEqual(metrics.sum("objpool_leases_granted_total"),
                             metrics.sum("objpool_leases_returned_total"))


if __name__ == "__main__":
    unittest.main()
