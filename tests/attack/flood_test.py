"""Frames that cost the server something and bring the client nothing: who sends too many of them is
told to calm down and cut off."""

import random
import unittest

import raw_http2 as h2
from attack_table import WAIT
from attack_testing import Besieged, cuts, pass_time
from objpool_testing import wait_until
from raw_http2 import Raw

CUT_S = 5
BAIT = b"\x0a\x04bait"  # the one of its pool, so that others wait


class FloodTest(unittest.TestCase):
    def assert_cut(self, kind, data, opening=h2.PREFACE + h2.settings()):
        with Besieged(self) as besieged:
            for _ in range(3):
                with Raw(besieged.address, opening) as raw:
                    self.assertIsNotNone(raw.flood(data, CUT_S), "it was not cut off")
                    # The system may lose what was sent last when there is something unread.
                    self.assertIn(raw.goaway_error(), (h2.ENHANCE_YOUR_CALM, None))
            self.assertEqual(cuts(besieged.server, "flood"), 3)
            self.assertEqual(besieged.server.metrics().sum("objpool_connection_floods_total",
                                                           kind=kind), 3)

    def assert_served(self, raw, stream):
        raw.send(h2.call(stream, path=h2.LIST_POOLS))
        self.assertTrue(raw.read_until(lambda frames: any(
            kind == h2.HEADERS and flags & h2.END_STREAM and at == stream
            for kind, flags, at, *_ in frames)))

    def test_rapid_reset(self):
        calls = b"".join(h2.call(stream) + h2.frame(h2.RST_STREAM, 0, stream, b"\0\0\0\x08")
                         for stream in range(1, 20_001, 2))
        self.assert_cut("reset", calls)

    def test_resets_within_the_allowance(self):
        """A thousand at once, and then as many as its time has given."""
        def give_up(raw, first, count):
            raw.send(b"".join(h2.call(stream) + h2.frame(h2.RST_STREAM, 0, stream, b"\0\0\0\x08")
                              for stream in range(first, first + 2 * count, 2)))

        with Besieged(self) as besieged, Raw(besieged.address) as raw:
            give_up(raw, 1, 950)
            pass_time(1.1)
            give_up(raw, 1901, 125)
            self.assert_served(raw, 9001)

    def test_calls_given_up_after_a_while(self):
        """As clients do at their deadlines: by a proxy, many a second on one connection."""
        with Besieged(self) as besieged, Raw(besieged.address) as raw:
            raw.send(h2.call(1, BAIT))
            for first in range(3, 3203, 400):
                streams = range(first, first + 400, 2)
                raw.send(b"".join(h2.call(stream, WAIT) for stream in streams))
                wait_until(lambda: besieged.server.metrics().sum(
                    "objpool_lease_waiters", pool="bait") == 200, "all wait")
                pass_time(0.01)
                raw.send(b"".join(h2.frame(h2.RST_STREAM, 0, stream, b"\0\0\0\x08")
                                  for stream in streams))
            self.assert_served(raw, 9001)

    def test_pings(self):
        self.assert_cut("ping", h2.frame(h2.PING, 0, 0, b"12345678") * 1000)

    def test_answers_to_pings_that_were_not_sent(self):
        self.assert_cut("ping", h2.frame(h2.PING, h2.ACK, 0, b"12345678") * 1000)

    def test_settings(self):
        self.assert_cut("settings", h2.settings(initial_window_size=65535) * 1000)

    def test_empty_data(self):
        self.assert_cut("empty_data", h2.frame(h2.DATA, 0, 1) * 1000,
                        opening=h2.PREFACE + h2.settings() + h2.headers(1))

    def test_padding(self):
        self.assert_cut("empty_data", h2.frame(h2.DATA, h2.PADDED, 1, b"\x01\0") * 1000,
                        opening=h2.PREFACE + h2.settings() + h2.headers(1))

    def test_window_updates(self):
        self.assert_cut("window_update", h2.frame(h2.WINDOW_UPDATE, 0, 0, b"\0\0\0\x01") * 10_000)

    def test_priorities(self):
        self.assert_cut("other", b"".join(h2.frame(h2.PRIORITY, 0, stream, b"\0\0\0\0\x10")
                                          for stream in range(1, 10_001, 2)))

    def test_frames_that_nobody_knows(self):
        self.assert_cut("void", h2.frame(0x77, 0xff, 0, b"x" * 100) * 1000)

    def test_frames_that_nobody_knows_cost_by_their_bytes(self):
        """Few reads of many bytes are as dear as many of few; a client that greases goes on."""
        unknown = h2.frame(0x77, 0, 0, b"x" * 16_000)
        with Besieged(self) as besieged:
            with Raw(besieged.address) as raw:
                for _ in range(16):
                    raw.send(unknown)
                self.assert_served(raw, 1)
                raw.send(unknown * 256)  # 4 MB, of which a read takes 64 KiB
                raw.read_to_end(CUT_S)
            self.assertEqual(besieged.server.metrics().sum("objpool_connection_floods_total",
                                                           kind="void"), 1)

    def test_data_for_calls_that_are_over(self):
        self.assert_cut("void", h2.frame(h2.DATA, 0, 1, b"x" * 100) * 1000,
                        opening=h2.PREFACE + h2.settings() + h2.headers(1, h2.call_headers("/x/y")))

    def test_streams_beyond_the_limit(self):
        """The client never says that it knows the limit."""
        self.assert_cut("invalid", b"".join(h2.headers(stream) for stream in range(1, 20_001, 2)))

    def test_continuations(self):
        more = h2.frame(h2.CONTINUATION, 0, 1, h2.field("name", "v" * 100))
        self.assert_cut("continuation", more * 1000,
                        opening=h2.PREFACE + h2.settings() + h2.headers(1, flags=0))

    def test_empty_continuations(self):
        self.assert_cut("continuation", h2.frame(h2.CONTINUATION, 0, 1) * 1000,
                        opening=h2.PREFACE + h2.settings() + h2.headers(1, flags=0))

    def test_few_bytes_of_headers_that_become_many(self):
        """A field of 4 KiB goes into the table, and each byte after that is the field again."""
        value = b"v" * 3900
        length = b"\x7f" + bytes([(len(value) - 127) % 128 | 128, (len(value) - 127) // 128])
        block = h2.call_headers() + b"\x40\x01n" + length + value + b"\xbe" * 8000
        self.assert_cut("headers", h2.headers(1, block))

    def test_what_is_no_http2(self):
        seed = random.SystemRandom().randrange(2**32)
        print("seed", seed)
        rng = random.Random(seed)
        with Besieged(self) as besieged:
            for i in range(300):
                opening = (b"", h2.PREFACE, h2.PREFACE + h2.settings())[i % 3]
                with Raw(besieged.address, opening) as raw:
                    if i % 2:
                        raw.send(rng.randbytes(rng.randrange(1, 5000)))
                    else:
                        for _ in range(rng.randrange(1, 30)):
                            raw.send(h2.frame(rng.randrange(12), rng.randrange(256),
                                              rng.choice((0, 1, 2, 3, 5, 2**31 - 1)),
                                              rng.randbytes(rng.randrange(60))))
                    if i % 10 == 0:
                        raw.read_to_end()

    def test_a_frame_of_16_mb_is_not_awaited(self):
        with Besieged(self) as besieged, Raw(besieged.address) as raw:
            raw.send(b"\xff\xff\xff" + bytes([h2.DATA, 0]) + b"\0\0\0\x01")
            self.assertLess(raw.read_to_end(), CUT_S)


if __name__ == "__main__":
    unittest.main()
