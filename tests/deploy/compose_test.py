"""deploy/compose.yaml keeps its promises, and the files that it mounts fit together."""

import pathlib
import re
import shutil
import subprocess
import unittest

import yaml

from processes import DEPLOY, program

COMPOSE = DEPLOY / "compose.yaml"


def load(path):
    return yaml.safe_load(path.read_text())


def textproto_port(path, key):
    """The port of a HOST:PORT key of a configuration."""
    return int(re.search(rf'^{key}: "[^"]*:(\d+)"', path.read_text(), re.MULTILINE).group(1))


def bind_mounts(service):
    """(file on the host, path in the container, mode) of each mounted file or folder."""
    for volume in service.get("volumes", []):
        source, target, *mode = volume.split(":")
        if source.startswith((".", "/")):
            yield (DEPLOY / source).resolve(), target, mode


class Compose(unittest.TestCase):
    def setUp(self):
        self.compose = load(COMPOSE)
        self.services = self.compose["services"]

    def test_has_server_prometheus_and_grafana(self):
        self.assertEqual(set(self.services), {"objpoold", "prometheus", "grafana"})

    def test_publishes_on_loopback_only(self):
        for name, service in self.services.items():
            self.assertTrue(service["ports"], name)
            for port in service["ports"]:
                self.assertRegex(port, r"^127\.0\.0\.1:\d+:\d+$", name)
            self.assertNotEqual(service.get("network_mode"), "host", name)

    def test_confines_every_service(self):
        for name, service in self.services.items():
            self.assertIs(service["read_only"], True, name)
            self.assertEqual(service["cap_drop"], ["ALL"], name)
            self.assertNotIn("cap_add", service, name)
            self.assertNotIn("privileged", service, name)
            self.assertIn("no-new-privileges:true", service["security_opt"], name)
            # Each image has an unprivileged user of its own.
            self.assertNotIn("user", service, name)

    def test_limits_every_service(self):
        for name, service in self.services.items():
            self.assertIn("mem_limit", service, name)
            self.assertIn("pids_limit", service, name)
            self.assertIn("max-size", service["logging"]["options"], name)

    def test_server_has_no_cpu_quota(self):
        """A quota below the CPUs would unpin its workers."""
        self.assertNotIn("cpus", self.services["objpoold"])

    def test_checks_the_health_of_every_service(self):
        for name, service in self.services.items():
            self.assertEqual(service["healthcheck"]["test"][0], "CMD", f"{name} needs no shell")

    def test_starts_in_order_of_health(self):
        wanted = {"prometheus": "objpoold", "grafana": "prometheus"}
        for name, needs in wanted.items():
            self.assertEqual(
                self.services[name]["depends_on"], {needs: {"condition": "service_healthy"}}
            )

    def test_mounted_files_exist_and_are_read_only(self):
        for service in self.services.values():
            for source, _, mode in bind_mounts(service):
                self.assertTrue(source.exists(), source)
                self.assertEqual(mode, ["ro"], source)

    def test_named_volumes_are_declared_and_used(self):
        used = set()
        for service in self.services.values():
            used |= {volume.split(":")[0] for volume in service["volumes"]} & set(
                self.compose["volumes"]
            )
        self.assertEqual(used, set(self.compose["volumes"]))

    def test_images_have_a_version(self):
        for name in ("prometheus", "grafana"):
            image = re.fullmatch(r"\$\{\w+:-(.*)\}", self.services[name]["image"]).group(1)
            self.assertRegex(image, r":v?\d+\.\d+\.\d+$")

    def test_docker_compose_accepts_it(self):
        docker_compose = shutil.which("docker-compose")
        if docker_compose is None:
            self.skipTest(
                "docker-compose is not installed; the file's rules were checked without it"
            )
        done = subprocess.run(
            [docker_compose, "-f", str(COMPOSE), "config", "--quiet"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class FilesFitTogether(unittest.TestCase):
    """A wrong name in one of them would show as an empty dashboard."""

    def setUp(self):
        self.services = load(COMPOSE)["services"]

    def mounted(self, service, path):
        """The file on the host that is seen as `path` in the service."""
        for source, target, _ in bind_mounts(self.services[service]):
            if path == target or path.startswith(target + "/"):
                return source / pathlib.PurePosixPath(path).relative_to(target)
        self.fail(f"{service} sees nothing at {path}")

    def test_published_ports_are_those_that_the_server_listens_on(self):
        config = self.mounted("objpoold", "/etc/objpool/objpoold.textproto")
        inner = {int(port.rsplit(":", 1)[1]) for port in self.services["objpoold"]["ports"]}
        self.assertEqual(
            inner, {textproto_port(config, "listen"), textproto_port(config, "metrics_listen")}
        )

    def test_prometheus_scrapes_the_server(self):
        flag = next(
            flag for flag in self.services["prometheus"]["command"] if "config.file" in flag
        )
        scrape = load(self.mounted("prometheus", flag.split("=")[1]))
        jobs = {
            job["job_name"]: job["static_configs"][0]["targets"] for job in scrape["scrape_configs"]
        }
        port = textproto_port(DEPLOY / "container.textproto", "metrics_listen")
        self.assertEqual(jobs["objpoold"], [f"objpoold:{port}"])

    def test_grafana_asks_prometheus(self):
        folder = self.mounted("grafana", "/etc/grafana/provisioning/datasources")
        [source] = load(folder / "prometheus.yaml")["datasources"]
        self.assertEqual(source["url"], "http://prometheus:9090")
        self.assertTrue(source["uid"])
        scrape = load(DEPLOY / "prometheus" / "prometheus.yml")
        self.assertEqual(source["jsonData"]["timeInterval"], scrape["global"]["scrape_interval"])

    def test_grafana_finds_the_dashboard(self):
        folder = self.mounted("grafana", "/etc/grafana/provisioning/dashboards")
        [provider] = load(folder / "objpool.yaml")["providers"]
        dashboards = self.mounted("grafana", provider["options"]["path"])
        self.assertTrue((dashboards / "objpool.json").exists())
        home = self.services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        self.assertTrue(self.mounted("grafana", home).exists())

    def test_server_accepts_the_configurations(self):
        for name in ("objpoold.textproto", "container.textproto"):
            done = subprocess.run(
                [program("objpoold"), "--config", str(DEPLOY / name), "--check_config"],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_container_serves_the_same_pools_as_the_example(self):
        """Only where it listens differs."""

        def pools(name):
            text = re.sub(r"#.*", "", (DEPLOY / name).read_text())
            return " ".join(text[text.index("pools {") :].split())

        self.assertEqual(pools("container.textproto"), pools("objpoold.textproto"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
