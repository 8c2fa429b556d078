// The machine-readable form of every answer.
#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace baton {

// The Protobuf JSON mapping with field names as in the .proto, default values written out, and
// 64-bit numbers as JSON numbers where a double holds them exactly (up to 2^53 - 1), else as
// strings. One line when `indent` is negative.
std::string ToJson(const google::protobuf::Message& message, int indent = 2);

}  // namespace baton
