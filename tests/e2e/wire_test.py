"""gRPC over HTTP/2 as engine h2 speaks it, frame by frame. The metrics say how a call ended.

Everything that one of the usual clients can send is in the other tests, which run on both engines.
"""

import contextlib
import gzip
import signal
import unittest

import raw_http2 as h2
from objpool_testing import DEADLINE_S, Api, Server, lease_service_pb2, wait_until
from raw_http2 import Raw

CONFIG = 'pools { name: "ids" ids { count: 8 } }'
LEASE_IDS = lease_service_pb2.LeaseRequest(pool="ids").SerializeToString()
WAIT = lease_service_pb2.LeaseRequest(pool="ids", count=8)
WAIT.max_wait.seconds = 3600


MOST = 256 * 1024  # bytes of a request
GZIPPED = h2.headers(1, h2.call_headers(grpc_encoding="gzip"))


def flagged(data):
    """A message that says that it is compressed."""
    return b"\1" + len(data).to_bytes(4, "big") + data


def compressed(request):
    return flagged(gzip.compress(request))


def ended(stream=1):
    """What an answer that is over looks like."""
    return lambda frames: any(kind == h2.HEADERS and at == stream and flags & h2.END_STREAM
                              for kind, flags, at, _ in frames)


def message_of(frames, stream=1):
    data = b"".join(payload for kind, _, at, payload in frames if kind == h2.DATA and at == stream)
    assert data[:1] == b"\0" and int.from_bytes(data[1:5], "big") == len(data) - 5, data
    return data[5:]


class WireTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.server = cls.stack.enter_context(Server(CONFIG, ["--engine=h2", "--workers=1"]))

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def setUp(self):
        self.before = self.server.metrics()

    def handled(self, code, **labels):
        """Calls that ended so, within this test."""
        name = "grpc_server_handled_total"
        return (self.server.metrics().sum_or_zero(name, grpc_code=code, **labels)
                - self.before.sum_or_zero(name, grpc_code=code, **labels))

    def assert_ends(self, data, code, stream=1):
        with Raw(self.server.address) as raw:
            raw.send(data)
            self.assertTrue(raw.read_until(ended(stream)))
            self.assertEqual(self.handled(code), 1)

    def wait_for_waiters(self, count):
        wait_until(lambda: self.server.metrics().sum("objpool_lease_waiters") == count, "waiters")

    def lease_frames(self, raw, *frames):
        raw.send(b"".join(frames))
        self.assertTrue(raw.read_until(ended()))
        (grant,) = lease_service_pb2.LeaseResponse.FromString(message_of(raw.frames())).grants
        with Api(self.server) as api:
            api.give_back("ids", grant.ref)

    def test_a_request_may_come_in_single_bytes(self):
        with Raw(self.server.address) as raw:
            self.lease_frames(raw, h2.headers(1),
                              *(h2.frame(h2.DATA, 0, 1, bytes([byte]))
                                for byte in h2.message(LEASE_IDS)),
                              h2.frame(h2.DATA, h2.END_STREAM, 1))

    def test_a_request_may_end_with_trailers_of_its_own(self):
        with Raw(self.server.address) as raw:
            self.lease_frames(raw, h2.headers(1), h2.frame(h2.DATA, 0, 1, h2.message(LEASE_IDS)),
                              h2.headers(1, h2.field("a", "b"), h2.END_HEADERS | h2.END_STREAM))

    def test_an_answer_comes_through_a_small_window(self):
        with Raw(self.server.address, h2.PREFACE + h2.settings(initial_window_size=1)) as raw:
            raw.send(h2.call(1, path=h2.LIST_POOLS))
            for got in range(1, 200):
                raw.read_until(lambda frames, got=got: ended()(frames) or sum(
                    len(payload) for kind, _, _, payload in frames if kind == h2.DATA) >= got)
                if ended()(raw.frames()):
                    break
                raw.send(h2.frame(h2.WINDOW_UPDATE, 0, 1, b"\0\0\0\x01"))
            self.assertIn(b"ids", message_of(raw.frames()))
            self.assertTrue(all(len(payload) == 1 for kind, _, _, payload in raw.frames()
                                if kind == h2.DATA))

    def test_one_call_does_not_wait_for_another_ones_window(self):
        with Raw(self.server.address, h2.PREFACE + h2.settings(initial_window_size=0)) as raw:
            raw.send(h2.call(1, path=h2.LIST_POOLS) + h2.call(3, path=h2.LIST_POOLS)
                     + h2.frame(h2.WINDOW_UPDATE, 0, 3, b"\0\1\0\0"))
            self.assertTrue(raw.read_until(ended(3)))
            self.assertFalse(ended(1)(raw.frames()))

    def test_a_long_request_gets_the_windows_it_needs(self):
        """Four times what may be sent at first. It says that it has one byte more than it has."""
        rest = b"\0" + (2**18).to_bytes(4, "big") + b"x" * (2**18 - 1)
        with Raw(self.server.address) as raw:
            raw.send(h2.headers(1))
            sent = 0

            def window(frames, stream):
                return 65_535 - sent + sum(int.from_bytes(payload, "big")
                                           for kind, _, at, payload in frames
                                           if kind == h2.WINDOW_UPDATE and at == stream)

            while rest:
                raw.read_until(lambda frames: window(frames, 0) > 0 and window(frames, 1) > 0)
                step = min(window(raw.frames(), 0), window(raw.frames(), 1), 16_384)
                raw.send(h2.frame(h2.DATA, 0, 1, rest[:step]))
                rest, sent = rest[step:], sent + len(rest[:step])
            raw.send(h2.frame(h2.DATA, h2.END_STREAM, 1))
            self.assertTrue(raw.read_until(ended()))
        self.assertEqual(self.handled("INVALID_ARGUMENT"), 1)

    def test_what_is_no_grpc_is_told_so_in_http(self):
        for block in (h2.call_headers(content_type="text/plain"), h2.field(":method", "GET")
                      + h2.call_headers()[len(h2.field(":method", "POST")):]):
            with Raw(self.server.address) as raw:
                raw.send(h2.headers(1, block, h2.END_HEADERS | h2.END_STREAM))
                self.assertTrue(raw.read_until(ended()))
        self.assertEqual(self.server.metrics().sum("grpc_server_started_total"),
                         self.before.sum("grpc_server_started_total"))

    def test_a_deadline_is_kept_by_the_server_too(self):
        with Api(self.server) as api:
            (grant,) = api.lease("ids").grants
            with Raw(self.server.address) as raw:
                raw.send(h2.headers(1, h2.call_headers(grpc_timeout="50m"))
                         + h2.frame(h2.DATA, h2.END_STREAM, 1,
                                    h2.message(WAIT.SerializeToString())))
                self.assertTrue(raw.read_until(ended()))
            self.wait_for_waiters(0)
            api.give_back("ids", grant.ref)

    def test_a_session_ends_at_its_deadline(self):
        self.assert_ends(h2.headers(1, h2.call_headers(h2.SESSION, grpc_timeout="50m"))
                         + h2.frame(h2.DATA, 0, 1, h2.message(b"\x0a\x00")), "DEADLINE_EXCEEDED")

    def test_a_call_that_is_reset_is_over(self):
        with Api(self.server) as api:
            (grant,) = api.lease("ids").grants
            with Raw(self.server.address) as raw:
                raw.send(h2.call(1, WAIT.SerializeToString()))
                self.wait_for_waiters(1)
                raw.send(h2.frame(h2.RST_STREAM, 0, 1, b"\0\0\0\x08"))
                self.wait_for_waiters(0)
                raw.send(h2.call(3, path=h2.LIST_POOLS))
                self.assertTrue(raw.read_until(ended(3)))
            api.give_back("ids", grant.ref)

    def test_requests_that_are_wrong_are_refused(self):
        def last(data):
            return h2.frame(h2.DATA, h2.END_STREAM, 1, data)

        body = last(h2.message(LEASE_IDS))
        for data, code in (
                (h2.headers(1, h2.call_headers(grpc_timeout="soon")) + body, "INVALID_ARGUMENT"),
                (h2.headers(1, h2.call_headers(grpc_encoding="snappy")) + body, "UNIMPLEMENTED"),
                (h2.headers(1, h2.call_headers("/a/b")) + body, "UNIMPLEMENTED"),
                (h2.headers(1) + last(b"\1\0\0\0\0"), "INTERNAL"),
                (GZIPPED + last(b"\1\0\0\0\0"), "INTERNAL"),
                (GZIPPED + last(compressed(LEASE_IDS)[:-1]), "INVALID_ARGUMENT"),
                (GZIPPED + last(flagged(b"no gzip")), "INTERNAL"),
                (GZIPPED + last(flagged(gzip.compress(LEASE_IDS)[:-1])), "INTERNAL"),
                (GZIPPED + last(flagged(gzip.compress(LEASE_IDS) + b"x")), "INTERNAL"),
                (GZIPPED + last(compressed(bytes(MOST + 1))), "RESOURCE_EXHAUSTED"),
                (h2.headers(1, h2.call_headers(h2.SESSION, grpc_encoding="gzip"))
                 + last(compressed(bytes(MOST + 1))), "RESOURCE_EXHAUSTED"),
                (h2.headers(1) + last(b""), "INVALID_ARGUMENT"),
                (h2.headers(1) + last(b"\0\0\0"), "INVALID_ARGUMENT"),
                (h2.headers(1) + last(h2.message(b"x") * 2), "INVALID_ARGUMENT"),
                (h2.headers(1) + h2.frame(h2.DATA, 0, 1, b"\0\xff\xff\xff\xff"),
                 "RESOURCE_EXHAUSTED"),
                (h2.headers(1, h2.call_headers(h2.SESSION))
                 + last(b"\0\0\0\0\x09abc"), "INTERNAL")):
            with self.subTest(data=data):
                self.before = self.server.metrics()
                self.assert_ends(data, code)

    def test_a_request_may_be_compressed_where_it_says_so(self):
        for data in (compressed(LEASE_IDS), h2.message(LEASE_IDS)):
            with Raw(self.server.address) as raw:
                self.lease_frames(raw, GZIPPED, h2.frame(h2.DATA, h2.END_STREAM, 1, data))

    def test_the_encodings_that_are_taken_are_told_once(self):
        with Raw(self.server.address) as raw:
            for stream in (1, 3):
                raw.send(h2.call(stream, path=h2.LIST_POOLS))
                self.assertTrue(raw.read_until(ended(stream)))
            lengths = [len(payload) for kind, flags, _, payload in raw.frames()
                       if kind == h2.HEADERS and not flags & h2.END_STREAM]
            self.assertGreater(lengths[0], lengths[1] + 20)

    def test_a_ping_is_answered(self):
        with Raw(self.server.address) as raw:
            raw.send(h2.frame(h2.PING, 0, 0, b"abcdefgh"))
            self.assertTrue(raw.read_until(lambda frames: (h2.PING, h2.ACK, 0, b"abcdefgh")
                                           in frames))


