"""How many connections there may be, where they go, and how they end."""

import contextlib
import os
import unittest

import grpc

import raw_http2 as h2
from objpool_testing import Api, Server, wait_until
from raw_http2 import Raw

POOL = 'pools { name: "ids" ids { count: 8 } } '
H2 = ["--engine=h2", "--workers=2"]
FULL = "this client has as many connections as it may"


def answered(frames):
    return any(kind == h2.HEADERS and flags & h2.END_STREAM for kind, flags, *_ in frames)


def is_served(raw):
    raw.send(h2.call(1, path=h2.LIST_POOLS))
    return raw.read_until(answered)


class PeerTest(unittest.TestCase):
    def test_a_client_has_so_many_connections_over_all_workers_and_is_told_so(self):
        with Server(POOL + "max_connections_per_peer: 5", H2) as server, \
                contextlib.ExitStack() as stack:
            raws = [stack.enter_context(Raw(server.address)) for _ in range(5)]
            self.assertTrue(all(is_served(raw) for raw in raws))
            for _ in range(20):
                with Raw(server.address) as late:
                    late.read_to_end()
                    self.assertEqual(late.goaways(), [(0, h2.ENHANCE_YOUR_CALM, FULL)])
            self.assertEqual(server.metrics().sum("objpool_connections_cut_total",
                                                  reason="crowded_peer"), 20)
            with self.assertRaises(grpc.RpcError) as refused, Api(server) as api:
                api.get_pool("ids")
            self.assertEqual(refused.exception.code(), grpc.StatusCode.UNAVAILABLE)
            with Raw(server.address, source="127.0.0.2") as other:
                self.assertTrue(is_served(other), "another client has places of its own")
            raws[0].socket.close()

            def has_a_place():
                with Raw(server.address) as again:
                    return is_served(again)
            wait_until(has_a_place, "the place of one that has gone")

    def test_it_is_for_engine_h2_only(self):
        with self.assertRaisesRegex(AssertionError, "max_connections_per_peer: must be unset"):
            Server(POOL + "max_connections_per_peer: 5", ["--engine=grpc"])


class SteerTest(unittest.TestCase):
    def test_a_connection_goes_to_the_worker_of_the_cpu_that_it_comes_from(self):
        cpus = sorted(os.sched_getaffinity(0))[:2]
        if len(cpus) < 2:
            self.skipTest("this machine has one CPU")
        try:
            with Server(POOL + "steer_by_cpu: true", H2) as server:
                for cpu in cpus:
                    self.drive(server, cpu)
        finally:
            os.sched_setaffinity(0, cpus)

    def drive(self, server, cpu):
        os.sched_setaffinity(0, [cpu])

        def accepted():
            metrics = server.metrics()
            return {labels["cpu"]: value for name, labels, value in metrics.samples
                    if name == "objpool_connections_accepted_total"}
        before = accepted()
        for _ in range(16):
            with Raw(server.address) as raw:
                self.assertTrue(is_served(raw))
        came = {at: count - before[at] for at, count in accepted().items()}
        self.assertEqual(came[str(cpu)], 16, came)
        self.assertEqual(sum(came.values()), 16)


if __name__ == "__main__":
    unittest.main()
