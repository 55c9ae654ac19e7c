"""What a handle costs, all in: the resident memory that a server with many leased handles has more
than one with a single one. Names of up to 32 bytes stay within 64."""

import unittest

from objpool_testing import Api, Server

MANY = 1 << 19
BATCH = 1024


def resident(server):
    return server.metrics().sum("process_resident_memory_bytes")


class MemoryTest(unittest.TestCase):
    def setUp(self):
        with self.serve(1) as server, Api(server) as api:
            api.lease("p")
            self.base = resident(server)

    @staticmethod
    def serve(count):
        return Server(f'pools {{ name: "p" ids {{ count: {count} }} }}')

    def bytes_a_handle(self, **fields):
        with self.serve(MANY) as server, Api(server) as api:
            for call in range(MANY // BATCH):
                given = {name: value.format(call) for name, value in fields.items()}
                api.lease("p", count=BATCH, ttl={"seconds": 3600}, **given)
            self.assertEqual(api.get_pool("p").leased, MANY)
            each = (resident(server) - self.base) / MANY
        print(f"\n{each:.1f} bytes a handle with {fields}")
        return each

    def test_leased_without_a_name(self):
        self.assertLess(self.bytes_a_handle(), 34)

    def test_leased_with_a_name_of_16_bytes(self):
        self.assertLess(self.bytes_a_handle(holder="worker-{:09}"), 50)

    def test_leased_with_a_name_of_32_bytes(self):
        self.assertLess(self.bytes_a_handle(holder="a-holder-of-32-bytes-named-{:05}"), 64)

    def test_leased_by_requests_with_ids(self):
        # What the server remembers of requests is counted too.
        self.assertLess(self.bytes_a_handle(request_id="request-{:032}"), 64)


if __name__ == "__main__":
    unittest.main()
