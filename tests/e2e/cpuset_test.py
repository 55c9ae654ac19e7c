"""A server whose control group changes while it runs, or gives it less CPU time than CPUs: it says
so, serves on, and loses nothing. Where the machine does not let a test make control groups, the
test says that it was skipped; tests/numa does the same in a machine of its own."""

import contextlib
import os
import pathlib
import unittest

from objpool_testing import Api, Server, wait_until

CONFIG = 'pools { name: "ids" ids { count: 64 } ttl_default { seconds: 3600 } }'
CPUS = sorted(os.sched_getaffinity(0))


def hierarchy(controller):
    """Where groups of this controller are made, of version 1 or 2; None where there is none."""
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup" and controller in options.split(","):
            return pathlib.Path(place)
        if kind == "cgroup2" and controller in (
                pathlib.Path(place) / "cgroup.controllers").read_text().split():
            return pathlib.Path(place)
    return None


@contextlib.contextmanager
def group(controller):
    """A control group without processes; who is in it when it ends has ended too."""
    root = hierarchy(controller)
    if root is None:
        raise unittest.SkipTest(f"no control groups for {controller}")
    place = root / f"objpool-test-{os.getpid()}"
    try:
        if (root / "cgroup.subtree_control").exists():
            (root / "cgroup.subtree_control").write_text(f"+{controller}")
        place.mkdir()
    except OSError as error:
        raise unittest.SkipTest(f"no control group can be made: {error}") from None
    try:
        yield place
    finally:
        wait_until(lambda: not (place / "cgroup.procs").read_text(), "the group is empty")
        place.rmdir()


def write(file, text):
    try:
        file.write_text(str(text))
    except OSError as error:
        raise unittest.SkipTest(f"{file} takes no {text}: {error}") from None


class CpusetTest(unittest.TestCase):
    @unittest.skipIf(len(CPUS) < 2, "there is one CPU only")
    def test_a_set_that_shrinks_and_grows_is_told_and_loses_nothing(self):
        with group("cpuset") as place, Server(CONFIG) as server, Api(server) as api:
            write(place / "cpuset.mems", (place.parent / "cpuset.mems").read_text().strip() or "0")
            cpus = place / "cpuset.cpus"
            write(cpus, ",".join(map(str, CPUS)))
            write(place / "cgroup.procs", server.pid)
            pinned = lambda: server.metrics().sum("objpool_worker_pinned")
            wait_until(lambda: pinned() == len(CPUS), "all on their CPUs")
            refs = [grant.ref for grant in api.lease("ids", count=48).grants]
            losses = server.metrics().sum("objpool_worker_pin_losses_total")

            write(cpus, ",".join(map(str, CPUS[:-1])))
            wait_until(lambda: pinned() == len(CPUS) - 1, "a worker that lost its CPU")
            self.assertGreater(server.metrics().sum("objpool_worker_pin_losses_total"), losses)
            gone = f"worker {len(CPUS) - 1} cannot stay on CPU {CPUS[-1]} ("
            wait_until(lambda: gone in server.log(), "the loss is told")
            # Every worker serves as before: connections come to all of them.
            for _ in range(8 * len(CPUS)):
                with Api(server) as other:
                    other.give_back("ids", other.lease("ids").grants[0].ref)
            self.assertEqual(len(api.renew("ids", *refs).results), 48)
            refs += [grant.ref for grant in api.lease("ids", count=16).grants]

            write(cpus, ",".join(map(str, CPUS)))
            wait_until(lambda: pinned() == len(CPUS), "all back on their CPUs")
            back = f"worker {len(CPUS) - 1} is back on CPU {CPUS[-1]}"
            wait_until(lambda: back in server.log(), "the return is told")
            self.assertEqual(len({ref.handle for ref in refs}), 64)
            api.give_back("ids", *refs)
            metrics = server.metrics()
            self.assertEqual(metrics.sum("objpool_pool_free_handles"), 64)
            self.assertEqual(metrics.sum("objpool_leases_returned_total"), 64 + 8 * len(CPUS))
            self.assertEqual(server.stop(), 0)

    def test_a_quota_below_the_cpus_makes_fewer_workers_which_are_not_pinned(self):
        with group("cpu") as place:
            if (place / "cpu.max").exists():
                write(place / "cpu.max", "50000 100000")
            else:
                write(place / "cpu.cfs_quota_us", 50000)
            enter = ["/bin/sh", "-c", f'echo $$ >{place}/cgroup.procs && exec "$@"', "-"]
            with Server(CONFIG, prefix=enter) as server, Api(server) as api:
                self.assertIn("workers are not pinned to CPUs: the CPU quota is 0.50 CPUs",
                              server.log())
                metrics = server.metrics()
                pinned = [value for name, _, value in metrics.samples
                          if name == "objpool_worker_pinned"]
                self.assertEqual(pinned, [0], "one worker")
                self.assertEqual(metrics.sum("objpool_worker_pin_losses_total"), 0)
                refs = [grant.ref for grant in api.lease("ids", count=64).grants]
                api.give_back("ids", *refs)
                self.assertEqual(server.metrics().sum("objpool_pool_free_handles"), 64)
                self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
