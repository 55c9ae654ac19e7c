"""Sessions: pipelined operations, one stream's life and death, and what is left behind."""

import pathlib
import signal
import subprocess
import sys
import time
import unittest

import grpc

import session_testing
from objpool_testing import (
    DEADLINE_S, Api, Refusal, Server, error_details_pb2, lease_service_pb2, ref_with, refused,
    wait_until)
from objpool.v1 import session_pb2
from session_testing import SessionClient, lease_of, ms, operation, return_of

CONFIG = """
pools { name: "many" ids { count: 20000 } ttl_default { seconds: 60 } }
pools { name: "one" ids { count: 1 } ttl_default { seconds: 60 } }
pools { name: "brief" ids { count: 10 } ttl_default { seconds: 3 } ttl_max { seconds: 90 } }
"""


def reason_of(status):
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    return None


def fields_of(status):
    for detail in status.details:
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            return {violation.field for violation in bad.field_violations}
    return None


class SessionCase(unittest.TestCase):
    """A server, a caller beside the sessions, and sessions."""

    def setUp(self):
        self.server = self.enterContext(Server(CONFIG))
        self.api = self.enterContext(Api(self.server))

    def open(self, *args, **fields):
        return self.enterContext(SessionClient(self.server.address, *args, **fields))

    def free(self, pool):
        return self.api.get_pool(pool).free

    def wait_for_free(self, pool, count):
        wait_until(lambda: self.free(pool) == count, f"{count} free in {pool}")

    def metric(self, name):
        return self.server.metrics().sum("objpool_session" + name)

    def attach(self, client, pool, *refs):
        items = [session_pb2.AttachItem(pool=pool, grant=ref) for ref in refs]
        return client.do(attach=session_pb2.AttachRequest(items=items))


