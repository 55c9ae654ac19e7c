"""Reading and writing leased buffers over the wire: all sizes, bounds, and grants that end."""

import os
import pathlib
import queue
import random
import threading
import unittest

import grpc
from google.protobuf import duration_pb2

from objpool_testing import (DEADLINE_S, Api, Refusal, Server, buffer_service_pb2, ref_with,
                             refused, wait_until)

SIZE = 8 << 20
CONFIG = f"""
pools {{ name: "large" buffers {{ count: 8 size_bytes: {SIZE} }} }}
pools {{ name: "small" buffers {{ count: 8 size_bytes: 5000 }} }}
pools {{ name: "ids" ids {{ count: 8 }} }}
pools {{ name: "clean" buffers {{ count: 3 size_bytes: {SIZE} }} scrub: true }}
"""
CHUNK = 64 * 1024
MAX_DATA = 128 * 1024
# A client's gRPC takes in this much of a stream that nobody reads, and does not let it grow.
WINDOW = 64 * 1024
FIXED_WINDOW = [("grpc.http2.bdp_probe", 0)]


def ms(number):
    duration = duration_pb2.Duration()
    duration.FromMilliseconds(number)
    return duration


def message(data=b"", **fields):
    return buffer_service_pb2.WriteRequest(data=data, **fields)


class Writer:
    """A Write whose messages are sent one by one."""

    def __init__(self, api, pool, ref, **fields):
        self._messages = queue.Queue()
        self.send(pool=pool, grant=ref, **fields)
        self.call = api.buffers.Write.future(iter(self._messages.get, None), timeout=DEADLINE_S)

    def send(self, data=b"", **fields):
        self._messages.put(message(data, **fields))

    def end(self):
        self._messages.put(None)
        return self.call.result()


