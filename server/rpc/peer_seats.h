// PeerSeats: how many connections each client has, over all workers, and how many it may have.
//
// Counted in total and not by worker: the kernel deals a client's connections out by chance, so a
// share of each worker would be refused here while there is room there. Any thread; a connection
// takes the lock when it comes and when it goes.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace objpool::rpc {

class PeerSeats {
  using Counts = std::unordered_map<std::string, uint32_t>;

 public:
  // One connection's; given back at its end. Must not outlive the PeerSeats.
  class Seat {
   public:
    Seat() = default;
    ~Seat() { Leave(); }
    Seat(Seat&& other) noexcept : of_(std::exchange(other.of_, nullptr)), at_(other.at_) {}
    Seat& operator=(Seat&& other) noexcept {
      Leave();
      of_ = std::exchange(other.of_, nullptr);
      at_ = other.at_;
      return *this;
    }

   private:
    friend class PeerSeats;
    Seat(PeerSeats& of, Counts::value_type& at) : of_(&of), at_(&at) {}
    void Leave() {
      if (of_ != nullptr) std::exchange(of_, nullptr)->GiveBack(*at_);
    }

    PeerSeats* of_ = nullptr;
    Counts::value_type* at_ = nullptr;
  };

  explicit PeerSeats(uint32_t most) : most_(most) {}
  // None when the client has as many as it may.
  [[nodiscard]] std::optional<Seat> Take(const std::string& peer) {
    const std::scoped_lock lock(lock_);
    Counts::value_type& at = *counts_.try_emplace(peer, 0).first;
    if (at.second >= most_) return std::nullopt;
    ++at.second;
    return Seat(*this, at);
  }

 private:
  void GiveBack(Counts::value_type& at) {
    const std::scoped_lock lock(lock_);
    if (--at.second == 0) counts_.erase(counts_.find(at.first));
  }

  const uint32_t most_;
  std::mutex lock_;
  Counts counts_;  // of those who have some
};

}  // namespace objpool::rpc
