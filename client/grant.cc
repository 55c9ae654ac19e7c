#include "client/grant.h"

#include <utility>

#include "client/keeper.h"
#include "client/kept.h"
#include "pool/base/check.h"

namespace objpool::client {

Grant::Grant(Grant&& other) noexcept
    : keeper_(other.keeper_), kept_(std::exchange(other.kept_, nullptr)) {}

Grant& Grant::operator=(Grant&& other) noexcept {
  if (this == &other) return *this;
  if (kept_ != nullptr) keeper_->Release(*kept_);
  keeper_ = other.keeper_;
  kept_ = std::exchange(other.kept_, nullptr);
  return *this;
}

Grant::~Grant() {
  if (kept_ != nullptr) keeper_->Release(*kept_);
}

const Ref& Grant::ref() const {
  OBJPOOL_CHECK(kept_ != nullptr, "this Grant holds nothing");
  return kept_->ref;
}

const v1::Grant& Grant::value() const {
  OBJPOOL_CHECK(kept_ != nullptr, "this Grant holds nothing");
  return kept_->value;
}

bool Grant::valid() const { return left().count() > 0; }

LeaseClock::duration Grant::left() const {
  OBJPOOL_CHECK(kept_ != nullptr, "this Grant holds nothing");
  const LeaseClock::time_point now = LeaseClock::now();
  if (!kept_->deadline.RunsAt(now)) return LeaseClock::duration(0);
  // It may have been lost since.
  return std::max(kept_->deadline.end() - now, LeaseClock::duration(0));
}

void Grant::SetDisposition(v1::Disposition disposition) {
  OBJPOOL_CHECK(kept_ != nullptr, "this Grant holds nothing");
  kept_->disposition = disposition;
}

Error Grant::Return() {
  OBJPOOL_CHECK(kept_ != nullptr, "this Grant holds nothing");
  return keeper_->ReturnNow(*std::exchange(kept_, nullptr));
}

Result<uint64_t> Grant::ReadBuffer(uint64_t offset, uint64_t length,
                                   const Client::TakeBytes& take) const {
  return keeper_->client().ReadBuffer(ref(), offset, length, take);
}

Result<v1::WriteResponse> Grant::WriteBuffer(uint64_t offset, const Client::GiveBytes& give) const {
  return keeper_->client().WriteBuffer(ref(), offset, give);
}

}  // namespace objpool::client
