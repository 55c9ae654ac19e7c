"""Every metric is documented, and asked for: by a panel of the dashboard, a rule or an alert. And
nothing is asked for that is not a metric."""

import re
import subprocess
import tempfile
import unittest

import yaml

from dashboard_test import SCRAPE_CONFIG, load_dashboard, queries
from processes import DEPLOY, REPOSITORY, Processes, fetch, tool

PAGE = REPOSITORY / "server" / "METRICS.md"


def documented(page):
    """The names in the table that the server's metrics are made of; see metric_table_test."""
    return set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


def asked_for():
    """(where, metric) of all that the dashboard, the rules and the alerts read."""
    rules = [
        (rule.get("alert", rule.get("record")), rule["expr"])
        for name in ("rules.yml", "alerts.yml")
        for group in yaml.safe_load((DEPLOY / "prometheus" / name).read_text())["groups"]
        for rule in group["rules"]
    ]
    annotations = [
        (annotation["name"], annotation["target"]["expr"])
        for annotation in load_dashboard()["annotations"]["list"]
        if "target" in annotation
    ]
    labels = {"grpc_type", "grpc_service", "grpc_method", "grpc_code"}
    return [
        (where, re.sub("_(bucket|sum|count)$", "", name))
        for where, expression in [*queries(load_dashboard()), *rules, *annotations]
        for name in re.findall(
            r"(?<![:\w])((?:objpool|grpc|process)_\w+)(?![:\w])", re.sub(r'"[^"]*"', "", expression)
        )
        if name not in labels
    ]


class Metrics(unittest.TestCase):
    def test_each_is_asked_for_and_only_these(self):
        there = documented(PAGE.read_text())
        self.assertGreater(len(there), 50)
        self.assertEqual(there - {name for _, name in asked_for()}, set(), "nobody looks at these")
        self.assertEqual([ask for ask in asked_for() if ask[1] not in there], [], "no such metric")

    def test_a_metric_that_nobody_asks_for_is_found(self):
        there = documented(PAGE.read_text() + "| `objpool_new_total` | counter | | New. |\n")
        self.assertEqual(there - {name for _, name in asked_for()}, {"objpool_new_total"})


class PrometheusFiles(unittest.TestCase):
    def test_promtool_accepts_the_scrape_configuration(self):
        done = subprocess.run(
            [tool("promtool", "prometheus"), "check", "config", str(SCRAPE_CONFIG)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_promtool_finds_no_fault_with_the_metrics(self):
        self.check_metrics()

    def test_nor_with_those_of_the_other_engine(self):
        self.check_metrics("--engine=grpc")

    def check_metrics(self, *flags):
        with tempfile.TemporaryDirectory(prefix="objpool-metrics-") as folder:
            processes = Processes(folder)
            self.addCleanup(processes.stop)
            server = processes.start_server(DEPLOY / "objpoold.textproto", *flags)
            text = fetch(f"http://{server['metrics']}/metrics")
            processes.stop()
        done = subprocess.run(
            [tool("promtool", "prometheus"), "check", "metrics"],
            input=text,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
