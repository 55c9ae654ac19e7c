"""Frames, headers and windows that HTTP/2 forbids, lies about lengths, and games within its rules.
The worst of them end their own connection, the others their own call."""

import unittest

import raw_http2 as h2
from attack_table import WAIT
from attack_testing import Besieged, cuts
from objpool_testing import wait_until
from raw_http2 import Raw, field, frame, headers

CUT_S = 5
CALL = h2.call_headers()


def varint(value, first):
    """HPACK's way to write a number behind a prefix that is full."""
    out, value = [first], value
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes(out + [value])


# What, and how it is written: the connection ends. First what HTTP/2 says of single frames.
BROKEN = {
    "a ping of 7 bytes": frame(h2.PING, 0, 0, b"1234567"),
    "a ping on a stream": frame(h2.PING, 0, 1, b"12345678"),
    "settings of 5 bytes": frame(h2.SETTINGS, 0, 0, b"12345"),
    "settings on a stream": frame(h2.SETTINGS, 0, 1),
    "an answer to settings with something in it": frame(h2.SETTINGS, h2.ACK, 0, b"123456"),
    "frames of 1 byte": h2.settings(max_frame_size=1),
    "a window of 2^31 bytes": h2.settings(initial_window_size=2**31),
    "a goaway on a stream": frame(h2.GOAWAY, 0, 1, bytes(8)),
    "a goaway of 7 bytes": frame(h2.GOAWAY, 0, 0, bytes(7)),
    "a reset of 3 bytes": headers(1) + frame(h2.RST_STREAM, 0, 1, bytes(3)),
    "a reset of no stream": frame(h2.RST_STREAM, 0, 0, bytes(4)),
    "a reset of a stream that never was": frame(h2.RST_STREAM, 0, 99, bytes(4)),
    "a window update of 3 bytes": frame(h2.WINDOW_UPDATE, 0, 0, bytes(3)),
    "a window update by nothing": frame(h2.WINDOW_UPDATE, 0, 0, bytes(4)),
    "a window update of a stream by nothing":
        headers(1) + frame(h2.WINDOW_UPDATE, 0, 1, bytes(4)),
    "a window beyond 2^31": frame(h2.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "data on no stream": frame(h2.DATA, 0, 0, b"x"),
    "data on a stream that never was": frame(h2.DATA, 0, 99, b"x"),
    "headers on no stream": headers(0),
    "headers on the server's stream": headers(2),
    "a continuation of nothing": frame(h2.CONTINUATION, h2.END_HEADERS, 1, CALL),
    "a ping within headers": headers(1, flags=0) + frame(h2.PING, 0, 0, b"12345678"),
    "another call within headers": headers(1, flags=0) + headers(3),
    "a push promise": headers(1) + frame(h2.PUSH_PROMISE, h2.END_HEADERS, 1, b"\0\0\0\2" + CALL),
    "more padding than frame": headers(1) + frame(h2.DATA, h2.PADDED, 1, b"\xff\0"),
    "a frame of 16 MB": b"\xff\xff\xff" + bytes([h2.DATA, 0]) + b"\0\0\0\x01",
    "headers of 16 MB": b"\xff\xff\xff" + bytes([h2.HEADERS, 0]) + b"\0\0\0\x01",
    # HPACK.
    "a field of no table": headers(1, CALL + varint(10_000 - 127, 0xff)),
    "field 0": headers(1, CALL + b"\x80"),
    "a number without end": headers(1, CALL + b"\x7f" + b"\xff" * 1000),
    "a string of 1 GiB": headers(1, CALL + b"\0" + varint(2**30, 0x7f)),
    "a table of 1 GiB": headers(1, varint(2**30, 0x3f) + CALL),
    "a table that is resized behind a field": headers(1, CALL + b"\x20"),
    "a code of Huffman's that is none": headers(1, CALL + b"\0\x84\xff\xff\xff\xff\x01x"),
    "headers that end within a field": headers(1, CALL + b"\0\x05ab"),
}

# The call ends, and others of its connection go on. A name, and its headers; where it is a whole
# frame or more, as bytes of stream 1.
PSEUDO = [field(":method", "POST"), field(":scheme", "http"), field(":path", h2.LIST_POOLS)]
REST = field("te", "trailers") + field("content-type", "application/grpc")
LONG = b"".join(field("name", "v" * 100) for _ in range(70))  # 9 KB on the wire
REFUSED = {
    "no path": PSEUDO[0] + PSEUDO[1] + REST,
    "two paths": b"".join(PSEUDO) + PSEUDO[2] + REST,
    "a path behind fields": PSEUDO[0] + PSEUDO[1] + REST + PSEUDO[2],
    "an answer's field": b"".join(PSEUDO) + field(":status", "200") + REST,
    "a field that nobody knows": b"".join(PSEUDO) + field(":nothing", "x") + REST,
    "capitals": b"".join(PSEUDO) + field("Name", "x") + REST,
    "a name of nothing": b"".join(PSEUDO) + field("", "x") + REST,
    "a line break": b"".join(PSEUDO) + field("name", "a\r\nb: c") + REST,
    "a nul": b"".join(PSEUDO) + field("name", "a\0b") + REST,
    "a connection": b"".join(PSEUDO) + field("connection", "close") + REST,
    "an upgrade": b"".join(PSEUDO) + field("transfer-encoding", "chunked") + REST,
    "a te that is none": b"".join(PSEUDO) + field("te", "gzip") + REST,
    "a te that is none, with much behind it": b"".join(PSEUDO) + field("te", "x") + REST + LONG,
    "a length that is none": b"".join(PSEUDO) + field("content-length", "-1") + REST,
    "two lengths": b"".join(PSEUDO) + field("content-length", "5") * 2 + REST,
}
BODY = frame(h2.DATA, h2.END_STREAM, 1, h2.message())
REFUSED_FRAMES = {
    "more than the length says": headers(1, CALL + field("content-length", "3")) + BODY,
    "less than the length says": headers(1, CALL + field("content-length", "300")) + BODY,
    "trailers that do not end": headers(1) + headers(1, field("a", "b")),
    "trailers with a path": headers(1) + headers(1, PSEUDO[2], h2.END_HEADERS | h2.END_STREAM),
    "a window of the stream beyond 2^31":
        headers(1) + frame(h2.WINDOW_UPDATE, 0, 1, b"\x7f\xff\xff\xff") * 2,
}


def over(stream):
    """The stream has been answered to its end, or reset."""
    return lambda frames: any(
        at == stream and (kind == h2.RST_STREAM or kind == h2.HEADERS and flags & h2.END_STREAM)
        for kind, flags, at, _ in frames)


def answered(stream):
    return lambda frames: any(at == stream and kind == h2.HEADERS and flags & h2.END_STREAM
                              for kind, flags, at, _ in frames)


class FramingTest(unittest.TestCase):
    def test_what_breaks_the_connection(self):
        with Besieged(self) as besieged:
            for what, data in BROKEN.items():
                with self.subTest(what), Raw(besieged.address) as raw:
                    raw.send(data)
                    self.assertLess(raw.read_to_end(), CUT_S)
            count = cuts(besieged.server, "protocol") + cuts(besieged.server, "flood")
            self.assertEqual(count, len(BROKEN), "each is counted")

    def test_what_breaks_a_call(self):
        calls = {what: headers(1, block, h2.END_HEADERS) + BODY for what, block in REFUSED.items()}
        calls.update(REFUSED_FRAMES)
        with Besieged(self) as besieged:
            for what, data in calls.items():
                with self.subTest(what), Raw(besieged.address) as raw:
                    raw.send(data + h2.call(3, path=h2.LIST_POOLS))
                    self.assertTrue(raw.read_until(over(1)))
                    self.assertTrue(raw.read_until(answered(3)), "another call of the connection")

    def test_trailers_again_and_again(self):
        """The first ones end the request; what comes then is for nobody."""
        more = headers(1, field("a", "b"), h2.END_HEADERS | h2.END_STREAM)
        with Besieged(self) as besieged, Raw(besieged.address) as raw:
            raw.send(headers(1))
            self.assertIsNotNone(raw.flood(more * 1000, CUT_S))

    def test_goaways_and_calls_behind_them(self):
        """A client that says goodbye all the time goes, or is cut off."""
        with Besieged(self) as besieged:
            goodbye = frame(h2.GOAWAY, 0, 0, bytes(8) + b"x" * 1000)
            with Raw(besieged.address) as raw:
                self.assertIsNotNone(raw.flood(goodbye * 100, CUT_S))
            with Raw(besieged.address) as raw:
                raw.send(h2.call(1, path=h2.LIST_POOLS) + frame(h2.GOAWAY, 0, 0, bytes(8)))
                self.assertTrue(raw.read_until(answered(1)))
                raw.read_to_end()
            self.assertEqual(cuts(besieged.server, "protocol"), 0, "that is no fault")

    def test_windows_that_grow_and_shrink(self):
        """Each change is for all streams that wait: 256 of them, 1000 times, is too much."""
        change = b"".join(h2.settings(initial_window_size=size) for size in (0, 1) * 500)
        with Besieged(self) as besieged:
            with Raw(besieged.address, h2.PREFACE + h2.settings(initial_window_size=0)) as raw:
                raw.send(b"".join(h2.call(stream, path=h2.LIST_POOLS)
                                  for stream in range(1, 512, 2)))
                self.assertIsNotNone(raw.flood(change, CUT_S))
            self.assertEqual(besieged.server.metrics().sum(
                "objpool_connection_floods_total", kind="settings"), 1)

    def test_tables_that_grow_and_shrink(self):
        """The client's table of headers, which the server fills: 4 GiB are not had."""
        with Besieged(self) as besieged, Raw(
                besieged.address, h2.PREFACE + h2.settings(header_table_size=2**32 - 1)) as raw:
            for stream in range(1, 2001, 2):
                raw.send(h2.call(stream, path=f"/no.Such/{stream:0100}"))
                if stream % 100 == 1:
                    self.assertTrue(raw.read_until(answered(stream)))

    def test_headers_as_long_as_they_may_be_on_all_streams(self):
        """The server keeps nothing of them that is not gRPC's."""
        block = CALL + b"".join(field("name", "v" * 100) for _ in range(100))
        with Besieged(self) as besieged:
            raws = [Raw(besieged.address) for _ in range(8)]
            for raw in raws:
                raw.send(b"".join(headers(stream, block) for stream in range(1, 512, 2)))
            for raw in raws:
                raw.send(frame(h2.PING, 0, 0, b"12345678"))
                self.assertTrue(raw.read_until(lambda frames: any(
                    kind == h2.PING for kind, *_ in frames)))
                raw.socket.close()

    def test_calls_that_wait_on_all_streams_do_not_keep_others_out(self):
        """Requests that are whole, and answers that are not due: half-closed streams."""
        with Besieged(self) as besieged:
            raws = [Raw(besieged.address) for _ in range(16)]
            for raw in raws:
                raw.send(b"".join(h2.call(stream, WAIT) for stream in range(1, 512, 2)))
            wait_until(lambda: besieged.server.metrics().sum("objpool_lease_waiters") > 3000,
                       "calls that wait")
            before = besieged.honest.cycles
            while besieged.honest.cycles < before + 50 and not besieged.honest.errors:
                besieged.server.metrics()
            for raw in raws:
                raw.socket.close()


if __name__ == "__main__":
    unittest.main()