class BufferCase(unittest.TestCase):
    """Every test leaves the pools free."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(CONFIG))
        cls.api = cls.enterClassContext(Api(cls.server))
        seed = int.from_bytes(os.urandom(4), "big")
        print(f"seed {seed}")
        cls.random = random.Random(seed)

    def tearDown(self):
        for pool in ("large", "small", "ids"):
            for grant in self.api.list_grants(pool).grants:
                self.api.revoke(pool, grant.ref.handle, grant.ref.fence)
            wait_until(lambda pool=pool: self.api.get_pool(pool).leased == 0, "nothing is leased")

    def lease_one(self, pool, **fields):
        (grant,) = self.api.lease(pool, **fields).grants
        return grant.ref

    def metric(self, name, pool):
        return self.server.metrics().sum(f"objpool_buffer_{name}_bytes_total", pool=pool)


class RoundTripTest(BufferCase):
    def test_what_was_written_is_read_at_every_size(self):
        ref = self.lease_one("large")
        before = self.metric("read", "large"), self.metric("written", "large")
        total = 0
        for size in (1, 2, 1023, 1024, 1025, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17,
                     MAX_DATA, MAX_DATA + 1, 1_000_003, SIZE - 1, SIZE):
            data = self.random.randbytes(size)
            reply = self.api.write("large", ref, data, step=self.random.choice((1000, MAX_DATA)))
            self.assertEqual((reply.bytes_written, reply.first_offset, reply.end_offset),
                             (size, 0, size))
            self.assertEqual(self.api.read_all("large", ref, length=size), data)
            total += size
        self.assertEqual(self.metric("read", "large") - before[0], total)
        self.assertEqual(self.metric("written", "large") - before[1], total)

    def test_chunks_come_in_order_and_of_the_size_asked_for(self):
        ref = self.lease_one("large")
        data = self.random.randbytes(10_000)
        self.api.write("large", ref, data, offset=77)
        chunks = list(self.api.read("pools/large", ref, offset=77, length=10_000, chunk_bytes=1024))
        self.assertEqual([chunk.offset for chunk in chunks], list(range(77, 10_077, 1024)))
        self.assertEqual([len(chunk.data) for chunk in chunks], [1024] * 9 + [784])
        self.assertEqual(b"".join(chunk.data for chunk in chunks), data)

    def test_pieces_anywhere_make_what_a_model_says(self):
        ref = self.lease_one("small")
        model = bytearray(5000)
        self.api.write("small", ref, bytes(model))
        for _ in range(100):
            at = self.random.randint(0, 5000)
            data = self.random.randbytes(self.random.randint(0, 5000 - at))
            self.api.write("small", ref, data, offset=at, step=999)
            model[at:at + len(data)] = data
            at = self.random.randint(0, 4999)
            length = self.random.randint(1, 5000 - at)
            self.assertEqual(self.api.read_all("small", ref, offset=at, length=length),
                             model[at:at + length])
        self.assertEqual(self.api.read_all("small", ref), model)
        self.assertEqual(self.api.read_all("small", ref, offset=5000), b"")

    def test_each_message_may_name_its_own_offset(self):
        ref = self.lease_one("small")
        self.api.write("small", ref, bytes(5000))
        writer = Writer(self.api, "small", ref, data=b"one", offset=100)
        for data, fields in ((b"two", {}), (b"three", {"offset": 10}), (b"", {"offset": 50}),
                             (b"four", {}), (b"five", {"offset": 0})):
            writer.send(data, **fields)
        reply = writer.end()
        self.assertEqual((reply.bytes_written, reply.first_offset, reply.end_offset), (19, 0, 106))
        got = self.api.read_all("small", ref, length=106)
        self.assertEqual(got.replace(b"\0", b""), b"fivethreefouronetwo")
        self.assertEqual((got[10:15], got[50:54], got[100:106]), (b"three", b"four", b"onetwo"))

    def test_a_write_of_nothing_is_no_error(self):
        ref = self.lease_one("small")
        reply = self.api.write("small", ref, b"", offset=5000)
        self.assertEqual((reply.bytes_written, reply.first_offset, reply.end_offset), (0, 0, 0))

    def test_writers_of_different_buffers_never_mix(self):
        grants = self.api.lease("large", count=4).grants
        pieces = [self.random.randbytes(SIZE) for _ in grants]
        failed = []

        def work(ref, data):
            with Api(self.server) as api:
                for _ in range(3):
                    api.write("large", ref, data, step=50_000)
                    if api.read_all("large", ref) != data:
                        failed.append(ref)

        threads = [threading.Thread(target=work, args=(grant.ref, data))
                   for grant, data in zip(grants, pieces)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        for grant, data in zip(grants, pieces):
            self.assertTrue(self.api.read_all("large", grant.ref) == data)


class RefusalTest(BufferCase):
    def assert_both_refused(self, pool, ref, code, reason):
        for call in (lambda: self.api.read_all(pool, ref),
                     lambda: self.api.write(pool, ref, b"x")):
            with refused(self, code, reason) as caught:
                call()
        self.assertEqual(caught[0].info.metadata["bytes_written"], "0")
        return caught[0]

    def test_names_and_keys_are_looked_at(self):
        ref = self.lease_one("small")
        self.api.write("small", ref, b"mine")
        self.assert_both_refused("nobody", ref, "NOT_FOUND", "POOL_UNKNOWN")
        self.assert_both_refused("", ref, "INVALID_ARGUMENT", "BAD_FIELD")
        self.assert_both_refused("small", None, "INVALID_ARGUMENT", "BAD_FIELD")
        refusal = self.assert_both_refused("small", ref_with(ref, handle=8),
                                           "INVALID_ARGUMENT", "BAD_FIELD")
        self.assertIn("0 .. 7", refusal.violations["grant.handle"])
        for wrong in (ref_with(ref, key=ref.key ^ 1), ref_with(ref, fence=ref.fence + 1),
                      ref_with(ref, handle=(ref.handle + 1) % 8), ref_with(ref, key=0)):
            self.assert_both_refused("small", wrong, "PERMISSION_DENIED", "NOT_HOLDER")
        self.assert_both_refused("large", ref, "PERMISSION_DENIED", "NOT_HOLDER")
        self.assertEqual(self.api.read_all("small", ref, length=4), b"mine")

    def test_a_pool_without_memory_is_told(self):
        ref = self.lease_one("ids")
        self.assert_both_refused("ids", ref, "FAILED_PRECONDITION", "NOT_A_BUFFER_POOL")

    def test_a_grant_that_is_over_is_told_as_renew_tells(self):
        returned, revoked = (grant.ref for grant in self.api.lease("small", count=2).grants)
        self.api.give_back("small", returned)
        self.assert_both_refused("small", returned, "NOT_FOUND", "GRANT_RETURNED")
        self.api.revoke("small", revoked.handle, revoked.fence)
        self.assert_both_refused("small", revoked, "NOT_FOUND", "GRANT_REVOKED")
        every = {grant.ref.handle: grant.ref for grant in self.api.lease("small", count=8).grants}
        refusal = self.assert_both_refused("small", returned, "FAILED_PRECONDITION", "STALE_FENCE")
        self.assertEqual(refusal.info.metadata["current_fence"],
                         str(every[returned.handle].fence))
        self.assertEqual(self.api.read_all("small", every[returned.handle], length=1), b"\0")

    def test_what_is_out_of_bounds_names_the_limit_and_the_value(self):
        ref = self.lease_one("small")
        for fields, field, limit, value in (
                ({"offset": 5001}, "offset", "0 .. 5000", "5001"),
                ({"offset": 2**64 - 1, "length": 2}, "offset", "0 .. 5000", str(2**64 - 1)),
                ({"length": 5001}, "length", "0 .. 5000", "5001"),
                ({"offset": 1, "length": 5000}, "length", "0 .. 4999", "5000"),
                ({"offset": 5000, "length": 1}, "length", "0 .. 0", "got 1"),
                ({"offset": 1, "length": 2**64 - 1}, "length", "0 .. 4999", str(2**64 - 1)),
                ({"chunk_bytes": 1023}, "chunk_bytes", "1024 .. 65536", "1023"),
                ({"chunk_bytes": 65537}, "chunk_bytes", "1024 .. 65536", "65537")):
            with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
                self.api.read_all("small", ref, **fields)
            self.assertEqual(set(caught[0].violations), {field})
            self.assertIn(limit, caught[0].violations[field])
            self.assertIn(value, caught[0].violations[field])

    def test_what_was_written_before_an_error_stays_written(self):
        ref = self.lease_one("small")
        self.api.write("small", ref, b"\1" * 5000)
        for data, fields, field in ((b"x" * 1001, {}, "data"), (b"", {"offset": 5001}, "offset"),
                                    (b"x", {"offset": 2**64 - 1}, "offset"),
                                    (b"x", {"pool": "small"}, "pool"),
                                    (b"x", {"grant": ref}, "grant")):
            written = self.random.randbytes(4000)
            writer = Writer(self.api, "small", ref, data=written[:3000])
            writer.send(written[3000:])
            writer.send(data, **fields)
            with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
                writer.end()
            self.assertEqual(set(caught[0].violations), {field})
            self.assertEqual(caught[0].info.metadata["bytes_written"], "4000")
            self.assertNotIn("uncertain_bytes", caught[0].info.metadata)
            self.assertEqual(self.api.read_all("small", ref), written + b"\1" * 1000)

    def test_a_message_of_too_many_bytes_is_refused_whole(self):
        ref = self.lease_one("large")
        self.api.write("large", ref, bytes(2 * MAX_DATA))
        with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
            self.api.write("large", ref, b"x" * (MAX_DATA + 1), step=MAX_DATA + 1)
        self.assertIn("at most 131072 bytes, got 131073", caught[0].violations["data"])
        self.assertEqual(self.api.read_all("large", ref, length=MAX_DATA), bytes(MAX_DATA))

    def test_bytes_that_are_no_message_and_none_at_all_are_malformed(self):
        for method in ("Read", "Write"):
            call = self.api.channel.stream_stream(f"/objpool.v1.BufferService/{method}")
            for messages in ([], [b"\xff\xff"], [b"\x12\x7f"]):
                with refused(self, "INVALID_ARGUMENT", "MALFORMED"):
                    list(call(iter(messages), timeout=DEADLINE_S))


class EndTest(BufferCase):
    """Grants that end, and clients that go, in the midst of it."""

    def start_reading(self, api, ref):
        """A Read of which one chunk was taken, and the server waits for the client."""
        stream = api.read("large", ref)
        next(stream)
        return stream

    def assert_read_ends(self, stream, code, reason):
        got = CHUNK
        with refused(self, code, reason):
            for chunk in stream:
                got += len(chunk.data)
        self.assertLess(got, SIZE, "it did not get all of it")

    def assert_write_ends(self, writer, *reasons):
        """However often it writes after the end."""
        def send_and_look():
            writer.send(b"late")
            return writer.call.done()
        wait_until(send_and_look, "the server ends the call")
        refusal = Refusal(writer.call.exception())
        self.assertIn(refusal.reason, reasons)
        self.assertEqual(refusal.info.metadata["bytes_written"], "5")
        self.assertNotIn("uncertain_bytes", refusal.info.metadata)

    def test_a_grant_that_expires_ends_reads_and_writes(self):
        reading, writing = (
            grant.ref for grant in self.api.lease("large", count=2, ttl=ms(2000)).grants)
        with Api(self.server, FIXED_WINDOW) as api:
            stream = self.start_reading(api, reading)
            writer = Writer(api, "large", writing, data=b"first")
            wait_until(lambda: self.api.get_pool("large").leased == 0, "both have expired")
            self.assert_read_ends(stream, "NOT_FOUND", "GRANT_EXPIRED")
            reply = self.api.lease("large", count=8)
            # It learns of the end, or of the next holder.
            self.assert_write_ends(writer, "GRANT_EXPIRED", "STALE_FENCE")
        after = next(grant.ref for grant in reply.grants if grant.ref.handle == writing.handle)
        self.assertEqual(self.api.read_all("large", after, length=9), b"first\0\0\0\0")

    def test_a_grant_that_is_revoked_or_returned_ends_reads_and_writes(self):
        for end, reason in ((lambda ref: self.api.revoke("large", ref.handle, ref.fence),
                             "GRANT_REVOKED"),
                            (lambda ref: self.api.give_back("large", ref), "GRANT_RETURNED")):
            ref = self.lease_one("large")
            with Api(self.server, FIXED_WINDOW) as api:
                stream = self.start_reading(api, ref)
                writer = Writer(api, "large", ref, data=b"first")
                wait_until(lambda ref=ref: self.api.read_all("large", ref, length=5) == b"first",
                           "the message is there")
                end(ref)
                self.assert_read_ends(stream, "NOT_FOUND", reason)
                self.assert_write_ends(writer, reason)

    def test_a_call_is_told_of_the_end_also_while_no_message_comes(self):
        ref = self.lease_one("large", ttl=ms(100))
        writer = Writer(self.api, "large", ref)
        wait_until(writer.call.done, "nobody has to write to learn it")
        self.assertEqual(Refusal(writer.call.exception()).reason, "GRANT_EXPIRED")

    def test_a_client_that_does_not_read_holds_little(self):
        ref = self.lease_one("large")
        status = pathlib.Path(f"/proc/{self.server.pid}/status")

        def rss():
            (line,) = (s for s in status.read_text().splitlines() if s.startswith("VmRSS"))
            return int(line.split()[1]) * 1024

        self.api.read_all("large", ref)
        before, sent = rss(), self.metric("read", "large")
        with Api(self.server, FIXED_WINDOW) as api:
            streams = [self.start_reading(api, ref) for _ in range(32)]
            most = len(streams) * (WINDOW + 4 * CHUNK)
            seen = []

            def settled():
                seen.append(self.metric("read", "large"))
                return len(seen) > 20 and seen[-1] == seen[-20]
            wait_until(settled, "the server waits for the clients")
            self.assertLess(seen[-1] - sent, most, "32 x 8 MiB were asked for")
            self.assertLess(rss() - before, most)
            # It goes on where it stopped.
            got = CHUNK + sum(len(chunk.data) for chunk in streams[0])
            self.assertEqual(got, SIZE)
            for stream in streams[1:]:
                stream.cancel()
        wait_until(lambda: self.server.metrics().sum_or_zero(
            "grpc_server_handled_total", grpc_method="Read", grpc_code="CANCELLED") >= 31, "over")

    def test_a_cancelled_write_stops_and_leaves_what_it_wrote(self):
        ref = self.lease_one("large")
        with Api(self.server) as api:
            writer = Writer(api, "large", ref, data=b"half")
            wait_until(lambda: self.api.read_all("large", ref, length=4) == b"half", "it is there")
            writer.call.cancel()

        def over():
            metrics = self.server.metrics()
            return (metrics.sum("grpc_server_handled_total", grpc_method="Write") ==
                    metrics.sum("grpc_server_started_total", grpc_method="Write"))
        wait_until(over, "the server is done with it")
        self.assertEqual(self.api.read_all("large", ref, length=4), b"half")

    def test_a_stop_lets_what_gets_on_end_and_cuts_what_does_not(self):
        with Server(CONFIG, ["--shutdown_grace=60s"]) as server, Api(server) as api:
            (grant,) = api.lease("large").grants
            idle = Writer(api, "large", grant.ref, data=b"x")
            wait_until(lambda: api.read_all("large", grant.ref, length=1) == b"x", "it began")
            api.give_back("large", api.lease("large").grants[0].ref)
            api.revoke("large", grant.ref.handle, grant.ref.fence)
            wait_until(idle.call.done, "its grant is over")
            (grant,) = api.lease("large").grants
            idle = Writer(api, "large", grant.ref, data=b"y")
            wait_until(lambda: api.read_all("large", grant.ref, length=1) == b"y", "it began")
            server.process.terminate()
            wait_until(lambda: "stopping" in server.log(), "it stops")
            api.give_back("large", grant.ref)
            self.assertEqual(server.process.wait(DEADLINE_S), 0)
            self.assertIn(Refusal(idle.call.exception()).reason,
                          ("SHUTTING_DOWN", "GRANT_RETURNED"))


if __name__ == "__main__":
    unittest.main()


class ScrubTest(BufferCase):
    def test_a_buffer_is_zeros_before_it_is_leased_again(self):
        refs = [grant.ref for grant in self.api.lease("clean", count=3).grants]
        for ref in refs:
            self.api.write("clean", ref, self.random.randbytes(SIZE))
        self.api.give_back("clean", *refs)
        wait_until(lambda: self.api.get_pool("clean").free == 3, "all are scrubbed")
        for grant in self.api.lease("clean", count=3).grants:
            self.assertEqual(self.api.read_all("clean", grant.ref), bytes(SIZE))
            self.api.give_back("clean", grant.ref)
