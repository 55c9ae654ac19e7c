"""objpoolctl over encrypted connections."""

import tempfile
import unittest

from certificates import Certificates
from ctl_testing import CtlCase
from objpool_testing import Server


class TlsTest(CtlCase):
    def start_server(self):
        certificates = Certificates(self.folder)
        for name in ("server.test", "client.test"):
            certificates.sign(name)
        server = Server(self.config, certificates.flags("server.test", client_ca=True),
                        credentials=certificates.credentials("client.test"))
        self.all = ["--server", server.address, "--tls-ca", self.folder / "ca.pem",
                    "--tls-cert", self.folder / "client.test.pem",
                    "--tls-key", self.folder / "client.test.key", "--tls-name", "server.test"]
        return server

    def test_leases_and_returns(self):
        leased = self.ctl(*self.all, "lease", "ports")
        self.assertEqual(leased.returncode, 0, leased.stderr)
        self.assertEqual(self.free(), 3)
        returned = self.ctl(*self.all, "return", "-", data=leased.stdout)
        self.assertEqual(returned.returncode, 0, returned.stderr)
        self.assertEqual(self.free(), 4)

    def test_commands_sessions_and_load_do_too(self):
        ran = self.ctl(*self.all, "lease", "ports", "--", "sh", "-c", "echo $OBJPOOL_ID")
        self.assertEqual((ran.returncode, ran.stdout), (0, ran.stdout), ran.stderr)
        self.assertIn(int(ran.stdout), range(8000, 8004))
        bench = self.ctl(*self.all, "bench", "--pool", "ports", "--count", "100")
        self.assertEqual(bench.returncode, 0, bench.stderr)
        session = self.start(*map(str, self.all), "session", "seats")
        self.assertRegex(session.stdout.readline(), "^(a,b|front)\t")
        session.kill()

    def test_the_environment_says_so_too(self):
        told = self.ctl("probe", OBJPOOL_TLS="1",
                        OBJPOOL_TLS_CA=str(self.folder / "ca.pem"),
                        OBJPOOL_TLS_CERT=str(self.folder / "client.test.pem"),
                        OBJPOOL_TLS_KEY=str(self.folder / "client.test.key"),
                        OBJPOOL_TLS_NAME="server.test")
        self.assertEqual(told.returncode, 0, told.stderr)

    def test_nothing_is_leased_from_others(self):
        other = Certificates(self.enterContext(tempfile.TemporaryDirectory()))
        for options in (self.all[:2],                                        # not encrypted
                        [*self.all[:2], "--tls"],                            # not known here
                        [*self.all[:3], other.folder / "ca.pem", *self.all[4:]],
                        [*self.all[:-1], "other.test"],
                        [*self.all[:4], *self.all[-2:]]):                    # shows nothing
            refused = self.ctl(*options, "--timeout", "2s", "lease", "ports")
            self.assertEqual(refused.returncode, 5, (options, refused.stderr))
        self.assertEqual(self.free(), 4)

    def test_what_is_wrong_with_files_is_told(self):
        (self.folder / "empty").write_text("")
        for options, words in ((["--tls-ca", self.folder / "no"], ("--tls-ca", "No such file")),
                               (["--tls-ca", self.folder / "empty"], ("empty", "must be PEM")),
                               (["--tls-cert", self.folder / "ca.pem"], ("--tls-key",)),
                               (["--tls", "bench", "--pool", "ports", "--rate", "10"],
                                ("--rate",))):
            command = [] if "bench" in options else ["lease", "ports"]
            refused = self.ctl(*options, *command)
            self.assertEqual(refused.returncode, 2, (options, refused.stderr))
            for word in words:
                self.assertIn(word, refused.stderr)


if __name__ == "__main__":
    unittest.main()