class StopTest(unittest.TestCase):
    def test_a_server_that_stops_says_so_and_ends_what_it_has_begun(self):
        with Server(CONFIG, ["--engine=h2", "--shutdown_grace=50s"]) as server:
            with Raw(server.address) as raw, Raw(server.address) as idle:
                raw.send(h2.headers(1))
                raw.read_until(lambda frames: any(kind == h2.SETTINGS for kind, *_ in frames))
                wait_until(lambda: server.metrics().sum("grpc_server_started_total",
                                                        grpc_method="Lease") == 1, "a call")
                server.process.send_signal(signal.SIGTERM)
                for each in (raw, idle):
                    self.assertTrue(each.read_until(
                        lambda frames: any(kind == h2.GOAWAY for kind, *_ in frames)))
                    self.assertFalse(each.gone)
                    self.assertEqual(each.goaway_error(), 0)
                raw.send(h2.frame(h2.DATA, h2.END_STREAM, 1, h2.message(b""))
                         + h2.call(3, path=h2.LIST_POOLS))
                self.assertTrue(raw.read_until(ended()))
                raw.read_to_end()
                self.assertIn((h2.RST_STREAM, 0, 3, b"\0\0\0\x07"), raw.frames())
                self.assertEqual(server.process.wait(DEADLINE_S / 2), 0)


if __name__ == "__main__":
    unittest.main()
