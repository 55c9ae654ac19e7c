"""What tests of objpoolctl share: the tool against a real server, and a pool to use it on."""

import os
import pathlib
import subprocess
import tempfile
import unittest

from objpool_testing import BIN_DIR, DEADLINE_S, Api, Server, wait_until

CTL = BIN_DIR / "objpoolctl"
CONFIG = """
pools { name: "ports" ids { first: 8000 count: 4 } ttl_default { seconds: 2 } }
pools { name: "seats" labels { label: "a,b" label: "front" } ttl_default { seconds: 60 } }
pools { name: "memory" buffers { count: 2 size_bytes: 4096 } ttl_default { seconds: 60 } }
"""


class CtlCase(unittest.TestCase):
    """A server, and a folder for what commands leave behind."""

    config = CONFIG

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.server = self.enterContext(self.start_server())
        self.api = self.enterContext(Api(self.server))

    def start_server(self):
        return Server(self.config)

    def environment(self, **more):
        return {**os.environ, "OBJPOOL_SERVER": self.server.address,
                "OBJPOOL_CONFIG": "/dev/null", **more}

    def ctl(self, *arguments, data="", **more):
        return subprocess.run([CTL, *arguments], input=data, check=False, text=True,
                              env=self.environment(**more), capture_output=True,
                              timeout=DEADLINE_S)

    def start(self, *arguments, **options):
        """In the background; killed at the end of the test. It has no terminal."""
        process = subprocess.Popen([CTL, *arguments], text=True, env=self.environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True, **options)
        self.addCleanup(end, process)
        return process

    def free(self, pool="ports"):
        return self.api.get_pool(pool).free

    def wait_for_file(self, name):
        """Its content, once it has a whole line."""
        path = self.folder / name
        return wait_until(lambda: path.exists() and path.read_text().endswith("\n")
                          and path.read_text(), name).strip()


def end(process):
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def runs(pid):
    """Whether there is such a process, and it is no zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
