"""The examples of other languages, run as their readers would: what they show is so."""

import pathlib
import subprocess
import sys
import unittest

from foreign_clients import node_environment
from objpool_testing import DEADLINE_S, PYTHON_DIR, Api, Server

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "client" / "example"
CONFIG = 'pools { name: "workers" ids { count: 4 } }'
# What both say, in order.
SAID = ("goes with all that it writes", "held and returned", "POOL_EXHAUSTED: ", "waited, and got",
        "the session has worker", "the session has worker", "renewed 2 by one heartbeat",
        "returned 2 with the session", "NOT_FOUND GRANT_REVOKED", "PERMISSION_DENIED NOT_HOLDER",
        "NOT_FOUND POOL_UNKNOWN", "INVALID_ARGUMENT BAD_FIELD", "already_returned")


class ExamplesTest(unittest.TestCase):
    def run_tour(self, command, environment=None):
        with Server(CONFIG) as server, Api(server) as api:
            done = subprocess.run([*command, server.address], capture_output=True, text=True,
                                  timeout=DEADLINE_S, env=environment)
            self.assertEqual(done.returncode, 0, done.stderr)
            lines = done.stdout.splitlines()
            self.assertEqual(len(lines), len(SAID), done.stdout)
            for line, words in zip(lines, SAID):
                self.assertIn(words, line)
            self.assertEqual(api.get_pool("workers").free, 4, "all is returned")
        # Nobody there: told in one line, by its own exit code.
        gone = subprocess.run([*command, server.address], capture_output=True, text=True,
                              timeout=DEADLINE_S, env=environment)
        self.assertEqual(gone.returncode, 1)
        self.assertEqual(len(gone.stderr.splitlines()), 1, gone.stderr)
        self.assertIn("UNAVAILABLE", gone.stderr)

    def test_python(self):
        self.run_tour([sys.executable, "-B", EXAMPLES / "python" / "tour.py", PYTHON_DIR])

    def test_node(self):
        self.run_tour(["node", EXAMPLES / "node" / "tour.js"], node_environment())


if __name__ == "__main__":
    unittest.main()
