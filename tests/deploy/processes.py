"""Processes of a test: each is ready, or the test fails; none outlives the test."""

import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "deploy"
# Reached only when something is wrong; a loaded machine needs a tenth of it.
DEADLINE_S = 60


def program(name):
    """Path of one of our programs, from the folder that OBJPOOL_BIN_DIR names."""
    folder = os.environ.get("OBJPOOL_BIN_DIR")
    if not folder:
        raise AssertionError("OBJPOOL_BIN_DIR must name the folder with objpoold and objpoolctl")
    path = pathlib.Path(folder, name)
    if not os.access(path, os.X_OK):
        raise AssertionError(f"{path} is not there; build it first (make build)")
    return str(path)


def tool(name, package):
    """Path of a program of Debian's. A test that lacks it fails: it must never pass unrun."""
    path = shutil.which(name)
    if path is None:
        raise AssertionError(
            f"{name} is missing: deploy/apt/install.sh test, or apt-get install {package}"
        )
    return path


def wait_for(what, probe, deadline_s=DEADLINE_S):
    """The first true result of probe(), which may also raise OSError while it is too early."""
    end = time.monotonic() + deadline_s
    pause = threading.Event()
    while True:
        problem = None
        try:
            result = probe()
            if result:
                return result
        except OSError as error:
            problem = error
        if time.monotonic() > end:
            raise AssertionError(
                f"not within {deadline_s} s: {what}" + (f" ({problem})" if problem else "")
            )
        pause.wait(0.05)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read().decode()


def _die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Processes:
    """Starts processes that write to files in `folder`, and ends them all in stop()."""

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        self._running = []

    def start(self, name, *arguments):
        with open(self._folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        self._running.append((name, process))
        return process

    def check_alive(self):
        for name, process in self._running:
            if process.poll() is not None:
                log = (self._folder / f"{name}.log").read_text(errors="replace")
                raise AssertionError(f"{name} ended with {process.returncode}:\n{log[-4000:]}")

    def start_server(self, config, *arguments):
        """Starts objpoold on free ports. Returns its ready file: pid, listen, metrics."""
        ready = self._folder / "ready.json"
        self.start(
            "objpoold",
            program("objpoold"),
            "--config",
            str(config),
            "--ready_file",
            str(ready),
            "--listen",
            "127.0.0.1:0",
            "--metrics_listen",
            "127.0.0.1:0",
            *arguments,
        )

        def read():
            self.check_alive()
            return ready.exists() and json.loads(ready.read_text())

        return wait_for("objpoold's ready file", read)

    def stop(self):
        for _, process in reversed(self._running):
            process.terminate()
        for _, process in reversed(self._running):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
