"""The pages of the metrics endpoint: health, status whose lines add up, OpenMetrics, and the live
page as a browser draws it."""

import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from objpool_testing import DEADLINE_S, ENGINE, Api, Server, lease_service_pb2, wait_until

CONFIG = """
pools { name: "ports" ids { first: 8000 count: 64 } }
pools { name: "seats" labels { label: "a" label: "b" } }
pools { name: "memory" buffers { count: 4 size_bytes: 4096 } }
shutdown_grace { seconds: 20 }
"""
PLACES = ("free", "leased", "dirty", "resting", "quarantined")
METRICS_PAGE = pathlib.Path(__file__).resolve().parents[2] / "server/METRICS.md"
CHROMIUM = shutil.which("chromium")


class PagesTest(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server(CONFIG))
        self.api = self.enterContext(Api(self.server))

    def get(self, path, **headers):
        """Status, type and body."""
        asked = urllib.request.Request(f"http://{self.server.metrics_address}{path}",
                                       headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=DEADLINE_S) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read().decode()

    def json(self, path):
        status, kind, body = self.get(path)
        self.assertEqual((status, kind), (200, "application/json"))
        return json.loads(body)

    def pool(self, name):
        return next(line for line in self.json("/statusz")["pools"]
                    if line["pool"]["name"] == f"pools/{name}")

    def test_lines_add_up(self):
        held = [self.api.lease("ports", count=10) for _ in range(3)]
        self.api.give_back("ports", *(grant.ref for grant in held[0].grants))
        grant = held[1].grants[0]
        self.api.revoke("ports", grant.ref.handle, grant.ref.fence)
        self.api.renew("ports", held[2].grants[0].ref)
        status = self.json("/statusz")
        self.assertEqual([line["pool"]["name"] for line in status["pools"]],
                         ["pools/memory", "pools/ports", "pools/seats"])
        self.assertTrue(status["serving"])
        self.assertEqual(status["address"], self.server.address)
        line = self.pool("ports")
        counts = {place: int(line["pool"][place]) for place in PLACES}
        self.assertEqual(counts["leased"], 19)
        self.assertEqual(sum(counts.values()) + int(line["unaccounted"]), 64)
        self.assertEqual(int(line["granted"]) + int(line["recovered"]),
                         sum(int(line[end]) for end in ("returned", "expired", "revoked")) + 19)
        self.assertEqual((line["returned"], line["revoked"], line["renewed"]), ("10", "1", "1"))
        slots = self.json("/statusz/ports")["stats"]["slots"]
        self.assertEqual(sum(int(slot["occupancy"]) for slot in slots), counts["free"])
        calls = sum(int(worker["calls"]) for worker in status["workers"])
        self.assertEqual(calls, self.server.metrics().sum("grpc_server_started_total"))

    def test_who_waits_is_shown(self):
        self.api.lease("seats", count=2)
        self.assertNotIn("oldest_wait", self.pool("seats")["pool"])
        waiting = self.api.start("Lease", lease_service_pb2.LeaseRequest(
            pool="seats", max_wait={"seconds": 20}))
        line = wait_until(lambda: (seen := self.pool("seats"))["pool"]["waiters"] and seen,
                          "a waiter")
        self.assertRegex(line["pool"]["oldest_wait"], r"^\d+(\.\d+)?s$")
        waiting.cancel()

    def test_a_server_that_drains_is_well_but_not_ready(self):
        self.assertEqual(self.get("/healthz")[0], 200)
        self.assertEqual(self.get("/readyz")[0], 200)
        ref = self.api.lease("ports").grants[0].ref
        self.server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: self.get("/readyz")[0] == 503, "not ready")
        self.assertEqual(self.get("/healthz"), (200, "text/plain; charset=utf-8", "ok\n"))
        self.assertFalse(self.json("/statusz")["serving"])
        self.api.give_back("ports", ref)

    def test_no_other_pages(self):
        for path in ("/statusz/nobody", "/statusz/", "/statusz/..%2f", "/live", "//"):
            status, kind, body = self.get(path)
            self.assertEqual((status, kind), (404, "text/plain; charset=utf-8"), path)
            self.assertIn("/statusz", body)

    def test_open_metrics_say_the_same_to_who_asks(self):
        self.api.lease("ports", count=7)
        status, kind, text = self.get(
            "/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
        self.assertEqual((status, kind),
                         (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"))
        families = {family.name: family for family in text_string_to_metric_families(text)}
        granted = {sample.labels["pool"]: sample.value
                   for sample in families["objpool_leases_granted"].samples}
        self.assertEqual(granted, {"ports": 7, "seats": 0, "memory": 0})
        # The same samples as the plain text has, but for the numbers.
        plain = self.get("/metrics")[2]
        names = {re.split(r"[{ ]", line)[0] for line in plain.splitlines() if line[0] != "#"}
        self.assertEqual({sample.name for family in families.values()
                          for sample in family.samples}, names)
        self.assertIn("text/plain", self.get("/metrics", Accept="*/*")[1])
        self.assertIn("text/plain", self.get(
            "/metrics", Accept="text/plain, application/openmetrics-text;q=0.1")[1])

    def test_there_are_few_series(self):
        """However many CPUs there are; server/README.md says how many."""
        with Server('pools { name: "ports" ids { count: 64 } }') as server, Api(server) as api:
            for _ in range(10):
                api.give_back("ports", api.lease("ports").grants[0].ref)
            labels = [labels for _, labels, _ in server.metrics().samples]
        by_cpu = sum("cpu" in each for each in labels)
        workers = {each["worker"] for each in labels if "worker" in each}
        distances = {each["distance"] for each in labels if "distance" in each}
        self.assertLessEqual(len(labels) - by_cpu, 250)
        of_one = (11 if ENGINE == "h2" else 9) + 3 * len(distances)
        self.assertLessEqual(by_cpu, of_one * len(workers))

    def test_every_metric_is_in_the_table_with_these_labels(self):
        table = {name: (kind, set(filter(None, labels.split(", "))), text)
                 for name, kind, labels, text in re.findall(
                     r"^\| `(\w+)` \| (\w+) \| ([\w, ]*?) ?\| (.*) \|$",
                     METRICS_PAGE.read_text(), re.MULTILINE)}
        self.api.give_back("ports", self.api.lease("ports").grants[0].ref)
        shown = {}
        for family in text_string_to_metric_families(self.get(
                "/metrics", Accept="application/openmetrics-text;version=1.0.0")[2]):
            name = family.name + ("_total" if family.type == "counter" else "")
            shown[name] = (family.type, family.documentation)
            for sample in family.samples:
                self.assertEqual(set(sample.labels) - {"le"}, table[name][1], sample)
        self.assertEqual(shown, {name: (table[name][0], table[name][2]) for name in shown})
        # Those of connections are of one engine; steals need a second worker, and TLS has its own.
        elsewhere = "_connections?_|_calls_cut_|_unread_|_unsent_|_stolen_|_tls_"
        self.assertEqual({name for name in set(table) - set(shown)
                          if not re.search(elsewhere, name)}, set())

    def test_the_fewest_free_handles_are_remembered_whoever_reads(self):
        refs = [grant.ref for grant in self.api.lease("ports", count=48).grants]
        low = lambda: self.server.metrics().sum("objpool_pool_low_free_handles", pool="ports")
        self.assertEqual(low(), 16)
        self.api.give_back("ports", *refs)
        for _ in range(3):
            self.assertEqual(low(), 16)
        self.assertEqual(self.server.metrics().sum("objpool_pool_free_handles", pool="ports"), 64)

    def test_turns_that_come_late_are_seen(self):
        def seen():
            """Turns, those that came more than 0.1 s late, and seconds."""
            metrics = self.server.metrics()
            of = lambda what, **le: metrics.sum(f"objpool_worker_poll_delay_seconds_{what}", **le)
            return of("count"), of("count") - of("bucket", le="0.1"), of("sum")

        wait_until(lambda: seen()[0] > 10, "turns that were due")
        # Where others want all CPUs some came late before.
        _, late, seconds = seen()
        self.server.process.send_signal(signal.SIGSTOP)
        threading.Event().wait(0.5)  # what is measured
        self.server.process.send_signal(signal.SIGCONT)
        wait_until(lambda: seen()[1] > late and seen()[2] - seconds > 0.4, "a late turn")

    def test_it_is_told_where_memory_is(self):
        metrics = self.server.metrics()
        (info,) = [labels for name, labels, _ in metrics.samples if name == "objpool_numa_info"]
        self.assertIn(info["mode"], ("first_touch", "single_node", "none"))
        sampled = metrics.sum("objpool_buffer_pages_sampled", pool="memory")
        self.assertEqual(sampled, 4 if info["checked_by"] == "move_pages" else 0)
        self.assertEqual(metrics.sum("objpool_buffer_pages_misplaced", pool="memory"), 0)

    def test_idle_connections_neither_block_a_scrape_nor_pile_up(self):
        before = self.server.metrics().sum("process_open_fds")
        host, port = self.server.metrics_address.rsplit(":", 1)
        for _ in range(200):
            self.enterContext(socket.create_connection((host, int(port)), timeout=DEADLINE_S))
        # At most 64, and as many as may be on their way out.
        self.assertLess(self.server.metrics().sum("process_open_fds") - before, 64 + 32 + 10)

    def test_slots_can_be_asked_for_by_cpu(self):
        names = lambda path: sorted(line.split(" ")[0] for line in self.get(path)[2].splitlines())
        self.assertEqual(names("/metrics/by_cpu"), names("/metrics"))

    def test_the_live_page_needs_nothing_from_elsewhere(self):
        status, kind, page = self.get("/")
        self.assertEqual((status, kind), (200, "text/html; charset=utf-8"))
        self.assertNotRegex(page, r"https?://")
        self.assertNotIn("innerHTML", page)

    @unittest.skipUnless(CHROMIUM, "there is no chromium")
    def test_a_browser_draws_pools_and_slots(self):
        self.api.lease("ports", count=16)
        with tempfile.TemporaryDirectory() as folder:
            drawn = subprocess.run(
                [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
                 f"--user-data-dir={folder}", "--virtual-time-budget=4000",
                 "--dump-dom",
                 f"http://{self.server.metrics_address}/#ports"],
                check=True, capture_output=True, text=True, timeout=120).stdout
        self.assertIn('aria-label="free 48, leased 16, dirty 0, resting 0, quarantined 0"', drawn)
        self.assertIn("Slots of ports", drawn)
        self.assertIn(">serving<", drawn)
        for worker in self.json("/statusz")["workers"]:
            self.assertIn(f'data-cpu="{worker["cpu"]}"', drawn)
        self.assertIn('<div id="fault" role="alert" style="display: none;"></div>', drawn)


if __name__ == "__main__":
    unittest.main()