class OperationTest(SessionCase):
    def test_each_operation_is_answered_under_its_id(self):
        client = self.open(holder="worker-7")
        self.assertRegex(client.opened().token, "^[0-9a-f]{32}$")
        self.assertEqual(client.opened().linger.ToMilliseconds(), 10_000)
        self.assertFalse(client.opened().resumed)
        (grant,) = client.lease("many")
        self.assertEqual(self.api.get_grant("many", grant.ref.handle).holder, "worker-7")
        (named,) = client.lease("many", holder="other")
        self.assertEqual(self.api.get_grant("many", named.ref.handle).holder, "other")
        client.send(
            operation(2 ** 64 - 1, renew=lease_service_pb2.RenewRequest(
                pool="many", grants=[grant.ref], ttl=ms(90_000))),
            operation(77, give_back=return_of("many", named.ref)),
            operation(78, give_back=return_of("many", ref_with(named.ref, key=1))),
            operation(79),
            operation(80, lease=lease_of("nowhere")))
        renewed = client.answer(2 ** 64 - 1).renew
        self.assertEqual(renewed.ttl.ToMilliseconds(), 90_000)
        self.assertEqual(len(client.answer(77).give_back.results), 1)
        self.assertEqual(reason_of(client.answer(78).error), "NOT_HOLDER")
        self.assertEqual(fields_of(client.answer(79).error), {"operation"})
        self.assertEqual(reason_of(client.answer(80).error), "POOL_UNKNOWN")
        self.assertEqual(self.metric("_grants"), 1)

    def test_a_burst_is_answered_in_fewer_messages(self):
        # One operation a message, by a client that is too busy to read.
        client = self.open(read=False)
        large = lease_of("many", count=1000, request_id="one answer of 50 KB")
        count = 1100
        for number in range(100):
            client.send(operation(number, lease=large))
        for number in range(100, count):
            client.send(operation(number, lease=lease_of("many")))
        self.wait_for_free("many", 19_000)
        client.read()
        wait_until(lambda: len(client.answers()) == count, "all answers")
        grants = {g.ref.handle for a in client.answers().values() for g in a.lease.grants}
        self.assertEqual(len(grants), 2000)
        self.assertLess(len(client.received()), count - 10)
        # In one message, they are served in order and answered together.
        before = len(client.received())
        client.send(*(operation(5000 + n, lease=lease_of("many")) for n in range(500)))
        client.answer(5499)
        self.assertLess(len(client.received()) - before, 10)

    def test_a_heartbeat_renews_all_and_names_the_lost(self):
        client = self.open()
        for _ in range(5):
            client.lease("many", count=1000, ttl=ms(20_000))
        grants = client.lease("many", count=10, ttl=ms(40_000))
        self.api.revoke("many", grants[3].ref.handle, grants[3].ref.fence)
        answer = client.do(heartbeat=session_pb2.HeartbeatRequest()).heartbeat
        # Unless the server's own look was faster, and has told it.
        lost = list(answer.lost) or client.notices("REVOKED")
        self.assertEqual(answer.renewed, 5009)
        self.assertEqual([(x.pool, x.grant.fence, x.grant.key, reason_of(x.reason)) for x in lost],
                         [("many", grants[3].ref.fence, 0, "GRANT_REVOKED")])
        left = self.api.get_grant("many", grants[0].ref.handle).remaining.ToMilliseconds()
        self.assertGreater(left, 35_000)
        answer = client.do(heartbeat=session_pb2.HeartbeatRequest(ttl=ms(59_000))).heartbeat
        self.assertEqual((answer.renewed, len(answer.lost)), (5009, 0))
        left = self.api.get_grant("many", grants[0].ref.handle).remaining.ToMilliseconds()
        self.assertGreater(left, 50_000)
        wrong = client.do(heartbeat=session_pb2.HeartbeatRequest(ttl=ms(0)))
        self.assertEqual(fields_of(wrong.error), {"ttl"})

    def test_grants_of_other_calls_can_be_attached(self):
        client = self.open(linger_ms=0)
        held = [grant.ref for grant in self.api.lease("many", count=3).grants]
        wrong = ref_with(held[2], key=7)
        beyond = ref_with(held[2], handle=20_000)
        results = self.attach(client, "many", *held, wrong, beyond, held[0]).attach.results
        self.assertEqual([reason_of(result.error) for result in results],
                         [None, None, None, "NOT_HOLDER", "BAD_FIELD", None])
        self.assertEqual(reason_of(self.attach(client, "many", wrong).error), "NOT_HOLDER")
        self.assertEqual(fields_of(self.attach(client, "").error), {"items"})
        self.assertEqual(self.metric("_grants"), 3)
        client.close()
        self.wait_for_free("many", 20_000)

    def test_a_release_gives_all_back_and_the_session_goes_on(self):
        client = self.open()
        client.lease("many", count=1000)
        client.lease("one")
        self.assertEqual(client.do(release=session_pb2.ReleaseRequest()).release.returned, 1001)
        self.assertEqual((self.free("many"), self.free("one")), (20_000, 1))
        self.assertEqual(len(client.lease("one")), 1)

    def test_a_waiting_lease_does_not_hold_up_those_behind_it(self):
        (held,) = self.api.lease("one").grants
        client = self.open()
        client.send(operation(1, lease=lease_of("one", max_wait=ms(30_000))),
                    operation(2, lease=lease_of("many")),
                    operation(3, lease=lease_of("one", max_wait=ms(100))))
        client.answer(2)
        self.assertEqual(reason_of(client.answer(3).error), "WAITED_TOO_LONG")
        self.api.give_back("one", held.ref)
        (grant,) = client.answer(1).lease.grants
        self.assertGreater(grant.ref.fence, held.ref.fence)
        self.assertEqual(client.do(heartbeat=session_pb2.HeartbeatRequest()).heartbeat.renewed, 2)

    def test_what_is_wrong_with_a_message_is_named(self):
        cases = [
            ({"start": session_pb2.StartSession(linger=ms(300_001), holder="x" * 65)},
             {"start.linger", "holder"}),
            ({}, {"opening"}),
            ({"resume": session_pb2.ResumeSession(token="xyz")}, {"resume.token"}),
            ({"start": session_pb2.StartSession(),
              "operations": [operation(n) for n in range(1025)]}, {"operations"}),
        ]
        stub = self.api.channel.stream_stream("/objpool.v1.LeaseService/Session")
        for fields, violations in cases:
            message = lease_service_pb2.SessionRequest(**fields).SerializeToString()
            with refused(self, "INVALID_ARGUMENT", "BAD_FIELD") as caught:
                list(stub(iter([message]), timeout=DEADLINE_S))
            self.assertEqual(set(caught[0].violations), violations)
        with refused(self, "INVALID_ARGUMENT", "MALFORMED"):
            list(stub(iter([b"\xff"]), timeout=DEADLINE_S))
        with refused(self, "INVALID_ARGUMENT"):
            list(stub(iter([]), timeout=DEADLINE_S))
        client = self.open(linger_ms=0)
        client.lease("many")
        client.send_message(lease_service_pb2.SessionRequest(start=session_pb2.StartSession()))
        self.assertEqual(set(Refusal(client.end()).violations), {"start"})
        self.wait_for_free("many", 20_000)

    def test_waits_of_a_session_are_bounded(self):
        self.api.lease("one")
        client = self.open()
        client.send(*(operation(n, lease=lease_of("one", max_wait=ms(30_000)))
                      for n in range(300)))
        wait_until(lambda: len(client.answers()) == 44, "those beyond 256 are refused")
        self.assertEqual({reason_of(a.error) for a in client.answers().values()}, {"OVERLOADED"})


