"""What tests of `objpoolctl bench` share."""

import json
import subprocess

from objpool_testing import BIN_DIR, DEADLINE_S

VIOLATED = 4
INVALID = 7


def bench(address, *flags):
    """Its exit code and its report, or what it complained of."""
    done = subprocess.run(
        [BIN_DIR / "objpoolctl", "--server", address, "--output", "json", "bench", *flags],
        capture_output=True, text=True, timeout=DEADLINE_S)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr
