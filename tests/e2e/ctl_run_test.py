"""objpoolctl lease POOL -- COMMAND: a command that runs with a leased handle."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import unittest

from ctl_testing import CTL, CtlCase, runs
from objpool_testing import DEADLINE_S, wait_until


def kill_group(group):
    """What is left of it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


class RunTest(CtlCase):
    def test_the_command_has_the_handle_in_its_environment(self):
        run = self.ctl("lease", "ports", "--", "env", OBJPOOL_LABEL="of another", KEPT="yes")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        have = dict(line.split("=", 1) for line in run.stdout.splitlines())
        self.assertIn(int(have["OBJPOOL_ID"]), range(8000, 8004))
        self.assertEqual(have["OBJPOOL_IDS"], have["OBJPOOL_ID"])
        self.assertEqual(have["OBJPOOL_POOL"], "ports")
        self.assertEqual(have["OBJPOOL_REF"].split("/")[:3],
                         ["ports", have["OBJPOOL_HANDLE"], have["OBJPOOL_FENCE"]])
        self.assertEqual(have["OBJPOOL_SERVER"], self.server.address)
        self.assertNotIn("OBJPOOL_LABEL", have)
        self.assertEqual(have["KEPT"], "yes")
        self.assertEqual(self.free(), 4)

    def test_several_handles_labels_and_buffers(self):
        ids = self.ctl("lease", "ports", "--count", "4", "--", "sh", "-c", 'echo "$OBJPOOL_IDS"')
        self.assertEqual(sorted(ids.stdout.strip().split(",")), ["8000", "8001", "8002", "8003"])
        labels = self.ctl("lease", "seats", "--count", "2", "--", "sh", "-c",
                          'echo "$OBJPOOL_LABELS"')
        self.assertEqual(sorted(labels.stdout.splitlines()), ["a,b", "front"])
        buffers = self.ctl("lease", "memory", "--", "sh", "-c",
                           f'echo -n "${{OBJPOOL_ID-none}}"; echo hello | {CTL} write > /dev/null; '
                           f'{CTL} read --length 6')
        self.assertEqual(buffers.stdout, "nonehello\n", buffers.stderr)

    def test_exits_as_the_command_does(self):
        def code(*command):
            return self.ctl("lease", "ports", "--", *command).returncode
        self.assertEqual(code("true"), 0)
        self.assertEqual(code("sh", "-c", "exit 77"), 77)
        self.assertEqual(code("sh", "-c", "kill -TERM $$"), 128 + signal.SIGTERM)
        self.assertEqual(code("no-such-command"), 127)
        self.assertEqual(code(str(self.folder)), 126)
        self.assertEqual(code("test", "[", "=", "["), 0)
        self.assertEqual(self.free(), 4)

    def test_nothing_runs_without_a_handle(self):
        mark = self.folder / "mark"
        run = self.ctl("lease", "ports", "--count", "4", "--", CTL, "lease", "ports", "--", "touch",
                       str(mark))
        self.assertEqual(run.returncode, 3)
        self.assertIn("POOL_EXHAUSTED", run.stderr)
        self.assertEqual(self.ctl("lease", "nope", "--", "touch", str(mark)).returncode, 1)
        self.assertFalse(mark.exists())

    def test_the_handle_is_renewed_for_as_long_as_the_command_runs(self):
        process = self.start("lease", "ports", "--ttl", "1500ms", "--", "cat",
                             stdin=subprocess.PIPE)
        wait_until(lambda: self.api.stats("ports").renewed >= 3, "renewals")
        self.assertEqual(self.free(), 3)
        process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 0)
        stats = self.api.stats("ports")
        self.assertEqual((stats.returned, stats.expired), (1, 0))

    def shell(self, script, *options):
        """A tool whose command does what `script` says, and waits for another one, which both write
        down their numbers."""
        process = self.start("lease", "ports", *options, "--", "sh", "-c",
                             f"{script}; tail -f /dev/null > /dev/null 2>&1 & "
                             f"echo $! > {self.folder}/other; echo $$ > {self.folder}/pid; wait $!")
        pid = int(self.wait_for_file("pid"))
        self.addCleanup(kill_group, pid)
        return process, pid

    def test_signals_are_handed_on(self):
        for name in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2"):
            with self.subTest(signal=name):
                (self.folder / "pid").unlink(missing_ok=True)
                process, _ = self.shell(f"trap 'kill $!; exit 9' {name}")
                process.send_signal(getattr(signal, f"SIG{name}"))
                self.assertEqual(process.wait(DEADLINE_S), 9)
                self.assertEqual(self.free(), 4)

    def revoke(self):
        grant = self.api.list_grants("ports").grants[0].ref
        self.api.revoke("ports", grant.handle, grant.fence)

    def test_a_lost_handle_ends_the_command(self):
        process, pid = self.shell("true")
        other = int(self.wait_for_file("other"))
        self.revoke()
        _, err = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 6)
        self.assertIn("objpoolctl: lost ports/", err)
        self.assertIn("(GRANT_REVOKED); ending the command", err)
        self.assertFalse(runs(pid))
        wait_until(lambda: not runs(other), "all of the group is gone")

    def test_a_command_that_does_not_end_is_killed(self):
        process, pid = self.shell("trap '' TERM", "--kill-after", "100ms")
        self.revoke()
        self.assertEqual(process.wait(DEADLINE_S), 6)
        self.assertFalse(runs(pid))

    def test_a_lost_handle_can_be_a_warning_or_nothing(self):
        for rule in ("warn", "ignore"):
            with self.subTest(rule=rule):
                (self.folder / "pid").unlink(missing_ok=True)
                process, pid = self.shell("trap 'kill $!; exit 4' USR1", "--on-loss", rule,
                                          "--ttl", "1500ms")
                self.revoke()
                if rule == "warn":
                    self.assertIn("lost ports/", process.stderr.readline())
                else:
                    # A renewal that is refused, which nothing here can see, and its time is over.
                    wait_until(lambda: self.ctl("lease", "ports", "--count", "4", "--", "true")
                               .returncode == 0, "others have the handle")
                self.assertTrue(runs(pid))
                process.send_signal(signal.SIGUSR1)
                _, err = process.communicate(timeout=DEADLINE_S)
                self.assertEqual((process.returncode, err), (4, ""))

    def test_the_command_does_not_outlive_a_killed_tool(self):
        process, pid = self.shell("true")
        process.kill()
        wait_until(lambda: not runs(pid), "the command is gone")
        wait_until(lambda: self.free() == 4, "the grant has run out")

    def test_a_cleaner_that_fails_leaves_the_handle_dirty(self):
        ref = self.ctl("lease", "seats").stdout.split("\t")[1]
        self.assertEqual(self.ctl("return", "--dirty", ref).returncode, 0)
        self.assertEqual(self.ctl("lease", "seats", "--dirty", "--", "false").returncode, 1)
        self.assertEqual(self.api.get_pool("seats").dirty, 1)
        self.assertEqual(self.ctl("lease", "seats", "--dirty", "--", "true").returncode, 0)
        self.assertEqual((self.api.get_pool("seats").dirty, self.free("seats")), (0, 2))
        ref = self.ctl("lease", "seats").stdout.split("\t")[1]
        self.assertEqual(self.ctl("return", "--broken", ref).returncode, 0)
        self.assertEqual(self.api.get_pool("seats").quarantined, 1)


class TerminalTest(CtlCase):
    def test_a_command_on_a_terminal_reads_it_and_gets_its_keys_once(self):
        pid, terminal = pty.fork()
        if pid == 0:
            script = ("n=0; trap 'n=$((n+1)); echo keys=$n' INT; read line; echo \"got $line\"; "
                      "while [ $n = 0 ]; do read line; done; read line; exit 5")
            os.execve(CTL, ["objpoolctl", "lease", "ports", "--", "bash", "-c", script],
                      self.environment())
        self.addCleanup(os.close, terminal)
        seen = b""

        def see(text):
            nonlocal seen
            while text not in seen:
                self.assertTrue(select.select([terminal], [], [], DEADLINE_S)[0], seen)
                seen += os.read(terminal, 4096)
        os.write(terminal, b"hello\n")
        see(b"got hello")
        os.write(terminal, b"\x03")
        see(b"keys=1")
        os.write(terminal, b"\n\n")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 5, seen)
        self.assertNotIn(b"keys=2", seen)
        self.assertEqual(self.free(), 4)


if __name__ == "__main__":
    unittest.main()
