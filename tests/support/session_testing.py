"""A client of the Session stream, for tests; as a program, one that takes sessions and is killed.

    session_testing.py ADDRESS POOL LINGER_MS SESSIONS GRANTS

opens so many sessions, each on a connection of its own, leases so many handles in each, prints a
line with their tokens, and waits until it is killed.
"""

import itertools
import queue
import sys
import threading

import grpc
from google.protobuf import duration_pb2

from objpool_testing import DEADLINE_S, lease_service_pb2, lease_service_pb2_grpc, wait_until
from objpool.v1 import session_pb2


def ms(number):
    duration = duration_pb2.Duration()
    duration.FromMilliseconds(number)
    return duration


def operation(number, **fields):
    return lease_service_pb2.SessionOperation(id=number, **fields)


def lease_of(pool, **fields):
    return lease_service_pb2.LeaseRequest(pool=pool, **fields)


def return_of(pool, *refs):
    return lease_service_pb2.ReturnRequest(
        pool=pool, items=[lease_service_pb2.ReturnItem(grant=ref) for ref in refs])


class SessionClient:
    """One stream on a connection of its own. A thread collects what comes, in order."""

    def __init__(self, address, linger_ms=None, holder="", resume=None, operations=(), read=True):
        self.channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
        self._requests = queue.Queue()
        self.messages, self.error, self.over = [], None, threading.Event()
        self._lock = threading.Lock()
        self._ids = itertools.count(1 << 32)
        if resume is not None:
            opening = {"resume": session_pb2.ResumeSession(token=resume)}
        else:
            linger = None if linger_ms is None else ms(linger_ms)
            opening = {"start": session_pb2.StartSession(linger=linger, holder=holder)}
        self.send_message(lease_service_pb2.SessionRequest(operations=operations, **opening))
        self.call = lease_service_pb2_grpc.LeaseServiceStub(self.channel).Session(
            iter(self._requests.get, None), timeout=2 * DEADLINE_S)
        if read:
            self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """As a client that is gone."""
        self.call.cancel()
        self._requests.put(None)
        self.channel.close()

    def read(self):
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for message in self.call:
                with self._lock:
                    self.messages.append(message)
        except grpc.RpcError as error:
            self.error = error
        self.over.set()

    def send_message(self, message):
        self._requests.put(message)

    def send(self, *operations):
        self.send_message(lease_service_pb2.SessionRequest(operations=operations))

    def half_close(self):
        self._requests.put(None)

    def received(self):
        with self._lock:
            return list(self.messages)

    def opened(self):
        return wait_until(lambda: self.received() or self._ended(), "opened")[0].opened

    def _ended(self):
        if self.over.is_set() and not self.received():
            raise AssertionError(f"the stream is over: {self.error}")

    def answers(self):
        """By id."""
        return {answer.id: answer for m in self.received() for answer in m.answers}

    def answer(self, number):
        return wait_until(lambda: self.answers().get(number), f"answer {number}")

    def do(self, **fields):
        """One operation, and its answer."""
        number = next(self._ids)
        self.send(operation(number, **fields))
        return self.answer(number)

    def lease(self, pool, **fields):
        return list(self.do(lease=lease_of(pool, **fields)).lease.grants)

    def notices(self, kind=None):
        name = session_pb2.SessionNoticeKind.Name
        return [n for m in self.received() for n in m.notices
                if kind is None or name(n.kind) == "SESSION_NOTICE_KIND_" + kind]

    def notice(self, kind):
        return wait_until(lambda: self.notices(kind), f"a notice of {kind}")[0]

    def end(self):
        """Waits for the end of the stream, and gives its error; None for OK."""
        if not self.over.wait(DEADLINE_S):
            raise AssertionError("the stream does not end")
        return self.error


def main():
    address, pool, linger_ms, sessions, grants = sys.argv[1:]
    clients = [SessionClient(address, int(linger_ms)) for _ in range(int(sessions))]
    for client in clients:
        for _ in range(int(grants) // 1000):
            client.lease(pool, count=1000)
    print(*(client.opened().token for client in clients), flush=True)
    threading.Event().wait(DEADLINE_S)


if __name__ == "__main__":
    main()
