"""Policy files that change while the server runs, that are wrong, or that there are not; the audit
log; and what objpoolctl says of a policy."""

import json
import os
import signal
import subprocess
import threading
import unittest

import grpc
from google.protobuf import duration_pb2

from objpool_testing import BIN_DIR, DEADLINE_S, Api, Refusal, Server, refused, wait_until
from policy_testing import (ADMIN, CONFIG, NOBODY, POLICY, WEB, Files, WithServer, reason_of,
                            requests)


class ReloadTest(WithServer):
    """Policies that come and go."""

    def test_a_bad_file_keeps_the_last_good_one(self):
        web = self.client(WEB)
        self.reload('rules { identities: "10.0.0.256" methods: "*" }', "failed")
        metrics = self.server.metrics()
        self.assertEqual(metrics.sum("objpool_policy_stale"), 1)
        self.assertEqual(metrics.sum("objpool_policy_rules"), 6)
        self.assertEqual(len(web.lease("web-1").grants), 1)
        with refused(self, "PERMISSION_DENIED", "POLICY_DENIED"):
            web.lease("buffers")
        wait_until(lambda: "stays in force" in self.server.log(), "told")
        self.assertIn("rules[0].identities[0]: must be an address", self.server.log())
        self.reload(f'rules {{ identities: "{WEB}" methods: "*" pools: "buffers" }}')
        self.assertEqual(self.server.metrics().sum("objpool_policy_stale"), 0)
        self.assertEqual(len(web.lease("buffers").grants), 1)
        with refused(self, "PERMISSION_DENIED", "POLICY_DENIED"):
            web.lease("web-1")

    def test_a_file_that_changes_is_read_without_a_signal(self):
        web = self.client(WEB)
        self.files.write(POLICY.replace("web-*", "buffers"))
        wait_until(lambda: reason_of(lambda: web.lease("web-1")) == "POLICY_DENIED", "noticed")
        self.files.policy.unlink()
        wait_until(lambda: self.server.metrics().sum("objpool_policy_stale") == 1, "missed")
        self.assertEqual(len(web.lease("buffers").grants), 1)

    def test_who_may_not_lease_any_more_waits_no_more(self):
        web, other = self.client(WEB), self.client("127.0.0.1")
        other.lease("web-1", count=8)
        refusals = []

        def wait():
            with self.assertRaises(grpc.RpcError) as caught:
                web.lease("web-1", max_wait=duration_pb2.Duration(seconds=3000))
            refusals.append(Refusal(caught.exception))

        waiting = threading.Thread(target=wait)
        waiting.start()
        wait_until(lambda: other.get_pool("web-1").waiters == 1, "it waits")
        self.reload(POLICY.replace("web-*", "web-2"))
        waiting.join(DEADLINE_S)
        self.assertEqual([refusal.reason for refusal in refusals], ["POLICY_DENIED"])
        self.assertEqual(other.get_pool("web-1").waiters, 0)
        wait_until(lambda: [record["method"] for record in self.files.records()
                            if record["kind"] == "denied"] == ["Lease"], "it is written down")

    def test_no_call_that_is_allowed_fails_while_policies_change(self):
        failed, made, over = [], [0], threading.Event()

        def load(api):
            while not over.is_set():
                try:
                    grants = api.lease("web-1").grants
                    api.give_back("web-1", grants[0].ref)
                    made[0] += 1
                except grpc.RpcError as error:
                    failed.append(str(error))
                    return

        threads = [threading.Thread(target=load, args=(self.client(WEB),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        other = POLICY.replace('"reader"', '"others"')
        for i in range(50):
            before = made[0]
            self.reload(other if i % 2 == 0 else POLICY)
            wait_until(lambda: made[0] > before + 10 or failed, "calls in between")
        over.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        self.assertEqual(self.server.metrics().sum("objpool_calls_denied_total"), 0)

    def test_a_hangup_does_not_end_the_server(self):
        self.server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "read again, 6 rules" in self.server.log(), "told")
        self.assertEqual(self.server.stop(), 0)


class AuditTest(WithServer):
    """What is written down, and what is not."""

    def test_administration_and_refusals_are_written_down(self):
        admin, nobody = self.client(ADMIN), self.client(NOBODY)
        (grant,) = self.api.lease("web-1", holder="secretive").grants
        admin.revoke("web-1", grant.ref.handle, grant.ref.fence)
        with refused(self, "INVALID_ARGUMENT", "BAD_FIELD"):
            admin.revoke("pools/web-1", 99, 1)
        fresh = {method: request for method, _, request in requests("fresh")}
        fresh_methods = ("CreatePool", "AuditPool", "DeletePool")
        for method in fresh_methods:
            admin.call(method, fresh[method])
        with refused(self, "PERMISSION_DENIED", "POLICY_DENIED"):
            nobody.lease("web-1")
        self.reload("rules {", "failed")
        wait_until(lambda: len(self.files.records()) >= 7, "all written")
        web = {"kind": "admin", "identity": ADMIN, "method": "RevokeGrant", "pool": "web-1"}
        made = {"kind": "admin", "identity": ADMIN, "pool": "fresh", "result": "OK"}
        expected = [
            {**web, "handle": grant.ref.handle, "fence": grant.ref.fence, "result": "OK"},
            {**web, "handle": 99, "fence": 1, "result": "INVALID_ARGUMENT", "reason": "BAD_FIELD"},
            *({**made, "method": method} for method in fresh_methods),
            {"kind": "denied", "identity": NOBODY, "method": "Lease", "pool": "web-1",
             "result": "PERMISSION_DENIED", "reason": "POLICY_DENIED"}]
        found = self.files.records()
        for record in found:
            self.assertRegex(record.pop("time"), r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        # By the signal, and perhaps before it because the file had changed.
        reloads = [record for record in found if record["kind"] == "policy"]
        for reload in reloads:
            self.assertEqual(reload["result"], "FAILED")
            self.assertIn("policy.textproto:", reload["reason"])
        self.assertCountEqual([record for record in found if record not in reloads], expected)
        text = self.files.audit.read_text()
        self.assertNotIn(str(grant.ref.key), text)
        self.assertNotIn("secretive", text)
        wait_until(lambda: self.server.metrics().sum("objpool_audit_records_total",
                                                     result="written") == len(found), "counted")
        self.assertEqual(self.server.metrics().sum("objpool_audit_records_total",
                                                   result="dropped"), 0)

    def test_a_file_that_was_moved_away_is_opened_again(self):
        nobody = self.client(NOBODY)
        reason_of(lambda: nobody.lease("web-1"))
        wait_until(lambda: len(self.files.records()) == 1, "written")
        moved = self.files.audit.with_suffix(".1")
        self.files.audit.rename(moved)
        self.server.process.send_signal(signal.SIGHUP)
        # The reload's own record too, before another one is made.
        wait_until(lambda: len(self.files.records()) == 1, "opened again")
        reason_of(lambda: nobody.lease("web-1"))
        wait_until(lambda: len(self.files.records()) == 2, "written")
        self.assertEqual([record["kind"] for record in self.files.records()],
                         ["policy", "denied"])
        self.assertEqual(len(moved.read_text().splitlines()), 1)


class WithoutPolicyTest(unittest.TestCase):
    """Administration is for this host, or for whom `admin` says."""

    def test_clients_of_this_host_may_administer_unless_nobody_may(self):
        for flags, reason in (((), None), (("--admin=all",), None),
                              (("--admin=off",), "ADMIN_DENIED")):
            with Server(CONFIG, flags) as server, Api(server) as api:
                for method, group, request in requests("web-1"):
                    if group == "admin" and method != "DeletePool":
                        found = reason_of(lambda: api.call(method, request))
                        self.assertEqual(found == "ADMIN_DENIED", reason is not None, method)
                self.assertEqual(len(api.lease("web-2").grants), 1)

    def test_a_bad_policy_stops_the_start_and_the_check(self):
        with Files('rules { identities: "*" methods: "leases" }') as files:
            with self.assertRaisesRegex(AssertionError, r"ended with 2: .*rules\[0\].methods\[0\]"):
                Server(CONFIG, files.flags())
            with self.assertRaisesRegex(AssertionError, r"ended with 2: .*rules\[0\].methods\[0\]"):
                Server(CONFIG, [*files.flags(), "--check_config"])

    def test_an_audit_log_that_cannot_be_opened_stops_the_start(self):
        with self.assertRaisesRegex(AssertionError, "ended with 1: .*audit_log: cannot open"):
            Server(CONFIG, ["--audit_log=/nowhere/log"])


class CommandTest(unittest.TestCase):
    """objpoolctl policy, without a server."""

    def ctl(self, *words):
        done = subprocess.run([BIN_DIR / "objpoolctl", "policy", *map(str, words)],
                              capture_output=True, text=True, timeout=DEADLINE_S, check=False,
                              env={**os.environ, "OBJPOOL_CONFIG": "/dev/null"})
        return done.returncode, done.stdout, done.stderr

    def test_test_says_what_the_server_would(self):
        with Files() as files:
            for identity, method, pool, said in (
                    (WEB, "Lease", "web-1", "allowed by web\n"),
                    (WEB, "Lease", "pools/seats", "allowed by web seats\n"),
                    (WEB, "RevokeGrant", "web-1", "denied: no rule allows it\n"),
                    (NOBODY, "Lease", "web-1", "denied: no rule allows it\n")):
                words = ("--identity", identity, "--method", method, "--pool", pool)
                code = 0 if said.startswith("allowed") else 9
                self.assertEqual(self.ctl("test", files.policy, *words), (code, said, ""))
            code, out, _ = self.ctl("test", files.policy, "--identity", WEB, "--method", "Lease",
                                    "--pool", "seats", "--output", "json")
            self.assertEqual((code, json.loads(out)),
                             (0, {"allowed": True, "rule": "web seats",
                                  "quota": {"handles": 3, "calls_per_s": 0}}))
            code, out, _ = self.ctl("test", files.policy, "--identity", NOBODY, "--method",
                                    "ListPools", "--output", "json")
            self.assertEqual((code, json.loads(out)), (9, {"allowed": False, "rule": None}))
            code, _, error = self.ctl("test", files.policy, "--identity", "x", "--method", "lease")
            self.assertEqual(code, 2)
            self.assertIn("must be the name of a method", error)

    def test_check_says_what_is_wrong(self):
        with Files() as files:
            self.assertEqual(self.ctl("check", files.policy), (0, "ok\n", ""))
            files.write('rules { identities: "*" methods: "leases" }\nrules {}')
            code, out, error = self.ctl("check", files.policy)
            self.assertEqual((code, out), (2, ""))
            self.assertIn("rules[0].methods[0]: must be", error)
            self.assertIn("rules[1].identities: must be 1 .. 64 entries, but is 0", error)
            self.assertEqual(self.ctl("check", files.audit)[0], 2)


if __name__ == "__main__":
    unittest.main()
