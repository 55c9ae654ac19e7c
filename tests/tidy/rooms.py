"""The borders between rooms: what each may include, and what each target may link."""

import re

from finding import Finding

GENERATED_API = ("objpool/v1/", "objpool/status/v1/", "google/rpc/", "grpc/health/",
                 "grpc/reflection/")
GENERATED_CONFIG = ("objpool/config/v1/",)

# Room -> beginnings of the paths that it may include beside its own. A room inside another one is
# a room of its own. tests/ may include everything, so it is not here.
MAY_INCLUDE = {
    "pool/base": (),
    "pool": ("pool/base/",),
    "pool/example": ("pool/",),
    "proto/settings": ("pool/base/",) + GENERATED_CONFIG,
    "server/lease": ("pool/",),
    "server/store": ("pool/base/", "server/lease/"),
    "server/rpc": ("pool/base/", "pool/affinity.h"),
    "server/metrics": ("pool/base/",),
    "server/config": ("pool/pool.h", "pool/object_memory.h", "server/lease/handle_classes.h",
                      "server/lease/quotas.h", "proto/settings/") + GENERATED_CONFIG,
    "server/service": ("pool/", "server/lease/", "server/store/", "server/config/",
                       "server/rpc/call.h", "server/rpc/method_table.h", "server/rpc/status.h",
                       "server/rpc/boot_clock.h",
                       "proto/settings/") + GENERATED_API + GENERATED_CONFIG,
    "server": ("pool/", "server/", "proto/settings/"),
    "client/load": ("pool/base/",),
    "client": ("pool/base/", "client/load/", "proto/settings/") + GENERATED_API,
    "client/example": ("client/",),
}

# Library -> (how its headers begin, the files that may include them). A generated service
# (*.grpc.pb.h) is as much gRPC as grpcpp itself; a generated message is not.
LIBRARIES = {
    "hwloc": (r"hwloc(/|\.h)", r"pool/topology_hwloc\.cc"),
    "libsodium": (r"sodium(/|\.h)", r"server/lease/grant_key\.cc|server/store/checksum\.cc"),
    "gRPC": (r"grpcpp/|grpc/(?!.*\.pb\.h$)|.*\.grpc\.pb\.h$",
             r"server/rpc/grpc_.*|client/(?!load/).*"),
    "libnghttp2": (r"nghttp2/", r"client/load/header_blocks\.cc|server/rpc/h2_.*"),
    "zlib": (r"zlib\.h", r"server/rpc/inflater\.cc"),
    "OpenSSL": (r"openssl/", r"server/rpc/tls_.*"),
    "prometheus-cpp": (r"prometheus/", r"server/metrics/.*|server/collector.*"),
    "libmicrohttpd": (r"microhttpd\.h", r"server/metrics/http_endpoint\.cc"),
    "CLI11": (r"CLI/", r"server/config/(flags\.cc|man_page\..*)|client/(?!load/).*"),
    "Abseil": (r"absl/", r"server/rpc/.*|client/(?!load/).*"),
    "protobuf": (r"google/protobuf/",
                 r"proto/settings/.*|server/(config|service)/.*|client/(?!load/).*"),
    "GoogleTest": (r"g(test|mock)/", r"(?!)"),
}

# Folders of the system's own headers. What lies in any other folder is a library's.
SYSTEM_FOLDERS = ("arpa", "linux", "net", "netinet", "sys")

# Folder of a CMakeLists.txt -> what its targets may link, beside each other. tests/ and the root
# may link everything.
_EVERY = (r"objpool_build", r"Threads::Threads")
MAY_LINK = {
    "pool": (r"objpool::hwloc", r"\$<BUILD_INTERFACE:objpool_build>"),
    "pool/example": (r"objpool::objpool",),
    "server/lease": (r"objpool", r"\$\{SODIUM_LIBRARY\}"),
    "server/store": (r"objpool_lease", r"\$\{SODIUM_LIBRARY\}"),
    "proto": (r"gRPC::grpc\+\+", r"protobuf::libprotobuf"),
    "proto/settings": (r"objpool_proto",),
    "server/rpc": (r"objpool", r"gRPC::.*", r"absl::.*", r"ZLIB::ZLIB",
                   r"\$\{NGHTTP2_LIBRARY\}", r"OpenSSL::SSL"),
    "server/metrics": (r"objpool", r"prometheus-cpp::core", r"\$\{MICROHTTPD_LIBRARY\}"),
    "server/config": (r"objpool", r"objpool_(lease|proto|settings)", r"CLI11::CLI11"),
    "server/service": (r"objpool", r"objpool_(config|lease|proto|rpc|settings|store)"),
    "server": (r"objpool",
               r"objpool_(config|lease|metrics|proto|rpc|service|settings|store)"),
    "client/load": (r"\$\{NGHTTP2_LIBRARY\}",),
    "client": (r"objpool_(frames|proto|settings)", r"gRPC::.*", r"absl::.*", r"CLI11::CLI11",
               r"\$<BUILD_INTERFACE:objpool_build>"),
    "client/example": (r"objpool_client::objpool_client",),
}

