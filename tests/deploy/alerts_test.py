"""Every alert fires when it should and is silent when not, by promtool's own evaluation."""

import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

from processes import DEPLOY, tool

RULES = DEPLOY / "prometheus" / "rules.yml"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"

AT = 'job="objpoold",instance="a:9742"'
POOL = f'{AT},pool="p"'
LAG = [f'objpool_lease_expiry_lag_seconds_bucket{{{POOL},le="%s"}}' % le
       for le in ("0.1", "1", "+Inf")]
DELAY = f'objpool_worker_poll_delay_seconds_bucket{{{AT},le="%s"}}'
CUT = f'objpool_connections_cut_total{{{AT},reason="%s"}}'
HANDLED = f'grpc_server_handled_total{{{AT},grpc_code="%s"}}'
ACQUIRES = f'objpool_acquires_total{{{POOL},cpu="0",node="0",source="%s"}}'
REMOTE = f'objpool_acquires_by_steal_total{{{POOL},distance="remote_node"}}'
REFUSALS = f'objpool_lease_refusals_total{{{POOL},verb="%s",reason="%s"}}'
FREE, CAPACITY = f"objpool_pool_free_handles{{{POOL}}}", f"objpool_pool_capacity_handles{{{POOL}}}"

# Alert: the series with which it fires within three hours, and those with which it does not. A
# series is of one sample a minute: "A+BxN" is A, A+B, ... N times.
CASES = {
    "ObjpoolDown": ({f"up{{{AT}}}": "0x180"}, {f"up{{{AT}}}": "1x170 0x0 1x9"}),
    "ObjpoolHandlesUnaccounted": (
        {f"objpool_pool_unaccounted_handles{{{POOL}}}": "-1x180"},
        # Moving ones come and go.
        {f"objpool_pool_unaccounted_handles{{{POOL}}}": "1 0 " * 90}),
    "ObjpoolDiskFailed": ({f"objpool_disk_failed{{{AT}}}": "1x180"},
                          {f"objpool_disk_failed{{{AT}}}": "0x180"}),
    "ObjpoolPoolExhausted": (
        {FREE: "0x180", REFUSALS % ("lease", "exhausted"): "0+5x180"},
        {FREE: "0x180", REFUSALS % ("lease", "exhausted"): "7x180"}),
    "ObjpoolPoolSoonExhausted": (
        {FREE: "300-1x180", CAPACITY: "1000x180"},
        {FREE: "300-0.1x180", CAPACITY: "1000x180"}),
    "ObjpoolCallersWaitLong": (
        {f"objpool_lease_oldest_wait_seconds{{{POOL}}}": "0+60x180"},
        {f"objpool_lease_oldest_wait_seconds{{{POOL}}}": "29x180"}),
    "ObjpoolHandlesQuarantined": (
        {f"objpool_pool_quarantined_handles{{{POOL}}}": "2x180"},
        {f"objpool_pool_quarantined_handles{{{POOL}}}": "0x180"}),
    "ObjpoolStaleFencesShown": (
        {REFUSALS % ("renew", "stale_fence"): "0x175 1x4"},
        {REFUSALS % ("renew", "stale_fence"): "9x180", REFUSALS % ("renew", "expired"): "0+1x180"}),
    "ObjpoolExpiryLate": (
        dict(zip(LAG, ("0x180", "0+10x180", "0+10x180"))),
        dict(zip(LAG, ("0+10x180", "0+10x180", "0+10x180")))),
    "ObjpoolFaults": (
        {HANDLED % "OK": "0+90x180", HANDLED % "INTERNAL": "0+10x180"},
        # Of these the callers know best.
        {HANDLED % "OK": "0+90x180", HANDLED % "RESOURCE_EXHAUSTED": "0+50x180",
         HANDLED % "INTERNAL": "0x180"}),
    "ObjpoolWorkersBusy": (
        {f'objpool_worker_busy_seconds_total{{{AT},worker="0"}}': "0+59x180",
         f'objpool_worker_busy_seconds_total{{{AT},worker="1"}}': "0+57x180"},
        {f'objpool_worker_busy_seconds_total{{{AT},worker="0"}}': "0+59x180",
         f'objpool_worker_busy_seconds_total{{{AT},worker="1"}}': "0+1x180"}),
    "ObjpoolPoolDipsToEmpty": (
        {f'objpool_pool_low_free_handles{{{POOL}}}': "0x180",
         f'objpool_lease_waits_total{{{POOL},result="served"}}': "0+3x180"},
        {f'objpool_pool_low_free_handles{{{POOL}}}': "0x180",  # but nobody minds
         f'objpool_lease_waits_total{{{POOL},result="served"}}': "3x180"}),
    "ObjpoolWorkersLate": (
        {DELAY % "0.02": "0+90x180", DELAY % "0.1": "0+100x180", DELAY % "+Inf": "0+100x180"},
        {DELAY % "0.02": "0+100x180", DELAY % "0.1": "0+100x180", DELAY % "+Inf": "0+100x180"}),
    "ObjpoolPagesMisplaced": (
        {f'objpool_buffer_pages_sampled{{{POOL},node="1"}}': "1000x180",
         f'objpool_buffer_pages_misplaced{{{POOL},node="1"}}': "500x180"},
        {f'objpool_buffer_pages_sampled{{{POOL},node="1"}}': "1000x180",
         f'objpool_buffer_pages_misplaced{{{POOL},node="1"}}': "1x180"}),
    "ObjpoolConnectionsRefused": ({CUT % "crowded": "0+2x180", CUT % "idle": "0x180"},
                                  {CUT % "crowded": "2x180", CUT % "idle": "0+9x180"}),
    "ObjpoolClientsMisbehave": ({CUT % "flood": "0+3x180", CUT % "slow": "0+1x180"},
                                {CUT % "flood": "0+1x180", CUT % "silent": "0+9x180"}),
    "ObjpoolWorkersNotPinned": (
        {f'objpool_worker_pinned{{{AT},worker="0"}}': "1x180",
         f'objpool_worker_pinned{{{AT},worker="1"}}': "0x180"},
        {f'objpool_worker_pinned{{{AT},worker="0"}}': "1x180"}),
    "ObjpoolRemoteSteals": (
        {ACQUIRES % "local": "0+60x180", ACQUIRES % "steal": "0+40x180", REMOTE: "0+40x180"},
        {ACQUIRES % "local": "0+60x180", ACQUIRES % "steal": "0+40x180", REMOTE: "0+1x180"}),
    "ObjpoolSessionsLapse": ({f"objpool_sessions_lapsed_total{{{AT}}}": "0+2x180"},
                             {f"objpool_sessions_lapsed_total{{{AT}}}": "0+0.1x180"}),
    "ObjpoolPolicyStale": ({f"objpool_policy_stale{{{AT}}}": "1x180"},
                           {f"objpool_policy_stale{{{AT}}}": "0x177 1x2"}),
    "ObjpoolAuditRecordsDropped": (
        {f'objpool_audit_records_total{{{AT},result="dropped"}}': "0x175 3x4"},
        {f'objpool_audit_records_total{{{AT},result="dropped"}}': "3x180",
         f'objpool_audit_records_total{{{AT},result="written"}}': "0+9x180"}),
    # Time begins at 0 there: in three hours a week and an hour are a week less two hours.
    "ObjpoolCertificateExpires": (
        {f"objpool_tls_certificate_expiry_timestamp_seconds{{{AT}}}": f"{7 * 86400 + 3600}x180"},
        {f"objpool_tls_certificate_expiry_timestamp_seconds{{{AT}}}": f"{7 * 86400 + 14400}x180"}),
    "ObjpoolDescriptorsLow": (
        {f"process_open_fds{{{AT}}}": "900x180", f"process_max_fds{{{AT}}}": "1000x180"},
        {f"process_open_fds{{{AT}}}": "700x180", f"process_max_fds{{{AT}}}": "1000x180"}),
}


