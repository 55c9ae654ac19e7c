"""rpc_bench runs with whatever peers are installed: every answer is right, and its JSON is whole.

How fast anything is does not matter here.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

BIN_DIR = pathlib.Path(os.environ["OBJPOOL_BIN_DIR"])
DEADLINE_S = 240

OURS = {"objpoold volatile", "objpoold process", "objpoold h2"}
BUSY = {"objpoold h2, busy"}
ENGINES = {"echo, same engine", "echo, engine h2"}
ECHO = ENGINES | {"echo, bare nghttp2"}
TCP = {"echo, bare TCP"}
REDIS = {"Redis LPOP/RPUSH", "Redis Lua lease"}
ETCD = {"etcd grant+put, durable"}
# Cell -> who runs in it, where it is installed.
CELLS = {
    "1 outstanding": OURS | BUSY | ECHO | TCP | REDIS | ETCD,
    "64 outstanding, 1x64": OURS | ECHO,
    "64 outstanding, 8x8": OURS | ECHO | ETCD,
    "64 outstanding, 64x1": OURS | ECHO | REDIS | ETCD,
    "streamed 64": OURS | ENGINES | REDIS,
    "streamed 64, folded": OURS,
    "batch 64, 8x1": OURS | ECHO | REDIS | {"Redis Lua lease, bulk"},
}
FIGURES = {"cycles_per_s", "server_cpu_us_per_cycle", "p50_us", "p99_us"}


def run(*arguments, path=os.environ["PATH"]):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "rpc.json"
        done = subprocess.run([BIN_DIR / "rpc_bench", "--json", file, *arguments],
                              capture_output=True, text=True, timeout=DEADLINE_S, check=False,
                              env={**os.environ, "PATH": path})
        return done, json.loads(file.read_text()) if file.exists() else None


def installed():
    found = OURS | BUSY | ECHO | TCP
    if shutil.which("redis-server"):
        found = found | REDIS | {"Redis Lua lease, bulk"}
    return found | ETCD if shutil.which("etcd") else found


class SmokeTest(unittest.TestCase):
    def test_every_contender_runs_in_its_cells(self):
        done, rows = run("--rounds", "1", "--seconds", "0.05")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("BROKEN", done.stdout)
        expected = {(cell, contender) for cell, all_of_it in CELLS.items()
                    for contender in all_of_it & installed()}
        self.assertEqual({(row["cell"], row["contender"]) for row in rows}, expected)
        self.assertEqual(len(rows), len(expected))
        for row in rows:
            with self.subTest(row=row):
                self.assertEqual(set(row), FIGURES | {"cell", "contender"})
                self.assertTrue(all(row[figure] > 0 for figure in FIGURES))
                self.assertLessEqual(row["p50_us"], row["p99_us"])

    def test_without_peers_it_says_so_and_runs(self):
        done, rows = run("--rounds", "1", "--seconds", "0.02", "--filter", "batch", "--spin",
                         path="/nowhere")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("Left out: Redis LPOP/RPUSH: redis-server is not installed", done.stdout)
        self.assertIn("Left out: etcd grant+put, durable: etcd-server is not installed",
                      done.stdout)
        self.assertEqual({row["contender"] for row in rows}, OURS | ECHO)
        self.assertEqual({row["cell"] for row in rows}, {"batch 64, 8x1"})

    def test_wrong_options_are_refused(self):
        for arguments, text in ((["--rounds", "0"], "--rounds must be 1 .. 1000, got 0"),
                                (["--seconds", "x"], "--seconds must be 0.01 .. 60, got x"),
                                (["--cpus", "1"], "--cpus must be two numbers"),
                                (["--speed", "1"], "--speed: no such option")):
            with self.subTest(arguments=arguments):
                done, rows = run(*arguments)
                self.assertEqual(done.returncode, 2)
                self.assertIn(text, done.stderr)
                self.assertIsNone(rows)


if __name__ == "__main__":
    unittest.main()
