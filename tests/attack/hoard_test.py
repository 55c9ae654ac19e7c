"""Clients that take something and do not let go: time, streams, answers, descriptors."""

import contextlib
import threading
import time
import unittest

import raw_http2 as h2
from attack_testing import CONFIG, Besieged, cuts
from objpool_testing import DEADLINE_S, Server, wait_until
from raw_http2 import Raw

STREAMS = 256  # of a connection
HANDSHAKE_S, REQUEST_S, SILENT_S = 5, 10, 30  # what the server gives
FLAGS = ["--engine=h2", "--shutdown_grace=1s"]
SLACK_S = 8  # of a machine that is busy


def side_by_side(*attacks):
    """Runs them at the same time, each within what its own clock allows."""
    failures = []

    def run(attack):
        try:
            attack()
        except BaseException as failure:  # pylint: disable=broad-except
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(attack,)) for attack in attacks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * DEADLINE_S)
    if failures:
        raise failures[0]


class HoardTest(unittest.TestCase):
    def test_those_who_are_slow_are_not_waited_for(self):
        with Besieged(self) as besieged:
            def silent(opening, due_s=HANDSHAKE_S):
                with Raw(besieged.address, opening) as raw:
                    seconds = raw.read_to_end()
                    self.assertGreater(seconds, due_s - 1)
                    self.assertLess(seconds, due_s + SLACK_S)

            side_by_side(
                lambda: silent(b""),
                lambda: silent(h2.PREFACE[:10]),
                lambda: silent(h2.PREFACE),
                lambda: silent(h2.PREFACE + h2.settings()[:7]),
                lambda: silent(h2.PREFACE + h2.settings() + h2.headers(1, flags=0)),
                lambda: silent(h2.PREFACE + h2.settings(), SILENT_S),
                lambda: silent(h2.PREFACE + h2.settings() + h2.headers(
                    1, h2.call_headers() + h2.field("connection", "x")), SILENT_S),
                lambda: self.half_open(besieged),
                lambda: self.dripping_body(besieged),
                lambda: self.dripping_window(besieged),
                lambda: self.window_of_nothing(besieged),
                lambda: self.deaf(besieged))
            self.assertEqual(cuts(besieged.server, "slow"), 5)
            self.assertEqual(cuts(besieged.server, "silent"), 2)
            self.assertEqual(cuts(besieged.server, "not_reading"), 1)
            metrics = besieged.server.metrics()
            for bound, at_least in (("half_open", 8 * STREAMS + 1), ("not_reading", STREAMS + 1)):
                self.assertGreaterEqual(metrics.sum("objpool_calls_cut_total", bound=bound),
                                        at_least)

    def half_open(self, besieged):
        """Calls that never become whole are answered in the end."""
        with contextlib.ExitStack() as stack:
            raws = [stack.enter_context(Raw(besieged.address)) for _ in range(8)]
            streams = range(1, 2 * STREAMS, 2)
            for raw in raws:
                raw.send(b"".join(
                    h2.headers(stream)
                    + h2.frame(h2.DATA, 0, stream, b"\0\0\x03\xff\xff" + b"x" * 99)
                    for stream in streams))
            for raw in raws:
                self.assertTrue(raw.read_until(lambda frames: len(
                    {stream for kind, flags, stream, _ in frames
                     if kind == h2.HEADERS and flags & h2.END_STREAM}) == len(streams)))
                self.assertFalse(raw.gone)

    def dripping_body(self, besieged):
        """Bytes that come are no reason to wait for the last one."""
        with Raw(besieged.address) as raw:
            raw.send(h2.headers(1) + h2.frame(h2.DATA, 0, 1, b"\0\0\0\xff\xff"))
            self.assertTrue(self.drips(raw, h2.frame(h2.DATA, 0, 1, b"x"), lambda frames: any(
                kind == h2.HEADERS and flags & h2.END_STREAM for kind, flags, *_ in frames)))

    def dripping_window(self, besieged):
        """Likewise: an answer that is taken byte by byte."""
        with Raw(besieged.address, h2.PREFACE + h2.settings(initial_window_size=0)) as raw:
            raw.send(h2.call(1, path=h2.LIST_POOLS))
            self.assertTrue(self.drips(raw, h2.frame(h2.WINDOW_UPDATE, 0, 1, b"\0\0\0\x01"),
                                       lambda frames: any(kind == h2.RST_STREAM
                                                          for kind, *_ in frames)))

    def drips(self, raw, drop, condition):
        """A drop each half a second, until the server has had enough."""
        begin = time.monotonic()
        while time.monotonic() - begin < REQUEST_S + SLACK_S:
            raw.send(drop)
            try:
                return raw.read_until(condition, 0.5)
            except AssertionError:
                continue
        return False

    def window_of_nothing(self, besieged):
        """Whoever does not let its answers come has them only for so long."""
        with Raw(besieged.address, h2.PREFACE + h2.settings(initial_window_size=0)) as raw:
            streams = range(1, 2 * STREAMS, 2)
            raw.send(b"".join(h2.call(stream, path=h2.LIST_POOLS) for stream in streams))
            self.assertTrue(raw.read_until(lambda frames: len(
                {stream for kind, _, stream, _ in frames if kind == h2.RST_STREAM})
                == len(streams)))

    def deaf(self, besieged):
        """Who sends and does not read is not read either, and then closed."""
        # Fewer than STREAMS of them are read at a time, so that it stays within that limit.
        calls = b"".join(
            h2.headers(stream, h2.call_headers("/no/" + "x" * 100, more="v" * 120))
            + h2.frame(h2.DATA, h2.END_STREAM, stream, h2.message())
            for stream in range(1, 400_001, 2))
        with Raw(besieged.address) as raw:
            seconds = raw.flood(calls, DEADLINE_S, reading=False)
            self.assertIsNotNone(seconds)

    def test_bodies_of_many_calls_do_not_fill_the_memory(self):
        """Each begins a message of 250 KB on all streams of many connections."""
        with Besieged(self) as besieged, contextlib.ExitStack() as stack:
            body = b"\0\0\x03\xd0\x90" + b"x" * 16_000
            for _ in range(24):
                raw = stack.enter_context(Raw(besieged.address))
                raw.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, b"\x7f\0\0\0"))
                raw.send(b"".join(h2.headers(stream) + h2.frame(h2.DATA, 0, stream, body)
                                  for stream in range(1, 2 * STREAMS, 2)))
            wait_until(lambda: besieged.server.metrics().sum(
                "objpool_calls_cut_total", bound="unread_bytes"), "calls that were refused")
            self.assertGreater(besieged.server.metrics().sum("objpool_requests_unread_bytes"), 0)

    def test_sessions_that_nobody_reads_do_not_fill_the_memory(self):
        with Besieged(self) as besieged, contextlib.ExitStack() as stack:
            for _ in range(16):
                raw = stack.enter_context(Raw(
                    besieged.address, h2.PREFACE + h2.settings(initial_window_size=0)))
                raw.send(b"".join(
                    h2.headers(stream, h2.call_headers(h2.SESSION))
                    + h2.frame(h2.DATA, 0, stream,
                               h2.message(b"\x0a\x00") + b"\0\0\x03\0\0" + b"x" * 9000)
                    for stream in range(1, 2 * STREAMS, 2)))
                raw.read_until(lambda frames: any(kind == h2.HEADERS for kind, *_ in frames))

    def test_headers_that_are_too_long_are_refused_and_others_are_served(self):
        with Besieged(self) as besieged, Raw(besieged.address) as raw:
            block = h2.call_headers() + b"".join(h2.field("name", "v" * 100) for _ in range(130))
            raw.send(h2.headers(1, block[:16_000], flags=0)
                     + h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, block[16_000:])
                     + h2.call(3, path=h2.LIST_POOLS))
            self.assertTrue(raw.read_until(lambda frames: {1, 3} <= {
                stream for kind, flags, stream, _ in frames
                if kind == h2.HEADERS and flags & h2.END_STREAM}))
            self.assertFalse(raw.gone)
            self.assertEqual(besieged.server.metrics().sum("objpool_calls_cut_total",
                                                           bound="headers"), 1)

    def test_it_stops_in_time_while_it_is_attacked(self):
        with Server(CONFIG, FLAGS) as server, contextlib.ExitStack() as stack:
            for opening in (h2.PREFACE, h2.PREFACE + h2.settings(initial_window_size=0)):
                raw = stack.enter_context(Raw(server.address, opening + h2.settings()))
                raw.send(b"".join(h2.headers(stream) if stream % 4 == 1
                                  else h2.call(stream, path=h2.LIST_POOLS)
                                  for stream in range(1, 2 * STREAMS, 2)))
                raw.read_until(lambda frames: any(kind == h2.SETTINGS for kind, *_ in frames))
            begin = time.monotonic()
            self.assertEqual(server.stop(), 0)
            self.assertLess(time.monotonic() - begin, SLACK_S)


if __name__ == "__main__":
    unittest.main()