class LifeTest(SessionCase):
    def test_a_session_that_is_resumed_in_time_keeps_its_grants(self):
        first = self.open(linger_ms=30_000)
        token = first.opened().token
        (grant,) = first.lease("one")
        first.close()
        wait_until(lambda: self.metric("s_lingering") == 1, "it lingers")
        # On whichever worker each connection comes to.
        for _ in range(8):
            second = self.open(resume=token)
            self.assertTrue(second.opened().resumed)
            self.assertEqual((second.opened().token, second.opened().grants), (token, 1))
            answer = second.do(heartbeat=session_pb2.HeartbeatRequest())
            self.assertEqual(answer.heartbeat.renewed, 1)
            second.close()
        self.assertEqual(self.api.get_grant("one", 0).ref.fence, grant.ref.fence)
        self.assertEqual(self.metric("s_resumed_total"), 8)

    def test_a_session_that_is_not_resumed_gives_all_back_and_is_unknown(self):
        client = self.open(linger_ms=300)
        token = client.opened().token
        client.lease("many", count=1000)
        began = time.monotonic()
        client.close()
        self.wait_for_free("many", 20_000)
        self.assertGreaterEqual(time.monotonic() - began, 0.3)
        late = self.open(resume=token)
        self.assertEqual(Refusal(late.end()).reason, "SESSION_UNKNOWN")
        never = self.open(resume="0" * 32)
        self.assertEqual(Refusal(never.end()).code, grpc.StatusCode.NOT_FOUND)
        metrics = self.server.metrics()
        self.assertEqual(metrics.sum("objpool_session_grants_given_back_total"), 1000)
        self.assertEqual(metrics.sum("objpool_sessions_lapsed_total"), 1)
        self.assertEqual(metrics.sum("objpool_session_grants"), 0)

    def test_a_goodbye_ends_the_session_and_a_half_close_does_not(self):
        client = self.open(linger_ms=60_000)
        token = client.opened().token
        client.lease("many", count=1000)
        client.half_close()
        self.assertIsNone(client.end())
        self.assertEqual(self.free("many"), 19_000)
        client = self.open(resume=token)
        self.assertEqual(client.opened().grants, 1000)
        client.send(operation(1, goodbye=session_pb2.GoodbyeRequest()), operation(2))
        self.assertIsNone(client.end())
        self.assertEqual(client.answer(1).goodbye.returned, 1000)
        self.assertNotIn(2, client.answers())
        self.assertEqual(self.free("many"), 20_000)
        gone = self.open(resume=token)
        self.assertEqual(Refusal(gone.end()).reason, "SESSION_UNKNOWN")

    def test_a_stream_that_seems_alive_is_taken_over(self):
        first = self.open()
        token = first.opened().token
        first.lease("one")
        first.send(operation(90, lease=lease_of("one", max_wait=ms(60_000))))
        wait_until(lambda: self.server.metrics().sum("objpool_lease_waiters", pool="one") == 1,
                   "it waits")
        for _ in range(8):
            second = self.open(resume=token)
            self.assertEqual(second.opened().grants, 1)
            error = Refusal(first.end())
            self.assertEqual((error.code, error.reason),
                             (grpc.StatusCode.ABORTED, "SESSION_TAKEN_OVER"))
            first = second
        wait_until(lambda: self.server.metrics().sum("objpool_lease_waiters", pool="one") == 0,
                   "nobody waits")
        self.assertEqual(self.metric("s_open"), 1)

    def test_a_crowd_that_resumes_one_session_leaves_it_to_one(self):
        first = self.open()
        token = first.opened().token
        first.lease("many", count=100)
        crowd = [self.open(resume=token) for _ in range(12)]
        wait_until(lambda: sum(client.over.is_set() for client in crowd) == 11, "one is left")
        (last,) = (client for client in crowd if not client.over.is_set())
        self.assertEqual(last.do(heartbeat=session_pb2.HeartbeatRequest()).heartbeat.renewed, 100)
        self.assertEqual({Refusal(client.end()).reason for client in crowd if client is not last},
                         {"SESSION_TAKEN_OVER"})

    def test_a_client_that_is_killed_gives_back_what_it_held_in_time(self):
        linger_ms, late = 500, []
        for _ in range(3):
            with subprocess.Popen(
                    [sys.executable, "-B", session_testing.__file__, self.server.address, "many",
                     str(linger_ms), "2", "8000"], stdout=subprocess.PIPE) as process:
                self.assertEqual(len(process.stdout.readline().split()), 2)
                self.assertEqual(self.free("many"), 4000)
                began = time.monotonic()
                process.send_signal(signal.SIGKILL)
                self.wait_for_free("many", 20_000)
                late.append(time.monotonic() - began - linger_ms / 1000)
        self.assertGreaterEqual(min(late), 0)
        # Each of them, unless other programs take the CPUs.
        self.assertLess(min(late), 0.1, late)

    def test_without_linger_it_is_at_once(self):
        (held,) = self.api.lease("one").grants
        client = self.open(linger_ms=0)
        client.lease("many", count=1000)
        client.send(operation(50, lease=lease_of("one", max_wait=ms(60_000))))
        wait_until(lambda: self.server.metrics().sum("objpool_lease_waiters", pool="one") == 1,
                   "it waits")
        client.close()
        self.wait_for_free("many", 20_000)
        wait_until(lambda: self.server.metrics().sum("objpool_lease_waiters", pool="one") == 0,
                   "nobody waits")
        self.api.give_back("one", held.ref)
        self.assertEqual(self.free("one"), 1)


