"""Workers are where they should be, and handles come from where they should."""

import os
import pathlib
import unittest

from objpool_testing import Api, Server, wait_until

CONFIG = 'pools { name: "ids" ids { count: 64 } }'


def worker_tasks(pid):
    """(thread name, thread id) of each worker."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        fields = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines()
                      if ":\t" in line)
        if fields["Name"].startswith("worker-"):
            yield fields["Name"], int(task.name)


def worker_cpus(pid):
    """The CPUs that each worker thread may run on, by thread name."""
    return {name: os.sched_getaffinity(task) for name, task in worker_tasks(pid)}


class PlacementTest(unittest.TestCase):
    def test_each_worker_may_run_on_exactly_one_cpu_and_no_two_on_the_same(self):
        allowed = os.sched_getaffinity(0)
        with Server(CONFIG) as server:
            cpus = worker_cpus(server.pid)
            self.assertEqual(set(cpus), {f"worker-{i}" for i in range(len(allowed))})
            self.assertTrue(all(len(mask) == 1 for mask in cpus.values()), cpus)
            self.assertEqual(set.union(*cpus.values()), allowed)
            metrics = server.metrics()
            for worker, mask in cpus.items():
                self.assertEqual(metrics.sum("objpool_worker_pinned",
                                             worker=worker.removeprefix("worker-"),
                                             cpu=str(*mask)), 1)

    def test_a_worker_that_was_let_off_its_cpu_goes_back(self):
        everywhere = os.sched_getaffinity(0)
        if len(everywhere) == 1:
            self.skipTest("there is one CPU only")
        with Server(CONFIG) as server, Api(server) as api:
            before = worker_cpus(server.pid)
            ref = api.lease("ids").grants[0].ref
            for _, task in worker_tasks(server.pid):
                os.sched_setaffinity(task, everywhere)
            wait_until(lambda: worker_cpus(server.pid) == before, "all back")
            wait_until(lambda: server.metrics().sum("objpool_worker_pin_losses_total")
                       == len(before), "counted")
            self.assertEqual(server.metrics().sum("objpool_worker_pinned"), len(before))
            wait_until(lambda: server.log().count("and is back on it") == len(before), "told")
            api.give_back("ids", ref)

    def test_it_starts_where_it_may_use_one_cpu(self):
        cpu = max(os.sched_getaffinity(0))
        with Server(CONFIG, prefix=["taskset", "-c", str(cpu)]) as server, Api(server) as api:
            self.assertEqual(worker_cpus(server.pid), {"worker-0": {cpu}})
            (grant,) = api.lease("ids").grants
            api.give_back("ids", grant.ref)
            self.assertEqual(len(api.stats("ids").slots), 1)
            self.assertEqual(api.stats("ids").slots[0].cpu, cpu)

    def test_a_lone_client_hits_the_slot_of_its_worker(self):
        with Server(CONFIG) as server, Api(server) as api:
            for _ in range(1000):
                (grant,) = api.lease("ids").grants
                api.give_back("ids", grant.ref)
            metrics = server.metrics()
            self.assertEqual(metrics.sum("objpool_acquires_total", source="local"), 1000)
            self.assertEqual(metrics.sum("objpool_acquires_total"), 1000)
            self.assertEqual(metrics.sum_or_zero("objpool_handles_stolen_by_total"), 0)
            used = [slot for slot in api.stats("ids").slots if slot.local_hits or slot.pushes]
            self.assertEqual(len(used), 1, "one connection is one worker's")
            self.assertEqual((used[0].local_hits, used[0].pushes), (1000, 1000))

    def test_when_the_own_slot_is_empty_handles_are_stolen_and_counted_on_both_sides(self):
        with Server(CONFIG) as server, Api(server) as api:
            if len(os.sched_getaffinity(0)) == 1:
                self.skipTest("one CPU: nobody to steal from")
            refs = [api.lease("ids").grants[0].ref for _ in range(64)]
            metrics = server.metrics()
            stolen = metrics.sum("objpool_handles_stolen_by_total")
            self.assertGreaterEqual(stolen, 32)
            self.assertEqual(stolen, metrics.sum("objpool_handles_stolen_from_total"))
            self.assertEqual(stolen, metrics.sum("objpool_handles_stolen_total"))
            self.assertEqual(metrics.sum("objpool_acquires_by_steal_total"),
                             metrics.sum("objpool_acquires_total", source="steal"))
            self.assertEqual(metrics.sum("objpool_acquires_total"), 64)
            self.assertEqual(metrics.sum("objpool_slot_occupancy_handles"), 0)
            api.give_back("ids", *refs)
            self.assertEqual(server.metrics().sum("objpool_slot_occupancy_handles"), 64)

    def test_there_are_12_series_for_each_cpu_and_250_others_at_the_most(self):
        workers = min(2, len(os.sched_getaffinity(0)))
        with Server(CONFIG, [f"--workers={workers}"]) as server, Api(server) as api:
            for _ in range(2):  # one of them has to steal
                refs = [api.lease("ids").grants[0].ref for _ in range(64)]
                api.give_back("ids", *refs)
            labels = [have for _, have, _ in server.metrics().samples]
            of_cpus = sum("cpu" in have for have in labels)
            self.assertLessEqual(of_cpus, 12 * workers)
            self.assertGreater(of_cpus, 7 * workers)
            self.assertLessEqual(len(labels) - of_cpus, 250)


if __name__ == "__main__":
    unittest.main()
