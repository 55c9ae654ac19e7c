"""deploy/systemd/objpoold.service: hardened, fits the package's files, and lets the server work."""

import configparser
import ctypes
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

from processes import DEPLOY, fetch, program, tool, wait_for

UNIT = DEPLOY / "systemd" / "objpoold.service"
CONFIG = DEPLOY / "debian" / "objpoold.textproto"
MAX_EXPOSURE = 1.5
KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000  # SCMP_ACT_*


class Unit(configparser.RawConfigParser):
    """A unit whose keys may come more than once: their values are joined by newlines."""

    class Values(dict):
        def __setitem__(self, key, value):
            if isinstance(value, list) and key in self:
                value = self[key] + value
            super().__setitem__(key, value)

    def __init__(self, path):
        super().__init__(strict=False, delimiters=("=",), dict_type=self.Values)
        self.optionxform = str
        self.read(path)


def seconds(text):
    """Of a time as systemd writes it, where it has one unit."""
    number, unit = re.fullmatch(r"(\d+)(s|min)", text).groups()
    return int(number) * {"s": 1, "min": 60}[unit]


def analyze(*words):
    return subprocess.run([tool("systemd-analyze", "systemd"), "--no-pager", *words],
                          capture_output=True, text=True, timeout=60, check=False)


def calls_of(word):
    """The system calls of a word of SystemCallFilter=."""
    if not word.startswith("@"):
        return {word}
    words = [line.split("#")[0].strip()
             for line in analyze("syscall-filter", word).stdout.splitlines()[1:]]
    return set().union(*(calls_of(inner) for inner in words if inner))


