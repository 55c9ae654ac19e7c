"""The Grafana dashboard asks for what the server really tells.

A real server under load is scraped by a real Prometheus, and every query of the dashboard is
executed there. What this cannot show is how Grafana draws the answers.
"""

import json
import math
import re
import subprocess
import tempfile
import unittest
import urllib.parse

import yaml

from processes import DEPLOY, Processes, fetch, free_port, program, tool, wait_for

DASHBOARD = DEPLOY / "grafana" / "dashboards" / "objpool.json"
SCRAPE_CONFIG = DEPLOY / "prometheus" / "prometheus.yml"
JOB = "objpoold"
GRID_COLUMNS = 24
# As Grafana computes it from a scrape interval of 1 s.
RATE_INTERVAL = "4s"


def load_dashboard():
    return json.loads(DASHBOARD.read_text())


def panels(dashboard):
    """All panels but the rows' headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard):
    """(where, expression) of every query of every panel."""
    return [
        (f"{panel['title']}/{target['refId']}", target["expr"])
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def metric_names(expression):
    """The metrics that a PromQL expression names."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(by|without|on|ignoring) *\([^)]*\)", " ", expression)
    words = re.findall(r"\b[a-z_][a-z0-9_]*\b(?! *\()", bare)
    return set(words) - {
        "or",
        "and",
        "unless",
        "by",
        "without",
        "on",
        "ignoring",
        "sum",
        "avg",
        "max",
        "min",
    }


class DashboardJson(unittest.TestCase):
    """Rules that Grafana does not enforce, or only by an empty panel."""

    def setUp(self):
        self.dashboard = load_dashboard()

    def test_panel_ids_are_unique(self):
        ids = [panel["id"] for panel in self.dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))

    def test_panel_titles_are_unique(self):
        titles = [panel["title"] for panel in self.dashboard["panels"]]
        self.assertEqual(len(titles), len(set(titles)))

    def test_panels_do_not_overlap(self):
        taken = {}
        for panel in self.dashboard["panels"]:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], GRID_COLUMNS, panel["title"])
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    self.assertNotIn((x, y), taken, f"{panel['title']} and {taken.get((x, y))}")
                    taken[x, y] = panel["title"]

    def test_every_panel_is_described(self):
        for panel in panels(self.dashboard):
            self.assertGreater(len(panel.get("description", "")), 20, panel["title"])

    def test_every_panel_has_a_unit(self):
        for panel in panels(self.dashboard):
            self.assertTrue(panel["fieldConfig"]["defaults"].get("unit"), panel["title"])

    def test_every_query_asks_the_chosen_datasource(self):
        chosen = {"type": "prometheus", "uid": "${datasource}"}
        for panel in panels(self.dashboard):
            self.assertEqual(panel["datasource"], chosen, panel["title"])
            self.assertTrue(panel["targets"], panel["title"])
            for target in panel["targets"]:
                self.assertEqual(target["datasource"], chosen, panel["title"])
        for variable in self.dashboard["templating"]["list"]:
            if variable["type"] == "query":
                self.assertEqual(variable["datasource"], chosen, variable["name"])

    def test_queries_of_a_panel_have_names_of_their_own(self):
        for panel in panels(self.dashboard):
            names = [target["refId"] for target in panel["targets"]]
            self.assertEqual(len(names), len(set(names)), panel["title"])

    def test_variables_are_there(self):
        names = [variable["name"] for variable in self.dashboard["templating"]["list"]]
        self.assertEqual(names, ["datasource", "job", "instance", "pool", "by"])

    def test_every_query_is_about_the_chosen_server(self):
        for where, expression in queries(self.dashboard):
            for selector in re.findall(r"\{([^}]*)\}", expression):
                self.assertIn('job="$job",instance="$instance"', selector, where)

    def test_every_metric_of_pools_is_about_the_chosen_pools(self):
        for where, expression in queries(self.dashboard):
            for metric, selector in re.findall(
                r"\b(objpool_(?:pool|slot|acquires|handles|lease)\w*)\{([^}]*)\}", expression
            ):
                self.assertIn('pool=~"$pool"', selector, f"{where}: {metric}")

    def test_metric_names_are_found_in_expressions(self):
        found = metric_names(
            '(sum by (le, pool) (rate(a_total{x="y_z"}[$__rate_interval])) or vector(0)) / b'
        )
        self.assertEqual(found, {"a_total", "b"})


