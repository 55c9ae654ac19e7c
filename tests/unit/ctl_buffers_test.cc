// The commands of objpoolctl for the bytes of leased buffers: read and write.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/support/run_ctl.h"

namespace objpool::client {
namespace {

using ::google::protobuf::Struct;
using ::objpool::testing::FakeError;

// Bytes of all kinds, none of which is text to anybody.
std::string SomeBytes(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(i * 7);
  return bytes;
}

TEST_F(Ctl, WhatWasWrittenIsReadByteForByte) {
  const std::string ref = LeaseOne("buffers");
  const std::string bytes = SomeBytes(4096);
  const Ran write = RunWith({"write", ref.c_str()}, bytes);
  EXPECT_EQ(write.exit, Exit::kOk) << write.err;
  EXPECT_EQ(write.out, "buffers/0/1\twritten\t4096 bytes\n") << "without the key";
  const Ran all = RunWith({"read", ref.c_str()});
  EXPECT_EQ(all.exit, Exit::kOk) << all.err;
  EXPECT_EQ(all.out, bytes);
  EXPECT_EQ(RunWith({"read", ref.c_str(), "--offset", "100", "--length", "2500"}).out,
            bytes.substr(100, 2500));
  EXPECT_EQ(RunWith({"read", ref.c_str(), "--offset", "4095"}).out, bytes.substr(4095));
}

TEST_F(Ctl, WriteBeginsWhereItIsTold) {
  const std::string ref = LeaseOne("buffers");
  const Ran run = RunWith({"write", ref.c_str(), "--offset", "10", "--output", "json"}, "abc");
  EXPECT_EQ(run.exit, Exit::kOk) << run.err;
  const Struct document = Json(run.out);
  EXPECT_EQ(document.fields().at("ref").string_value(), "buffers/0/1");
  EXPECT_EQ(document.fields().at("bytes_written").number_value(), 3);
  EXPECT_EQ(document.fields().at("first_offset").number_value(), 10);
  EXPECT_EQ(document.fields().at("end_offset").number_value(), 13);
  EXPECT_EQ(RunWith({"read", ref.c_str(), "--length", "14"}).out,
            std::string(10, '\0') + "abc" + '\0');
  EXPECT_EQ(RunWith({"write", ref.c_str()}, "").out, "buffers/0/1\twritten\t0 bytes\n");
}

TEST_F(Ctl, TheRefMayComeFromTheEnvironment) {
  const std::string ref = LeaseOne("buffers");
  EXPECT_EQ(RunWith({"read"}).exit, Exit::kUsage);
  ::setenv("OBJPOOL_REF", ref.c_str(), 1);
  EXPECT_EQ(RunWith({"write"}, "hidden").exit, Exit::kOk);
  EXPECT_EQ(RunWith({"read", "--length", "6"}).out, "hidden");
  ::unsetenv("OBJPOOL_REF");
}

TEST_F(Ctl, ReadAndWriteTellWhatTheServerRefuses) {
  const std::string ref = LeaseOne("buffers");
  std::string wrong = ref;
  wrong.replace(wrong.size() - 4, 4, "beef");
  for (const char* command : {"read", "write"}) {
    const Ran run = RunWith({command, wrong.c_str()}, "abc");
    EXPECT_EQ(run.exit, Exit::kRefused);
    EXPECT_EQ(run.out, "");
    EXPECT_EQ(run.err, "objpoolctl: buffers/0/1: the key does not fit (NOT_HOLDER)\n");
  }
  google::rpc::Status error =
      FakeError(grpc::StatusCode::NOT_FOUND, "GRANT_EXPIRED", "the grant expired");
  google::rpc::ErrorInfo info;
  error.details(0).UnpackTo(&info);
  (*info.mutable_metadata())["bytes_written"] = "70";
  (*info.mutable_metadata())["uncertain_bytes"] = "7";
  error.mutable_details(0)->PackFrom(info);
  service_.Refuse(error);
  EXPECT_EQ(RunWith({"write", ref.c_str()}, "abc").err,
            "objpoolctl: buffers/0/1: the grant expired (GRANT_EXPIRED); 70 bytes were written, "
            "the last 7 of them perhaps after the grant's end\n");
}

TEST_F(Ctl, ReadAndWriteCheckWhatTheyAreGiven) {
  EXPECT_EQ(RunWith({"read", "buffers/1/2"}).exit, Exit::kUsage);
  EXPECT_EQ(RunWith({"write", "buffers/1/2"}).exit, Exit::kUsage);
  const std::string ref = LeaseOne("buffers");
  const Ran offset = RunWith({"read", ref.c_str(), "--offset", "1073741825"});
  EXPECT_EQ(offset.exit, Exit::kUsage);
  EXPECT_NE(offset.err.find("0 to 1073741824"), std::string::npos) << offset.err;
  EXPECT_EQ(RunWith({"read", ref.c_str(), "--length", "0"}).exit, Exit::kUsage);
  EXPECT_EQ(RunWith({"write", ref.c_str(), "--length", "1"}).exit, Exit::kUsage);
}

TEST_F(Ctl, AServerThatDoesNotAnswerABufferCallIsGivenUp) {
  const std::string ref = LeaseOne("buffers");
  service_.mute = true;
  for (const char* command : {"read", "write"}) {
    const Ran run = RunWith({command, ref.c_str(), "--timeout", "100ms"}, "abc");
    EXPECT_EQ(run.exit, Exit::kUnreachable) << command;
    EXPECT_NE(run.err.find("no answer from"), std::string::npos) << run.err;
  }
  service_.mute = false;
  service_.Stop();
  for (const char* command : {"read", "write"}) {
    EXPECT_EQ(RunWith({command, ref.c_str()}, "abc").exit, Exit::kUnreachable) << command;
  }
}

TEST_F(Ctl, BytesThatCannotBeWrittenOutEndTheRead) {
  const std::string ref = LeaseOne("buffers");
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  out.setstate(std::ios::badbit);
  Console console{.in = in, .out = out, .err = err};
  const std::vector<const char*> arguments = {"objpoolctl", "read", ref.c_str()};
  EXPECT_EQ(RunCtl(3, arguments.data(), console), Exit::kRefused);
  EXPECT_NE(err.str().find("the output could not be written"), std::string::npos);
}

}  // namespace
}  // namespace objpool::client
