"""What attack tests share: a server, an honest client that goes on, and a look at memory."""

import threading
import time

from objpool_testing import DEADLINE_S, Api, Server, wait_until

# The second pool is for those who wait for nothing, and not for what others lease.
CONFIG = 'pools { name: "ids" ids { count: 1000 } } pools { name: "bait" ids { count: 1 } }'
# What attackers may make the server take beside what it has at the start.
MORE_KIB = 64 * 1024


def memory_kib(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        (line,) = [line for line in status if line.startswith(key)]
    return int(line.split()[1])


class Honest(threading.Thread):
    """Leases and returns one handle after the other until it is stopped; keeps what went wrong."""

    def __init__(self, server):
        super().__init__()
        self._server = server
        self._over = threading.Event()
        self.cycles = 0
        self.errors = []
        self.slowest_s = 0.0

    def run(self):
        with Api(self._server) as api:
            while not self._over.is_set():
                begin = time.monotonic()
                try:
                    (grant,) = api.lease("ids").grants
                    api.give_back("ids", grant.ref)
                    self.cycles += 1
                except Exception as error:  # pylint: disable=broad-except
                    self.errors.append(error)
                    return
                self.slowest_s = max(self.slowest_s, time.monotonic() - begin)

    def stop(self):
        self._over.set()
        self.join(DEADLINE_S)


def pass_time(seconds):
    """For what has to take so long: what a client earns with time, what is measured meanwhile."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, "time", seconds + DEADLINE_S)


def cuts(server, reason):
    """How many connections the server has closed for it."""
    return server.metrics().sum("objpool_connections_cut_total", reason=reason)


class Besieged:
    """A server with an honest client, within a with block. At its end the client has had no error
    and the server's memory stayed within its bounds."""

    def __init__(self, test, config=CONFIG, prefix=(), flags=(), credentials=None):
        self._test = test
        self.server = Server(config, ["--engine=h2", "--workers=2", *flags], prefix, credentials)
        self.address = self.server.address
        self.pid = self.server.process.pid
        self.honest = Honest(self.server)
        self._idle_kib = 0

    def __enter__(self):
        self.server.__enter__()
        with Api(self.server) as api:
            api.get_pool("ids")
        with open(f"/proc/{self.pid}/clear_refs", "w", encoding="ascii") as peak:
            peak.write("5")  # the peak begins anew
        self._idle_kib = memory_kib(self.pid, "VmRSS")
        self.honest.start()
        wait_until(lambda: self.honest.cycles or self.honest.errors, "the honest client")
        return self

    def __exit__(self, kind, *_):
        self.honest.stop()
        try:
            if kind is None:
                self._judge()
        finally:
            self.server.__exit__()

    def _judge(self):
        test, honest = self._test, self.honest
        more_kib = memory_kib(self.pid, "VmHWM") - self._idle_kib
        print(f"{test.id().rsplit('.', 1)[-1]}: {more_kib} KiB more, honest client "
              f"{honest.cycles} cycles, slowest {honest.slowest_s * 1000:.1f} ms")
        test.assertEqual(honest.errors, [])
        test.assertGreater(honest.cycles, 0)
        test.assertLess(honest.slowest_s, 5)
        test.assertLess(more_kib, MORE_KIB)
        test.assertIsNone(self.server.process.poll(), self.server.log())
        # Nothing of it is left.
        with Api(self.server) as api:
            api.lease("ids")
