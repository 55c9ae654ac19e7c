#include "tests/fuzz/request_words.h"

#include <functional>
#include <memory>

namespace objpool::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Of `message` and all messages in it. A map's are left as they are.
void Visit(Message& message, const std::function<void(Message&)>& visit) {
  visit(message);
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* const field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    if (!field->is_repeated()) {
      Visit(*reflection.MutableMessage(&message, field), visit);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      Visit(*reflection.MutableRepeatedMessage(&message, field, i), visit);
    }
  }
}

const FieldDescriptor* FieldOf(const Message& message, const char* name,
                               FieldDescriptor::CppType type) {
  const FieldDescriptor* const field = message.GetDescriptor()->FindFieldByName(name);
  const bool fits = field != nullptr && field->cpp_type() == type && !field->is_repeated();
  return fits ? field : nullptr;
}

void SetNumber(Message& message, const char* name, uint64_t value) {
  if (const auto* const field = FieldOf(message, name, FieldDescriptor::CPPTYPE_UINT64)) {
    message.GetReflection()->SetUInt64(&message, field, value);
  }
}

}  // namespace

void RequestWords::Learn(const Message& answer) {
  const std::unique_ptr<Message> copy(answer.New());
  copy->CopyFrom(answer);
  Visit(*copy, [this](Message& message) {
    if (const auto* const ref = dynamic_cast<const v1::GrantRef*>(&message)) {
      if (ref->key() != 0 && grants_.size() < kMost) grants_.push_back(*ref);
    }
    const auto* const token = FieldOf(message, "token", FieldDescriptor::CPPTYPE_STRING);
    if (token != nullptr && tokens_.size() < kMost) {
      tokens_.push_back(message.GetReflection()->GetString(message, token));
    }
  });
}

void RequestWords::Fill(Message& request) const {
  Visit(request, [this](Message& message) { FillGrant(message); });
}

void RequestWords::FillGrant(Message& message) const {
  const Reflection& reflection = *message.GetReflection();
  const auto* const fence = FieldOf(message, "fence", FieldDescriptor::CPPTYPE_UINT64);
  if (fence != nullptr && !grants_.empty()) {
    const uint64_t number = reflection.GetUInt64(message, fence);
    if (number < kFirstFence) {
      const v1::GrantRef& known = Known(number);
      SetNumber(message, "fence", known.fence());
      SetNumber(message, "handle", known.handle());
      SetNumber(message, "key", known.key());
    }
  }
  const auto* const token = FieldOf(message, "token", FieldDescriptor::CPPTYPE_STRING);
  if (token == nullptr || tokens_.empty()) return;
  const std::string text = reflection.GetString(message, token);
  if (text.size() != 1) return;
  reflection.SetString(&message, token, tokens_[static_cast<uint8_t>(text[0]) % tokens_.size()]);
}

}  // namespace objpool::fuzz
