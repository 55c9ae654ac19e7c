"""What objpoolctl does for those who sit at a shell: top, completion, the man page, suggestions, a
file of options."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import unittest

from ctl_testing import CTL, CtlCase
from objpool_testing import DEADLINE_S, wait_until


def see(terminal, text):
    """What is written until there is this text."""
    seen = b""
    while text not in seen:
        assert select.select([terminal], [], [], DEADLINE_S)[0], seen
        seen += os.read(terminal, 65536)
    return seen


class TopTest(CtlCase):
    def test_once(self):
        run = self.ctl("top", "ports", "--once", "--interval", "100ms")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertRegex(run.stdout, r"(?m)^ports +ids +4 +4 +0 +0 +- +0 +ACTIVE$")
        self.assertRegex(run.stdout, r"(?m)^0 +\d+ +\d+ +\[[#.]{30}\] +\d+ +0$")
        self.assertNotIn("\x1b", run.stdout)
        self.assertEqual(self.ctl("top", "nope", "--once").returncode, 1)

    def terminal(self, **more):
        """top on a terminal: its number, the terminal, and how that was before."""
        pid, terminal = pty.fork()
        if pid == 0:
            # It begins when the test has looked at the terminal.
            os.read(0, 1)
            os.execve(CTL, ["objpoolctl", "top", "--interval", "100ms"],
                      self.environment(**{"TERM": "xterm", **more}))
        self.addCleanup(os.close, terminal)
        before = termios.tcgetattr(terminal)
        os.write(terminal, b"\n")
        return pid, terminal, before

    def drain(self, pid, terminal):
        """What is written until it ends, and how it ends."""
        seen = b""
        while True:
            if select.select([terminal], [], [], 0.01)[0]:
                try:
                    seen += os.read(terminal, 65536)
                except OSError:
                    break
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                while select.select([terminal], [], [], 0)[0]:
                    try:
                        seen += os.read(terminal, 65536)
                    except OSError:
                        break
                return seen, os.waitstatus_to_exitcode(status)
        return seen, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_a_live_view_ends_with_q_and_leaves_the_terminal_as_it_was(self):
        pid, terminal, before = self.terminal()
        see(terminal, b"\x1b[?1049h")
        self.assertIn(b"\x1b[1m", see(terminal, b"ACTIVE"))
        self.assertNotEqual(termios.tcgetattr(terminal), before)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 3, 20, 0, 0))
        wait_until(lambda: b"CAPACITY" not in see(terminal, b"\x1b[J"), "a narrow view")
        os.write(terminal, b"q")
        seen, code = self.drain(pid, terminal)
        self.assertEqual(code, 0)
        self.assertIn(b"\x1b[?1049l", seen)

    def test_signals_leave_the_terminal_as_it_was_too(self):
        pid, terminal, _ = self.terminal(NO_COLOR="1")
        self.assertNotIn(b"\x1b[1m", see(terminal, b"ACTIVE"))
        os.kill(pid, signal.SIGTERM)
        seen, code = self.drain(pid, terminal)
        self.assertEqual(code, 128 + signal.SIGTERM)
        self.assertIn(b"\x1b[?25h\x1b[?1049l", seen)

    def test_a_dumb_terminal_gets_one_view_after_the_other(self):
        pid, terminal, _ = self.terminal(TERM="dumb")
        seen = see(terminal, b"ACTIVE") + see(terminal, b"ACTIVE")
        self.assertNotIn(b"\x1b", seen)
        os.write(terminal, b"\x03")
        self.assertEqual(self.drain(pid, terminal)[1], 128 + signal.SIGINT)


class ShellTest(CtlCase):
    def complete(self, *words):
        """What bash offers for the last one."""
        script = ('source <("$CTL" completion bash); PATH="${CTL%/*}:$PATH"; '
                  'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _objpoolctl; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        run = subprocess.run(["bash", "-c", script, "bash", "objpoolctl", *words], check=True,
                             env=self.environment(CTL=str(CTL)), capture_output=True, text=True,
                             timeout=DEADLINE_S)
        self.assertEqual(run.stderr, "")
        return run.stdout.split()

    def test_bash_completes(self):
        self.assertEqual(self.complete("lea"), ["lease"])
        self.assertEqual(self.complete("pool", "cr"), ["create"])
        self.assertEqual(self.complete("pool", "create", "--buf"), ["--buffers"])
        self.assertEqual(self.complete("--output", "j"), ["json"])
        self.assertEqual(self.complete("lease", "ports", "--on-loss", ""),
                         ["kill", "warn", "ignore"])
        self.assertEqual(self.complete("lease", "po"), ["ports"])
        self.assertEqual(self.complete("lease", "ports", "--", "l"), [])
        self.assertNotIn("man", self.complete(""))

    def need(self, shell):
        if shutil.which(shell) is None:
            print(f"skipped: {shell} is not installed")
            self.skipTest(f"{shell} is not installed")

    def shell_environment(self):
        return self.environment(PATH=f"{CTL.parent}:{os.environ['PATH']}", TERM="dumb",
                                HOME=str(self.folder), XDG_DATA_DIRS=f"{self.folder}:/usr/share")

    def test_fish_completes(self):
        """By the script where a package has it, which fish finds by itself."""
        self.need("fish")
        scripts = self.folder / "fish" / "vendor_completions.d"
        scripts.mkdir(parents=True)
        (scripts / "objpoolctl.fish").write_text(self.ctl("completion", "fish").stdout)
        for line, offered in (("le", ["lease"]), ("pool cr", ["create"]), ("--output j", ["json"]),
                              ("pool create --buf", ["--buffers"]), ("lease po", ["ports"]),
                              ("lease ports --on-loss ", ["ignore", "kill", "warn"]),
                              ("lease ports -- po", [])):
            run = subprocess.run(["fish", "-c", f"complete -C 'objpoolctl {line}'"], check=True,
                                 env=self.shell_environment(), capture_output=True, text=True,
                                 timeout=DEADLINE_S, cwd=self.folder)
            self.assertEqual(run.stderr, "")
            words = [word.split("\t")[0] for word in run.stdout.splitlines()]
            self.assertEqual(words, offered, line)

    def zsh(self, setup, lines):
        """What a zsh on a terminal makes of each line and a tab."""
        buffer = self.folder / "buffer"
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe("zsh", ["zsh", "-f", "-i"], self.shell_environment())
        try:
            os.write(terminal, f"cd '{self.folder}'; {setup}; "
                     "tell() { zle complete-word; print -r -- $BUFFER >buffer; }; "
                     "zle -N tell; bindkey '^I' tell; PS1='rea''dy> '\n".encode())
            see(terminal, b"ready> ")
            for line in lines:
                # Control-U empties the line.
                os.write(terminal, f"\x15objpoolctl {line}\t".encode())
                yield self.wait_for_file("buffer").removeprefix("objpoolctl ")
                buffer.unlink()
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)

    def test_zsh_completes(self):
        self.need("zsh")
        (self.folder / "_objpoolctl").write_text(self.ctl("completion", "zsh").stdout)
        complete = "autoload -Uz compinit; compinit -u -D"
        completed = {"lea": "lease", "pool cr": "pool create", "--output j": "--output json",
                     "lease po": "lease ports", "lease ports -- po": "lease ports -- po",
                     "lease ports --on-loss w": "lease ports --on-loss warn"}
        for setup in (f"fpath=($PWD $fpath); {complete}",  # as a package has it
                      f"{complete}; source <(objpoolctl completion zsh)"):
            seen = self.zsh(setup, completed)
            self.assertEqual(list(seen), list(completed.values()), setup)

    def test_scripts_are_good(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.ctl("completion", shell).stdout
            self.assertIn("check-fence", script)
            check = shutil.which(shell)
            if check:
                run = subprocess.run([check, "-n"], input=script, text=True, check=False,
                                     capture_output=True, timeout=DEADLINE_S)
                self.assertEqual((run.returncode, run.stderr), (0, ""), shell)
        self.assertEqual(self.ctl("completion").returncode, 2)

    def test_the_man_page_has_every_command(self):
        page = self.ctl("man").stdout
        self.assertNotIn(os.path.expanduser("~/"), page)
        if shutil.which("groff"):
            run = subprocess.run(["groff", "-man", "-Tascii", "-ww", "-P-cbou"], input=page,
                                 text=True, check=True, capture_output=True, timeout=DEADLINE_S)
            self.assertEqual(run.stderr, "")
            page = run.stdout
        commands = re.findall(r"(?m)^  ([a-z][a-z-]*)  ", self.ctl("--help").stdout)
        self.assertIn("completion", commands)
        for command in commands:
            self.assertRegex(page, rf"objpoolctl {command.replace('-', '.{1,2}')}")

    def test_words_that_there_are_not_are_told_the_nearest(self):
        for words, nearest in ((("leese", "ports"), "lease"), (("pool", "crate"), "create"),
                               (("lease", "ports", "--cuont", "3"), "--count"),
                               (("pools", "--ouput=json"), "--output")):
            run = self.ctl(*words)
            self.assertEqual(run.returncode, 2)
            self.assertIn(f"; did you mean {nearest}?", run.stderr)

    def test_a_file_of_options_counts_less_than_the_environment_and_flags(self):
        file = self.folder / "options.ini"
        file.write_text("server = 127.0.0.1:1\noutput = json\n[lease]\nttl = 90s\n")
        environment = self.environment(OBJPOOL_CONFIG=str(file))

        def run(*words, **more):
            return subprocess.run([CTL, *words], check=False, env={**environment, **more},
                                  capture_output=True, text=True, timeout=DEADLINE_S)
        self.assertIn('"ttl_ms": 90000', run("lease", "ports").stdout)
        self.assertIn("\t1m\n", run("lease", "ports", "--ttl", "1m", "--output", "text").stdout)
        self.assertEqual(run("pools", OBJPOOL_SERVER="").returncode, 5)
        file.write_text("sever = 127.0.0.1:1\n")
        wrong = run("pools")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("sever", wrong.stderr)
        self.assertEqual(run("pools", OBJPOOL_CONFIG=str(self.folder / "none")).returncode, 2)


if __name__ == "__main__":
    unittest.main()