class NoticeTest(SessionCase):
    def test_a_grant_that_expires_is_told_before_once_and_then(self):
        client = self.open()
        (grant,) = client.lease("brief")
        self.attach(client, "brief", self.api.lease("brief", ttl=ms(60_000)).grants[0].ref)
        soon = client.notice("EXPIRING_SOON")
        self.assertEqual((soon.pool, soon.grant.fence), ("brief", grant.ref.fence))
        self.assertLessEqual(soon.remaining.ToMilliseconds(), 1001)
        over = client.notice("EXPIRED")
        self.assertEqual((over.grant.handle, reason_of(over.reason)),
                         (grant.ref.handle, "GRANT_EXPIRED"))
        self.assertEqual(len(client.notices()), 2)
        self.assertEqual(self.metric("_grants"), 1)

    def test_a_grant_that_is_renewed_in_time_is_told_again_for_its_new_deadline(self):
        client = self.open()
        (grant,) = client.lease("brief")
        client.notice("EXPIRING_SOON")
        client.do(heartbeat=session_pb2.HeartbeatRequest())
        wait_until(lambda: len(client.notices("EXPIRING_SOON")) == 2, "told again")
        self.api.renew("brief", grant.ref, ttl=ms(60_000))  # beside the session
        heartbeat = client.do(heartbeat=session_pb2.HeartbeatRequest(ttl=ms(60_000))).heartbeat
        self.assertEqual(heartbeat.renewed, 1)
        self.assertEqual(client.notices("EXPIRED"), [])

    def test_grants_that_others_end_are_told_and_forgotten(self):
        client = self.open()
        revoked, returned = client.lease("many", count=2)
        self.api.revoke("many", revoked.ref.handle, revoked.ref.fence)
        self.api.give_back("many", returned.ref)
        notice = client.notice("REVOKED")
        self.assertEqual((notice.grant.fence, reason_of(notice.reason)),
                         (revoked.ref.fence, "GRANT_REVOKED"))
        notice = client.notice("ENDED")
        self.assertEqual((notice.grant.fence, reason_of(notice.reason)),
                         (returned.ref.fence, "GRANT_RETURNED"))
        self.assertEqual(self.metric("_grants"), 0)

    def test_a_shutdown_is_told_and_holders_may_finish(self):
        client = self.open()
        token = client.opened().token
        (grant,) = client.lease("one")
        client.lease("many", count=5)
        self.server.process.send_signal(signal.SIGTERM)
        client.notice("DRAIN")
        self.assertEqual(reason_of(client.do(lease=lease_of("many")).error), "SHUTTING_DOWN")
        fresh = self.open()
        self.assertEqual(Refusal(fresh.end()).reason, "SHUTTING_DOWN")
        self.assertEqual(client.do(heartbeat=session_pb2.HeartbeatRequest()).heartbeat.renewed, 6)
        self.assertEqual(
            len(client.do(give_back=return_of("one", grant.ref)).give_back.results), 1)
        client = self.open(resume=token)
        client.notice("DRAIN")
        client.do(release=session_pb2.ReleaseRequest())
        error = Refusal(client.end())
        self.assertEqual((error.code, error.reason),
                         (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN"))
        self.assertEqual(self.server.process.wait(DEADLINE_S), 0)


class BackPressureTest(SessionCase):
    def memory_kib(self):
        status = pathlib.Path(f"/proc/{self.server.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if "VmRSS" in line).split()[1])

    def test_a_client_that_never_reads_does_not_grow_the_server(self):
        # Each is answered with some 50 KB, so all of them with 1 GB.
        lease = lease_of("many", count=1000, ttl=ms(60_000), request_id="again and again")
        client = self.open(read=False, operations=[operation(0, lease=lease)])
        wait_until(lambda: self.free("many") == 19_000, "the session is there")
        before = self.memory_kib()
        for _ in range(20):
            client.send(*(operation(n, lease=lease) for n in range(1000)))
        started = "grpc_server_started_total"
        self.api.get_pool("many")
        # Others are served meanwhile.
        for _ in range(1000):
            self.api.give_back("many", self.api.lease("many").grants[0].ref)
        self.assertGreater(self.server.metrics().sum(started), 2000)
        self.assertLess(self.memory_kib() - before, 50 * 1024)
        # Once it reads, all is answered that was asked.
        count = sum(len(next(client.call).answers) for _ in range(20))
        self.assertGreater(count, 20)


if __name__ == "__main__":
    unittest.main()
