"""What being scraped costs a server: throughput, CPU, delay; and what a metric costs a call.

    OBJPOOL_BIN_DIR=FOLDER scrape_bench.py [--rounds N] [--seconds S] [--scrapes N] [--engine E]

Prints a table with goals, and exits with 1 where one is missed, unless --no-goals is given. Load,
scraper and server share the CPUs, so the throughput is less what scraper and scrapes take of them;
the more CPUs, the less that is. What being scraped does to serving itself, its cells read while
they are written, is in the grants that a worker makes of a second of its CPU.
"""

import argparse
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "deploy"))
from processes import DEPLOY, Processes, program, wait_for  # noqa: E402

SCRAPES_PER_S = 100
IDLE_CONNECTIONS = 64


class Scraper:
    """A connection that is kept, as Prometheus keeps its own."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self._request = f"GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._room = bytearray(1 << 20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def scrape(self):
        """The page, as bytes that are there until the next one."""
        self._socket.sendall(self._request)
        room, have, end = memoryview(self._room), 0, None
        while end is None or have < end:
            got = self._socket.recv_into(room[have:])
            assert got, "the endpoint hung up"
            have += got
            if end is None and (head := self._room.find(b"\r\n\r\n", 0, have)) >= 0:
                length = re.search(rb"Content-Length: (\d+)", self._room[:head])
                end = head + 4 + int(length.group(1))
        return room[head + 4:end]

    def sum(self, name):
        lines = re.findall(rf"^{name}(?:{{.*}})? (\S+)$".encode(), self.scrape(), re.MULTILINE)
        return sum(float(line) for line in lines)


class Pace:
    """Scrapes at a rate while it is on."""

    def __init__(self, address):
        self._on = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(address,), daemon=True)
        self._thread.start()

    def switch(self, on):
        (self._on.set if on else self._on.clear)()

    def _run(self, address):
        pause = threading.Event()
        with Scraper(address) as scraper:
            while True:
                self._on.wait()
                due = time.monotonic()
                while self._on.is_set():
                    scraper.scrape()
                    due += 1 / SCRAPES_PER_S
                    pause.wait(max(0, due - time.monotonic()))


def throughput_ratios(scraper, server, rounds, seconds):
    """Grants while scraped over those while not, for pairs of windows side by side: those of a
    second, and those of a second of the workers' CPU."""
    pace = Pace(server["metrics"])
    workers = threads(server["pid"], "worker-")

    def rates(scraped):
        pace.switch(scraped)
        granted, begin = scraper.sum("objpool_leases_granted_total"), time.monotonic()
        worked_ns = sum(map(cpu_ns, workers))
        threading.Event().wait(seconds)  # the window
        granted = scraper.sum("objpool_leases_granted_total") - granted
        worked_ns = sum(map(cpu_ns, workers)) - worked_ns
        return granted / (time.monotonic() - begin), granted / worked_ns

    by_second, by_cpu = [], []
    for number in range(rounds):
        first = number % 2 == 0
        found = {scraped: rates(scraped) for scraped in (first, not first)}
        for ratios, scraped, alone in zip((by_second, by_cpu), found[True], found[False]):
            ratios.append(scraped / alone)
    pace.switch(False)
    return by_second, by_cpu


def threads(pid, name):
    """The server's threads whose names begin so. "MHD" is the one that answers scrapes."""
    tasks = pathlib.Path(f"/proc/{pid}/task")
    return [task for task in tasks.iterdir() if (task / "comm").read_text().startswith(name)]


def cpu_ns(task):
    return int((task / "schedstat").read_text().split()[0])


def measure(options):
    """(what, median, goal, unit) and whether a goal is met from below or above."""
    with tempfile.TemporaryDirectory(prefix="objpool-scrape-") as folder:
        processes = Processes(folder)
        try:
            server = processes.start_server(DEPLOY / "objpoold.textproto", "--workers",
                                            options.workers, "--engine", options.engine)
            address = server["metrics"]
            with Scraper(address) as scraper:
                series = len(re.findall(rb"^[^#]", scraper.scrape(), re.MULTILINE))
                (task,) = threads(server["pid"], "MHD")
                before = cpu_ns(task)
                for _ in range(options.scrapes):
                    scraper.scrape()
                cpu_ms = (cpu_ns(task) - before) / options.scrapes / 1e6
                delay_ms = idle_delay_ms(address, options.scrapes)
            with Scraper(address) as scraper:
                processes.start("bench", program("objpoolctl"), f"--server={server['listen']}",
                                "bench", "--pool", "workers", "--duration", "3600s",
                                "--connections", "4", "--clients", "4")
                wait_for("load", lambda: scraper.sum("objpool_leases_granted_total") > 1000)
                by_second, by_cpu = throughput_ratios(scraper, server, options.rounds,
                                                      options.seconds)
                processes.check_alive()
        finally:
            processes.stop()
    update = dict(line.split() for line in subprocess.run(
        [program("metric_update")], check=True, capture_output=True, text=True, timeout=300,
    ).stdout.splitlines())
    return series, [
        (f"throughput, {SCRAPES_PER_S} scrapes/s over none", statistics.median(by_second), ">=",
         0.995, "x"),
        ("the same by the workers' CPU", statistics.median(by_cpu), ">=", 0.995, "x"),
        ("CPU of a scrape", cpu_ms, "<=", 1, "ms"),
        (f"a scrape beside {IDLE_CONNECTIONS} idle connections, p50", statistics.median(delay_ms),
         "<", 10, "ms"),
        ("the same, longest", max(delay_ms), "", 0, "ms"),
        ("an update of a counter", float(update["counter"]), "<=", 2, "ns"),
        ("a value into a histogram of 16 bounds", float(update["histogram"]), "", 0, "ns"),
    ]


def idle_delay_ms(address, scrapes):
    """How long scrapes take, each on a new connection, while many are open and say nothing."""
    host, port = address.rsplit(":", 1)
    idle = [socket.create_connection((host, int(port))) for _ in range(IDLE_CONNECTIONS)]
    delays = []
    for _ in range(scrapes):
        begin = time.monotonic()
        with Scraper(address) as scraper:
            scraper.scrape()
        delays.append((time.monotonic() - begin) * 1e3)
    for connection in idle:
        connection.close()
    return delays


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--rounds", type=int, default=31)
    arguments.add_argument("--seconds", type=float, default=0.5)
    arguments.add_argument("--scrapes", type=int, default=500)
    arguments.add_argument("--workers", default="0", help="0: one for each CPU")
    arguments.add_argument("--engine", default="h2", choices=("grpc", "h2"))
    arguments.add_argument("--no-goals", action="store_true")
    options = arguments.parse_args()
    series, rows = measure(options)
    print(f"{series} series, engine {options.engine}; medians of {options.rounds} rounds of twice "
          f"{options.seconds} s, and of {options.scrapes} scrapes")
    missed = 0
    for what, have, relation, goal, unit in rows:
        met = {"": True, ">=": have >= goal, "<=": have <= goal, "<": have < goal}[relation]
        missed += not met
        wanted = f"goal {relation} {goal} {unit}  {'met' if met else 'MISSED'}" if relation else ""
        print(f"  {what:48} {have:9.4g} {unit:2}  {wanted}".rstrip())
    return 1 if missed and not options.no_goals else 0


if __name__ == "__main__":
    sys.exit(main())
