// RunWith and Ctl: objpoolctl in this process, against a fake server.
#pragma once

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "client/ctl/command_line.h"
#include "tests/support/fake_service.h"

namespace objpool::client {

struct Ran {
  Exit exit;
  std::string out;
  std::string err;
};

inline Ran RunWith(std::vector<const char*> arguments, const std::string& input = {}) {
  arguments.insert(arguments.begin(), "objpoolctl");
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  Console console{.in = in, .out = out, .err = err};
  const Exit exit = RunCtl(static_cast<int>(arguments.size()), arguments.data(), console);
  return {exit, out.str(), err.str()};
}

inline google::protobuf::Struct Json(const std::string& text) {
  google::protobuf::Struct document;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(text, &document).ok()) << text;
  return document;
}

class Ctl : public ::testing::Test {
 protected:
  Ctl() {
    ::setenv("OBJPOOL_SERVER", service_.address().c_str(), 1);
    // Not the options of whoever runs the test.
    ::setenv("OBJPOOL_CONFIG", "/dev/null", 1);
  }
  ~Ctl() override { ::unsetenv("OBJPOOL_SERVER"); }

  // The ref of one new grant.
  static std::string LeaseOne(const char* pool = "ids") {
    const Ran run = RunWith({"lease", pool});
    EXPECT_EQ(run.exit, Exit::kOk) << run.err;
    const std::size_t tab = run.out.find('\t') + 1;
    return run.out.substr(tab, run.out.find('\t', tab) - tab);
  }

  testing::FakeService service_{8};
};

}  // namespace objpool::client
