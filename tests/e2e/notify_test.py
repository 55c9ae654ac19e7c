"""What a service manager such as systemd hears of a server: that it serves, lives and stops."""

import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import tempfile
import unittest

from objpool_testing import DEADLINE_S, Api, Server, wait_until

CONFIG = 'pools { name: "ids" ids { count: 8 } }'
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000  # waitpid sees threads too


def words(message):
    """The lines of a message: KEY=VALUE."""
    return dict(line.split("=", 1) for line in message.decode().split("\n"))


class Manager:
    """The manager's end of the socket."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.settimeout(DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def hear(self):
        return words(self.socket.recv(4096))

    def hear_until(self, key):
        """The first message with this key, and those before it."""
        before = []
        while True:
            heard = self.hear()
            if key in heard:
                return heard, before
            before.append(heard)

    def hears_nothing_for(self, seconds):
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(4096)
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(DEADLINE_S)

    def start(self, *flags, **more):
        """A server that tells this manager."""
        given = [f"NOTIFY_SOCKET={self.name}", *(f"{key}={value}" for key, value in more.items())]
        return Server(CONFIG, flags, prefix=["/usr/bin/env", "-u", "WATCHDOG_PID", *given])


def worker_threads(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task")
    return [int(task.name) for task in tasks.iterdir()
            if (task / "comm").read_text().startswith("worker-")]


@contextlib.contextmanager
def held(thread):
    """Within it, a thread of a child of this process stands still. Gives what forbids that."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    if libc.ptrace(PTRACE_SEIZE, thread, 0, 0) != 0:
        yield os.strerror(ctypes.get_errno())
        return
    libc.ptrace(PTRACE_INTERRUPT, thread, 0, 0)
    os.waitpid(thread, WALL)
    try:
        yield None
    finally:
        libc.ptrace(PTRACE_DETACH, thread, 0, 0)


class NotifyTest(unittest.TestCase):
    def manager(self, abstract=False):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        name = f"@objpool-{os.getpid()}" if abstract else f"{folder}/notify"
        return self.enterContext(Manager(name))

    def test_it_says_ready_when_it_serves_and_stopping_when_told_to(self):
        for abstract in (False, True):
            manager = self.manager(abstract)
            with manager.start("--shutdown_grace=50s") as server, Api(server) as api:
                ready = manager.hear()
                self.assertEqual(ready["READY"], "1")
                self.assertIn(f"serving 1 pool on {server.address} with ", ready["STATUS"])
                (grant,) = api.lease("ids").grants
                server.process.send_signal(signal.SIGTERM)
                stopping = manager.hear()
                self.assertEqual(stopping["STOPPING"], "1")
                # Twice the grace, and ten seconds.
                self.assertEqual(stopping["EXTEND_TIMEOUT_USEC"], "110000000")
                self.assertIn("waiting for 1 grants", stopping["STATUS"])
                api.give_back("ids", grant.ref)
                self.assertEqual(server.process.wait(DEADLINE_S), 0)
            self.assertTrue(manager.hears_nothing_for(0.1))

    def test_it_serves_before_it_says_ready(self):
        """A manager starts others then, who lease at once."""
        manager = self.manager()
        with manager.start() as server:
            manager.hear_until("READY")
            with Api(server) as api:
                self.assertTrue(api.lease("ids").grants)

    def test_the_watchdog_is_fed_until_the_end(self):
        manager = self.manager()
        with manager.start(WATCHDOG_USEC=400_000) as server, Api(server) as api:
            self.assertEqual(manager.hear()["READY"], "1")
            for _ in range(5):
                self.assertEqual(manager.hear(), {"WATCHDOG": "1"})
            (grant,) = api.lease("ids").grants
            server.process.send_signal(signal.SIGTERM)
            manager.hear_until("STOPPING")
            self.assertEqual(manager.hear(), {"WATCHDOG": "1"})
            api.give_back("ids", grant.ref)
            self.assertEqual(server.process.wait(DEADLINE_S), 0)

    def test_the_watchdog_is_not_fed_while_a_worker_hangs(self):
        manager = self.manager()
        with manager.start(WATCHDOG_USEC=400_000) as server:
            manager.hear_until("WATCHDOG")
            with held(worker_threads(server.pid)[0]) as forbidden:
                if forbidden:
                    print(f"skipped: a thread cannot be held here: {forbidden}")
                    self.skipTest(f"a thread cannot be held here: {forbidden}")
                # Beats may be for turns that the worker made before.
                wait_until(lambda: manager.hears_nothing_for(1), "it is not fed")
            self.assertEqual(manager.hear(), {"WATCHDOG": "1"})

    def test_a_manager_that_is_not_there_does_not_keep_it_from_serving(self):
        prefix = ["/usr/bin/env", "NOTIFY_SOCKET=/no/such/socket"]
        with Server(CONFIG, prefix=prefix) as server, Api(server) as api:
            self.assertTrue(api.lease("ids").grants)
            wait_until(lambda: "NOTIFY_SOCKET /no/such/socket" in server.log(), "a word of it")


if __name__ == "__main__":
    unittest.main()
