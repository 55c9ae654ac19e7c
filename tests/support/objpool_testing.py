"""What end-to-end tests share: a real objpoold on ports of its own, its API, and its metrics.

Every wait has a deadline that only a bug can reach. Paths come from the environment, which ctest
sets: OBJPOOL_BIN_DIR has the binaries, OBJPOOL_PYTHON_DIR the generated API. OBJPOOL_ENGINE is the
engine of servers that name none themselves.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

BIN_DIR = pathlib.Path(os.environ["OBJPOOL_BIN_DIR"])
PYTHON_DIR = pathlib.Path(os.environ["OBJPOOL_PYTHON_DIR"])
ENGINE = os.environ.get("OBJPOOL_ENGINE", "h2")
ENGINE_FLAGS = [f"--engine={ENGINE}"] if "OBJPOOL_ENGINE" in os.environ else []
sys.path.insert(0, str(PYTHON_DIR))

import grpc  # noqa: E402
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from objpool.config.v1 import server_config_pb2  # noqa: E402, F401
from objpool.v1 import buffer_service_pb2, grant_pb2, lease_service_pb2  # noqa: E402
from objpool.v1 import pool_handles_pb2, pool_service_pb2  # noqa: E402, F401
from objpool.v1 import buffer_service_pb2_grpc  # noqa: E402
from objpool.v1 import lease_service_pb2_grpc, pool_service_pb2_grpc  # noqa: E402

# gRPC 1.51 may take a first connection for failed that was not, where several threads connect at
# once; why, and that this prevents it, client/channel.cc tells.
with contextlib.suppress(OSError, AttributeError):
    _look = ctypes.CDLL("libabsl_base.so.20220623")
    _look._ZN4absl7debian313base_internal19NominalCPUFrequencyEv()

# Longer than anything here takes on a machine that is not broken.
DEADLINE_S = 60


def wait_until(condition, what, deadline_s=DEADLINE_S):
    """Calls `condition` until it gives something true, and returns that."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        select.select([], [], [], 0.005)
    raise AssertionError(f"not within {deadline_s} s: {what}")


