// Calls between controllers as bytes, and errors in them.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>

#include "engine/base/status.h"
#include "ha/io/eviction_status.h"
#include "ha/io/peer_api.pb.h"

namespace baton::ha {

inline peer_api::Answer RefusalOf(const absl::Status& status) {
  peer_api::Answer answer;
  answer.set_code(static_cast<uint32_t>(status.code()));
  answer.set_message(Message(status));
  answer.set_eviction(EvictionOf(status).value_or(0));
  return answer;
}

inline absl::StatusOr<peer_api::Answer> ParseAnswer(const std::string& bytes) {
  peer_api::Answer answer;
  if (!answer.ParseFromString(bytes))
    return absl::InternalError("a garbled answer of a controller");
  if (answer.code() == 0) return answer;
  const absl::Status status(static_cast<absl::StatusCode>(answer.code()), answer.message());
  return answer.eviction() == 0 ? status : WithEviction(status, answer.eviction());
}

}  // namespace baton::ha
