#include "ha/io/request_client.h"

#include <absl/time/clock.h>

#include <array>
#include <optional>
#include <utility>

#include "engine/base/boot_time.h"
#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "ha/io/unix_listener.h"

namespace baton::ha {
namespace {

absl::Status Reachable(const std::string& path) {
  const absl::Status probe = ProbeUnixSocket(path);
  if (absl::IsNotFound(probe)) {
    return Error(absl::StatusCode::kUnavailable, "there is no socket {}", path);
  }
  return probe;
}

absl::Status ConnectionLost(const std::string& path) {
  return Error(absl::StatusCode::kUnavailable,
               "the connection to {} was lost before the answer; the command may have taken effect",
               path);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RequestClient>> RequestClient::Make(std::string path) {
  BATON_ASSIGN_OR_RETURN(auto context, ZmqContext::Make());
  return std::unique_ptr<RequestClient>(new RequestClient(std::move(path), std::move(context)));
}

absl::StatusOr<std::string> RequestClient::Call(const std::string& request,
                                                absl::Duration timeout) {
  if (request.size() > limits::kMaxMessageBytes) {
    return Error(absl::StatusCode::kInvalidArgument, "a request of {} bytes; at most {} are sent",
                 request.size(), limits::kMaxMessageBytes);
  }
  // ZeroMQ would go on trying to connect; a plain connect says at once whether anybody is there.
  BATON_RETURN_IF_ERROR(Reachable(path_));
  BATON_ASSIGN_OR_RETURN(auto socket, ZmqSocket::Open(*context_, ZmqSocket::Type::kDealer));
  BATON_RETURN_IF_ERROR(socket->WatchConnections());
  BATON_RETURN_IF_ERROR(socket->Connect(path_));
  if (!socket->Send({request})) {
    return Error(absl::StatusCode::kInternal, "cannot send to {}", path_);
  }
  return AwaitAnswer(*socket, timeout);
}

absl::StatusOr<std::string> RequestClient::AwaitAnswer(ZmqSocket& socket, absl::Duration timeout) {
  const absl::Duration deadline = BootTime() + timeout;
  while (true) {
    std::array<ZmqPollItem, 2> items{ZmqPollItem{.handle = socket.handle()},
                                     ZmqPollItem{.handle = socket.connection_events()}};
    ZmqPoll(items, deadline - BootTime());
    // Asked before the answer is looked for: an answer that came before the end is seen.
    const auto trouble = items[1].readable ? socket.ConnectionTrouble() : ZmqSocket::Trouble::kNone;
    if (std::optional<Frames> answer = socket.Receive()) {
      if (answer->size() == 1) return std::move(answer->front());
      return Error(absl::StatusCode::kInternal, "{} does not speak this protocol", path_);
    }
    if (trouble == ZmqSocket::Trouble::kLost) return ConnectionLost(path_);
    // A queue of connections that is full passes, a server that is gone does not come back in time.
    if (trouble == ZmqSocket::Trouble::kNotMade) BATON_RETURN_IF_ERROR(Reachable(path_));
    if (BootTime() >= deadline) {
      return Error(absl::StatusCode::kDeadlineExceeded, "no answer from {} within {}", path_,
                   absl::FormatDuration(timeout));
    }
  }
}

}  // namespace baton::ha
