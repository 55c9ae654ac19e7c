"""The manifests of deploy/kubernetes fit together, and fit the image; no cluster is asked."""

import importlib.util
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

from processes import DEPLOY, REPOSITORY, program, tool

KUBERNETES = DEPLOY / "kubernetes"
BASE = KUBERNETES / "base"
OVERLAYS = KUBERNETES / "overlays"
OPERATOR = OVERLAYS / "prometheus-operator"
CONFIG = BASE / "objpoold.textproto"


def load(path):
    """The one object of a file."""
    return yaml.safe_load(path.read_text())


def objects(folder):
    """Every object of the files that its kustomization lists, by kind and name."""
    listed = load(folder / "kustomization.yaml")["resources"]
    found = {}
    for name in listed:
        if (folder / name).is_file():
            for item in yaml.safe_load_all((folder / name).read_text()):
                found[item["kind"], item["metadata"]["name"]] = item
    return found


def port_of(key):
    """Of the configuration."""
    return int(re.search(rf'^{key}: "[^"]*:(\d+)"', CONFIG.read_text(), re.MULTILINE).group(1))


def mount_of(container, path):
    """The volume that is seen at a path."""
    for mount in container["volumeMounts"]:
        if pathlib.PurePath(path).is_relative_to(mount["mountPath"]):
            return mount
    raise AssertionError(f"no volume at {path}")