class Server:
    """An objpoold of this configuration (text format), stopped at the end of the with block. With
    `credentials` its channels are encrypted, for a certificate of server.test."""

    def __init__(self, config, flags=(), prefix=(), credentials=None):
        self.credentials = credentials
        self.folder = tempfile.TemporaryDirectory(prefix="objpool-test-")
        path = pathlib.Path(self.folder.name)
        self.ready_file = path / "ready.json"
        self.log_path = path / "log"
        (path / "config.textproto").write_text(config)
        named = any(str(flag).startswith("--engine") for flag in flags)
        engine = [] if named else ENGINE_FLAGS
        elsewhere = any(str(flag).startswith("--listen") for flag in flags)
        listen = [] if elsewhere else ["--listen=127.0.0.1:0"]
        command = [*prefix, BIN_DIR / "objpoold", "--config", path / "config.textproto",
                   *listen, "--metrics_listen=127.0.0.1:0",
                   f"--ready_file={self.ready_file}", *engine, *flags]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda: self.ready_file.exists() or self.process.poll() is not None, "ready")
        if not self.ready_file.exists():
            raise AssertionError(f"objpoold ended with {self.process.returncode}: {self.log()}")
        ready = json.loads(self.ready_file.read_text())
        self.pid, self.address, self.metrics_address = (
            ready["pid"], ready["listen"], ready["metrics"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self, sig=signal.SIGTERM):
        """Asks it to stop and returns its exit code."""
        self.process.send_signal(sig)
        return self.process.wait(DEADLINE_S)

    def page(self, path="/metrics"):
        with urllib.request.urlopen(f"http://{self.metrics_address}{path}",
                                    timeout=DEADLINE_S) as page:
            return page.read().decode()

    def metrics(self):
        return Metrics(self.page())

    def channel(self, options=(), credentials=None):
        """A channel with a connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1), *options]
        credentials = credentials or self.credentials
        if credentials is None:
            return grpc.insecure_channel(self.address, options)
        return grpc.secure_channel(self.address, credentials, [
            ("grpc.ssl_target_name_override", "server.test"), *options])


@contextlib.contextmanager
def broken_server(fault):
    """Gives the address of a server of one pool, "ids", with a fault of broken_server.cc."""
    with subprocess.Popen([BIN_DIR / "broken_server", fault], stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


class Metrics:
    """One scrape."""

    def __init__(self, text):
        self.samples = []
        for line in text.splitlines():
            if line.startswith("#") or not line:
                continue
            name, labels, value = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line).groups()
            self.samples.append(
                (name, dict(re.findall(r'(\w+)="([^"]*)"', labels or "")), float(value)))

    def sum(self, name, **labels):
        """Of all samples with these labels; it is an error when there is none."""
        values = [value for n, have, value in self.samples
                  if n == name and labels.items() <= have.items()]
        assert values, f"no sample of {name} {labels}"
        return sum(values)

    def sum_or_zero(self, name, **labels):
        """For series that begin with their first event."""
        return sum(value for n, have, value in self.samples
                   if n == name and labels.items() <= have.items())


class Api:
    """The API on one connection."""

    def __init__(self, server, options=(), credentials=None):
        self.channel = server.channel(options, credentials)
        leases = lease_service_pb2_grpc.LeaseServiceStub(self.channel)
        pools = pool_service_pb2_grpc.PoolServiceStub(self.channel)
        self.buffers = buffer_service_pb2_grpc.BufferServiceStub(self.channel)
        self.messages = Messages()
        self._methods = {name: getattr(stub, name) for stub, names in (
            (leases, ("Lease", "Return", "Renew", "GetGrant", "CheckFence", "ListGrants")),
            (pools, ("GetPool", "ListPools", "GetPoolStats", "RevokeGrant", "CreatePool",
                     "UpdatePool", "DrainPool", "ResumePool", "DeletePool", "GetHandle",
                     "ListHandles", "QuarantineHandle", "ReinstateHandle", "AuditPool")))
            for name in names}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def call(self, method, request):
        return self._methods[method](request, timeout=DEADLINE_S)

    def start(self, method, request):
        """Likewise, without waiting: a grpc.Future."""
        return self._methods[method].future(request, timeout=DEADLINE_S)

    def lease(self, pool, **fields):
        return self.call("Lease", lease_service_pb2.LeaseRequest(pool=pool, **fields))

    def give_back(self, pool, *refs):
        items = [lease_service_pb2.ReturnItem(grant=ref) for ref in refs]
        return self.call("Return", lease_service_pb2.ReturnRequest(pool=pool, items=items))

    def renew(self, pool, *refs, **fields):
        return self.call("Renew", lease_service_pb2.RenewRequest(pool=pool, grants=refs, **fields))

    def get_grant(self, pool, handle, fence=0):
        return self.call("GetGrant", lease_service_pb2.GetGrantRequest(
            pool=pool, handle=handle, fence=fence)).grant

    def check_fence(self, pool, handle, fence):
        return self.call("CheckFence", lease_service_pb2.CheckFenceRequest(
            pool=pool, handle=handle, fence=fence))

    def list_grants(self, pool, **fields):
        """One page."""
        return self.call("ListGrants", lease_service_pb2.ListGrantsRequest(pool=pool, **fields))

    def revoke(self, pool, handle, fence):
        return self.call("RevokeGrant", pool_service_pb2.RevokeGrantRequest(
            pool=pool, handle=handle, fence=fence))

    def get_pool(self, pool):
        return self.call("GetPool", pool_service_pb2.GetPoolRequest(name=pool)).pool

    def stats(self, pool):
        return self.call("GetPoolStats", pool_service_pb2.GetPoolStatsRequest(name=pool))

    def read(self, pool, ref, **fields):
        """The stream of chunks."""
        return self.buffers.Read(buffer_service_pb2.ReadRequest(pool=pool, grant=ref, **fields),
                                 timeout=DEADLINE_S)

    def read_all(self, pool, ref, **fields):
        return b"".join(chunk.data for chunk in self.read(pool, ref, **fields))

    def write(self, pool, ref, data, offset=0, step=128 * 1024):
        """All of it, in messages of `step` bytes."""
        def messages():
            yield buffer_service_pb2.WriteRequest(pool=pool, grant=ref, offset=offset)
            for at in range(0, len(data), step):
                yield buffer_service_pb2.WriteRequest(data=data[at:at + step])
        return self.buffers.Write(messages(), timeout=DEADLINE_S)

    def raw(self, path, request=b"", metadata=()):
        """A call of any method with any bytes."""
        return self.channel.unary_unary(path)(request, timeout=DEADLINE_S, metadata=metadata)

    def check_health(self, service=""):
        kind = self.messages
        reply = self.raw("/grpc.health.v1.Health/Check",
                         kind.make("grpc.health.v1.HealthCheckRequest", service=service))
        return kind.parse("grpc.health.v1.HealthCheckResponse", reply).status


class Messages:
    """Messages without generated Python, by their full names."""

    def __init__(self):
        files = descriptor_pb2.FileDescriptorSet.FromString(
            (PYTHON_DIR / "descriptors.binpb").read_bytes())
        self._pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            self._pool.Add(file)

    def type_of(self, name):
        return message_factory.MessageFactory(self._pool).GetPrototype(
            self._pool.FindMessageTypeByName(name))

    def make(self, name, **fields):
        return self.type_of(name)(**fields).SerializeToString()

    def parse(self, name, data):
        return self.type_of(name).FromString(data)


class Refusal:
    """An error of a call, taken apart."""

    def __init__(self, error):
        self.code = error.code()
        self.message = error.details()
        self.info = None
        self.violations = {}
        self.retry_ms = None
        self.quotas = {}
        self.pushback_ms = dict(error.trailing_metadata()).get("grpc-retry-pushback-ms")
        details = dict(error.trailing_metadata()).get("grpc-status-details-bin")
        for detail in status_pb2.Status.FromString(details or b"").details:
            self._read(detail)
        self.reason = self.info.reason if self.info else None

    def _read(self, detail):
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        quota = error_details_pb2.QuotaFailure()
        if detail.Unpack(info):
            self.info = info
        elif detail.Unpack(bad):
            self.violations = {v.field: v.description for v in bad.field_violations}
        elif detail.Unpack(retry):
            self.retry_ms = retry.retry_delay.ToMilliseconds()
        elif detail.Unpack(quota):
            self.quotas = {v.subject: v.description for v in quota.violations}


@contextlib.contextmanager
def refused(test, code, reason=None):
    """Within it, a call must be refused so. Gives a list that then has the Refusal."""
    caught = []
    try:
        yield caught
    except grpc.RpcError as error:
        refusal = Refusal(error)
        test.assertEqual(refusal.code, getattr(grpc.StatusCode, code), refusal.message)
        test.assertEqual(refusal.reason, reason, refusal.message)
        caught.append(refusal)
        return
    test.fail(f"not refused; {code} was expected")


def ref_with(ref, **changes):
    """A copy of a GrantRef with other numbers in it."""
    copy = grant_pb2.GrantRef()
    copy.CopyFrom(ref)
    for field, value in changes.items():
        setattr(copy, field, value)
    return copy