def allowed_calls(unit):
    allowed = set()
    for line in unit["Service"]["SystemCallFilter"].splitlines():
        names = set().union(*(calls_of(word) for word in line.removeprefix("~").split()))
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def confine_to(calls):
    """Ends this process at its first system call that is not one of these."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    seccomp.seccomp_init.argtypes = [ctypes.c_uint32]
    seccomp.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int,
                                         ctypes.c_uint]
    seccomp.seccomp_load.argtypes = [ctypes.c_void_p]
    filter_ = seccomp.seccomp_init(KILL_PROCESS)
    for name in calls:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # else of another architecture
            assert seccomp.seccomp_rule_add(filter_, ALLOW, number, 0) == 0, name
    assert seccomp.seccomp_load(filter_) == 0


class Files(unittest.TestCase):
    """What needs no systemd."""

    def setUp(self):
        self.unit = Unit(UNIT)
        self.service = self.unit["Service"]

    def test_it_serves_the_packaged_configuration(self):
        installed = (DEPLOY / "debian" / "conffiles").read_text().split()
        self.assertEqual(self.service["ExecStart"].split(),
                         ["/usr/bin/objpoold", "--config", *installed])
        done = subprocess.run([program("objpoold"), "--config", CONFIG, "--check_config"],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)

    def test_the_packaged_configuration_is_for_this_machine(self):
        text = re.sub(r"#.*", "", CONFIG.read_text())
        self.assertEqual(re.findall(r'listen: "(.*):\d+"', text), ["127.0.0.1"] * 2)
        self.assertNotIn("insecure_allow_plaintext", text)

    def test_it_may_write_its_state_and_nothing_else(self):
        state = re.search(r'^state_dir: "(.*)"', CONFIG.read_text(), re.MULTILINE).group(1)
        self.assertEqual(pathlib.PurePath(state).parent,
                         pathlib.PurePath("/var/lib", self.service["StateDirectory"]))
        self.assertEqual(self.service["ProtectSystem"], "strict")
        self.assertNotIn("ReadWritePaths", self.service)

    def test_it_sees_which_boot_this_is(self):
        """/proc/sys has it; without it a crash is taken for a reboot, and nothing is leased."""
        self.assertEqual(self.service.get("ProcSubset", "all"), "all")

    def test_its_user_is_the_one_that_is_made(self):
        made = re.search(r'^u (\S+) - "[^"]*" (\S+)$',
                         (DEPLOY / "systemd" / "objpool.sysusers").read_text(), re.MULTILINE)
        self.assertEqual(made.groups(),
                         (self.service["User"], f"/var/lib/{self.service['StateDirectory']}"))
        self.assertEqual(self.service["User"], self.service["Group"])
        for script in ("postinst", "postrm"):
            self.assertIn(made.group(2), (DEPLOY / "debian" / script).read_text())

    def test_a_stop_may_take_as_long_as_a_drain(self):
        """Twice shutdown_grace, and ten seconds for the state."""
        printed = subprocess.run([program("objpoold"), "--config", CONFIG, "--print_config"],
                                 capture_output=True, text=True, timeout=30, check=True).stdout
        grace = int(re.search(r"shutdown_grace \{\s*seconds: (\d+)", printed).group(1))
        self.assertGreater(seconds(self.service["TimeoutStopSec"]), 2 * grace + 10)
        self.assertEqual(self.service["KillSignal"], "SIGTERM")


class Analyzed(unittest.TestCase):
    def test_it_is_hardened(self):
        done = analyze("security", "--offline=true", str(UNIT))
        exposure = float(re.search(r"exposure level for \S+: (\S+)", done.stdout).group(1))
        self.assertLessEqual(exposure, MAX_EXPOSURE, done.stdout)

    def test_systemd_understands_all_of_it(self):
        """With the program where it was built, and without the manual, which is not installed."""
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder) / UNIT.name
            unit.write_text(UNIT.read_text().replace("/usr/bin/objpoold",
                                                     os.path.abspath(program("objpoold"))))
            done = analyze("verify", "--man=no", str(unit))
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_pinning_and_numa_are_allowed_and_owners_and_priorities_are_not(self):
        calls = allowed_calls(Unit(UNIT))
        self.assertLessEqual({"sched_setaffinity", "membarrier", "mbind", "set_mempolicy",
                              "get_mempolicy", "move_pages", "memfd_create"}, calls)
        self.assertFalse({"chown", "setuid", "mount", "ptrace", "bpf", "sched_setscheduler",
                          "setpriority", "migrate_pages", "add_key"} & calls)

    def start(self, folder, calls, *flags):
        """A server with a state_dir and buffers, and only these system calls."""
        server = subprocess.Popen(
            [program("objpoold"), "--config", DEPLOY / "objpoold.textproto",
             "--metrics_listen=127.0.0.1:0", f"--state_dir={folder}/state",
             f"--ready_file={folder}/ready", *flags],
            preexec_fn=lambda: confine_to(calls), stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        ready = pathlib.Path(folder) / "ready"
        wait_for("objpoold's ready file", lambda: ready.exists() or server.poll() is not None)
        return server, ready

    def serve(self, listen, *flags, ctl=()):
        """From its start over leases, a reload and metrics to its end."""
        with tempfile.TemporaryDirectory() as folder:
            flags = [flag.format(folder=folder) for flag in (f"--listen={listen}", *flags)]
            ctl = [word.format(folder=folder) for word in ctl]
            self.make_certificate(folder)
            server, ready = self.start(folder, allowed_calls(Unit(UNIT)), *flags)
            self.assertIsNone(server.poll(), "it was ended by a system call at its start")
            told = json.loads(ready.read_text())
            ctl = [program("objpoolctl"), "--server", told["listen"], *ctl]
            bench = [*ctl, "bench", "--duration", "1s"]
            subprocess.run(bench, check=True, timeout=60, stdout=subprocess.DEVNULL)
            self.make_certificate(folder)
            server.send_signal(signal.SIGHUP)
            wait_for("its new certificate", lambda: subprocess.run(
                [*ctl, "pools"], check=False, capture_output=True, timeout=60).returncode == 0)
            subprocess.run(bench, check=True, timeout=60, stdout=subprocess.DEVNULL)
            fetch(f"http://{told['metrics']}/metrics")
            server.terminate()
            self.assertEqual(server.wait(60), 0)

    def make_certificate(self, folder):
        subprocess.run(
            [tool("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2",
             "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=test",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{folder}/key.pem",
             "-out", f"{folder}/cert.pem"], check=True, capture_output=True)

    def test_a_server_makes_no_other_system_call(self):
        self.serve("127.0.0.1:0")

    def test_nor_does_one_with_tls(self):
        self.serve("127.0.0.1:0", "--tls_cert={folder}/cert.pem", "--tls_key={folder}/key.pem",
                   ctl=["--tls-ca={folder}/cert.pem"])

    def test_nor_does_one_on_a_unix_socket(self):
        self.serve("unix:{folder}/socket")

    def test_nor_does_one_of_the_other_engine(self):
        self.serve("127.0.0.1:0", "--engine=grpc", "--tls_cert={folder}/cert.pem",
                   "--tls_key={folder}/key.pem", ctl=["--tls-ca={folder}/cert.pem"])

    def test_a_call_that_is_not_allowed_would_be_seen(self):
        with tempfile.TemporaryDirectory() as folder:
            server, _ = self.start(folder, allowed_calls(Unit(UNIT)) - {"sched_setaffinity"},
                                   "--listen=127.0.0.1:0")
            self.assertEqual(server.wait(60), -signal.SIGSYS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
