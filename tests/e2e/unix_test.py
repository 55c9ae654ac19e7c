"""Unix sockets: who may connect, who a client is, and what becomes of the file."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import tempfile
import unittest

from objpool_testing import (BIN_DIR, DEADLINE_S, ENGINE, ENGINE_FLAGS, Api, Server, refused)

CONFIG = """pools { name: "ids" ids { count: 8 } }
            pools { name: "few" ids { count: 8 } quota_per_identity { handles: 2 } }"""
H2 = ENGINE == "h2"


class UnixTest(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.path = self.folder / "objpoold.sock"
        self.address = f"unix:{self.path}"

    def serve(self, *flags, listen=None):
        return self.stack.enter_context(
            Server(CONFIG, [f"--listen={listen or self.address}", "--workers=2", *flags]))

    def fails(self, listen, *flags):
        """What a server says that cannot listen there."""
        (self.folder / "config").write_text(CONFIG)
        done = subprocess.run(
            [BIN_DIR / "objpoold", "--config", self.folder / "config", "--metrics_listen=off",
             f"--listen={listen}", *ENGINE_FLAGS, *flags],
            capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def ctl(self, *arguments):
        return subprocess.run([BIN_DIR / "objpoolctl", "--server", self.address, *arguments],
                              capture_output=True, text=True, timeout=DEADLINE_S, check=False)

    def test_clients_of_all_kinds(self):
        server = self.serve()
        self.assertEqual(server.address, self.address)
        self.assertIn(f"on {self.address} with", server.log())
        with Api(server) as api:
            (grant,) = api.lease("ids").grants
            api.give_back("ids", grant.ref)
        done = self.ctl("lease", "ids")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.ctl("bench", "--pool", "ids", "--rate", "200", "--duration", "1s",
                        "--output", "json")
        self.assertIn(done.returncode, (0, 7), "a load that a busy machine holds up is INVALID")
        self.assertEqual(json.loads(done.stdout)["server"], self.address)
        drive = subprocess.run([BIN_DIR / "client_drive", "session", self.address, "1000"],
                               input="lease ids 1 1000 0\nclose\n", capture_output=True, text=True,
                               timeout=DEADLINE_S, check=False)
        self.assertEqual(drive.stdout.splitlines()[0], "open", drive.stdout + drive.stderr)

    def test_tcp_and_a_unix_socket_together(self):
        server = self.serve(listen=f"127.0.0.1:0,{self.address}")
        self.assertRegex(server.address, r"^127\.0\.0\.1:\d+$")
        self.assertIn(f" and {self.address} with", server.log())
        for address in (server.address, self.address):
            server.address = address
            with Api(server) as api:
                (grant,) = api.lease("ids").grants
                api.give_back("ids", grant.ref)

    def test_the_file_is_for_the_user_and_the_group_and_goes_at_the_end(self):
        server = self.serve()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o660)
        self.assertEqual(server.stop(), 0)
        self.assertFalse(self.path.exists())

    def test_what_a_dead_server_left_is_replaced(self):
        server = self.serve()
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        self.assertTrue(self.path.exists())
        with Api(self.serve()) as api:
            api.get_pool("ids")

    def test_nothing_else_is_replaced(self):
        server = self.serve()
        said = self.fails(self.address)
        self.assertRegex(said, f"cannot listen on {self.address}: another server")
        self.assertIn("another server", self.fails(f"unix:{self.folder}/./objpoold.sock"))
        with Api(server) as api:
            api.get_pool("ids")
        plain = self.folder / "plain"
        plain.write_text("precious")
        self.assertIn("there is a file that is no socket", self.fails(f"unix:{plain}"))
        self.assertEqual(plain.read_text(), "precious")
        foreign = self.folder / "foreign"
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(foreign))
            other.listen()
            self.assertIn("another server listens there", self.fails(f"unix:{foreign}"))
            self.assertTrue(foreign.exists())
        self.assertIn("No such file", self.fails(f"unix:{self.folder}/no/folder"))

    def test_a_file_that_is_another_servers_by_now_stays(self):
        """Somebody took it away and put his own there."""
        if not H2:
            self.skipTest("gRPC removes what is there")
        server = self.serve()
        self.path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(self.path))
            self.assertEqual(server.stop(), 0)
            self.assertTrue(self.path.exists())

    def test_the_key_is_checked(self):
        for listen in ("unix:", "unix:/" + "x" * 107, f"{self.address},{self.address}",
                       "127.0.0.1:0,127.0.0.1:0", f"{self.address},"):
            said = self.fails(listen)
            self.assertIn("listen: ", said)

    def test_clients_of_one_user_share_a_quota(self):
        server = self.serve()
        with Api(server) as api:
            api.lease("few", count=2)
            with Api(server) as another, refused(self, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"):
                another.lease("few")

    def test_another_user_has_one_of_his_own(self):
        if not H2 or os.getuid() != 0:
            self.skipTest("it takes engine h2, and root to become another user")
        server = self.serve()
        self.folder.chmod(0o755)
        self.path.chmod(0o666)
        with Api(server) as api:
            api.lease("few", count=2)
        lease_as_nobody = (
            "import os, sys; os.setgid(65534); os.setuid(65534)\n"
            "sys.path.insert(0, sys.argv[3]); import raw_http2 as h2\n"
            "raw = h2.Raw(sys.argv[1])\n"
            "raw.send(h2.call(1, bytes.fromhex(sys.argv[2])))\n"
            "raw.read_until(lambda frames: any(k == h2.HEADERS and f & 1 for k, f, *_ in frames))\n"
            "print(sum(k == h2.DATA for k, *_ in raw.frames()))\n")
        support = str(pathlib.Path(__file__).parent.parent / "support")
        done = subprocess.run(["/usr/bin/python3", "-c", lease_as_nobody, self.address,
                               b"\x0a\x03few".hex(), support],
                              capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        self.assertEqual(done.stdout, "1\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
