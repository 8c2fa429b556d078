#include "ha/io/forward_requests.h"

#include <cstring>
#include <utility>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "ha/io/peer_settings.h"

namespace baton::ha {
namespace {

WireHeader HeaderOf(FrameKind kind, const ForwardScope& scope, uint64_t offset,
                    uint64_t length_bytes) {
  return {.kind = kind,
          .epoch = scope.epoch,
          .volume_id = scope.volume_id,
          .offset = offset,
          .length_bytes = length_bytes};
}

absl::Status CheckLength(uint64_t length_bytes) {
  if (length_bytes <= limits::kMaxRequestBytes) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument,
               "a request of {} bytes; at most {} are forwarded", length_bytes,
               limits::kMaxRequestBytes);
}

PeerService::Reply ReplyOf(const absl::Status& status) {
  if (status.ok()) return {};
  // At the other end Unavailable means that the connection was lost.
  const absl::StatusCode code =
      absl::IsUnavailable(status) ? absl::StatusCode::kAborted : status.code();
  return {code, ZmqMessage::Copy(Message(status))};
}

}  // namespace

absl::StatusOr<ZmqMessage> ForwardCaller::Send(const WireHeader& header, Bytes data) {
  // Copied here, on the caller's thread: ZeroMQ may hold it for longer than the caller waits.
  absl::StatusOr<PeerMessage> answer =
      connection_.Exchange({header, ZmqMessage::Copy(data)}, absl::InfiniteDuration());
  if (!answer.ok()) return answer.status();
  const auto code = static_cast<absl::StatusCode>(answer->header.code);
  if (code == absl::StatusCode::kOk) return std::move(answer->body);
  return absl::Status(code, answer->body.text());
}

absl::Status ForwardCaller::Read(const ForwardScope& scope, uint64_t offset, MutableBytes out) {
  BATON_RETURN_IF_ERROR(CheckLength(out.size()));
  BATON_ASSIGN_OR_RETURN(const ZmqMessage data,
                         Send(HeaderOf(FrameKind::kRead, scope, offset, out.size()), {}));
  if (data.bytes().size() != out.size()) {
    return absl::InternalError("the owner answered a read with data of another length");
  }
  if (!out.empty()) std::memcpy(out.data(), data.bytes().data(), out.size());
  return absl::OkStatus();
}

absl::Status ForwardCaller::Write(const ForwardScope& scope, uint64_t offset, Bytes data) {
  BATON_RETURN_IF_ERROR(CheckLength(data.size()));
  return Send(HeaderOf(FrameKind::kWrite, scope, offset, data.size()), data).status();
}

absl::Status ForwardCaller::Flush(const ForwardScope& scope) {
  return Send(HeaderOf(FrameKind::kFlush, scope, 0, 0), {}).status();
}

absl::Status ForwardCaller::Discard(const ForwardScope& scope, uint64_t offset,
                                    uint64_t length_bytes) {
  return Send(HeaderOf(FrameKind::kDiscard, scope, offset, length_bytes), {}).status();
}

ForwardService::ForwardService(Runtime& runtime, ForwardTarget& target)
    : target_(target), buffers_(runtime, kForwardWorkers, limits::kMaxRequestBytes) {}

bool ForwardService::IsValid(const WireHeader& request, size_t body_bytes) const {
  if (request.offset > limits::kMaxVolumeBytes || request.length_bytes > limits::kMaxVolumeBytes) {
    return false;
  }
  const bool short_enough = request.length_bytes <= limits::kMaxRequestBytes;
  if (request.kind == FrameKind::kRead) return short_enough && body_bytes == 0;
  if (request.kind == FrameKind::kWrite) return short_enough && body_bytes == request.length_bytes;
  return (request.kind == FrameKind::kFlush || request.kind == FrameKind::kDiscard) &&
         body_bytes == 0;
}

PeerService::Reply ForwardService::Serve(const std::string& peer, const WireHeader& request,
                                         Bytes body) {
  const ForwardScope scope{.epoch = request.epoch, .volume_id = request.volume_id};
  if (request.kind == FrameKind::kRead) return Read(peer, scope, request);
  if (request.kind == FrameKind::kWrite) return ReplyOf(Write(peer, scope, request, body));
  if (request.kind == FrameKind::kFlush) return ReplyOf(target_.Flush(peer, scope));
  return ReplyOf(target_.Discard(peer, scope, request.offset, request.length_bytes));
}

PeerService::Reply ForwardService::Read(const std::string& peer, const ForwardScope& scope,
                                        const WireHeader& request) {
  const BufferPool::Handle buffer = buffers_.Acquire();
  const MutableBytes out = buffer.bytes().first(request.length_bytes);
  const absl::Status status = target_.Read(peer, scope, request.offset, out);
  if (!status.ok()) return ReplyOf(status);
  return {absl::StatusCode::kOk, ZmqMessage::Copy(out)};
}

absl::Status ForwardService::Write(const std::string& peer, const ForwardScope& scope,
                                   const WireHeader& request, Bytes body) {
  const BufferPool::Handle buffer = buffers_.Acquire();
  const MutableBytes data = buffer.bytes().first(body.size());
  if (!body.empty()) std::memcpy(data.data(), body.data(), body.size());
  return target_.Write(peer, scope, request.offset, data);
}

}  // namespace baton::ha
