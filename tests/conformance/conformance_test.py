"""What gRPC's own interoperability cases ask of a server, asked of our API by grpcio.

Which engine serves is OBJPOOL_ENGINE's to say; the answers are the same. The metrics say how the
server saw a call end, where its client cannot.
"""

import collections
import contextlib
import threading
import time
import unittest

import grpc
from google.protobuf import duration_pb2

from objpool_testing import (DEADLINE_S, ENGINE, Api, Refusal, Server, buffer_service_pb2,
                             lease_service_pb2, pool_service_pb2, wait_until)
from session_testing import SessionClient, lease_of, ms, operation
from objpool.v1 import lease_service_pb2_grpc, session_pb2

CONFIG = """
pools { name: "buffers" buffers { count: 2 size_bytes: 4194304 } }
pools { name: "large" ids { count: 2000 } }
pools { name: "one" ids { count: 1 } }
"""
CHECK = "/grpc.health.v1.Health/Check"
LEASE = "/objpool.v1.LeaseService/Lease"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
MAX_REQUEST_BYTES = 256 * 1024
MAX_HEADER_BYTES = 16 * 1024
HOUR = duration_pb2.Duration(seconds=3600)


class ConformanceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(CONFIG))
        cls.api = cls.enterClassContext(Api(cls.server))

    def setUp(self):
        self.before = self.server.metrics()

    def tearDown(self):
        for name in ("buffers", "large", "one"):
            wait_until(lambda name=name: self.api.get_pool(name).leased == 0, "all is returned")
        wait_until(self.all_over, "no call is under way")

    def all_over(self):
        metrics = self.server.metrics()
        return (metrics.sum("grpc_server_started_total")
                == metrics.sum("grpc_server_handled_total"))

    def handled(self, method, code):
        name, labels = "grpc_server_handled_total", {"grpc_method": method, "grpc_code": code}
        return (self.server.metrics().sum_or_zero(name, **labels)
                - self.before.sum_or_zero(name, **labels))

    def wait_until_handled(self, method, code):
        wait_until(lambda: self.handled(method, code) == 1, f"{method} ends with {code}")

    def assert_code(self, code, call):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        self.assertEqual(caught.exception.code(), code, caught.exception)
        return Refusal(caught.exception)

    @contextlib.contextmanager
    def taken(self):
        """While nobody else can have a handle of "one"."""
        (grant,) = self.api.lease("one").grants
        yield
        self.api.give_back("one", grant.ref)

    def wait_for_waiters(self, count):
        wait_until(lambda: self.server.metrics().sum("objpool_lease_waiters", pool="one") == count,
                   "waiters")

    # Unary calls, empty and large.

    def test_a_request_may_be_empty(self):
        self.assertEqual(self.api.check_health(), 1)
        self.assertEqual(len(self.api.call("ListPools", pool_service_pb2.ListPoolsRequest()).pools),
                         3)

    def test_a_large_request_and_a_large_answer(self):
        grants = self.api.lease("large", count=1024).grants
        self.assertEqual(len(grants), 1024)
        returned = self.api.give_back("large", *(grant.ref for grant in grants))
        self.assertEqual(len(returned.results), 1024)

    def test_a_request_may_have_so_many_bytes_and_no_more(self):
        def of(count):  # a field that nobody knows is passed over
            return lease_service_pb2.LeaseRequest(pool="nobody").SerializeToString() + bytes(
                [0xfa, 0x7f]) + self.varint(count - 8 - 2 - 3) + b"x" * (count - 8 - 2 - 3)

        largest = of(MAX_REQUEST_BYTES)
        self.assertEqual(len(largest), MAX_REQUEST_BYTES)
        self.assert_code(grpc.StatusCode.NOT_FOUND, lambda: self.api.raw(LEASE, largest))
        self.assert_code(grpc.StatusCode.RESOURCE_EXHAUSTED,
                         lambda: self.api.raw(LEASE, of(MAX_REQUEST_BYTES + 1)))

    @staticmethod
    def varint(number):
        return bytes([number & 127 | 128, number >> 7 & 127 | 128, number >> 14])

    def test_a_client_may_take_less_than_it_is_answered(self):
        with Api(self.server, [("grpc.max_receive_message_length", 10)]) as small:
            self.assert_code(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: small.call(
                "ListPools", pool_service_pb2.ListPoolsRequest()))
            self.assertEqual(small.check_health(), 1, "the connection goes on")

    # Streams.

    def test_a_stream_of_requests_and_one_of_answers(self):
        (grant,) = self.api.lease("buffers").grants
        data = bytes(range(256)) * 16384
        self.assertEqual(self.api.write("buffers", grant.ref, data).bytes_written, len(data))
        self.assertEqual(self.api.read_all("buffers", grant.ref), data)
        self.api.give_back("buffers", grant.ref)

    def test_ping_pong(self):
        with SessionClient(self.server.address, linger_ms=0) as session:
            wait_until(lambda: session.messages, "opened")
            for number in range(1, 200):
                session.send_message(lease_service_pb2.SessionRequest(operations=[
                    operation(number, heartbeat=session_pb2.HeartbeatRequest())]))
                answers = wait_until(lambda: [a for m in session.messages for a in m.answers
                                              if a.id == number], "an answer")  # noqa: B023
                self.assertEqual(len(answers), 1)

    def test_an_empty_stream(self):
        """Each method says what it misses; reflection misses nothing."""
        for path in ("/objpool.v1.LeaseService/Session", "/objpool.v1.BufferService/Read",
                     "/objpool.v1.BufferService/Write", "/objpool.v1.PoolService/WatchPool",
                     "/grpc.health.v1.Health/Watch"):
            with self.subTest(path=path):
                call = self.api.channel.stream_stream(path)
                self.assert_code(grpc.StatusCode.INVALID_ARGUMENT,
                                 lambda: list(call(iter(()), timeout=DEADLINE_S)))  # noqa: B023
        empty = self.api.channel.stream_stream(REFLECTION)
        self.assertEqual(list(empty(iter(()), timeout=DEADLINE_S)), [])

    def test_who_says_no_more_is_still_answered(self):
        """Half closed before the answers of what was asked."""
        stub = lease_service_pb2_grpc.LeaseServiceStub(self.api.channel)
        asked = [lease_service_pb2.SessionRequest(
            start=session_pb2.StartSession(linger=ms(0)),
            operations=[operation(number, lease=lease_of("large")) for number in range(1, 9)])]
        answers = [answer for reply in stub.Session(iter(asked), timeout=DEADLINE_S)
                   for answer in reply.answers]
        self.assertEqual([answer.id for answer in answers], list(range(1, 9)))

    def test_watches_go_on_until_their_client_goes(self):
        watch = self.api.channel.unary_stream("/objpool.v1.PoolService/WatchPool")
        request = pool_service_pb2.WatchPoolRequest(name="one").SerializeToString()
        stream = watch(request, timeout=DEADLINE_S)
        self.assertIn(b"one", next(stream))
        stream.cancel()
        self.wait_until_handled("WatchPool", "CANCELLED")
        health = self.api.channel.unary_stream("/grpc.health.v1.Health/Watch")(
            b"", timeout=DEADLINE_S)
        self.assertEqual(next(health), b"\x08\x01")
        health.cancel()
        self.wait_until_handled("Watch", "CANCELLED")

    def test_hundreds_of_streams_on_one_connection(self):
        watch = self.api.channel.unary_stream("/grpc.health.v1.Health/Watch")
        streams = [watch(b"", timeout=DEADLINE_S) for _ in range(200)]
        for stream in streams:
            self.assertEqual(next(stream), b"\x08\x01")
        for stream in streams:
            stream.cancel()
        wait_until(lambda: self.handled("Watch", "CANCELLED") == len(streams), "all are over")

    def test_more_calls_than_streams_wait_for_each_other(self):
        request = pool_service_pb2.ListPoolsRequest()
        calls = [self.api.start("ListPools", request) for _ in range(2000)]
        self.assertEqual({len(call.result().pools) for call in calls}, {3})

    # Calls that end before their time.

    def test_a_call_is_cancelled_before_it_is_answered(self):
        with self.taken():
            call = self.api.start("Lease", lease_of("one", max_wait=HOUR))
            self.wait_for_waiters(1)
            call.cancel()
            self.wait_for_waiters(0)
        self.wait_until_handled("Lease", "CANCELLED")

    def test_a_stream_is_cancelled_before_its_first_answer(self):
        stub = lease_service_pb2_grpc.LeaseServiceStub(self.api.channel)
        over = threading.Event()
        call = stub.Session(iter(over.wait, True), timeout=DEADLINE_S)
        wait_until(lambda: self.server.metrics().sum(
            "grpc_server_started_total", grpc_method="Session") == self.before.sum(
                "grpc_server_started_total", grpc_method="Session") + 1, "a call")
        call.cancel()
        self.wait_until_handled("Session", "CANCELLED")
        over.set()

    def test_a_stream_is_cancelled_after_its_first_answer(self):
        session = SessionClient(self.server.address, linger_ms=0)
        wait_until(lambda: session.messages, "opened")
        session.close()
        self.wait_until_handled("Session", "CANCELLED")

    def test_a_deadline_passes_while_a_call_waits(self):
        stub = lease_service_pb2_grpc.LeaseServiceStub(self.api.channel)
        with self.taken():
            begin = time.monotonic()
            self.assert_code(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: stub.Lease(
                lease_of("one", max_wait=HOUR), timeout=0.1))
            self.assertGreaterEqual(time.monotonic() - begin, 0.1)
            self.wait_for_waiters(0)

    def test_deadlines_by_the_hundred_do_not_end_the_connection(self):
        """Each is reset by its client."""
        stub = lease_service_pb2_grpc.LeaseServiceStub(self.api.channel)
        codes = collections.Counter()
        with self.taken():
            for _ in range(16):
                calls = [stub.Lease.future(lease_of("one", max_wait=HOUR), timeout=0.25)
                         for _ in range(200)]
                codes.update(call.code() for call in calls)
        self.assertEqual(codes, {grpc.StatusCode.DEADLINE_EXCEEDED: 3200})

    def test_a_deadline_has_passed_before_the_call(self):
        stub = lease_service_pb2_grpc.LeaseServiceStub(self.api.channel)
        self.assert_code(grpc.StatusCode.DEADLINE_EXCEEDED,
                         lambda: stub.Lease(lease_of("large"), timeout=-1))

    def test_a_deadline_passes_while_a_stream_is_open(self):
        stub = lease_service_pb2_grpc.LeaseServiceStub(self.api.channel)
        over = threading.Event()
        self.assert_code(grpc.StatusCode.DEADLINE_EXCEEDED,
                         lambda: list(stub.Session(iter(over.wait, True), timeout=0.1)))
        over.set()

    # Errors.

    def test_a_message_may_have_any_text(self):
        for name in ("\t\nwith whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n",
                     "100%", "%20%", "a%zz", " blank ", "\x7f\x01\0"):
            with self.subTest(name=name):
                refusal = self.assert_code(grpc.StatusCode.NOT_FOUND,
                                           lambda: self.api.get_pool(name))  # noqa: B023
                self.assertEqual(refusal.message, f'no pool is named "{name}"')
                self.assertEqual(refusal.reason, "POOL_UNKNOWN")

    def test_an_error_has_details_and_says_when_to_come_again(self):
        with self.taken():
            refusal = self.assert_code(grpc.StatusCode.RESOURCE_EXHAUSTED,
                                       lambda: self.api.lease("one"))
            self.assertEqual(refusal.reason, "POOL_EXHAUSTED")
            self.assertEqual(int(refusal.pushback_ms), refusal.retry_ms)

    def test_a_stream_ends_with_an_error_and_its_details(self):
        read = buffer_service_pb2.ReadRequest(pool="one")
        call = self.api.buffers.Read(read, timeout=DEADLINE_S)
        self.assertEqual(self.assert_code(grpc.StatusCode.FAILED_PRECONDITION,
                                          lambda: list(call)).reason, "NOT_A_BUFFER_POOL")

    def test_what_there_is_not_is_unimplemented(self):
        for path in ("/objpool.v1.LeaseService/Nothing", "/objpool.v1.NoService/Lease", "/x/y",
                     "/objpool.v1.LeaseService/lease", "/objpool.v1.LeaseService/Lease/"):
            for request in (b"", b"x" * 100_000):
                with self.subTest(path=path):
                    self.assert_code(grpc.StatusCode.UNIMPLEMENTED,
                                     lambda: self.api.raw(path, request))  # noqa: B023

    def test_a_request_that_is_no_message(self):
        refusal = self.assert_code(grpc.StatusCode.INVALID_ARGUMENT,
                                   lambda: self.api.raw(LEASE, b"\x0a\xff"))
        self.assertEqual(refusal.reason, "MALFORMED")

    # Metadata and compression.

    def test_metadata_that_nobody_asked_for_is_passed_over(self):
        for metadata in ((("x-name", "value"), ("x-name", "value")), (("x-empty", ""),),
                         (("x-bytes-bin", bytes(range(256))), ("x-bytes-bin", b"")),
                         (("grpc-previous-rpc-attempts", "3"), ("grpc-tags-bin", b"\0")),
                         tuple((f"x-{number}", "v") for number in range(100))):
            with self.subTest(metadata=metadata):
                self.assertEqual(self.api.raw(CHECK, metadata=metadata), b"\x08\x01")

    def test_metadata_may_have_so_many_bytes_and_no_more(self):
        self.api.raw(CHECK, metadata=(("x-long", "v" * (MAX_HEADER_BYTES - 2048)),))
        self.assert_code(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: self.api.raw(
            CHECK, metadata=(("x-long", "v" * MAX_HEADER_BYTES),)))
        try:
            answer = self.api.raw(CHECK)
        except grpc.RpcError as error:
            # gRPC 1.51 loses its table of headers there, and then the connection (CVE-2023-32731).
            self.assertEqual((ENGINE, error.code()), ("grpc", grpc.StatusCode.UNAVAILABLE), error)
            answer = self.api.raw(CHECK)
        self.assertEqual(answer, b"\x08\x01", "the next call is served")

    def test_a_request_may_be_compressed_by_gzip_alone(self):
        call = self.api.channel.unary_unary("/objpool.v1.PoolService/GetPool")
        request = pool_service_pb2.GetPoolRequest(name="x" * 60).SerializeToString()
        self.assert_code(grpc.StatusCode.NOT_FOUND, lambda: call(
            request, compression=grpc.Compression.Gzip, timeout=DEADLINE_S))
        self.assert_code(grpc.StatusCode.UNIMPLEMENTED, lambda: call(
            request, compression=grpc.Compression.Deflate, timeout=DEADLINE_S))


class StopTest(unittest.TestCase):
    def test_a_server_that_stops_ends_what_it_has_begun(self):
        with Server(CONFIG, ["--shutdown_grace=50s"]) as server, Api(server) as api:
            (grant,) = api.lease("one").grants
            watch = api.channel.unary_stream("/grpc.health.v1.Health/Watch")(
                b"", timeout=DEADLINE_S)
            self.assertEqual(next(watch), b"\x08\x01")
            server.process.terminate()
            self.assertEqual(next(watch), b"\x08\x02", "it is told that the server leaves")
            self.assertFalse(api.give_back("one", grant.ref).results[0].already_returned)
            with self.assertRaises(grpc.RpcError):
                list(watch)
            self.assertEqual(server.process.wait(DEADLINE_S), 0)
            with self.assertRaises(grpc.RpcError) as caught:
                api.check_health()
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)


if __name__ == "__main__":
    unittest.main()
