"""A tour of objpool from Python: lease, renew, wait, repeat, hold a session, and tell errors apart.

    tour.py STUBS [HOST:PORT]

STUBS is the folder with the generated API (see README.md beside this file). The server needs a pool
"workers" of 2 to 1024 IDs, two of them free; all that is leased here is returned.
"""

import queue
import sys
import threading
import time
import uuid

sys.path.insert(0, sys.argv[1])
import grpc  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from objpool.v1 import lease_service_pb2 as pb  # noqa: E402
from objpool.v1 import lease_service_pb2_grpc as rpc  # noqa: E402
from objpool.v1 import pool_service_pb2, pool_service_pb2_grpc, session_pb2  # noqa: E402

ADDRESS = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:7420"
POOL = "workers"
CALL_S = 10  # the longest that a call may take that does not wait
# What Renew says of a grant that is over.
LOST = ("GRANT_EXPIRED", "GRANT_RETURNED", "GRANT_REVOKED", "STALE_FENCE", "NOT_HOLDER",
        "POOL_UNKNOWN")


def why(error):
    """Of a grpc.RpcError: the stable reason, and after how many seconds to try again, or None."""
    reason, retry_s = error.code().name, None
    packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    for detail in status_pb2.Status.FromString(packed or b"").details:
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(retry):
            retry_s = retry.retry_delay.ToTimedelta().total_seconds()
    return reason, retry_s


def lease(leases, **fields):
    """One handle. The request has an id, so that it may be repeated when its answer is lost: a
    second call with the same id gets the same grant."""
    request = pb.LeaseRequest(pool=POOL, request_id=str(uuid.uuid4()), **fields)
    wait_s = request.max_wait.ToTimedelta().total_seconds()
    for attempt in (1, 2, 3):
        try:
            return leases.Lease(request, timeout=CALL_S + wait_s).grants[0]
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE or attempt == 3:
                raise
            threading.Event().wait(why(error)[1] or 0.2)


def give_back(leases, *refs):
    items = [pb.ReturnItem(grant=ref) for ref in refs]
    return leases.Return(pb.ReturnRequest(pool=POOL, items=items), timeout=CALL_S)


def hold(leases, grant, leased_at, work, ttl_s):
    """Runs `work(lost)` while the grant is renewed at a third of its time. When it is lost, `lost`
    is set, and the work must stop using the handle at once: somebody else may have it. `leased_at`
    is when the lease was asked for. False where it was lost."""
    lost, over = threading.Event(), threading.Event()
    worker = threading.Thread(target=lambda: (work(lost), over.set()))
    worker.start()
    end = leased_at + ttl_s  # by our own clock, from before we asked: never too late
    while not over.wait(min(ttl_s / 3, max(0, end - time.monotonic()))):
        asked_at = time.monotonic()
        if asked_at >= end:
            lost.set()  # nobody has answered for so long
            break
        try:
            leases.Renew(pb.RenewRequest(pool=POOL, grants=[grant.ref], ttl={"seconds": ttl_s}),
                         timeout=ttl_s / 3)
            end = asked_at + ttl_s
        except grpc.RpcError as error:
            if why(error)[0] in LOST:
                lost.set()
                break
    worker.join()
    return not lost.is_set()


def lease_and_renew(leases):
    leased_at = time.monotonic()
    grant = lease(leases, holder="tour", ttl={"seconds": 3})
    print(f"worker {grant.id}: fence {grant.ref.fence} goes with all that it writes")
    held = hold(leases, grant, leased_at, lambda lost: lost.wait(2.5), ttl_s=3)
    give_back(leases, grant.ref)
    print("held and returned" if held else "lost")


def wait_for_one(leases, pools):
    pool = pools.GetPool(pool_service_pb2.GetPoolRequest(name=POOL), timeout=CALL_S).pool
    taken = leases.Lease(pb.LeaseRequest(pool=POOL, count=pool.capacity, min_count=1),
                         timeout=CALL_S).grants  # all that are free
    try:
        lease(leases)
    except grpc.RpcError as error:
        reason, retry_s = why(error)
        print(f"{reason}: the server thinks that one is free in {retry_s} s")
    later = threading.Timer(0.2, give_back, (leases, taken[0].ref))
    later.start()
    grant = lease(leases, max_wait={"seconds": 30})
    print(f"waited, and got worker {grant.id}, fence {grant.ref.fence} after {taken[0].ref.fence}")
    give_back(leases, grant.ref, *(each.ref for each in taken[1:]))


def hold_a_session(leases):
    """Grants of a session are returned when its client dies; one heartbeat renews all of them."""
    say = queue.SimpleQueue()
    say.put(pb.SessionRequest(
        start=session_pb2.StartSession(holder="tour", linger={"seconds": 5}),
        operations=[pb.SessionOperation(id=1, lease=pb.LeaseRequest(pool=POOL)),
                    pb.SessionOperation(id=2, lease=pb.LeaseRequest(pool=POOL)),
                    pb.SessionOperation(id=3, heartbeat=session_pb2.HeartbeatRequest())]))
    for reply in leases.Session(iter(say.get, None), timeout=CALL_S):
        for answer in reply.answers:
            kind = answer.WhichOneof("answer")
            if kind == "lease":
                print(f"the session has worker {answer.lease.grants[0].id}")
            elif kind == "heartbeat":
                print(f"renewed {answer.heartbeat.renewed} by one heartbeat")
                say.put(pb.SessionRequest(operations=[
                    pb.SessionOperation(id=4, goodbye=session_pb2.GoodbyeRequest())]))
            elif kind == "goodbye":
                print(f"returned {answer.goodbye.returned} with the session")
                say.put(None)
            else:
                raise SystemExit(f"operation {answer.id}: {answer.error.message}")


def tell_errors_apart(leases, pools):
    grant, stranger = lease(leases), lease(leases)
    pools.RevokeGrant(pool_service_pb2.RevokeGrantRequest(
        pool=POOL, handle=grant.ref.handle, fence=grant.ref.fence), timeout=CALL_S)
    forged = type(stranger.ref)(handle=stranger.ref.handle, fence=stranger.ref.fence, key=1)
    for what, call in (
            ("renew what was revoked", lambda: leases.Renew(
                pb.RenewRequest(pool=POOL, grants=[grant.ref]), timeout=CALL_S)),
            ("return with a wrong key", lambda: give_back(leases, forged)),
            ("lease from no pool", lambda: leases.Lease(
                pb.LeaseRequest(pool="nowhere"), timeout=CALL_S)),
            ("lease none", lambda: leases.Lease(
                pb.LeaseRequest(pool=POOL, count=5000), timeout=CALL_S))):
        try:
            call()
        except grpc.RpcError as error:
            print(f"{what}: {error.code().name} {why(error)[0]}: {error.details()}")
    give_back(leases, stranger.ref)
    again = give_back(leases, stranger.ref).results[0].already_returned
    print(f"returned twice: {'already_returned' if again else 'returned'}")


def main():
    with grpc.insecure_channel(ADDRESS) as channel:
        leases = rpc.LeaseServiceStub(channel)
        pools = pool_service_pb2_grpc.PoolServiceStub(channel)
        try:
            lease_and_renew(leases)
            wait_for_one(leases, pools)
            hold_a_session(leases)
            tell_errors_apart(leases, pools)
        except grpc.RpcError as error:
            sys.exit(f"tour.py: {error.code().name} {why(error)[0]}: {error.details()}")


if __name__ == "__main__":
    main()
