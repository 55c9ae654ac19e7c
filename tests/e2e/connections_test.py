"""How many connections there may be, where they go, and how they end."""

import contextlib
import os
import pathlib
import re
import threading
import time
import unittest

import grpc

import raw_http2 as h2
from objpool_testing import DEADLINE_S, Api, Server, lease_service_pb2, wait_until
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


class BusyPollTest(unittest.TestCase):
    """That it polls is tests/unit/event_set_test.cc's."""

    def test_a_worker_sleeps_where_there_is_nobody(self):
        def slept(pid):
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                if (task / "comm").read_text().startswith("worker"):
                    (line,) = re.findall(r"\nvoluntary_ctxt_switches:\s+(\d+)",
                                         (task / "status").read_text())
                    return int(line)
            raise AssertionError("there is no worker")

        with Server(POOL, ["--engine=h2", "--workers=1", "--busy_poll_us=10000"]) as server:
            with Api(server) as api:
                for _ in range(100):
                    api.get_pool("ids")
            before = slept(server.pid)
            wait_until(lambda: slept(server.pid) > before + 20, "it to sleep between its ticks")

    def test_it_is_for_engine_h2_only(self):
        with self.assertRaisesRegex(AssertionError, "busy_poll_us: must be unset"):
            Server(POOL, ["--engine=grpc", "--busy_poll_us=1"])


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

        def open_now():
            return {labels["cpu"]: value for name, labels, value in server.metrics().samples
                    if name == "objpool_connections_open"}
        accepted = server.metrics().sum("objpool_connections_accepted_total")
        wait_until(lambda: sum(open_now().values()) == 0, "all connections are gone")
        with contextlib.ExitStack() as stack:
            for _ in range(16):
                self.assertTrue(is_served(stack.enter_context(Raw(server.address))))
            have = open_now()
            self.assertEqual(have[str(cpu)], 16, have)
            self.assertEqual(sum(have.values()), 16)
        self.assertEqual(server.metrics().sum("objpool_connections_accepted_total"), accepted + 16)


class AgeTest(unittest.TestCase):
    AGE = POOL + "max_connection_age { nanos: 300000000 } "

    def test_clients_see_no_failed_call(self):
        """While each of them goes from one connection to the next."""
        with Server(self.AGE, ["--workers=2"]) as server, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Api(server)) for _ in range(4)]
            connected, failures = [0] * len(clients), []

            def count(i):
                def on_state(state):
                    connected[i] += state == grpc.ChannelConnectivity.READY
                return on_state

            def go_on(api, i):
                end = time.monotonic() + DEADLINE_S
                try:
                    while connected[i] < 6 and time.monotonic() < end:
                        (grant,) = api.lease("ids").grants
                        api.give_back("ids", grant.ref)
                except grpc.RpcError as error:
                    failures.append(error)

            threads = [threading.Thread(target=go_on, args=(api, i))
                       for i, api in enumerate(clients)]
            for i, api in enumerate(clients):
                api.channel.subscribe(count(i), try_to_connect=True)
                threads[i].start()
            for thread in threads:
                thread.join(2 * DEADLINE_S)
            self.assertEqual(failures, [])
            self.assertEqual([i for i in connected if i < 6], [])

    @contextlib.contextmanager
    def call_that_outlives_its_connection(self, config):
        """Gives (an Api whose connection is not that of the call, grants that are all there are,
        the call, which waits for one of them)."""
        with Server(config) as server, Api(server) as holder, Api(server) as waiter:
            grants = holder.lease("ids", count=8).grants
            told = threading.Event()
            ready = threading.Event()

            def on_state(state):
                if state == grpc.ChannelConnectivity.READY:
                    ready.set()
                elif ready.is_set():
                    told.set()
            waiter.channel.subscribe(on_state, try_to_connect=True)
            request = lease_service_pb2.LeaseRequest(pool="ids", holder="long")
            request.max_wait.seconds = DEADLINE_S
            call = waiter.start("Lease", request)
            self.assertTrue(told.wait(DEADLINE_S), "the connection was asked to go")
            yield holder, grants, call

    def test_a_call_under_way_ends_as_if_nothing_were(self):
        with self.call_that_outlives_its_connection(self.AGE) as (holder, grants, call):
            self.assertFalse(call.done())
            holder.give_back("ids", grants[0].ref)
            self.assertEqual(len(call.result(DEADLINE_S).grants), 1)

    def test_after_the_grace_it_is_cut_off(self):
        config = self.AGE + "max_connection_age_grace { nanos: 200000000 }"
        with self.call_that_outlives_its_connection(config) as (_, _, call):
            self.assertEqual(call.code(), grpc.StatusCode.UNAVAILABLE)

    def test_a_client_is_told_twice(self):
        """First that it should go, and then which call was the last one."""
        with Server(self.AGE, H2) as server, Raw(server.address) as raw:
            raw.send(h2.headers(1))
            raw.read_until(lambda _: len(raw.goaways()) == 1)
            raw.send(h2.call(3, path=h2.LIST_POOLS))
            self.assertTrue(raw.read_until(answered), "it may not have heard of it")
            raw.read_until(lambda _: len(raw.goaways()) == 2)
            self.assertEqual(raw.goaways(), [(2**31 - 1, 0, ""), (3, 0, "")])
            raw.send(h2.call(5, path=h2.LIST_POOLS)
                     + h2.frame(h2.DATA, h2.END_STREAM, 1, h2.message(b"")))
            raw.read_to_end()
            self.assertEqual({at for kind, flags, at, _ in raw.frames()
                              if kind == h2.HEADERS and flags & h2.END_STREAM}, {1, 3})
            self.assertEqual(server.metrics().sum("objpool_connections_cut_total"), 1)
            self.assertEqual(server.metrics().sum("objpool_connections_cut_total",
                                                  reason="aged"), 1)


if __name__ == "__main__":
    unittest.main()
