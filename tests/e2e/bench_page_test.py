"""objpoolctl bench --html: a page that needs nothing else, with the numbers of the JSON."""

import json
import pathlib
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

from bench_testing import bench
from objpool_testing import Api, Server

CONFIG = 'pools { name: "ids" ids { count: 64 } }'
XHTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"


class PageCase:
    """What is true of the pages of both loads."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(CONFIG))
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        _, cls.report = bench(cls.server.address, "--pool=ids", *cls.flags,
                              f"--html={folder / 'page.html'}")
        cls.text = (folder / "page.html").read_text()
        # It is well-formed, or this fails.
        cls.page = ElementTree.fromstring(cls.text)

    def table(self, name):
        """Its rows as dicts."""
        (table,) = self.page.findall(f".//{XHTML}table[@id='{name}']")
        heading, *rows = [["".join(cell.itertext()) for cell in row] for row in table]
        return [dict(zip(heading, row, strict=True)) for row in rows]

    @staticmethod
    def lines(chart):
        """Those of a chart by their names."""
        return {group.find(f"{SVG}title").text: group for group in chart.iter(f"{SVG}g")}

    def check_dots(self, chart, names):
        """It has those lines at least, for a busy machine may be exhausted too."""
        lines = self.lines(chart)
        self.assertLessEqual(names, set(lines))
        for line in lines.values():
            self.assertEqual(len(line.findall(f"{SVG}circle")), len(self.report["seconds"]))

    def test_it_has_the_result_itself(self):
        (script,) = self.page.iter(f"{XHTML}script")
        self.assertEqual(script.get("type"), "application/json")
        self.assertEqual(json.loads(script.text), self.report)

    def test_its_latencies_are_those_of_the_json(self):
        rows = {row["us"]: row for row in self.table("latency")}
        self.assertEqual(list(rows), self.latencies)
        for name, row in rows.items():
            told = self.report["latency_us"][name]
            for shown, field in (("p50", "p50"), ("p90", "p90"), ("p99", "p99"),
                                 ("p99.9", "p99_9"), ("p99.99", "p99_99"), ("max", "max"),
                                 ("mean", "mean"), ("count", "count")):
                self.assertEqual(float(row[shown]), told[field], (name, shown))
        percentiles = next(self.page.iter(f"{SVG}svg"))
        self.assertEqual(list(self.lines(percentiles)), self.latencies)

    def test_it_needs_nothing_from_elsewhere(self):
        self.assertNotRegex(self.text.replace('xmlns="http://www.w3.org/', ""),
                            r"https?://|src=|href=|@import|url\(")
        self.assertIn("prefers-color-scheme: dark", self.text)

    def test_a_page_that_cannot_be_written_is_told_before_the_run(self):
        with Api(self.server) as api:
            granted = api.stats("ids").granted
            code, why = bench(self.server.address, "--pool=ids", *self.flags,
                              "--html=/nowhere/a.html")
            self.assertEqual(code, 1)
            self.assertIn("cannot write /nowhere/a.html: No such file or directory", why)
            self.assertEqual(api.stats("ids").granted, granted)


class OpenPageTest(PageCase, unittest.TestCase):
    flags = ("--rate=200", "--ramp=1s", "--warmup=0ms", "--duration=2s", "--hold=10ms",
             "--renews=1", "--verify")
    latencies = ["lease", "return", "renew", "late"]

    def test_its_seconds_are_those_of_the_json(self):
        rows = self.table("seconds")
        self.assertEqual(len(rows), len(self.report["seconds"]))
        for row, second in zip(rows, self.report["seconds"], strict=True):
            self.assertEqual(row["measured"] == "yes", second["measured"])
            self.assertEqual(int(row["leased"]), second["leased"])
            self.assertEqual(float(row["p99 us"]), second["lease_p99_us"])
            self.assertEqual(float(row["max us"]), second["lease_max_us"])

    def test_what_was_asked_and_counted(self):
        options = {row["option"]: row["value"] for row in self.table("options")}
        self.assertEqual(set(options), set(self.report["options"]))
        self.assertEqual(float(options["rate"]), 200)
        counts = {row["count"]: int(row["value"]) for row in self.table("whole_run")}
        self.assertEqual(counts, self.report["whole_run"])
        self.assertIn("VERIFIED", self.text)
        self.assertIn("VALID" if self.report["valid"] else "INVALID", self.text)

    def test_its_curves_have_a_point_for_each_second(self):
        _, calls, seconds = self.page.iter(f"{SVG}svg")
        self.check_dots(calls, {"leased", "returned", "renewed", "begun"})
        self.check_dots(seconds, {"p50", "p99", "max"})
        # The slower a second was, the higher is its dot.
        slow = [second["lease_max_us"] for second in self.report["seconds"]]
        dots = self.lines(seconds)["max"].iter(f"{SVG}circle")
        height = [-float(dot.get("cy")) for dot in dots]
        self.assertEqual(height.index(max(height)), slow.index(max(slow)))


class ClosedPageTest(PageCase, unittest.TestCase):
    flags = ("--warmup=1s", "--duration=2s", "--clients=2", "--hold=1ms")
    latencies = ["lease", "return", "cycle"]

    def test_its_seconds_are_those_of_the_json(self):
        seconds = self.report["seconds"]
        self.assertEqual([second["measured"] for second in seconds], [False, True, True])
        self.assertLessEqual(sum(second["leased"] for second in seconds),
                             self.report["calls"]["lease_ok"])
        rows = self.table("seconds")
        for row, second in zip(rows, seconds, strict=True):
            self.assertEqual(row["measured"] == "yes", second["measured"])
            for name in ("leased", "returned", "exhausted", "failed"):
                self.assertEqual(int(row[name]), second[name])
        _, calls = self.page.iter(f"{SVG}svg")
        self.check_dots(calls, {"leased", "returned"})

    def test_what_was_asked_and_counted(self):
        def told(name):
            return {row["name"]: int(row["value"]) for row in self.table(name)}

        self.assertEqual(told("options"), self.report["options"])
        self.assertEqual(told("handles"), self.report["handles"])
        self.assertEqual({**told("calls"), "errors": {}}, self.report["calls"])
        self.assertIn("DONE", self.text)


if __name__ == "__main__":
    unittest.main()
