// Forwarded host I/O on the wire: who makes requests of calls, and calls of requests.
#pragma once

#include <memory>
#include <string>

#include "engine/base/buffer_pool.h"
#include "engine/base/runtime.h"
#include "ha/io/forward.h"
#include "ha/io/peer_connection.h"
#include "ha/io/peer_server.h"

namespace baton::ha {

// See ForwardClient.
class ForwardCaller final : public ForwardClient {
 public:
  // `connection` outlives it.
  explicit ForwardCaller(PeerConnection& connection) : connection_(connection) {}

  absl::Status Read(const ForwardScope& scope, uint64_t offset, MutableBytes out) override;
  absl::Status Write(const ForwardScope& scope, uint64_t offset, Bytes data) override;
  absl::Status Flush(const ForwardScope& scope) override;
  absl::Status Discard(const ForwardScope& scope, uint64_t offset, uint64_t length_bytes) override;
  bool connected() const override { return connection_.connected(); }
  void Abort() override { connection_.Restart(); }

 private:
  absl::StatusOr<ZmqMessage> Send(const WireHeader& header, Bytes data);

  PeerConnection& connection_;
};

// Gives requests to the target, in buffers that are aligned and exist beforehand: one copy on the
// way of data, each way.
class ForwardService final : public PeerService {
 public:
  // `target` outlives it.
  ForwardService(Runtime& runtime, ForwardTarget& target);

  bool IsValid(const WireHeader& request, size_t body_bytes) const override;
  Reply Serve(const std::string& peer, const WireHeader& request, Bytes body) override;

 private:
  Reply Read(const std::string& peer, const ForwardScope& scope, const WireHeader& request);
  absl::Status Write(const std::string& peer, const ForwardScope& scope, const WireHeader& request,
                     Bytes body);

  ForwardTarget& target_;
  BufferPool buffers_;
};

}  // namespace baton::ha