class Stack:
    """A server, a load on it, and a Prometheus that scrapes it."""

    def __init__(self, folder):
        self._processes = Processes(folder)
        try:
            self._start(folder)
        except BaseException:
            self.stop()
            raise

    def _start(self, folder):
        prometheus = tool("prometheus", "prometheus")
        cert, key = f"{folder}/cert.pem", f"{folder}/key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
            + ["-nodes", "-days", "2", "-subj", "/CN=test", "-addext"]
            + ["subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
            check=True,
            capture_output=True,
        )
        server = self._processes.start_server(
            DEPLOY / "objpoold.textproto", f"--tls_cert={cert}", f"--tls_key={key}"
        )
        self._ctl = [program("objpoolctl"), f"--server={server['listen']}", f"--tls-ca={cert}"]
        self.instance = server["metrics"]
        self.bench = self._processes.start(
            "bench",
            *self._ctl,
            "bench",
            "--duration",
            "300s",
            "--pool",
            "workers",
            "--connections",
            "4",
            "--clients",
            "4",
        )
        config = f"{folder}/prometheus.yml"
        with open(config, "w") as file:
            json.dump(self._scrape_config(), file)  # JSON is YAML
        address = f"127.0.0.1:{free_port()}"
        self._processes.start(
            "prometheus",
            prometheus,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={address}",
            "--log.level=warn",
        )
        self._api = f"http://{address}/api/v1"
        wait_for("Prometheus ready", lambda: fetch(f"http://{address}/-/ready"))

    def _scrape_config(self):
        """What is deployed, at a test's pace and aimed at this server."""
        config = yaml.safe_load(SCRAPE_CONFIG.read_text())
        config["global"].update(scrape_interval="1s", scrape_timeout="1s")
        jobs = [job for job in config["scrape_configs"] if job["job_name"] == JOB]
        jobs[0]["static_configs"] = [{"targets": [self.instance]}]
        return {**config, "scrape_configs": jobs}

    def stop(self):
        self._processes.stop()

    def ask(self, path, **parameters):
        """What the Prometheus API answers. A query that is wrong raises urllib's HTTPError."""
        reply = json.loads(
            fetch(f"{self._api}/{path}?{urllib.parse.urlencode(parameters, doseq=True)}")
        )
        assert reply["status"] == "success", reply
        return reply["data"]

    def substitute(self, expression, by="cpu"):
        for name, value in (
            ("$__rate_interval", RATE_INTERVAL),
            ("$job", JOB),
            ("$instance", self.instance),
            ("$pool", ".*"),
            ("$by", by),
        ):
            expression = expression.replace(name, value)
        assert "$" not in expression, f"a variable that nobody sets: {expression}"
        return expression

    def values(self, expression, by="cpu"):
        """The finite values that the query answers now."""
        answer = self.ask("query", query=self.substitute(expression, by))["result"]
        return [
            value
            for value in (float(series["value"][1]) for series in answer)
            if math.isfinite(value)
        ]

    def ctl(self, wanted, *arguments):
        """Runs objpoolctl, which must exit with `wanted`. Returns what it printed."""
        done = subprocess.run(
            [*self._ctl, *arguments], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == wanted, f"{arguments}: {done}"
        return done.stdout

    def stir(self):
        """What the bench does not do: steal, find nothing, expire, renew, revoke, be refused."""
        self._processes.check_alive()
        self.ctl(0, "lease", "ports", "--ttl", "50ms")
        # All seats, so those of other CPUs too; then there is none.
        seats = self.ctl(0, "lease", "seats", "--count", "4")
        self.ctl(3, "lease", "seats")
        refs = [line.split("\t")[1] for line in seats.splitlines()]
        self.ctl(0, "renew", *refs)
        self.ctl(0, "return", *refs)
        self.ctl(0, "return", *refs)
        self.ctl(1, "renew", *refs)
        self.ctl(0, "lease", "ports", "--ttl", "50ms")  # again: what expired is looked at for 4 s
        self.wait_in_vain_and_not()
        seat = self.ctl(0, "lease", "seats").split("\t")[1]
        self.ctl(0, "revoke", seat)
        self.ctl(1, "return", seat)

    def wait_in_vain_and_not(self):
        seats = self.ctl(0, "lease", "seats", "--count", "4")
        self.ctl(1, "lease", "seats", "--max-wait", "1ms")
        with subprocess.Popen(
            [*self._ctl, "lease", "seats", "--max-wait", "30s"], stdout=subprocess.PIPE, text=True
        ) as waiter:
            wait_for(
                "a waiter",
                lambda: 'objpool_lease_waiters{pool="seats"} 1'
                in fetch(f"http://{self.instance}/metrics"),
            )
            self.ctl(0, "return", *(line.split("\t")[1] for line in seats.splitlines()))
            self.ctl(0, "return", waiter.communicate(timeout=30)[0].split("\t")[1])

    def wait(self, what, missing):
        """Stirs until `missing`, a function, returns nothing. Says what it returned last."""
        last = []

        def done():
            last[:] = missing()
            if last:
                self.stir()
            return not last

        try:
            wait_for(what, done)
        except AssertionError as error:
            raise AssertionError(f"{error}:\n  " + "\n  ".join(map(str, last))) from None


class DashboardQueries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="objpool-dashboard-")
        cls.addClassCleanup(folder.cleanup)
        cls.stack = Stack(folder.name)
        cls.addClassCleanup(cls.stack.stop)
        cls.dashboard = load_dashboard()

    def test_every_query_finds_a_number(self):
        (switch,) = [v for v in self.dashboard["templating"]["list"] if v["name"] == "by"]
        pending = {
            (where, by): expression
            for where, expression in queries(self.dashboard)
            for by in switch["query"].split(",")
            if "$by" in expression or by == "cpu"
        }

        def missing():
            for where, by in list(pending):
                if self.stack.values(pending[where, by], by):
                    del pending[where, by]
            return [f"{where}: {expression}" for where, expression in pending.items()]

        self.stack.wait("a number for every query", missing)

    def test_every_metric_is_known_with_help_and_type(self):
        names = set().union(
            *(metric_names(expression) for _, expression in queries(self.dashboard))
        )
        self.assertGreater(len(names), 20)

        def missing():
            known = set(self.stack.ask("label/__name__/values"))
            described = self.stack.ask("metadata")
            return [
                name
                for name in sorted(names)
                # OpenMetrics name a counter's family without its ending.
                if name not in known or re.sub("_(bucket|total)$", "", name) not in described
            ]

        self.stack.wait("every metric in Prometheus", missing)

    def test_the_load_moves_what_it_should(self):
        """Otherwise a panel of zeros would pass."""
        moving = [
            *(
                f"objpool_leases_{what}_total"
                for what in ("granted", "renewed", "returned", "expired", "revoked")
            ),
            'objpool_acquires_total{source="local"}',
            'objpool_acquires_total{source!="local"}',
            "objpool_handles_stolen_by_total",
            "objpool_handles_stolen_from_total",
            "objpool_handles_stolen_total",
            "objpool_slot_pushes_total",
            "objpool_slot_misses_total",
            'objpool_lease_refusals_total{verb="lease",reason="exhausted"}',
            'objpool_lease_refusals_total{verb="return",reason="already_returned"}',
            'objpool_lease_refusals_total{verb="renew",reason="returned"}',
            'objpool_lease_refusals_total{verb="return",reason="revoked"}',
            'grpc_server_handled_total{grpc_method="Lease",grpc_code="OK"}',
            'grpc_server_handled_total{grpc_method="Lease",grpc_code="RESOURCE_EXHAUSTED"}',
            "objpool_worker_busy_seconds_total",
            "objpool_worker_turns_total",
        ]

        def missing():
            return [metric for metric in moving if sum(self.stack.values(f"sum({metric})")) <= 0]

        self.stack.wait("counters above zero", missing)

    def test_variables_offer_what_there_is(self):
        wanted = {
            "job": {JOB},
            "instance": {self.stack.instance},
            "pool": {"workers", "ports", "seats", "buffers"},
        }
        for variable in self.dashboard["templating"]["list"]:
            if variable["type"] != "query":
                continue
            metric, label = re.fullmatch(
                r"label_values\((.*), (\w+)\)", variable["query"]["query"]
            ).groups()

            def missing(variable=variable, metric=metric, label=label):
                offered = set(
                    self.stack.ask(
                        f"label/{label}/values", **{"match[]": self.stack.substitute(metric)}
                    )
                )
                return (
                    []
                    if offered == wanted[variable["name"]]
                    else [f"{variable['name']}: {offered}"]
                )

            self.stack.wait("the variable's values", missing)

    def test_annotations_are_valid_queries(self):
        for annotation in self.dashboard["annotations"]["list"]:
            if "target" in annotation:
                self.stack.values(annotation["target"]["expr"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
