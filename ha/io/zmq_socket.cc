#include "ha/io/zmq_socket.h"

#include <fcntl.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "engine/base/errno_status.h"
#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/base/unique_fd.h"

namespace baton::ha {
namespace {

absl::Status ZmqError(const std::string& operation) {
  return Error(absl::StatusCode::kInternal, "{}: {}", operation, zmq_strerror(zmq_errno()));
}

template <typename Value>
absl::Status SetOption(void* socket, int option, Value value) {
  if (zmq_setsockopt(socket, option, &value, sizeof(value)) == 0) return absl::OkStatus();
  return ZmqError(fmt::format("set ZeroMQ option {}", option));
}

absl::Status SetLimits(void* socket) {
  BATON_RETURN_IF_ERROR(SetOption(socket, ZMQ_MAXMSGSIZE, int64_t{limits::kMaxMessageBytes}));
  const auto linger_ms = static_cast<int>(absl::ToInt64Milliseconds(ZmqSocket::kLinger));
  return SetOption(socket, ZMQ_LINGER, linger_ms);
}

// Adds the next frame to `frames`; true when the message has more of them.
bool TakeFrame(void* socket, Frames& frames) {
  zmq_msg_t message;
  zmq_msg_init(&message);
  const bool taken = zmq_msg_recv(&message, socket, ZMQ_DONTWAIT) >= 0;
  if (taken && frames.size() < ZmqSocket::kMaxFrames) {
    frames.emplace_back(static_cast<const char*>(zmq_msg_data(&message)), zmq_msg_size(&message));
  }
  const bool more = taken && zmq_msg_more(&message) != 0;
  zmq_msg_close(&message);
  return more;
}

std::optional<Frames> ReceiveFrom(void* socket) {
  Frames frames;
  while (TakeFrame(socket, frames)) {
  }
  if (frames.empty()) return std::nullopt;
  return frames;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZmqContext>> ZmqContext::Make() {
  void* handle = zmq_ctx_new();
  if (handle == nullptr) return ZmqError("start ZeroMQ");
  return std::unique_ptr<ZmqContext>(new ZmqContext(handle));
}

ZmqContext::~ZmqContext() {
  while (zmq_ctx_term(handle_) != 0 && zmq_errno() == EINTR) {
  }
}

std::string ZmqContext::UniqueAddress() { return fmt::format("inproc://{}", ++last_address_); }

absl::StatusOr<std::unique_ptr<ZmqSocket>> ZmqSocket::Open(ZmqContext& context, Type type) {
  void* handle = zmq_socket(context.handle(), type == Type::kRouter ? ZMQ_ROUTER : ZMQ_DEALER);
  if (handle == nullptr) return ZmqError("make a ZeroMQ socket");
  std::unique_ptr<ZmqSocket> socket(new ZmqSocket(context, handle));
  BATON_RETURN_IF_ERROR(SetLimits(handle));
  return socket;
}

ZmqSocket::~ZmqSocket() {
  if (events_ != nullptr) {
    zmq_socket_monitor(handle_, nullptr, 0);
    zmq_close(events_);
  }
  zmq_close(handle_);
}

absl::Status ZmqSocket::Serve(const std::string& path, int fd) {
  // ZeroMQ closes the descriptor that it is given.
  UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own.valid()) return ErrnoStatus(errno, "duplicate the socket", path);
  BATON_RETURN_IF_ERROR(SetOption(handle_, ZMQ_USE_FD, own.get()));
  if (zmq_bind(handle_, ("ipc://" + path).c_str()) != 0) return ZmqError("serve " + path);
  own.Release();
  return absl::OkStatus();
}

absl::Status ZmqSocket::Connect(const std::string& path) {
  if (zmq_connect(handle_, ("ipc://" + path).c_str()) != 0) return ZmqError("connect to " + path);
  return absl::OkStatus();
}

std::optional<Frames> ZmqSocket::Receive() { return ReceiveFrom(handle_); }

bool ZmqSocket::Send(const Frames& frames) {
  for (size_t i = 0; i < frames.size(); ++i) {
    const int more = i + 1 < frames.size() ? ZMQ_SNDMORE : 0;
    if (zmq_send(handle_, frames[i].data(), frames[i].size(), ZMQ_DONTWAIT | more) < 0) {
      return false;
    }
  }
  return true;
}

absl::Status ZmqSocket::WatchConnections() {
  const std::string address = context_.UniqueAddress();
  constexpr int kEvents = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
  if (zmq_socket_monitor(handle_, address.c_str(), kEvents) != 0) {
    return ZmqError("watch connections");
  }
  events_ = zmq_socket(context_.handle(), ZMQ_PAIR);
  if (events_ == nullptr || zmq_connect(events_, address.c_str()) != 0) {
    return ZmqError("watch connections");
  }
  return absl::OkStatus();
}

ZmqSocket::Trouble ZmqSocket::ConnectionTrouble() {
  Trouble worst = Trouble::kNone;
  while (const std::optional<Frames> event = ReceiveFrom(events_)) {
    uint16_t kind = 0;
    std::memcpy(&kind, event->front().data(), std::min(sizeof(kind), event->front().size()));
    worst = std::max(worst, kind == ZMQ_EVENT_CONNECT_RETRIED ? Trouble::kNotMade : Trouble::kLost);
  }
  return worst;
}

void ZmqPoll(std::span<ZmqPollItem> items, absl::Duration timeout) {
  constexpr size_t kMaxItems = 8;
  std::array<zmq_pollitem_t, kMaxItems> polled{};
  const size_t count = std::min(items.size(), kMaxItems);
  for (size_t i = 0; i < count; ++i) {
    polled[i] = {items[i].handle, items[i].fd, ZMQ_POLLIN, 0};
  }
  const bool forever = timeout == absl::InfiniteDuration();
  const int64_t wait_ms =
      std::max<int64_t>(0, absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1))));
  zmq_poll(polled.data(), static_cast<int>(count), forever ? -1 : wait_ms);
  for (size_t i = 0; i < count; ++i) {
    items[i].readable = (polled[i].revents & ZMQ_POLLIN) != 0;
  }
}

}  // namespace baton::ha
