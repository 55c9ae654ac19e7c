"""gRPC over HTTP/2, below what gRPC's own clients can say: what its document and RFC 9113 ask of a
server, by nghttp and by frames made by hand, of both engines.

Where STRICT is looked at, the two engines differ; README.md has the table.
"""

import base64
import pathlib
import re
import signal
import subprocess
import unittest

import raw_http2 as h2
from objpool_testing import (DEADLINE_S, ENGINE, Api, Server, lease_service_pb2, status_pb2,
                             wait_until)
from raw_http2 import Raw

CONFIG = """
pools { name: "ids" ids { count: 8 } }
pools { name: "buffers" buffers { count: 1 size_bytes: 1048576 } }
"""
LEASE_IDS = lease_service_pb2.LeaseRequest(pool="ids").SerializeToString()
NOBODY = lease_service_pb2.LeaseRequest(pool="nobody").SerializeToString()
READ = "/objpool.v1.BufferService/Read"
FIRST_WINDOW = 65_535
MAX_FRAME = 16_384
PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, COMPRESSION_ERROR = 1, 3, 6, 9

# What gRPC 1.51 does otherwise; README.md has it as a table.
STRICT = ENGINE == "h2"


# Frames that end a connection, and by which error.
BROKEN = (
    ("settings of a stream", h2.frame(h2.SETTINGS, 0, 1), (PROTOCOL_ERROR,)),
    ("settings cut off", h2.frame(h2.SETTINGS, 0, 0, b"\0\1\0"), (FRAME_SIZE_ERROR,)),
    ("a short ping", h2.frame(h2.PING, 0, 0, b"x"), (FRAME_SIZE_ERROR,)),
    ("a frame that is too long", h2.frame(h2.DATA, 0, 1, b"x" * (MAX_FRAME + 1)),
     (FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
    ("the end of headers that never began", h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1),
     (PROTOCOL_ERROR,)),
    ("others between headers", h2.frame(h2.HEADERS, 0, 1, b"") + h2.call(1, NOBODY),
     (PROTOCOL_ERROR,)),
    ("headers that are no HPACK", h2.headers(1, b"\xff" * 7), (COMPRESSION_ERROR,)),
    ("a window of the future", h2.settings(initial_window_size=2**31), (FLOW_CONTROL_ERROR,)))
# Likewise; but gRPC 1.51 goes on.
PASSED_OVER = (
    ("a stream of the server's", h2.headers(2), (PROTOCOL_ERROR,)),
    ("data of no stream", h2.frame(h2.DATA, 0, 0, b"x"), (PROTOCOL_ERROR,)),
    ("more padding than there is", h2.headers(1) + h2.frame(h2.DATA, h2.PADDED, 1, b"\xffx"),
     (PROTOCOL_ERROR,)),
    ("a window beyond all", h2.frame(h2.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"),
     (FLOW_CONTROL_ERROR,)))


def ended(stream=1):
    return lambda frames: any(kind == h2.HEADERS and at == stream and flags & h2.END_STREAM
                              for kind, flags, at, _ in frames)


def of_kind(frames, wanted, stream=1):
    return [(flags, payload) for kind, flags, at, payload in frames
            if kind == wanted and at == stream]


def data_of(frames, stream=1):
    return b"".join(payload for _, payload in of_kind(frames, h2.DATA, stream))


class HttpTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(CONFIG))
        cls.api = cls.enterClassContext(Api(cls.server))

    def setUp(self):
        self.before = self.server.metrics()

    def tearDown(self):
        self.assertEqual(self.api.check_health(), 1)

    def handled(self, code):
        name = "grpc_server_handled_total"
        return (self.server.metrics().sum_or_zero(name, grpc_code=code)
                - self.before.sum_or_zero(name, grpc_code=code))

    def started(self):
        name = "grpc_server_started_total"
        return self.server.metrics().sum(name) - self.before.sum(name)

    def lease_frames(self, *frames, opening=h2.PREFACE + h2.settings()):
        """Sends them one by one; they are a Lease of "ids"."""
        with Raw(self.server.address, opening) as raw:
            for frame in frames:
                self.assertTrue(raw.send(frame))
            self.assertTrue(raw.read_until(ended()))
            data = data_of(raw.frames())
        self.assertEqual(data[:5], b"\0" + (len(data) - 5).to_bytes(4, "big"))
        (grant,) = lease_service_pb2.LeaseResponse.FromString(data[5:]).grants
        self.api.give_back("ids", grant.ref)

    # By nghttp: what is in headers and trailers.

    def ask(self, *headers, path=h2.LEASE, request=NOBODY, content_type="application/grpc"):
        """The blocks of headers that the answer has, each as a dict."""
        file = pathlib.Path(self.server.folder.name) / "request"
        file.write_bytes(h2.message(request))
        flags = [f"-H{header}" for header in (f"content-type: {content_type}", *headers)]
        done = subprocess.run(
            ["nghttp", "-v", "-n", "--no-dep", f"-d{file}", *flags,
             f"http://{self.server.address}{path}"],
            stdout=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=True)
        blocks = [{}]
        for line in done.stdout.splitlines():
            if field := re.search(r"recv \(stream_id=\d+[^)]*\) (:?[^:]+): (.*)", line):
                blocks[-1][field[1]] = field[2]
            elif "recv HEADERS frame" in line:
                blocks.append({})
        return [block for block in blocks if block]

    def test_an_answer_has_headers_and_trailers(self):
        head, trailers = self.ask("te: trailers", path=h2.LIST_POOLS, request=b"")
        self.assertEqual((head[":status"], head["content-type"]), ("200", "application/grpc"))
        self.assertNotIn("grpc-status", head)
        self.assertEqual(trailers["grpc-status"], "0")
        self.assertNotIn(":status", trailers)

    def test_an_error_is_one_block_with_status_and_message(self):
        (block,) = self.ask("te: trailers", request=lease_service_pb2.LeaseRequest(
            pool="50% \u00e4\n").SerializeToString())
        self.assertEqual((block[":status"], block["content-type"], block["grpc-status"]),
                         ("200", "application/grpc", "5"))
        self.assertEqual(block["grpc-message"], 'no pool is named "50%25 %C3%A4%0A"')
        details = block["grpc-status-details-bin"].rstrip("=")
        details += "=" * (-len(details) % 4)
        self.assertEqual(status_pb2.Status.FromString(base64.b64decode(details)).code, 5)

    def test_kinds_of_grpc_are_served(self):
        for content_type in ("application/grpc", "application/grpc+proto",
                             "application/grpc;charset=utf-8"):
            with self.subTest(content_type=content_type):
                (block,) = self.ask("te: trailers", content_type=content_type)
                self.assertEqual(block["grpc-status"], "5")

    def test_an_unknown_path_is_unimplemented(self):
        for path in ("/", "/x", "/a/b/c", "/objpool.v1.LeaseService/Lease?x=y"):
            with self.subTest(path=path):
                (block,) = self.ask("te: trailers", path=path)
                self.assertEqual((block[":status"], block["grpc-status"]), ("200", "12"))

    def test_an_encoding_that_is_not_taken_is_unimplemented_and_said_what_is(self):
        (block,) = self.ask("te: trailers", "grpc-encoding: snappy")
        self.assertEqual((block[":status"], block["grpc-status"]),
                         ("200", "12" if STRICT else "5"))
        if STRICT:
            self.assertIn("identity", block["grpc-accept-encoding"])

    def test_what_is_no_grpc_is_told_so_in_http(self):
        for content_type in ("text/plain", "application/json", "application/grpc-web",
                             "application/grpcx"):
            with self.subTest(content_type=content_type):
                (block,) = self.ask("te: trailers", content_type=content_type)
                self.assertEqual(block[":status"], "415" if STRICT else "200")
        for method in ("GET", "PUT", "OPTIONS"):
            with self.subTest(method=method):
                (block,) = self.ask("te: trailers", f":method: {method}")
                self.assertEqual((block[":status"], block.get("grpc-status")),
                                 ("405", None) if STRICT else ("200", "2"))

    def test_who_does_not_say_that_it_takes_trailers(self):
        (block,) = self.ask()
        self.assertEqual(block["grpc-status"], "5" if STRICT else "2")

    # By frames: what a client may do.

    def test_a_request_in_single_bytes(self):
        self.lease_frames(h2.headers(1), *(h2.frame(h2.DATA, 0, 1, bytes([byte]))
                                           for byte in h2.message(LEASE_IDS)),
                          h2.frame(h2.DATA, h2.END_STREAM, 1))

    @unittest.skipUnless(STRICT, "gRPC 1.51 takes no padded data")
    def test_a_request_in_padded_frames(self):
        block = h2.call_headers()
        self.lease_frames(
            h2.frame(h2.HEADERS, h2.END_HEADERS | h2.PADDED, 1, b"\x07" + block + b"\0" * 7),
            h2.frame(h2.DATA, h2.END_STREAM | h2.PADDED, 1,
                     b"\x03" + h2.message(LEASE_IDS) + b"\0" * 3))

    def test_headers_in_pieces(self):
        block = h2.call_headers()
        self.lease_frames(h2.frame(h2.HEADERS, 0, 1, block[:20]),
                          h2.frame(h2.CONTINUATION, 0, 1, block[20:21]),
                          h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, block[21:]),
                          h2.frame(h2.DATA, h2.END_STREAM, 1, h2.message(LEASE_IDS)))

    def test_a_request_with_trailers_of_its_own(self):
        self.lease_frames(h2.headers(1), h2.frame(h2.DATA, 0, 1, h2.message(LEASE_IDS)),
                          h2.headers(1, h2.field("a", "b"), h2.END_HEADERS | h2.END_STREAM))

    def test_frames_that_nobody_knows_are_passed_over(self):
        self.lease_frames(h2.frame(0x42, 0xff, 0, b"what"), h2.headers(1),
                          h2.frame(0x43, 0, 1, b"else"),
                          h2.frame(h2.PRIORITY, 0, 1, b"\0\0\0\0\x10"),
                          h2.frame(h2.DATA, h2.END_STREAM, 1, h2.message(LEASE_IDS)))

    def test_fields_in_any_order_behind_those_with_a_colon(self):
        fields = [(":path", h2.LEASE), (":authority", "x"), (":scheme", "http"),
                  (":method", "POST"), ("content-type", "application/grpc"), ("x", "y"),
                  ("grpc-timeout", "50S"), ("te", "trailers")]
        block = b"".join(h2.field(*field) for field in fields)
        self.lease_frames(h2.headers(1, block),
                          h2.frame(h2.DATA, h2.END_STREAM, 1, h2.message(LEASE_IDS)))

    def test_pings_and_settings_are_answered(self):
        with Raw(self.server.address) as raw:
            raw.send(h2.frame(h2.PING, 0, 0, b"abcdefgh") + h2.settings(initial_window_size=9))
            self.assertTrue(raw.read_until(lambda frames: (
                (h2.PING, h2.ACK, 0, b"abcdefgh") in frames
                and frames.count((h2.SETTINGS, h2.ACK, 0, b"")) == 2)))

    def test_an_error_is_one_frame(self):
        """Trailers-Only, as the protocol's document calls it."""
        with Raw(self.server.address) as raw:
            raw.send(h2.call(1, NOBODY))
            self.assertTrue(raw.read_until(ended()))
            self.assertEqual(len(of_kind(raw.frames(), h2.HEADERS)), 1)
            self.assertEqual(data_of(raw.frames()), b"")

    # Flow control.

    def test_an_answer_through_a_window_of_one_byte(self):
        opening = h2.PREFACE + h2.settings(initial_window_size=1)
        with Raw(self.server.address, opening) as raw:
            raw.send(h2.call(1, path=h2.LIST_POOLS))
            for got in range(1, 2000):
                raw.read_until(lambda frames, got=got: ended()(frames)
                               or len(data_of(frames)) >= got)
                if ended()(raw.frames()):
                    break
                self.assertEqual(len(data_of(raw.frames())), got)
                raw.send(h2.frame(h2.WINDOW_UPDATE, 0, 1, b"\0\0\0\x01"))
            self.assertIn(b"buffers", data_of(raw.frames()))

    def test_a_window_may_shrink_below_nothing(self):
        with Raw(self.server.address, h2.PREFACE + h2.settings(initial_window_size=20)) as raw:
            raw.send(h2.call(1, path=h2.LIST_POOLS))
            raw.read_until(lambda frames: len(data_of(frames)) == 20)
            raw.send(h2.settings(initial_window_size=0)
                     + h2.frame(h2.WINDOW_UPDATE, 0, 1, b"\0\0\0\x14")
                     + h2.frame(h2.PING, 0, 0, b"abcdefgh"))
            raw.read_until(lambda frames: (h2.PING, h2.ACK, 0, b"abcdefgh") in frames)
            self.assertEqual(len(data_of(raw.frames())), 20)
            raw.send(h2.frame(h2.WINDOW_UPDATE, 0, 1, b"\0\0\0\x01"))
            raw.read_until(lambda frames: len(data_of(frames)) == 21)
            raw.send(h2.frame(h2.WINDOW_UPDATE, 0, 1, b"\0\1\0\0"))
            self.assertTrue(raw.read_until(ended()))

    def test_one_call_does_not_wait_for_the_window_of_another(self):
        with Raw(self.server.address, h2.PREFACE + h2.settings(initial_window_size=0)) as raw:
            raw.send(h2.call(1, path=h2.LIST_POOLS) + h2.call(3, path=h2.LIST_POOLS)
                     + h2.frame(h2.WINDOW_UPDATE, 0, 3, b"\0\1\0\0"))
            self.assertTrue(raw.read_until(ended(3)))
            self.assertFalse(ended(1)(raw.frames()))

    def test_a_connections_window_holds_for_all_of_its_streams(self):
        (grant,) = self.api.lease("buffers").grants
        read = lease_service_pb2.ReturnRequest(pool="buffers").SerializeToString()
        read += b"\x12" + bytes([grant.ref.ByteSize()]) + grant.ref.SerializeToString()
        opening = h2.PREFACE + h2.settings(initial_window_size=2**24)
        with Raw(self.server.address, opening) as raw:
            raw.send(h2.call(1, read, READ) + h2.call(3, read, READ))

            def got(frames):
                return sum(len(payload) for kind, _, _, payload in frames if kind == h2.DATA)

            raw.read_until(lambda frames: got(frames) >= FIRST_WINDOW)
            raw.send(h2.frame(h2.PING, 0, 0, b"abcdefgh"))
            raw.read_until(lambda frames: (h2.PING, h2.ACK, 0, b"abcdefgh") in frames)
            self.assertEqual(got(raw.frames()), FIRST_WINDOW)
            raw.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, (2**24).to_bytes(4, "big")))
            raw.read_until(lambda frames: ended(1)(frames) and ended(3)(frames))
            for stream in (1, 3):
                self.assertGreaterEqual(len(data_of(raw.frames(), stream)), 2**20)
            self.assertLessEqual(max(len(payload) for *_, payload in raw.frames()), MAX_FRAME)
        self.api.give_back("buffers", grant.ref)

    # By frames: what a client may not do.

    def test_requests_that_are_no_one_message(self):
        def last(data):
            return h2.frame(h2.DATA, h2.END_STREAM, 1, data)

        for body, code in ((last(b""), "INVALID_ARGUMENT"), (last(b"\0\0\0"), "INVALID_ARGUMENT"),
                           (last(h2.message(NOBODY)[:-1]), "INVALID_ARGUMENT"),
                           (last(h2.message(NOBODY) * 2),
                            "INVALID_ARGUMENT" if STRICT else "NOT_FOUND")):
            with self.subTest(body=body):
                self.before = self.server.metrics()
                with Raw(self.server.address) as raw:
                    raw.send(h2.headers(1) + body)
                    self.assertTrue(raw.read_until(ended()))
                self.assertEqual(self.handled(code), 1)

    def assert_stream_refused(self, block):
        """Nobody serves it; the stream or the connection ends with an error."""
        with Raw(self.server.address) as raw:
            raw.send(h2.headers(1, block, h2.END_HEADERS)
                     + h2.frame(h2.DATA, h2.END_STREAM, 1, h2.message(LEASE_IDS)))

            def over(frames):
                return (of_kind(frames, h2.RST_STREAM) or raw.goaway_error()
                        or ended()(frames) or raw.gone)

            raw.read_until(over)
            self.assertEqual(data_of(raw.frames()), b"")
        self.assertEqual(self.handled("OK"), 0)

    @unittest.skipUnless(STRICT, "gRPC 1.51 serves most of them")
    def test_malformed_headers(self):
        good = h2.call_headers()
        for name, block in (
                ("a field with a colon behind others", h2.field("a", "b") + good),
                ("a capital letter", good + h2.field("Name", "value")),
                ("a field with a colon that there is not", h2.field(":x", "y") + good),
                ("a field of HTTP/1", good + h2.field("connection", "close")),
                ("the same twice", h2.field(":path", h2.LEASE) + good),
                ("no path", b"".join(h2.field(*pair) for pair in (
                    (":method", "POST"), (":scheme", "http"), ("te", "trailers"),
                    ("content-type", "application/grpc")))),
                ("a blank in a name", good + h2.field("a b", "c")),
                ("a line's end in a value", good + h2.field("a", "b\r\nc: d")),
                ("an encoding of transfer", good + h2.field("te", "gzip"))):
            with self.subTest(name=name):
                self.before = self.server.metrics()
                self.assert_stream_refused(block)

    def assert_connection_ends(self, data, *errors):
        with Raw(self.server.address) as raw:
            raw.send(data)
            raw.read_to_end()
            # gRPC 1.51 says nothing but the errors that its frames have.
            self.assertIn(raw.goaway_error(), errors if STRICT else (None, *errors))

    def test_broken_frames_end_the_connection(self):
        for name, data, errors in BROKEN + (PASSED_OVER if STRICT else ()):
            with self.subTest(name=name):
                self.assert_connection_ends(data, *errors)

    def test_what_is_no_http2_is_closed(self):
        for opening in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\2\0\1\0\1\xfc\3\3",
                        h2.PREFACE[:-1] + b"x" + h2.settings()):
            with self.subTest(opening=opening):
                with Raw(self.server.address, opening) as raw:
                    raw.read_to_end()
        self.assertEqual(self.started(), 0)


class StopTest(unittest.TestCase):
    def test_a_server_that_stops_says_so_and_ends_what_it_has_begun(self):
        with Server(CONFIG, ["--shutdown_grace=50s"]) as server, Raw(server.address) as raw:
            raw.send(h2.headers(1))
            raw.read_until(lambda frames: any(kind == h2.SETTINGS for kind, *_ in frames))
            wait_until(lambda: server.metrics().sum("grpc_server_started_total",
                                                    grpc_method="Lease") == 1
                       or ENGINE == "grpc", "a call")
            server.process.send_signal(signal.SIGTERM)
            self.assertTrue(raw.read_until(
                lambda frames: any(kind == h2.GOAWAY for kind, *_ in frames)))
            self.assertEqual(raw.goaway_error(), 0)
            raw.send(h2.frame(h2.DATA, h2.END_STREAM, 1, h2.message(b"")))
            self.assertTrue(raw.read_until(ended()))
            raw.read_to_end()
            self.assertEqual(server.process.wait(DEADLINE_S), 0)


if __name__ == "__main__":
    unittest.main()
