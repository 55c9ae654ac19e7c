#!/usr/bin/python3
"""Writes overlays/prometheus-operator/prometheusrule.yaml out of the rules of deploy/prometheus.

Run it after a change of those; tests/deploy/kubernetes_test.py fails until then.
"""

import pathlib
import textwrap

HERE = pathlib.Path(__file__).resolve().parent
RULES = [HERE.parent / "prometheus" / name for name in ("rules.yml", "alerts.yml")]
TARGET = HERE / "overlays" / "prometheus-operator" / "prometheusrule.yaml"
HEAD = """\
# Made by deploy/kubernetes/prometheus_rule.py out of deploy/prometheus/; do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: objpool
spec:
  groups:
"""


def groups(path):
    """The text below `groups:`, with its comments."""
    _, found, text = path.read_text().partition("\ngroups:\n")
    if not found:
        raise SystemExit(f"{path}: no groups")
    return textwrap.indent(text, "  ")


def text():
    return HEAD + "".join(groups(path) for path in RULES)


if __name__ == "__main__":
    TARGET.write_text(text())
