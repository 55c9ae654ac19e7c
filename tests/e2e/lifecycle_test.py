"""Starting, saying so, being asked how it does, and stopping."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import unittest

import grpc

from objpool_testing import (BIN_DIR, DEADLINE_S, ENGINE_FLAGS, Api, Server, refused,
                             wait_until)

CONFIG = 'pools { name: "ids" ids { count: 8 } }'
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


def run(*flags):
    return subprocess.run([BIN_DIR / "objpoold", *ENGINE_FLAGS, *flags], capture_output=True,
                          text=True, timeout=DEADLINE_S, check=False)


class LifecycleTest(unittest.TestCase):
    def test_the_ready_file_says_where_it_serves_until_it_stops(self):
        with Server(CONFIG) as server:
            ready = json.loads(server.ready_file.read_text())
            self.assertEqual(set(ready), {"pid", "listen", "metrics"})
            self.assertEqual(ready["pid"], server.process.pid)
            with Api(server) as api:
                self.assertEqual(api.get_pool("ids").capacity, 8)
            self.assertEqual(server.page("/readyz"), "serving\n")
            self.assertEqual(server.stop(), 0)
            self.assertFalse(server.ready_file.exists())

    def test_it_stops_on_both_signals_with_clients_connected(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            with Server(CONFIG) as server, Api(server) as api:
                api.get_pool("ids")
                self.assertEqual(server.stop(sig), 0, server.log())

    def test_while_it_drains_holders_may_renew_and_return_and_nobody_leases(self):
        with Server(CONFIG, ["--shutdown_grace=50s"]) as server, Api(server) as api:
            (grant,) = api.lease("ids").grants
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: api.check_health() == NOT_SERVING, "NOT_SERVING")
            with refused(self, "UNAVAILABLE", "SHUTTING_DOWN"):
                api.lease("ids")
            api.renew("ids", grant.ref)
            api.give_back("ids", grant.ref)
            self.assertEqual(server.process.wait(DEADLINE_S / 2), 0, "it waited for nobody")

    def test_a_second_signal_stops_at_once(self):
        with Server(CONFIG, ["--shutdown_grace=5m"]) as server, Api(server) as api:
            api.lease("ids")
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: api.check_health() == NOT_SERVING, "NOT_SERVING")
            self.assertEqual(server.stop(), 0)

    def test_health_knows_the_server_its_services_and_its_pools(self):
        with Server(CONFIG) as server, Api(server) as api:
            for name in ("", "objpool.v1.LeaseService", "objpool.v1.PoolService", "pools/ids"):
                self.assertEqual(api.check_health(name), SERVING, name)
            with refused(self, "NOT_FOUND", "SERVICE_UNKNOWN"):
                api.check_health("pools/nobody")

    def test_a_watcher_is_told_when_the_server_stops(self):
        with Server(CONFIG, ["--shutdown_grace=50s"]) as server, Api(server) as api:
            kinds = api.messages
            watch = api.channel.unary_stream("/grpc.health.v1.Health/Watch")(
                kinds.make("grpc.health.v1.HealthCheckRequest"), timeout=DEADLINE_S)
            states = (kinds.parse("grpc.health.v1.HealthCheckResponse", m).status for m in watch)
            self.assertEqual(next(states), SERVING)
            (grant,) = api.lease("ids").grants
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(next(states), NOT_SERVING)
            api.give_back("ids", grant.ref)
            with self.assertRaises(grpc.RpcError):
                next(states)

    def test_reflection_shows_the_api_and_can_be_switched_off(self):
        ask = {"list_services": "*"}
        path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        with Server(CONFIG) as server, Api(server) as api:
            kinds = api.messages
            request = kinds.make("grpc.reflection.v1alpha.ServerReflectionRequest", **ask)
            symbol = kinds.make("grpc.reflection.v1alpha.ServerReflectionRequest",
                                file_containing_symbol="objpool.v1.LeaseService.Lease")
            replies = [kinds.parse("grpc.reflection.v1alpha.ServerReflectionResponse", r)
                       for r in api.channel.stream_stream(path)(iter([request, symbol]),
                                                                timeout=DEADLINE_S)]
            names = {s.name for s in replies[0].list_services_response.service}
            self.assertLessEqual({"objpool.v1.LeaseService", "grpc.health.v1.Health"}, names)
            self.assertTrue(replies[1].file_descriptor_response.file_descriptor_proto)
        with Server(CONFIG, ["--reflection=false"]) as server, Api(server) as api:
            with refused(self, "UNIMPLEMENTED"):
                api.raw(path, request)

    def test_a_port_that_is_taken_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken, tempfile.TemporaryDirectory() as tmp:
            config = pathlib.Path(tmp) / "c"
            config.write_text(CONFIG)
            port = taken.getsockname()[1]
            for flag, other in (("listen", "metrics_listen"), ("metrics_listen", "listen")):
                done = run("--config", config, f"--{flag}=127.0.0.1:{port}",
                           f"--{other}=127.0.0.1:0")
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"{flag}: ", done.stderr)
                self.assertIn(str(port), done.stderr)

    def test_a_second_server_on_the_same_port_does_not_share_it_unseen(self):
        with Server(CONFIG) as server:
            config = server.ready_file.with_name("config.textproto")
            done = run("--config", config, f"--listen={server.address}",
                       "--metrics_listen=off")
            self.assertEqual(done.returncode, 1)
            self.assertIn("Address already in use", done.stderr)

    def test_of_servers_that_start_together_on_one_port_one_serves(self):
        with tempfile.TemporaryDirectory() as tmp, socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            probe.close()
            folder = pathlib.Path(tmp)
            (folder / "c").write_text(CONFIG)
            for _ in range(5):
                ready = [folder / f"ready{i}" for i in range(3)]
                servers = [subprocess.Popen(
                    [BIN_DIR / "objpoold", *ENGINE_FLAGS, "--config", folder / "c",
                     f"--ready_file={path}", f"--listen=127.0.0.1:{port}", "--metrics_listen=off"],
                    stderr=subprocess.DEVNULL) for path in ready]
                try:
                    wait_until(lambda: all(path.exists() or server.poll() is not None
                                           for server, path in zip(servers, ready)), "decided")
                    ended = sorted(server.poll() is not None for server in servers)
                    self.assertEqual(ended, [False, True, True])
                finally:
                    for server in servers:
                        server.terminate()
                    for server in servers:
                        server.wait(DEADLINE_S)

    def test_pools_that_do_not_fit_into_memory_are_refused(self):
        with tempfile.TemporaryDirectory() as tmp:
            config = pathlib.Path(tmp) / "c"
            config.write_text(
                'pools { name: "b" buffers { count: 16000 size_bytes: 1073741824 } }')
            done = run("--config", config, "--listen=127.0.0.1:0", "--metrics_listen=off")
            self.assertEqual(done.returncode, 1)
            self.assertIn("pools: must fit into the memory", done.stderr)

    def test_a_bad_configuration_refuses_to_start_naming_key_limit_and_value(self):
        with tempfile.TemporaryDirectory() as tmp:
            config = pathlib.Path(tmp) / "c"
            for text, words in (
                    ('pools { name: "p" ids { count: 0 } }',
                     ("pools[0].ids.count", "16777216", "0")),
                    ('pools { name: "P" ids { count: 1 } }', ("pools[0].name", "a-z", '"P"')),
                    ('pools { name: "p" ids { count: 1 } } nonsense: 1', ("nonsense",)),
                    ('pools { name: "p" ids { count: 1 } } listen: "0.0.0.0:1"',
                     ("listen", "insecure_allow_plaintext")),
                    ("", ("pools", "1 .. 1024", "0"))):
                config.write_text(text)
                done = run("--config", config)
                self.assertEqual(done.returncode, 2, text)
                for word in words:
                    self.assertIn(word, done.stderr)

    def test_more_workers_than_cpus_are_refused(self):
        cpus = len(os.sched_getaffinity(0))
        with tempfile.TemporaryDirectory() as tmp:
            config = pathlib.Path(tmp) / "c"
            config.write_text(CONFIG)
            done = run("--config", config, f"--workers={cpus + 1}")
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"at most {cpus}", done.stderr)


if __name__ == "__main__":
    unittest.main()