def alerts():
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"]
            for rule in group["rules"]]


def case(name, series, firing):
    """One of promtool's unit tests."""
    return {"interval": "1m",
            "input_series": [{"series": s, "values": v.strip()} for s, v in series.items()],
            "promql_expr_test": [{
                "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
                "eval_time": "179m",
                "exp_samples": [{"labels": "{}", "value": 1}] if firing else []}]}


class Alerts(unittest.TestCase):
    def run_cases(self, cases):
        with tempfile.TemporaryDirectory(prefix="objpool-alerts-") as folder:
            path = pathlib.Path(folder) / "test.yml"
            path.write_text(yaml.safe_dump({"rule_files": [str(RULES), str(ALERTS)],
                                            "evaluation_interval": "1m", "tests": cases}))
            return subprocess.run([tool("promtool", "prometheus"), "test", "rules", path],
                                  capture_output=True, text=True, timeout=120, check=False)

    def test_each_has_a_case_that_fires_and_one_that_does_not(self):
        self.assertEqual({alert["alert"] for alert in alerts()}, set(CASES))

    def test_each_fires_when_it_should_and_only_then(self):
        cases = [(name, series, firing) for name, (fires, silent) in CASES.items()
                 for series, firing in ((fires, True), (silent, False))]
        done = self.run_cases([case(*each) for each in cases])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_case_can_fail(self):
        """Asked for the opposite, in one run: starting promtool takes longer than a case."""
        opposite = {(name, firing): case(name, series, firing)
                    for name, (fires, silent) in CASES.items()
                    for series, firing in ((fires, False), (silent, True))}
        done = self.run_cases(list(opposite.values()))
        failed = re.findall(r'alertname=\\"(\w+)\\".*\n *exp: (.*)', done.stdout + done.stderr)
        self.assertEqual(sorted((name, wanted != "nil") for name, wanted in failed),
                         sorted(opposite))

    def test_each_says_what_to_do(self):
        for alert in alerts():
            self.assertIn(alert["labels"]["severity"], ("page", "ticket"))
            self.assertGreater(len(alert["annotations"]["runbook"]), 40, alert["alert"])
            self.assertIn("{{ $", alert["annotations"]["summary"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
