"""The same cases by gRPC C++, Node, buf and h2load: whoever speaks gRPC is served."""

import base64
import json
import pathlib
import re
import subprocess
import unittest

import foreign_clients
from objpool_testing import BIN_DIR, DEADLINE_S, Api, Server, lease_service_pb2

HERE = pathlib.Path(__file__).resolve().parent
CONFIG = """
pools { name: "buffers" buffers { count: 2 size_bytes: 1048576 } }
pools { name: "large" ids { count: 2000 } }
pools { name: "one" ids { count: 1 } }
"""
# What conformance_client.cc and conformance.js have both, in order.
CASES = ("empty_unary", "large_unary", "client_and_server_streaming", "ping_pong", "empty_stream",
         "cancel_after_begin", "cancel_after_first_reply", "deadline_while_waiting",
         "many_deadlines", "status_message", "unknown_method", "unknown_service", "custom_metadata",
         "compressed_request", "many_streams", "request_too_large", "reply_too_large")
CALLS = 20_000


class ClientsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(CONFIG))

    def tearDown(self):
        """Nothing of them is left."""
        with Api(self.server) as api:
            for name in ("buffers", "large", "one"):
                pool = api.get_pool(name)
                self.assertEqual((pool.free, pool.leased), (pool.capacity, 0), name)
        self.assertIsNone(self.server.process.poll(), self.server.log())

    def assert_all_cases(self, command, environment=None):
        done = subprocess.run([*command, self.server.address], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=3 * DEADLINE_S,
                              env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines(), [f"{name} ok" for name in CASES], done.stderr)

    def test_grpc_cpp(self):
        self.assert_all_cases([BIN_DIR / "conformance_client"])

    def test_node(self):
        self.assert_all_cases(["node", HERE / "conformance.js"],
                              foreign_clients.node_environment())

    def buf_curl(self, method, request, *flags):
        url = f"http://{self.server.address}/{method}"
        return subprocess.run([foreign_clients.buf(), "curl", "--protocol", "grpc",
                               "--http2-prior-knowledge", *flags, "-d", json.dumps(request), url],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=DEADLINE_S)

    def test_buf_curl_by_the_schema_and_by_reflection(self):
        for flags in (("--schema", foreign_clients.ROOT / "proto"), ()):
            with self.subTest(flags=flags):
                done = self.buf_curl("objpool.v1.PoolService/GetPool", {"name": "one"}, *flags)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(json.loads(done.stdout)["pool"]["capacity"], "1")
                failed = self.buf_curl("objpool.v1.PoolService/GetPool", {"name": "ü%"}, *flags)
                error = json.loads(failed.stderr)
                self.assertEqual((error["code"], error["message"]),
                                 ("not_found", 'no pool is named "ü%"'))
                info = error["details"][0]["value"]
                self.assertIn(b"POOL_UNKNOWN", base64.b64decode(info + "=" * (-len(info) % 4)))

    def test_h2load(self):
        request = lease_service_pb2.LeaseRequest(pool="nobody").SerializeToString()
        path = pathlib.Path(self.server.folder.name) / "request"
        path.write_bytes(b"\0" + len(request).to_bytes(4, "big") + request)
        done = subprocess.run(
            ["h2load", "-n", str(CALLS), "-c", "4", "-m", "32", "-d", path,
             "-H", "content-type: application/grpc", "-H", "te: trailers",
             f"http://{self.server.address}/objpool.v1.LeaseService/Lease"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=3 * DEADLINE_S)
        self.assertEqual(done.returncode, 0, done.stdout)
        said = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", done.stdout)
        self.assertEqual([int(number) for number in said.groups()], [CALLS, CALLS, 0, 0],
                         done.stdout)
        self.assertEqual(self.server.metrics().sum(
            "grpc_server_handled_total", grpc_method="Lease", grpc_code="NOT_FOUND"), CALLS)


if __name__ == "__main__":
    unittest.main()
