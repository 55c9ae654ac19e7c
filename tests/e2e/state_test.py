"""objpoolctl state: what a state_dir holds, while a server runs on it, after it, and damaged."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from objpool_testing import BIN_DIR, DEADLINE_S, Api, Server

CONFIG = """
pools { name: "ids" ids { first: 100 count: 640 } ttl_default { seconds: 60 } }
pools { name: "seats" labels { label: "window" label: "middle aisle" } }
pools { name: "light" ids { count: 8 } durability: DURABILITY_VOLATILE }
"""
SOUND, DAMAGED, UNREADABLE = 0, 1, 2


def state(verb, folder, *options):
    run = subprocess.run([BIN_DIR / "objpoolctl", "state", verb, folder, *options], check=False,
                         capture_output=True, timeout=DEADLINE_S, text=True)
    return run.returncode, run.stdout, run.stderr


def digest(folder):
    """All that a reader must leave alone."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


class StateTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory(prefix="objpool-state-")))
        self.dir = self.folder / "state"

    def run_server(self, use):
        """Calls use(server, api), and kills the server."""
        with Server(CONFIG, [f"--state_dir={self.dir}"]) as server, Api(server) as api:
            return use(server, api)

    def make(self):
        """A folder with three grants, of which one runs."""
        def use(_server, api):
            runs, returned = (g.ref for g in api.lease("ids", count=2, holder="é me").grants)
            (revoked,) = api.lease("seats", holder="you").grants
            api.give_back("ids", returned)
            api.revoke("seats", revoked.ref.handle, revoked.ref.fence)
            return runs, returned, revoked
        return self.run_server(use)

    def dump(self, folder=None):
        code, out, err = state("dump", folder or self.dir, "--output", "json")
        self.assertEqual((code, err), (SOUND, ""), out)
        return [json.loads(line) for line in out.splitlines()]

    def flip(self, name, at, bit=0):
        content = bytearray((self.dir / name).read_bytes())
        content[at] ^= 1 << bit
        (self.dir / name).write_bytes(content)

    def test_a_dump_shows_each_grant_and_no_secret(self):
        runs, returned, revoked = self.make()
        before = digest(self.dir)
        code, out, err = state("dump", self.dir)
        self.assertEqual((code, err), (SOUND, ""), out)
        rows = [line.split("\t") for line in out.splitlines() if not line.startswith("#")]
        self.assertEqual([row[:5] for row in rows], sorted((
            ["ids", str(runs.handle), str(100 + runs.handle), str(runs.fence), "leased"],
            ["ids", str(returned.handle), str(100 + returned.handle), str(returned.fence),
             "returned"]), key=lambda row: int(row[1])) + [
            ["seats", str(revoked.ref.handle), revoked.label, str(revoked.ref.fence), "revoked"]])
        self.assertIn("not in use", out)
        self.assertIn("pool ids, 640 handles, ids from 100; version", out)
        self.assertIn("not stopped cleanly", out)
        self.assertIn("# pool ids: 1 leased, 1 ended, 0 quarantined, 0 unfinished, 0 damaged", out)
        self.assertTrue(out.endswith("# sound\n"))
        for row in rows:
            if row[4] == "leased":
                self.assertTrue(0 < int(row[5]) <= 60_000)
                self.assertEqual(row[7], r"\xc3\xa9 me")
        for ref in (runs, returned, revoked.ref):
            self.assertNotIn(f"{ref.key:x}", out)
        self.assertEqual(digest(self.dir), before, "nothing was touched")

    def test_a_dump_as_json_has_an_object_a_line(self):
        runs, _, _ = self.make()
        lines = self.dump()
        kinds = [line["kind"] for line in lines]
        self.assertEqual((kinds[:2], kinds[-1]), (["state_dir", "clock"], "result"))
        (grant,) = (line for line in lines if line.get("state") == "leased")
        self.assertEqual((grant["handle"], grant["fence"], grant["holder"], grant["value"]),
                         (runs.handle, str(runs.fence), "é me", str(100 + runs.handle)))
        self.assertLessEqual(grant["remaining_ms"], 60_000)

    def test_a_folder_in_use_is_read_without_disturbing_its_server(self):
        def use(server, api):
            (grant,) = api.lease("ids").grants
            lines = self.dump()
            self.assertEqual((lines[0]["in_use"], lines[0]["by"]), (True, f"process {server.pid}"))
            self.assertTrue(lines[1]["same_boot"])
            self.assertEqual([line["fence"] for line in lines if line["kind"] == "grant"],
                             [str(grant.ref.fence)])
            for _ in range(20):
                api.give_back("ids", *(g.ref for g in api.lease("ids", count=200).grants))
                self.assertEqual(state("verify", self.dir)[0], SOUND)
            api.renew("ids", grant.ref)
        self.run_server(use)

    def test_a_copy_is_as_good(self):
        self.make()
        copy = self.folder / "copy"
        copy.mkdir()
        for name in ("clock", "ids.pool", "seats.pool"):
            shutil.copy(self.dir / name, copy / name)
            os.chmod(copy / name, 0o400)
        os.chmod(copy, 0o500)
        try:
            self.assertEqual([line for line in self.dump(copy) if line["kind"] == "pool"],
                             [line for line in self.dump() if line["kind"] == "pool"])
            self.assertEqual(state("verify", copy)[0], SOUND)
        finally:
            os.chmod(copy, 0o700)

    def test_verify_names_each_damaged_record(self):
        runs, returned, _ = self.make()
        code, out, _ = state("verify", self.dir)
        self.assertEqual(code, SOUND, out)
        self.assertEqual([line for line in out.splitlines() if not line.startswith("#")], [])
        self.flip("ids.pool", 4096 + 8 * runs.handle + 5)
        self.flip("ids.pool", 4096 + 8 * returned.handle)
        code, out, _ = state("verify", self.dir)
        self.assertEqual(code, DAMAGED, out)
        rows = [line.split("\t") for line in out.splitlines() if not line.startswith("#")]
        self.assertEqual([(row[0], row[1], row[4]) for row in rows],
                         [("ids", str(handle), "damaged")
                          for handle in sorted((runs.handle, returned.handle))])
        self.assertIn("2 damaged", out)
        self.assertTrue(out.endswith("# damaged\n"))

        # The next server says the same of it.
        def use(server, _api):
            return server.metrics().sum("objpool_pool_quarantined_handles", pool="ids")
        self.assertEqual(self.run_server(use), 2)
        self.assertEqual(state("verify", self.dir)[0], SOUND, "quarantined is no damage any more")

    def test_verify_names_a_damaged_header_and_clock(self):
        self.make()
        self.flip("seats.pool", 20)
        code, out, _ = state("verify", self.dir)
        self.assertEqual(code, DAMAGED)
        self.assertIn("# file seats.pool: pool seats", out)
        self.assertIn("but for one of its two copies", out)
        self.flip("seats.pool", 1024 + 20)
        code, out, _ = state("verify", self.dir)
        self.assertEqual(code, DAMAGED)
        self.assertIn("seats.pool: cannot be of use: both copies of the header are damaged", out)
        self.flip("clock", 20)
        self.flip("clock", 1024 + 20)
        self.assertIn("# clock: damaged", state("dump", self.dir)[1])
        (self.dir / "clock").unlink()
        self.assertIn("# clock: missing", state("dump", self.dir)[1])

    def test_files_that_are_none_of_ours_are_told(self):
        self.make()
        whole = (self.dir / "ids.pool").read_bytes()
        for content, said in ((whole[:-1], "it must have"), (whole + b"x", "it must have"),
                              (b"", "too few for a header"), (bytes(len(whole)), "damaged"),
                              (os.urandom(9999), "damaged")):
            (self.dir / "ids.pool").write_bytes(content)
            code, out, _ = state("verify", self.dir)
            self.assertEqual(code, DAMAGED, out)
            self.assertIn(said, out)
        (self.dir / "ids.pool").write_bytes((self.dir / "seats.pool").read_bytes())
        self.assertIn("it is of another pool, seats", state("verify", self.dir)[1])

    def test_what_cannot_be_read_has_its_own_exit_code(self):
        empty = self.folder / "empty"
        empty.mkdir()
        for folder in (self.folder / "none", empty, BIN_DIR / "objpoold"):
            code, out, err = state("dump", folder)
            self.assertEqual((code, out), (UNREADABLE, ""))
            self.assertTrue(err.startswith("objpoold: "), err)
        self.make()
        (self.dir / "ids.pool").unlink()
        os.mkfifo(self.dir / "ids.pool")
        code, _, err = state("verify", self.dir)
        self.assertEqual(code, UNREADABLE)
        self.assertIn("ids.pool: cannot read", err)
        self.assertEqual(state("dump", self.dir, "--output", "xml")[0], UNREADABLE)
        self.assertEqual(state("look", self.dir)[0], UNREADABLE)


if __name__ == "__main__":
    unittest.main()