class Base(unittest.TestCase):
    def setUp(self):
        self.kustomization = load(BASE / "kustomization.yaml")
        self.objects = objects(BASE)
        self.set = self.objects["StatefulSet", "objpool"]["spec"]
        self.pod = self.set["template"]["spec"]
        [self.container] = self.pod["containers"]
        [labels] = self.kustomization["labels"]
        self.assertTrue(labels["includeTemplates"])
        self.labels = labels["pairs"]

    def test_every_file_is_used(self):
        used = {"kustomization.yaml", *self.kustomization["resources"],
                *self.kustomization["configMapGenerator"][0]["files"]}
        self.assertEqual({path.name for path in BASE.iterdir()}, used)

    def test_selectors_find_the_pod(self):
        pods = [self.set["selector"]["matchLabels"],
                self.objects["PodDisruptionBudget", "objpool"]["spec"]["selector"]["matchLabels"],
                self.objects["NetworkPolicy", "objpool"]["spec"]["podSelector"]["matchLabels"],
                *(item["spec"]["selector"] for (kind, _), item in self.objects.items()
                  if kind == "Service")]
        self.assertEqual(len(pods), 5)
        for selector in pods:
            self.assertEqual(selector, self.labels)

    def test_ports_are_those_that_the_server_listens_on(self):
        wanted = {"grpc": port_of("listen"), "metrics": port_of("metrics_listen")}
        self.assertEqual({p["name"]: p["containerPort"] for p in self.container["ports"]}, wanted)
        exposed = re.search(r"^EXPOSE (.*)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
        self.assertEqual({int(port) for port in exposed.group(1).split()}, set(wanted.values()))
        for (kind, _), item in self.objects.items():
            if kind == "Service":
                for port in item["spec"]["ports"]:
                    self.assertEqual(port["targetPort"], port["name"])
                    self.assertEqual(port["port"], wanted[port["name"]])
        policy = self.objects["NetworkPolicy", "objpool"]["spec"]
        allowed = {p["port"] for rule in policy["ingress"] for p in rule["ports"]}
        self.assertEqual(allowed, set(wanted))
        self.assertEqual((policy["policyTypes"], policy["egress"]), (["Ingress", "Egress"], []))

    def test_who_may_lease_has_to_say_so(self):
        grpc = [rule for rule in self.objects["NetworkPolicy", "objpool"]["spec"]["ingress"]
                if rule["ports"][0]["port"] == "grpc"]
        self.assertEqual([rule["from"] for rule in grpc],
                         [[{"podSelector": {"matchLabels": {"objpool-client": "true"}}}]])

    def test_probes_ask_the_port_of_clients(self):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.assertEqual(self.container[probe]["grpc"], {"port": port_of("listen")}, probe)

    def test_the_server_accepts_its_configuration_where_it_is_mounted(self):
        flag, path = self.container["args"]
        self.assertEqual(flag, "--config")
        [generated] = self.kustomization["configMapGenerator"]
        [volume] = self.pod["volumes"]
        self.assertEqual(volume["configMap"]["name"], generated["name"])
        mount = mount_of(self.container, path)
        self.assertEqual((mount["name"], mount["readOnly"]), (volume["name"], True))
        self.assertEqual([pathlib.PurePath(path).name], generated["files"])
        done = subprocess.run([program("objpoold"), "--config", CONFIG, "--check_config"],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)

    def test_the_state_is_in_the_volume_that_is_claimed(self):
        state = re.search(r'^state_dir: "(.*)"', CONFIG.read_text(), re.MULTILINE).group(1)
        [claim] = self.set["volumeClaimTemplates"]
        self.assertEqual(mount_of(self.container, state)["name"], claim["metadata"]["name"])
        self.assertEqual(claim["spec"]["accessModes"], ["ReadWriteOnce"])

    def test_the_pods_have_names(self):
        service = self.objects["Service", self.set["serviceName"]]
        self.assertEqual(service["spec"]["clusterIP"], "None")

    def test_the_image_is_the_one_that_is_built(self):
        tag = re.search(r"^readonly tag=(\S+)$", (DEPLOY / "image.sh").read_text(), re.MULTILINE)
        self.assertEqual(self.container["image"], tag.group(1))
        self.assertEqual([image["name"] for image in self.kustomization["images"]], [tag.group(1)])
        user = re.search(r"^USER (\d+):(\d+)$", (REPOSITORY / "Dockerfile").read_text(),
                         re.MULTILINE)
        context = self.pod["securityContext"]
        self.assertEqual([context["runAsUser"], context["runAsGroup"], context["fsGroup"]],
                         [int(user.group(1)), *[int(user.group(2))] * 2])

    def test_a_stop_may_take_as_long_as_a_drain(self):
        """Twice shutdown_grace, and ten seconds for the state."""
        printed = subprocess.run([program("objpoold"), "--config", CONFIG, "--print_config"],
                                 capture_output=True, text=True, timeout=30, check=True).stdout
        grace = int(re.search(r"shutdown_grace \{\s*seconds: (\d+)", printed).group(1))
        self.assertGreater(self.pod["terminationGracePeriodSeconds"], 2 * grace + 10)

    def test_it_is_confined(self):
        self.assertIs(self.pod["securityContext"]["runAsNonRoot"], True)
        self.assertEqual(self.pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertEqual(self.container["securityContext"],
                         {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                          "capabilities": {"drop": ["ALL"]}})
        self.assertEqual(set(self.pod) & {"hostNetwork", "hostPID", "hostIPC"}, set())
        account = self.objects["ServiceAccount", self.pod["serviceAccountName"]]
        for item in (account, self.pod):
            self.assertIs(item["automountServiceAccountToken"], False)

    def test_it_has_limits_but_no_quota_of_cpus(self):
        """A quota below the CPUs would unpin its workers."""
        self.assertEqual(set(self.container["resources"]["limits"]), {"memory"})
        self.assertEqual(set(self.container["resources"]["requests"]), {"cpu", "memory"})


class Overlays(unittest.TestCase):
    def test_each_stands_on_the_base(self):
        for folder in OVERLAYS.iterdir():
            self.assertIn("../../base", load(folder / "kustomization.yaml")["resources"])

    def test_numa_asks_for_whole_cpus_of_its_own(self):
        folder = OVERLAYS / "numa"
        [patch] = load(folder / "kustomization.yaml")["patches"]
        changed = load(folder / patch["path"])
        base = objects(BASE)[changed["kind"], changed["metadata"]["name"]]
        [container] = changed["spec"]["template"]["spec"]["containers"]
        self.assertEqual(container["name"],
                         base["spec"]["template"]["spec"]["containers"][0]["name"])
        resources = container["resources"]
        self.assertEqual(resources["requests"], resources["limits"])
        self.assertRegex(resources["limits"]["cpu"], r"^\d+$")

    def test_the_operator_scrapes_what_the_alerts_ask_for(self):
        monitor = objects(OPERATOR)["ServiceMonitor", "objpool"]["spec"]
        [endpoint] = monitor["endpoints"]
        found = [item for (kind, _), item in objects(BASE).items() if kind == "Service"
                 and monitor["selector"]["matchLabels"].items()
                 <= item["metadata"].get("labels", {}).items()]
        self.assertEqual(len(found), 1)
        self.assertIn(endpoint["port"], [port["name"] for port in found[0]["spec"]["ports"]])
        scrape = load(DEPLOY / "prometheus" / "prometheus.yml")
        [job] = [j for j in scrape["scrape_configs"]
                 if j["job_name"] == found[0]["metadata"]["labels"][monitor["jobLabel"]]]
        self.assertIn(f'up{{job="{job["job_name"]}"}}',
                      (DEPLOY / "prometheus" / "alerts.yml").read_text())
        self.assertEqual((endpoint["interval"], endpoint["scrapeTimeout"], monitor["sampleLimit"]),
                         (scrape["global"]["scrape_interval"], scrape["global"]["scrape_timeout"],
                          job["sample_limit"]))

    def test_the_operator_has_the_rules_of_prometheus(self):
        rule = objects(OPERATOR)["PrometheusRule", "objpool"]["spec"]
        wanted = [group for name in ("rules.yml", "alerts.yml")
                  for group in load(DEPLOY / "prometheus" / name)["groups"]]
        self.assertEqual(rule["groups"], wanted, "run deploy/kubernetes/prometheus_rule.py")
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            yaml.safe_dump(rule, file)
            file.flush()
            subprocess.run([tool("promtool", "prometheus"), "check", "rules", file.name],
                           check=True, timeout=60, stdout=subprocess.DEVNULL)

    def test_the_rule_file_is_as_it_is_written(self):
        spec = importlib.util.spec_from_file_location("rule", KUBERNETES / "prometheus_rule.py")
        rule = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(rule)
        self.assertEqual(rule.TARGET.read_text(), rule.text())

    def test_kustomize_builds_each(self):
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            self.skipTest("kubectl is not installed; the files were checked without it")
        for folder in (BASE, *OVERLAYS.iterdir()):
            done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), folder)
            built = {(item["kind"], item["metadata"]["name"]): item
                     for item in yaml.safe_load_all(done.stdout)}
            pod = built["StatefulSet", "objpool"]["spec"]["template"]
            self.assertEqual(pod["metadata"]["labels"], {"app.kubernetes.io/name": "objpool"})
            self.assertIn(("ConfigMap", pod["spec"]["volumes"][0]["configMap"]["name"]), built)


if __name__ == "__main__":
    unittest.main(verbosity=2)
