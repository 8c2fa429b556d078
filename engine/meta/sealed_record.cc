#include "engine/meta/sealed_record.h"

#include <utility>

#include "engine/base/checksum.h"
#include "engine/base/model.pb.h"
#include "engine/base/status.h"

namespace baton {
namespace {

uint64_t ChecksumOfPayload(const std::string& payload) {
  return Checksum64(std::as_bytes(std::span(payload)));
}

}  // namespace

std::string SealPayload(std::string payload) {
  SealedBytes sealed;
  sealed.set_payload(std::move(payload));
  sealed.set_xxh3(ChecksumOfPayload(sealed.payload()));
  return sealed.SerializeAsString();
}

absl::StatusOr<std::string> UnsealPayload(const std::string& content, const std::string& path) {
  SealedBytes sealed;
  if (!sealed.ParseFromString(content)) return GarbledFile(path, "it does not parse");
  if (sealed.xxh3() != ChecksumOfPayload(sealed.payload())) {
    return GarbledFile(path, "wrong checksum");
  }
  if (sealed.SerializeAsString() != content) {
    return GarbledFile(path, "it has bytes that do not belong");
  }
  return sealed.payload();
}

absl::Status GarbledFile(const std::string& path, const char* why) {
  return Error(absl::StatusCode::kDataLoss, "{} is garbled: {}", path, why);
}

}  // namespace baton
