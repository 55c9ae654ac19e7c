"""objpoolctl bench compare: results that are made up, and one that is real."""

import json
import pathlib
import random
import subprocess
import tempfile
import unittest

from objpool_testing import BIN_DIR, DEADLINE_S, Server

WORSE = 8
USAGE = 2
INVALID = 7


def result(seed, leased=1000, p50=100, p99=400, seconds=20, rate=1000):
    """Like one of bench --rate, with a noise of a tenth."""
    noise = random.Random(seed)
    around = lambda mean: mean * noise.uniform(0.9, 1.1)  # noqa: E731
    series = [{"measured": number >= 2, "leased": round(around(leased)),
               "lease_p50_us": around(p50), "lease_p99_us": around(p99)}
              for number in range(seconds + 2)]
    # Those that were not measured would change everything.
    series[0].update(leased=1, lease_p50_us=1e6, lease_p99_us=1e6)
    return {"schema": "objpool.bench.open.v1", "options": {"rate": rate, "arrivals": "poisson"},
            "valid": True, "why_invalid": "", "seconds": series}


class CompareTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def compare(self, before, after, *flags, output="json"):
        for name, content in (("a.json", before), ("b.json", after)):
            text = content if isinstance(content, str) else json.dumps(content)
            (self.folder / name).write_text(text)
        done = subprocess.run(
            [BIN_DIR / "objpoolctl", "--output", output, "bench", "compare",
             self.folder / "a.json", self.folder / "b.json", *flags],
            capture_output=True, text=True, timeout=DEADLINE_S)
        if output == "text" or not done.stdout:
            return done.returncode, done.stdout + done.stderr
        return done.returncode, json.loads(done.stdout)

    def verdicts(self, report):
        return {metric["metric"]: metric["verdict"] for metric in report["metrics"]}

    def test_two_results_of_one_kind(self):
        code, report = self.compare(result(1), result(2))
        self.assertEqual((code, report["verdict"]), (0, "no difference"))
        self.assertEqual(report["schema"], "objpool.bench.compare.v1")
        self.assertEqual(set(self.verdicts(report).values()), {"no difference"})
        self.assertEqual((report["seconds_before"], report["seconds_after"]), (20, 20))
        self.assertEqual(report["options_that_differ"], [])

    def test_a_slower_tail_is_worse_and_the_other_way_round_better(self):
        code, report = self.compare(result(1), result(2, p99=600))
        self.assertEqual((code, report["verdict"]), (WORSE, "worse"))
        self.assertEqual(self.verdicts(report), {
            "leased": "no difference", "lease_p50_us": "no difference", "lease_p99_us": "worse"})
        tail = report["metrics"][2]
        self.assertLess(tail["ratio_low"], tail["ratio"])
        self.assertLess(tail["ratio"], tail["ratio_high"])
        self.assertAlmostEqual(tail["ratio"], 1.5, delta=0.1)
        code, report = self.compare(result(2, p99=600), result(1))
        self.assertEqual((code, report["verdict"]), (0, "better"))

    def test_fewer_leases_are_worse(self):
        code, report = self.compare(result(1), result(2, leased=700))
        self.assertEqual((code, self.verdicts(report)["leased"]), (WORSE, "worse"))

    def test_what_is_worse_counts_more_than_what_is_better(self):
        code, report = self.compare(result(1), result(2, p50=50, p99=800))
        self.assertEqual((code, report["verdict"]), (WORSE, "worse"))

    def test_what_is_tolerated_makes_no_difference(self):
        after = result(2, p50=120)
        self.assertEqual(self.compare(result(1), after)[0], WORSE)
        self.assertEqual(self.compare(result(1), after, "--tolerance=40")[0], 0)
        code, why = self.compare(result(1), after, "--tolerance=-1")
        self.assertEqual(code, USAGE)
        self.assertIn("--tolerance", why)

    def test_as_text_with_what_was_asked_differently(self):
        code, text = self.compare(result(1), result(2, rate=2000), output="text")
        self.assertEqual(code, 0)
        self.assertIn("options differ, A / B: rate 1000 / 2000", text)
        self.assertIn("B is no different from A, where 5.0 % make no difference", text)

    def test_what_was_asked_differently_is_told_whatever_it_is(self):
        before, after = result(1, rate=0.4), result(2, rate=0.5)
        before["options"] |= {"stream": False, "threads": 1}
        after["options"] |= {"stream": True, "renew_rate": 1e6}
        self.assertEqual(self.compare(before, after)[1]["options_that_differ"],
                         ["rate 0.4 / 0.5", "renew_rate - / 1000000", "stream no / yes",
                          "threads 1 / -"])

    def test_a_file_that_is_no_result_is_named(self):
        good = result(1)
        for bad, said in (
                ("{", "b.json: is no JSON object"),
                ("[1]", "b.json: is no JSON object"),
                ({"schema": "objpool.bench.v1"},
                 "schema must be objpool.bench.open.v1 (bench --rate --output json); got "
                 "objpool.bench.v1"),
                ({}, "got none"),
                ({**good, "seconds": 7}, "seconds: must have at least 5"),
                ({**good, "seconds": [7, None, "x"]}, "got 0"),
                (result(1, seconds=4), "with leases; got 4")):
            with self.subTest(said=said):
                code, why = self.compare(good, bad)
                self.assertEqual(code, USAGE)
                self.assertIn(said, why)
        done = subprocess.run([BIN_DIR / "objpoolctl", "bench", "compare", "/nowhere/a", "b"],
                              capture_output=True, text=True, timeout=DEADLINE_S)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("/nowhere/a: cannot be read: No such file", done.stderr)
        done = subprocess.run([BIN_DIR / "objpoolctl", "bench", "compare", "/tmp"],
                              capture_output=True, text=True, timeout=DEADLINE_S)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("AFTER is required", done.stderr)

    def test_an_invalid_run_is_not_compared(self):
        after = {**result(2), "valid": False, "why_invalid": "it had too little CPU"}
        code, why = self.compare(result(1), after)
        self.assertEqual(code, INVALID)
        self.assertIn("b.json: its run was INVALID: it had too little CPU", why)

    def test_a_real_result_is_no_different_from_itself(self):
        with Server('pools { name: "ids" ids { count: 64 } }') as server:
            done = subprocess.run(
                [BIN_DIR / "objpoolctl", "--server", server.address, "--output", "json", "bench",
                 "--rate=300", "--warmup=0ms", "--duration=6s"],
                capture_output=True, text=True, timeout=DEADLINE_S)
        code, report = self.compare(done.stdout, done.stdout)
        if not json.loads(done.stdout)["valid"]:
            self.assertEqual(code, INVALID)
            return
        self.assertEqual((code, report["verdict"]), (0, "no difference"))
        self.assertEqual({metric["ratio"] for metric in report["metrics"]}, {1})


if __name__ == "__main__":
    unittest.main()
