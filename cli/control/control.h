// What both ends of the control socket agree on.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <string>

namespace baton::control {

// Of Request and Response. One that changes the meaning of a field gets the next number.
inline constexpr uint32_t kControlVersion = 1;

// Where a batond listens and a baton asks unless told otherwise.
inline constexpr char kDefaultControlPath[] = "/run/baton/control.sock";
// Where there is such a group, its members may use the socket.
inline constexpr char kDefaultControlGroup[] = "baton";

// The bytes of a message on the socket: with a checksum, so that a garbled command is dropped and
// never carried out as another one.
std::string Encode(const google::protobuf::Message& message);
[[nodiscard]] bool Decode(const std::string& bytes, google::protobuf::Message& message);

}  // namespace baton::control
