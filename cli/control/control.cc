#include "cli/control/control.h"

#include <span>

#include "engine/base/checksum.h"
#include "engine/base/model.pb.h"

namespace baton::control {
namespace {

uint64_t ChecksumOf(const std::string& payload) {
  return Checksum64(std::as_bytes(std::span(payload)));
}

}  // namespace

std::string Encode(const google::protobuf::Message& message) {
  SealedBytes sealed;
  sealed.set_payload(message.SerializeAsString());
  sealed.set_xxh3(ChecksumOf(sealed.payload()));
  return sealed.SerializeAsString();
}

bool Decode(const std::string& bytes, google::protobuf::Message& message) {
  SealedBytes sealed;
  return sealed.ParseFromString(bytes) && sealed.xxh3() == ChecksumOf(sealed.payload()) &&
         message.ParseFromString(sealed.payload());
}

}  // namespace baton::control
