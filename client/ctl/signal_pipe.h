// SignalPipe: signals of this process as something that can be waited for beside other things.
//
// While it lives, the signals that it is given do nothing but to come out of it; at its end all is
// as it was before. What was ignored stays ignored (nohup), but for SIGCHLD. Only one can live at a
// time: a handler reaches nothing but a variable of the program.
#pragma once

#include <signal.h>

#include <initializer_list>
#include <utility>
#include <vector>

namespace objpool::client {

class SignalPipe {
 public:
  // At most as many as fit into a pipe are kept, which is thousands.
  explicit SignalPipe(std::initializer_list<int> signals);
  ~SignalPipe();
  SignalPipe(const SignalPipe&) = delete;
  SignalPipe& operator=(const SignalPipe&) = delete;

  // Readable where there is one.
  [[nodiscard]] int fd() const { return read_; }

  struct Signal {
    int number = 0;  // 0: there is none
    // Nobody sent it: it is the terminal's, which tells all processes of its foreground group.
    bool of_terminal = false;
  };
  [[nodiscard]] Signal Next();

 private:
  int read_ = -1;
  int write_ = -1;
  std::vector<std::pair<int, struct sigaction>> before_;
};

}  // namespace objpool::client
