"""Certificates that are replaced while the server serves."""

import os
import shutil
import signal
import ssl
import tempfile
import threading
import time
import unittest

from certificates import Certificates, connect
from objpool_testing import Api, Server, wait_until

CONFIG = 'pools { name: "ids" ids { count: 1000 } }'
SECONDS = float(os.environ.get("OBJPOOL_ROTATION_S", "4"))
PERIOD_S = float(os.environ.get("OBJPOOL_ROTATION_PERIOD_S", "0.2"))
NAMES = [f"server{i}" for i in range(4)]


def counted(server, result):
    return server.metrics().sum("objpool_tls_reloads_total", result=result)


class Repeated(threading.Thread):
    """Does something again and again until it is stopped; keeps what went wrong."""

    def __init__(self, once):
        super().__init__()
        self._once = once
        self._over = threading.Event()
        self.times = 0
        self.error = None
        self.start()

    def run(self):
        while not self._over.is_set() and self.error is None:
            try:
                self._once()
                self.times += 1
            except Exception as error:  # pylint: disable=broad-except
                self.error = error

    def stop(self):
        self._over.set()
        self.join()


class RotationTest(unittest.TestCase):
    def setUp(self):
        self.certificates = Certificates(self.enterContext(tempfile.TemporaryDirectory()))
        for name in NAMES:
            self.certificates.sign(name, "DNS:server.test")
        self.certificates.sign("client")
        self.put(NAMES[0])
        self.server = self.enterContext(Server(
            CONFIG, self.certificates.flags("current", client_ca=True),
            credentials=self.certificates.credentials("client")))

    def put(self, name):
        self.certificates.put(name, "current")

    def hang_up(self):
        self.server.process.send_signal(signal.SIGHUP)

    def shown(self):
        """The certificate that a new connection is shown."""
        context = self.certificates.context("client")
        with connect(self.server.address, context) as secure:
            return secure.getpeercert(binary_form=True)

    def is_spoken_to(self, client):
        """Whoever the server is. With TLS 1.3 a client learns late that it is refused."""
        context = self.certificates.context(client)
        context.verify_mode = ssl.CERT_NONE
        try:
            with connect(self.server.address, context) as secure:
                return bool(secure.recv(4096))
        except OSError:
            return False

    def test_files_that_change_are_read_again(self):
        with Api(self.server) as api:
            first = self.shown()
            expiry = self.server.metrics().sum("objpool_tls_certificate_expiry_timestamp_seconds")
            self.assertAlmostEqual(expiry, time.time() + 2 * 86400, delta=3600)
            self.certificates.sign("longer", "DNS:server.test", days=9)
            self.put("longer")
            wait_until(lambda: counted(self.server, "loaded") == 1, "a reload")
            self.assertNotEqual(self.shown(), first)
            self.assertGreater(
                self.server.metrics().sum("objpool_tls_certificate_expiry_timestamp_seconds"),
                expiry + 6 * 86400)
            self.assertIn("is in use now", self.server.log())
            api.get_pool("ids")  # on the connection that was there before
        self.assertEqual(counted(self.server, "failed"), 0)

    def test_what_is_bad_does_not_replace_what_is_good(self):
        first = self.shown()
        certificates = self.certificates
        certificates.sign("expired", "DNS:server.test", days=-1)
        mixed = [certificates.cert(NAMES[1]), certificates.key(NAMES[2])]
        expired = [certificates.cert("expired"), certificates.key("expired")]
        for count, (files, words) in enumerate(((mixed, "key values mismatch"),
                                                (expired, "has expired")), 1):
            for source, target in zip(files, (certificates.cert, certificates.key)):
                shutil.copy(source, target("current"))
            wait_until(lambda: counted(self.server, "failed") == count, words)
            self.assertIn(words, self.server.log())
            self.assertEqual(self.shown(), first)
        certificates.key("current").unlink()
        self.hang_up()
        wait_until(lambda: "current.key: cannot be read: No such file" in self.server.log(), "log")
        self.assertEqual(self.shown(), first)
        with Api(self.server) as api:
            api.get_pool("ids")
        self.assertEqual(counted(self.server, "loaded"), 0)
        self.put(NAMES[1])
        wait_until(lambda: counted(self.server, "loaded") == 1, "a reload")
        self.assertNotEqual(self.shown(), first)

    def test_an_authority_is_replaced_for_those_who_come_then(self):
        other = Certificates(self.certificates.folder, "other-ca")
        other.sign("newcomer")
        live = self.enterContext(Api(self.server))
        live.get_pool("ids")
        os.replace(other.ca, self.certificates.ca)
        wait_until(lambda: counted(self.server, "loaded") == 1, "a reload")
        live.get_pool("ids")
        self.assertFalse(self.is_spoken_to("client"))
        self.assertTrue(self.is_spoken_to("newcomer"))

    def test_nobody_notices_under_load(self):
        apis = [self.enterContext(Api(self.server)) for _ in range(3)]
        seen = set()

        def cycle(api):
            api.give_back("ids", api.lease("ids").grants[0].ref)

        def come_anew():
            with Api(self.server) as api:
                cycle(api)

        loads = [Repeated(lambda api=api: cycle(api)) for api in apis]
        loads += [Repeated(come_anew), Repeated(lambda: seen.add(self.shown()))]
        end = time.monotonic() + SECONDS
        rotations = 0
        while time.monotonic() < end:
            before = counted(self.server, "loaded")
            begin = time.monotonic()
            rotations += 1
            self.put(NAMES[rotations % len(NAMES)])
            if PERIOD_S < 1:
                self.hang_up()
            wait_until(lambda: counted(self.server, "loaded") > before, "a reload")
            threading.Event().wait(max(0, begin + PERIOD_S - time.monotonic()))
        for load in loads:
            load.stop()
        print(f"{rotations} rotations, {sum(load.times for load in loads[:3])} cycles on live "
              f"connections, {loads[3].times + loads[4].times} handshakes, "
              f"{len(seen)} certificates")
        self.assertEqual([load.error for load in loads], [None] * len(loads))
        self.assertTrue(all(load.times > 0 for load in loads))
        self.assertGreater(len(seen), 1)


if __name__ == "__main__":
    unittest.main()
