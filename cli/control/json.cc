#include "cli/control/json.h"

#include <absl/strings/numbers.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

namespace baton {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Json = nlohmann::ordered_json;

constexpr int64_t kMaxExact = (int64_t{1} << 53) - 1;

// The mapping writes 64-bit numbers as strings.
void NumberFromString(Json& value) {
  int64_t number = 0;
  if (!value.is_string() || !absl::SimpleAtoi(value.get_ref<const std::string&>(), &number)) return;
  if (number >= -kMaxExact && number <= kMaxExact) value = number;
}

void NumbersFromStrings(const Descriptor& type, Json& object);

void ConvertValue(const FieldDescriptor& field, Json& value) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT64:
      NumberFromString(value);
      return;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      NumbersFromStrings(*field.message_type(), value);
      return;
    default:
      return;
  }
}

void NumbersFromStrings(const Descriptor& type, Json& object) {
  for (auto& [name, value] : object.items()) {
    const FieldDescriptor* field = type.FindFieldByName(name);
    if (field == nullptr) continue;
    if (!value.is_array()) {
      ConvertValue(*field, value);
      continue;
    }
    for (Json& element : value) ConvertValue(*field, element);
  }
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message, int indent) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return "{}";
  Json object = Json::parse(text);
  NumbersFromStrings(*message.GetDescriptor(), object);
  return object.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace baton
