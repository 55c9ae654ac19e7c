"""Handshakes that do not end, are slow, are none, or are begun again."""

import contextlib
import os
import random
import resource
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import raw_http2 as h2
from attack_testing import CONFIG, Besieged, cuts
from certificates import Certificates, connect
from objpool_testing import wait_until
from raw_http2 import Raw

HANDSHAKE_S = 5  # what the server gives
SLACK_S = 8      # of a machine that is busy
HALVES = 1500


def failures(server, reason):
    return server.metrics().sum("objpool_tls_handshake_failures_total", reason=reason)


class TlsAttackTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.certificates.sign("server.test")
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # of servers too

    def besieged(self):
        # Here one address stands for many.
        config = f"{CONFIG} max_connections_per_peer: {2 * HALVES}"
        return Besieged(self, config, flags=self.certificates.flags("server.test"),
                        credentials=self.certificates.credentials())

    def hello(self):
        """What a client sends first."""
        outgoing = ssl.MemoryBIO()
        client = self.certificates.context().wrap_bio(ssl.MemoryBIO(), outgoing)
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        return outgoing.read()

    def test_those_who_are_slow_are_not_waited_for(self):
        hello = self.hello()
        with self.besieged() as besieged, contextlib.ExitStack() as stack:
            begin = time.monotonic()
            silent = [stack.enter_context(Raw(besieged.address, opening)) for opening in (
                b"", hello[:1], hello[:9], hello[:-1], hello, hello + b"\x14\x03\x03\0\1\1")]
            crawling = stack.enter_context(Raw(besieged.address, b""))
            over = threading.Event()
            for byte in hello * 10:
                if not crawling.send(bytes([byte])) or over.wait(0.1):
                    break
            self.assertTrue(crawling.gone)
            for raw in silent:
                raw.read_to_end()
            seconds = time.monotonic() - begin
            self.assertGreater(seconds, HANDSHAKE_S - 1)
            self.assertLess(seconds, HANDSHAKE_S + SLACK_S)
            self.assertEqual(cuts(besieged.server, "slow"), len(silent) + 1)
            self.assertEqual(failures(besieged.server, "slow"), len(silent) + 1)

    def test_who_has_shaken_hands_and_says_nothing_is_not_waited_for(self):
        with self.besieged() as besieged:
            with connect(besieged.address, self.certificates.context()) as secure:
                while secure.recv(4096):
                    pass
            self.assertEqual(cuts(besieged.server, "slow"), 1)

    def test_what_is_no_hello_is_cut_off_at_once(self):
        hello = self.hello()
        seed = random.SystemRandom().randrange(2**32)
        print("seed", seed)
        rng = random.Random(seed)
        with self.besieged() as besieged:
            for opening, reason in (
                    (b"\x80\x2e\x01\x03\x01" + b"x" * 40, "plaintext"),
                    (h2.PREFACE + h2.settings(), "plaintext"),
                    # Of 100 KB, of nothing, of half a head; another message; then another record.
                    (b"\x16\x03\x01\x40\x00\x01\x01\x86\xa0", "malformed"),
                    (b"\x16\x03\x01\x00\x00", "malformed"),
                    (b"\x16\x03\x01\x00\x02\x01\x00", "malformed"),
                    (b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", "malformed"),
                    (b"\x16\x03\x01\x00\x05\x01\x00\x00\x09\x00\x17\x03\x01", "malformed"),
                    (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", "other"),
                    (hello + b"\x17\x03\x03\x00\x05hello", "other"),
                    (b"\x16\x03\x01\x00\x05\x01\x00\x20\x00\x00"
                     + b"\x16\x03\x03\x00\x01\x00" * 3000, "malformed")):
                before = failures(besieged.server, reason)
                with Raw(besieged.address, opening) as raw:
                    self.assertLess(raw.read_to_end(), HANDSHAKE_S - 1, opening[:20])
                self.assertEqual(failures(besieged.server, reason), before + 1, opening[:20])
            for i in range(200):
                damaged = bytearray(hello)
                for _ in range(rng.randrange(1, 4)):
                    damaged[rng.randrange(9, len(hello))] = rng.randrange(256)
                with Raw(besieged.address, (bytes(damaged), rng.randbytes(99))[i % 2]) as raw:
                    raw.send(rng.randbytes(rng.randrange(500)))
            self.assertEqual(cuts(besieged.server, "slow"), 0)

    def test_handshakes_that_do_not_end_fill_no_memory_and_hold_up_nobody(self):
        hello = self.hello()
        with self.besieged() as besieged, contextlib.ExitStack() as stack:
            for _ in range(HALVES):
                stack.enter_context(Raw(besieged.address, hello))
            begin = time.monotonic()
            # Where the machine is slow it takes some attempts.
            wait_until(lambda: self.is_served(besieged), "a newcomer is served")
            print(f"a newcomer is served after {1000 * (time.monotonic() - begin):.0f} ms")
            wait_until(lambda: cuts(besieged.server, "slow") >= HALVES, "all cut off")

    def is_served(self, besieged):
        try:
            with connect(besieged.address, self.certificates.context()) as secure:
                secure.sendall(h2.PREFACE + h2.settings() + h2.call(1, path=h2.LIST_POOLS))
                return secure.recv(4096)
        except OSError:
            return False

    def test_nothing_is_negotiated_again(self):
        with self.besieged() as besieged:
            for command, protocol, reason in ((b"R\n", "-tls1_2", "protocol"),
                                              (b"K\n" * 3000, "-tls1_3", "flood")):
                # Again where openssl has not taken it for a command.
                wait_until(lambda c=command, p=protocol, r=reason: (
                    self.talk(besieged, p, c), cuts(besieged.server, r) >= 1)[1], reason)

    def talk(self, besieged, protocol, commands):
        """Sends commands of `openssl s_client`, each of which it takes with a read of its own."""
        with contextlib.suppress(BrokenPipeError), subprocess.Popen(
                ["openssl", "s_client", "-connect", besieged.address, "-alpn", "h2", protocol],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
            os.set_blocking(client.stdout.fileno(), False)
            said = b""

            def established():
                nonlocal said
                said += client.stdout.read() or b""
                return b"Verify return code" in said
            wait_until(established, "a handshake")
            for at in range(0, len(commands), 2):
                client.stdin.write(commands[at:at + 2])
                client.stdin.flush()
                wait_until(lambda: client.stdout.read() or client.poll() is not None, "an echo")
            client.kill()


if __name__ == "__main__":
    unittest.main()
