"""The client library as a stranger gets it: installed out of a build and moved, with the example
built against it in an empty environment, and run against a real server."""

import os
import pathlib
import shutil
import subprocess
import unittest

from objpool_testing import DEADLINE_S, Api, Server, wait_until

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["OBJPOOL_BUILD_DIR"])
WORK = BUILD / "client package"  # with a blank, because a stranger may have one
PREFIX = WORK / "moved here"
CONFIG = 'pools { name: "ids" ids { count: 16 } ttl_default { seconds: 60 } }'


def clean(*command):
    """Runs it with an empty environment, and gives what it said."""
    done = subprocess.run([str(word) for word in command], text=True, check=False,
                          env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(WORK),
                               "LC_ALL": "C"},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}")
    return done.stdout


class ClientExampleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(WORK, ignore_errors=True)
        WORK.mkdir()
        clean("cmake", "--install", BUILD, "--prefix", WORK / "installed", "--component", "client")
        (WORK / "installed").rename(PREFIX)
        compiler = os.environ["OBJPOOL_CXX"]
        clean("cmake", "-G", "Ninja", "-S", SOURCE / "client/example", "-B", WORK / "example",
              "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_CXX_COMPILER={compiler}",
              f"-DCMAKE_PREFIX_PATH={PREFIX}", "-DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF")
        clean("cmake", "--build", WORK / "example")

    def test_nothing_installed_knows_where_it_was_built(self):
        for path in PREFIX.rglob("*.cmake"):
            for word in (str(SOURCE), str(BUILD), "objpool_build", "Werror"):
                self.assertNotIn(word, path.read_text(), path)

    def test_all_headers_are_there_with_what_they_include(self):
        folder = PREFIX / "include/objpool_client"
        headers = sorted((folder / "client").rglob("*.h"))
        self.assertGreater(len(headers), 8)
        source = WORK / "headers.cc"
        source.write_text("".join(f'#include "{path.relative_to(folder)}"\n' for path in headers))
        clean(os.environ["OBJPOOL_CXX"], "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra",
              "-Werror", f"-I{folder}", source)

    def test_it_leases_from_a_real_server(self):
        with Server(CONFIG) as server, Api(server) as api:
            said = subprocess.run(
                [WORK / "example/objpool_client_example", server.address, "ids"], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
            self.assertEqual((said.returncode, said.stderr), (0, ""))
            self.assertRegex(said.stdout, r"handle \d+ fence \d+ is mine\n")
            self.assertRegex(said.stdout, r"100000 leases in [1-9] calls\n")
            self.assertRegex(said.stdout, r"the session has handle \d+\n")
            wait_until(lambda: api.get_pool("ids").free == 16, "all are back")


if __name__ == "__main__":
    unittest.main()
