"""Requests that are compressed by gzip are taken as others are, and bounded as others are."""

import subprocess
import unittest

import grpc

from objpool_testing import (BIN_DIR, DEADLINE_S, Api, Server, buffer_service_pb2,
                             lease_service_pb2, refused)
from objpool.v1 import session_pb2

CONFIG = '''pools { name: "ids" ids { count: 2000 } }
            pools { name: "buffers" buffers { count: 2 size_bytes: 1000000 } }'''
LEASE = "/objpool.v1.LeaseService/Lease"
GZIP = grpc.Compression.Gzip
LIMIT = 256 * 1024


class CompressionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(CONFIG)
        cls.api = Api(cls.server)

    @classmethod
    def tearDownClass(cls):
        cls.api.channel.close()
        cls.server.__exit__()

    def raw(self, request, compression=GZIP, path=LEASE):
        return self.api.channel.unary_unary(path)(request, timeout=DEADLINE_S,
                                                  compression=compression)

    def test_unary_calls(self):
        """The second is long, and of many items."""
        request = lease_service_pb2.LeaseRequest(pool="ids", count=1000, holder="h" * 64)
        reply = self.raw(request.SerializeToString())
        grants = lease_service_pb2.LeaseResponse.FromString(reply).grants
        self.assertEqual({grant.holder for grant in self.api.list_grants("ids").grants},
                         {"h" * 64})
        items = [lease_service_pb2.ReturnItem(grant=grant.ref) for grant in grants]
        reply = self.raw(lease_service_pb2.ReturnRequest(
            pool="ids", items=items).SerializeToString(), path="/objpool.v1.LeaseService/Return")
        results = lease_service_pb2.ReturnResponse.FromString(reply).results
        self.assertEqual(len(results), 1000)

    def test_streams(self):
        (grant,) = self.api.lease("buffers").grants
        data = b"0123456789" * 20_000

        def pieces():
            yield buffer_service_pb2.WriteRequest(pool="buffers", grant=grant.ref)
            for at in range(0, len(data), 50_000):
                yield buffer_service_pb2.WriteRequest(data=data[at:at + 50_000])
        self.api.buffers.Write(pieces(), timeout=DEADLINE_S, compression=GZIP)
        self.assertEqual(self.api.read_all("buffers", grant.ref, length=len(data)), data)
        self.api.give_back("buffers", grant.ref)

    def test_sessions(self):
        start = session_pb2.StartSession(holder="s" * 64)
        session = self.api.channel.stream_stream("/objpool.v1.LeaseService/Session")(
            iter([lease_service_pb2.SessionRequest(start=start, operations=[
                lease_service_pb2.SessionOperation(id=1, lease=lease_service_pb2.LeaseRequest(
                    pool="ids", holder="s" * 64)),
                lease_service_pb2.SessionOperation(id=2, goodbye=session_pb2.GoodbyeRequest())
            ]).SerializeToString()]), timeout=DEADLINE_S, compression=GZIP)
        answers = [answer for reply in session
                   for answer in lease_service_pb2.SessionResponse.FromString(reply).answers]
        self.assertEqual(sorted(answer.id for answer in answers), [1, 2])

    def test_grpc_c_plus_plus(self):
        done = subprocess.run([BIN_DIR / "compressed_calls", self.server.address, "buffers"],
                              capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)

    def test_what_would_become_too_long_is_refused_before_it_is(self):
        with refused(self, "RESOURCE_EXHAUSTED") as refusals:
            self.raw(b"\x0a" + b"\x00" * 50_000_000)
        self.assertIn(str(LIMIT), refusals[0].message)
        (grant,) = self.api.lease("buffers").grants
        first = buffer_service_pb2.WriteRequest(pool="buffers", grant=grant.ref)
        bomb = buffer_service_pb2.WriteRequest(data=b"\x00" * 50_000_000)
        with refused(self, "RESOURCE_EXHAUSTED") as refusals:
            self.api.buffers.Write(iter([first, bomb]), timeout=DEADLINE_S, compression=GZIP)
        self.assertIn(str(LIMIT), refusals[0].message)
        self.api.give_back("buffers", grant.ref)

    def test_other_ways_are_refused_and_gzip_is_named(self):
        request = lease_service_pb2.LeaseRequest(pool="ids", holder="h" * 64).SerializeToString()
        with refused(self, "UNIMPLEMENTED") as refusals:
            self.raw(request, grpc.Compression.Deflate)
        self.assertIn("deflate", refusals[0].message)


if __name__ == "__main__":
    unittest.main()
