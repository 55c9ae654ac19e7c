"""What tests of policies share: a server with one, clients from several loopback addresses (by a
proxy each), and a request of every method that names a pool."""

import json
import os
import pathlib
import signal
import socket
import tempfile
import unittest

import grpc

from objpool_testing import (Api, Refusal, Server, error_details_pb2, grant_pb2,
                             lease_service_pb2, pool_handles_pb2, pool_service_pb2,
                             server_config_pb2, wait_until)
from proxy import Proxy

CONFIG = """
pools { name: "web-1" ids { count: 8 } }
pools { name: "web-2" ids { count: 8 } }
pools { name: "seats" ids { count: 8 } quota_per_identity { handles: 2 } }
pools { name: "buffers" buffers { count: 4 size_bytes: 4096 } }
"""
WEB, READER, ADMIN, NOBODY = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"
POLICY = f"""
rules {{ name: "web" identities: "{WEB}" methods: "lease" pools: "web-*" }}
rules {{ name: "web sees" identities: "{WEB}" methods: "ListPools" pools: "web-1" }}
rules {{ name: "web seats" identities: "{WEB}" methods: "lease" pools: "seats"
         quota {{ handles: 3 }} }}
rules {{ name: "reader" identities: "{READER}" methods: "read" pools: "seats" pools: "web-2" }}
rules {{ name: "admin" identities: "{ADMIN}/32" methods: "admin" methods: "read" }}
rules {{ name: "tests" identities: "127.0.0.1" methods: "*" }}
"""


class From(Proxy):
    """Its connections to the server come from this address."""

    def __init__(self, server, source):
        self._source = source
        self.metrics_address = server.metrics_address
        super().__init__(server.address)

    def connect(self):
        return socket.create_connection(self.target.rsplit(":", 1),
                                        source_address=(self._source, 0))

    def channel(self, options=(), credentials=None):
        assert credentials is None
        return grpc.insecure_channel(self.address,
                                     [("grpc.use_local_subchannel_pool", 1), *options])


class Files:
    """The folder of a policy and an audit log."""

    def __init__(self, policy=POLICY):
        self._folder = tempfile.TemporaryDirectory(prefix="objpool-policy-")
        self.policy = pathlib.Path(self._folder.name) / "policy.textproto"
        self.audit = pathlib.Path(self._folder.name) / "audit.jsonl"
        self.write(policy)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def write(self, text):
        """In one step, as editors and Kubernetes do it."""
        new = self.policy.with_suffix(".new")
        new.write_text(text)
        os.replace(new, self.policy)

    def flags(self):
        return [f"--policy_file={self.policy}", f"--audit_log={self.audit}"]

    def records(self):
        lines = self.audit.read_text().splitlines() if self.audit.exists() else []
        return [json.loads(line) for line in lines]


def requests(pool):
    """A request of every unary method that names a pool: (method, group, request)."""
    ref = grant_pb2.GrantRef(handle=1, fence=2, key=3)
    named = {"name": pool}
    handle = {"pool": pool, "handle": 1}
    leases, pools, handles = lease_service_pb2, pool_service_pb2, pool_handles_pb2
    return [
        ("Lease", "lease", leases.LeaseRequest(pool=pool)),
        ("Return", "lease", leases.ReturnRequest(pool=pool,
                                                 items=[leases.ReturnItem(grant=ref)])),
        ("Renew", "lease", leases.RenewRequest(pool=pool, grants=[ref])),
        ("GetGrant", "read", leases.GetGrantRequest(**handle)),
        ("CheckFence", "read", leases.CheckFenceRequest(fence=2, **handle)),
        ("ListGrants", "read", leases.ListGrantsRequest(pool=pool)),
        ("GetPool", "read", pools.GetPoolRequest(**named)),
        ("GetPoolStats", "read", pools.GetPoolStatsRequest(**named)),
        ("GetHandle", "read", handles.GetHandleRequest(**handle)),
        ("ListHandles", "read", handles.ListHandlesRequest(pool=pool)),
        ("CreatePool", "admin", pools.CreatePoolRequest(pool=server_config_pb2.PoolConfig(
            name=pool, ids=server_config_pb2.PoolConfig.Ids(count=1)))),
        ("UpdatePool", "admin", pools.UpdatePoolRequest(**named)),
        ("DrainPool", "admin", pools.DrainPoolRequest(**named)),
        ("ResumePool", "admin", pools.ResumePoolRequest(**named)),
        ("DeletePool", "admin", pools.DeletePoolRequest(**named)),
        ("QuarantineHandle", "admin", handles.QuarantineHandleRequest(**handle)),
        ("ReinstateHandle", "admin", handles.ReinstateHandleRequest(**handle)),
        ("RevokeGrant", "admin", pools.RevokeGrantRequest(fence=2, **handle)),
        ("AuditPool", "admin", handles.AuditPoolRequest(pool=pool)),
    ]


def reason_of(call):
    """Of a call that may be refused; None when it was not refused, or by something else."""
    try:
        call()
    except grpc.RpcError as error:
        return Refusal(error).reason
    return None


def reason_in(error):
    """Of a google.rpc.Status."""
    info = error_details_pb2.ErrorInfo()
    return info.reason if any(detail.Unpack(info) for detail in error.details) else None


class WithServer(unittest.TestCase):
    """A server with POLICY, and clients from all addresses."""

    def setUp(self):
        self.files = self.enterContext(Files())
        self.server = self.enterContext(Server(CONFIG, self.files.flags()))
        self.api = self.enterContext(Api(self.server))

    def way(self, source):
        """A way to the server that begins there."""
        return self.enterContext(From(self.server, source))

    def client(self, source):
        return self.enterContext(Api(self.way(source)))

    def reload(self, text, result="ok"):
        """Hands the server another policy, and waits until it has read it."""
        before = self.server.metrics().sum("objpool_policy_reloads_total", result=result)
        self.files.write(text)
        self.server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.server.metrics().sum("objpool_policy_reloads_total",
                                                     result=result) > before, "read again")