# Every room is explained to the next engineer.
WITH_README = ("pool", "server", "server/lease", "server/store", "server/rpc",
               "server/metrics", "server/config", "server/service", "client", "client/load",
               "proto", "proto/settings", "deploy", "tests")

_INCLUDE = re.compile(r'\s*#\s*include\s*(<([^>]+)>|"([^"]+)")')
_OURS = re.compile(r"(pool|proto/settings|server|client|tests)/")
_GENERATED = re.compile(r"(objpool|google/rpc|grpc)/.*\.pb\.h$")
_LINK = re.compile(r"target_link_libraries\s*\(([^)]*)\)")
_TARGET = re.compile(r"add_(?:library|executable)\s*\(\s*([^\s)]+)")


def room_of(path):
    """The innermost room that a file is in, or None."""
    rooms = [room for room in MAY_INCLUDE if path.startswith(room + "/")]
    return max(rooms, key=len, default=None)


def _check_edge(path, number, target, angled):
    room = room_of(path)
    if angled and _OURS.match(target):
        return Finding(path, number, "include", f"<{target}> is ours: write it in quotes")
    if not _OURS.match(target) and not _GENERATED.match(target):
        return None
    if room is None or room_of(target) == room or target.startswith(MAY_INCLUDE[room]):
        return None
    allowed = ", ".join((room + "/",) + MAY_INCLUDE[room])
    return Finding(path, number, "include", f'"{target}" is beyond what {room} may: {allowed}')


def _check_library(path, number, target):
    if path.startswith("tests/") or _OURS.match(target):
        return None
    for library, (header, where) in LIBRARIES.items():
        if re.match(header, target):
            if re.fullmatch(where, path):
                return None
            return Finding(path, number, "library", f"{target}: {library} is only for {where}")
    folder, slash, _ = target.partition("/")
    if slash and folder not in SYSTEM_FOLDERS and not _GENERATED.match(target):
        return Finding(path, number, "library", f"{target}: a library that no room may use")
    return None


def check_includes(source):
    """Includes of a C++ file that cross a border."""
    findings = []
    for number, line in enumerate(source.lines, 1):
        match = _INCLUDE.match(line)
        if match:
            target, angled = match[2] or match[3], match[2] is not None
            findings.append(_check_edge(source.path, number, target, angled))
            findings.append(_check_library(source.path, number, target))
    return [finding for finding in findings if finding]


def check_links(source):
    """Targets of a CMakeLists.txt that link what their room may not use."""
    room = source.path.rpartition("/")[0]
    if room not in MAY_LINK:
        return []
    text = re.sub(r"#[^\n]*", "", source.text)
    own = _TARGET.findall(text)
    findings = []
    for match in _LINK.finditer(text):
        target, *links = match[1].split()
        number = text.count("\n", 0, match.start()) + 1
        for link in links:
            if link in ("PUBLIC", "PRIVATE", "INTERFACE") or link in own:
                continue
            if not any(re.fullmatch(pattern, link) for pattern in _EVERY + MAY_LINK[room]):
                allowed = ", ".join(_EVERY + MAY_LINK[room])
                findings.append(Finding(source.path, number, "link",
                                        f"{target} links {link}; {room} may link: {allowed}"))
    return findings


def check_readmes(paths):
    """Rooms without a README.md."""
    return [Finding(f"{room}/README.md", 1, "readme", f"the room {room} has none")
            for room in WITH_README if f"{room}/README.md" not in paths]
