#!/usr/bin/python3
"""Every rule of tests/tidy must be able to fail: each is shown what it forbids, and what it allows.
"""

import os
import subprocess
import sys
import tempfile
import unittest

import code_rules
import rooms
import text
from finding import Source, read_tree

LONG_BODY = "  Step();\n" * code_rules.MAX_FUNCTION_LINES
FULL_BODY = "  Step();\n" * (code_rules.MAX_FUNCTION_LINES - 2)


class Planted(unittest.TestCase):
    """Small sources, bad and good."""

    def assert_finds(self, check, path, content, rule, line=1):
        """The check reports exactly one finding: this rule at this line."""
        found = [(f.path, f.line, f.rule) for f in check(Source(path, content))]
        self.assertEqual(found, [(path, line, rule)], content)

    def assert_passes(self, check, path, content):
        """The check reports nothing."""
        self.assertEqual([str(f) for f in check(Source(path, content))], [], content)

    def test_include_beyond_the_room(self):
        for path, target in (
                ("pool/base/check.h", "pool/pool.h"),
                ("pool/pool.cc", "server/lease/lease_pool.h"),
                ("pool/pool.cc", "pool/example/main.h"),
                ("pool/example/main.cc", "server/lease/lease_pool.h"),
                ("server/lease/lease_pool.h", "server/rpc/call.h"),
                ("server/lease/lease_pool.h", "objpool/v1/grant.pb.h"),
                ("server/rpc/call.h", "server/lease/lease_pool.h"),
                ("server/rpc/grpc_worker.cc", "pool/pool.h"),
                ("server/rpc/grpc_worker.cc", "server/server.h"),
                ("server/metrics/families.cc", "pool/pool.h"),
                ("server/config/check.cc", "pool/slot_map.h"),
                ("server/config/check.cc", "objpool/v1/grant.pb.h"),
                ("server/service/pool_set.h", "server/rpc/engine.h"),
                ("server/service/pool_set.h", "server/metrics/families.h"),
                ("server/server.cc", "client/client.h"),
                ("client/client.cc", "server/lease/lease_word.h"),
                ("client/client.cc", "pool/pool.h")):
            with self.subTest(path=path, target=target):
                self.assert_finds(rooms.check_includes, path, f'\n#include "{target}"\n',
                                  "include", 2)

    def test_include_of_ours_in_angles(self):
        content = "#include <pool/pool.h>\n"
        self.assert_finds(rooms.check_includes, "pool/pool.cc", content, "include")

    def test_library_outside_its_edge_file(self):
        for path, target in (
                ("pool/pool.cc", "<hwloc.h>"),
                ("server/lease/lease_pool.cc", "<sodium.h>"),
                ("server/rpc/call.h", "<grpcpp/server.h>"),
                ("server/service/errors.cc", "<grpc/grpc.h>"),
                ("server/service/errors.cc", '"objpool/v1/lease_service.grpc.pb.h"'),
                ("server/server.cc", "<prometheus/metric_family.h>"),
                ("server/metrics/families.cc", "<microhttpd.h>"),
                ("server/config/check.cc", "<CLI/CLI.hpp>"),
                ("server/config/check.cc", "<absl/strings/str_cat.h>"),
                ("pool/pool.cc", "<google/protobuf/message.h>"),
                ("pool/pool.cc", "<gtest/gtest.h>"),
                ("pool/pool.cc", "<boost/asio.hpp>")):
            with self.subTest(path=path, target=target):
                self.assert_finds(rooms.check_includes, path, f"#include {target}\n", "library")

    def test_includes_that_are_allowed(self):
        for path, target in (
                ("pool/pool.cc", '"pool/base/check.h"'),
                ("pool/topology_hwloc.cc", "<hwloc.h>"),
                ("pool/affinity.cc", "<sys/mman.h>"),
                ("server/lease/lease_pool.h", '"pool/pool.h"'),
                ("server/rpc/grpc_worker.h", "<grpcpp/server.h>"),
                ("server/rpc/grpc_worker.cc", '"pool/affinity.h"'),
                ("server/config/flags.cc", "<CLI/CLI.hpp>"),
                ("server/service/health_service.cc", '"grpc/health/v1/health.pb.h"'),
                ("server/collector.cc", "<prometheus/metric_family.h>"),
                ("client/client.cc", '"objpool/v1/lease_service.grpc.pb.h"'),
                ("tests/unit/pool_test.cc", '"server/lease/lease_pool.h"'),
                ("tests/unit/pool_test.cc", "<gtest/gtest.h>")):
            with self.subTest(path=path, target=target):
                self.assert_passes(rooms.check_includes, path, f"#include {target}\n")

    def test_link_beyond_the_room(self):
        for room, link in (("pool", "objpool_lease"), ("pool/example", "objpool_lease"),
                           ("server/lease", "gRPC::grpc++"),
                           ("server/metrics", "objpool_rpc"), ("client", "objpool_server"),
                           ("server/rpc", "objpool_proto")):
            with self.subTest(room=room, link=link):
                content = f"# x\nadd_library(x a.cc)\ntarget_link_libraries(x PUBLIC\n  {link})\n"
                self.assert_finds(rooms.check_links, f"{room}/CMakeLists.txt", content, "link", 3)

    def test_links_that_are_allowed(self):
        content = "add_library(a a.cc)\nadd_executable(b b.cc)\n"
        content += "target_link_libraries(b PRIVATE a)\n"
        self.assert_passes(rooms.check_links, "client/CMakeLists.txt", content)
        content = "target_link_libraries(x PRIVATE anything)\n"
        self.assert_passes(rooms.check_links, "tests/unit/CMakeLists.txt", content)

    def test_room_without_readme(self):
        paths = {f"{room}/README.md" for room in rooms.WITH_README}
        self.assertEqual(rooms.check_readmes(paths), [])
        found = rooms.check_readmes(paths - {"server/rpc/README.md"})
        self.assertEqual([f.path for f in found], ["server/rpc/README.md"])

    def test_wide_line(self):
        wide = "x" * (text.MAX_COLUMNS + 1)
        self.assert_finds(text.check_columns, "a.cc", f"\n{wide}\n", "columns", 2)
        self.assert_passes(text.check_columns, "a.cc", f"{wide[1:]}\n")
        self.assert_finds(text.check_columns, "a.proto", f"//{wide}\n", "columns")
        self.assert_passes(text.check_columns, "a.proto", f"{wide}\n")

    def test_long_file(self):
        self.assert_finds(text.check_length, "a.cc", "x\n" * 401, "lines", 401)
        self.assert_passes(text.check_length, "a.cc", "x\n" * 400)

    def test_endings(self):
        for content, rule, line in (
                ("a\tb\n", "tab", 1), ("a \n", "trailing", 1), ("a\r\n", "trailing", 1),
                ("a", "final-newline", 1), ("a\n\n", "final-newline", 2)):
            with self.subTest(content=content):
                self.assert_finds(text.check_endings, "a.cc", content, rule, line)
        self.assert_passes(text.check_endings, "a.cc", "a\n\nb\n")
        self.assert_passes(text.check_endings, "Makefile", "a:\n\tb\n")

    def test_unfinished(self):
        for word in ("TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK"):
            with self.subTest(word=word):
                self.assert_finds(text.check_unfinished, "a.cc", f"// {word}: x\n", "unfinished")
        self.assert_passes(text.check_unfinished, "a.cc", "// HACKERS and XXXL\n")

    def test_sleep(self):
        for call in ("std::this_thread::sleep" "_for(1ms);", "absl::Sleep" "For(x);",
                     "u" "sleep(10);", "time.sl" "eep(1)"):
            with self.subTest(call=call):
                self.assert_finds(text.check_sleeps, "tests/a", call + "\n", "sleep")

    def test_glob(self):
        for call in ("file(GLOB x *.cc)\n", "file( glob_recurse x *.cc)\n"):
            self.assert_finds(text.check_globs, "CMakeLists.txt", call, "glob")

    def test_long_function(self):
        heads = ("void F() {", "int A::F(int x) const {", "A::A() : a_{1}, b_(2) {",
                 "auto F() -> int {", "template <typename T>\nvoid F(T x) noexcept {",
                 "TEST(Pool, Works) {", "class A {\n public:\n  void F() override {",
                 "namespace {\nstruct A final : B {\n  int c[2] = {1, 2};\n  bool operator==(A) {")
        for head in heads:
            with self.subTest(head=head):
                line = 1 + head.count("\n") - head.count("T>\n")
                self.assert_finds(code_rules.check_cpp_functions, "a.cc",
                                  f"{head}\n{LONG_BODY}}}\n", "function", line)
                self.assert_passes(code_rules.check_cpp_functions, "a.cc", f"{head}\n{{\n}}\n}}\n")

    def test_function_that_just_fits(self):
        self.assert_passes(code_rules.check_cpp_functions, "a.cc", f"void F() {{\n{FULL_BODY}}}\n")

    def test_braces_that_open_no_function(self):
        long_class = "class A {\n" + "  void F() { G(); }\n" * 100 + "};\n"
        long_table = "constexpr int kTable[] = {\n" + "    1,\n" * 100 + "};\n"
        odd_literals = "void F() {\n  Say('{', \"{\", R\"({)\", 10'000);  // {\n}\n" * 100
        for content in (long_class, long_table, odd_literals):
            self.assert_passes(code_rules.check_cpp_functions, "a.cc", content)

    def test_long_python_function(self):
        content = "def f():\n" + "    g()\n" * code_rules.MAX_FUNCTION_LINES
        self.assert_finds(code_rules.check_python_functions, "a.py", content, "function")
        self.assert_passes(code_rules.check_python_functions, "a.py", "def f():\n    g()\n")

    def test_header(self):
        good = "// What it is, in a sentence.\n//\n// More.\n#pragma once\n\nint x;\n"
        self.assert_passes(code_rules.check_header, "a.h", good)
        for content, line in ((good.replace("#pragma once\n", ""), 4), ("#pragma once\n", 1),
                              ("// Short.\n#pragma once\n", 1)):
            with self.subTest(content=content):
                self.assert_finds(code_rules.check_header, "a.h", content, "header", line)

    def test_schema_without_comment(self):
        for content, line in (
                ("message A {\n  int32 b = 1;\n}\n", 2),
                ("message A {\n  // B.\n  int32 b = 1;\n\n  repeated int32 c = 2;\n}\n", 5),
                ("service A {\n  // B.\n  rpc B(C) returns (D);\n  rpc E(C) returns (D);\n}\n", 4)):
            with self.subTest(content=content):
                self.assert_finds(code_rules.check_schema_comments, "a.proto", content, "comment",
                                  line)
        self.assert_passes(code_rules.check_schema_comments, "a.proto",
                           "message A {\n  // B.\n  oneof b {\n    int32 c = 1;\n  }\n}\n")

    def test_layout(self):
        for content, status in (("int x = 1;\n", 0), ("int  x=1 ;\n", 1)):
            with self.subTest(content=content):
                done = subprocess.run(
                    ["clang-format", "--assume-filename=a.cc", "--dry-run", "-Werror"],
                    input=content, text=True, capture_output=True, check=False)
                self.assertEqual(done.returncode, status, done.stderr)

    def test_tree_leaves_out_what_was_built(self):
        with tempfile.TemporaryDirectory() as root:
            for path in ("pool/a.h", "build/b.h", "tests/node_modules/c.py", "pool/d.o"):
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write("x\n")
            self.assertEqual([source.path for source in read_tree(root)], ["pool/a.h"])


if __name__ == "__main__":
    sys.exit(unittest.main())
