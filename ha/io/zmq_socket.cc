#include "ha/io/zmq_socket.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fcntl.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "engine/base/errno_status.h"
#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/base/unique_fd.h"
#include "ha/io/peer_settings.h"
#include "ha/io/tls.h"

namespace baton::ha {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kKeyBuffer = 41;

absl::Status ZmqError(const std::string& operation) {
  return Error(absl::StatusCode::kInternal, "{}: {}", operation, zmq_strerror(zmq_errno()));
}

template <typename Value>
absl::Status SetOption(void* socket, int option, Value value) {
  if (zmq_setsockopt(socket, option, &value, sizeof(value)) == 0) return absl::OkStatus();
  return ZmqError(fmt::format("set ZeroMQ option {}", option));
}

absl::Status SetText(void* socket, int option, const std::string& text) {
  if (zmq_setsockopt(socket, option, text.data(), text.size()) == 0) return absl::OkStatus();
  return ZmqError(fmt::format("set ZeroMQ option {}", option));
}

absl::Status SetLimits(void* socket) {
  BATON_RETURN_IF_ERROR(SetOption(socket, ZMQ_MAXMSGSIZE, int64_t{limits::kMaxMessageBytes}));
  const auto linger_ms = static_cast<int>(absl::ToInt64Milliseconds(kLinger));
  return SetOption(socket, ZMQ_LINGER, linger_ms);
}

int ZmqType(ZmqSocket::Type type) {
  switch (type) {
    case ZmqSocket::Type::kRouter:
      return ZMQ_ROUTER;
    case ZmqSocket::Type::kDealer:
      return ZMQ_DEALER;
    case ZmqSocket::Type::kPub:
      return ZMQ_PUB;
    case ZmqSocket::Type::kSub:
      return ZMQ_SUB;
  }
  return -1;
}

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

zmq_msg_t* Raw(void* handle) { return static_cast<zmq_msg_t*>(handle); }

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
  void* handle = zmq_socket(context.handle(), ZmqType(type));
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

size_t ZmqSocket::Receive(std::span<ZmqMessage> frames) {
  size_t count = 0;
  bool more = true;
  while (more) {
    ZmqMessage beyond;
    ZmqMessage& frame = count < frames.size() ? frames[count] : beyond;
    if (zmq_msg_recv(Raw(frame.handle()), handle_, ZMQ_DONTWAIT) < 0) break;
    more = zmq_msg_more(Raw(frame.handle())) != 0;
    ++count;
  }
  return count;
}

bool ZmqSocket::Send(std::span<ZmqMessage> frames) {
  for (size_t i = 0; i < frames.size(); ++i) {
    const int more = i + 1 < frames.size() ? ZMQ_SNDMORE : 0;
    if (zmq_msg_send(Raw(frames[i].handle()), handle_, ZMQ_DONTWAIT | more) < 0) return false;
  }
  return true;
}

absl::Status ZmqSocket::WatchConnections() {
  const std::string address = context_.UniqueAddress();
  constexpr int kEvents = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED |
                          ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
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

std::optional<ZmqSocket::Event> ZmqSocket::NextEvent(int* fd) {
  const std::optional<Frames> event = ReceiveFrom(events_);
  if (!event) return std::nullopt;
  uint16_t kind = 0;
  int32_t value = -1;
  if (event->front().size() != sizeof(kind) + sizeof(value)) return Event::kHandshakeFailed;
  std::memcpy(&kind, event->front().data(), sizeof(kind));
  std::memcpy(&value, event->front().data() + sizeof(kind), sizeof(value));
  if (fd != nullptr) *fd = value;
  if (kind == ZMQ_EVENT_ACCEPTED) return Event::kCome;
  if (kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) return Event::kMade;
  if (kind == ZMQ_EVENT_CONNECT_RETRIED) return Event::kNotMade;
  if (kind == ZMQ_EVENT_DISCONNECTED) return Event::kLost;
  if (kind == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) return Event::kKeyRefused;
  return Event::kHandshakeFailed;
}

ZmqSocket::Trouble ZmqSocket::ConnectionTrouble() {
  Trouble worst = Trouble::kNone;
  while (const std::optional<Event> event = NextEvent()) {
    if (*event == Event::kMade || *event == Event::kCome) continue;
    worst = std::max(worst, *event == Event::kNotMade ? Trouble::kNotMade : Trouble::kLost);
  }
  return worst;
}

absl::Status ZmqSocket::SetTcpOptions(const ZmqTcpOptions& options) {
  const std::pair<int, int> numbers[] = {
      {ZMQ_RECONNECT_IVL, Milliseconds(options.reconnect_min)},
      {ZMQ_RECONNECT_IVL_MAX, Milliseconds(options.reconnect_max)},
      {ZMQ_HANDSHAKE_IVL, Milliseconds(options.handshake_timeout)},
      {ZMQ_HEARTBEAT_IVL, Milliseconds(options.probe_interval)},
      {ZMQ_HEARTBEAT_TIMEOUT, Milliseconds(options.silence_timeout)},
      {ZMQ_SNDHWM, options.queued_messages},
      {ZMQ_RCVHWM, options.queued_messages},
  };
  for (const auto& [option, value] : numbers) {
    if (value != 0) BATON_RETURN_IF_ERROR(SetOption(handle_, option, value));
  }
  if (options.max_message_bytes != 0) {
    const auto limit = static_cast<int64_t>(options.max_message_bytes);
    BATON_RETURN_IF_ERROR(SetOption(handle_, ZMQ_MAXMSGSIZE, limit));
  }
  // Nothing waits for a connection that may never come, or outlives its socket.
  BATON_RETURN_IF_ERROR(SetOption(handle_, ZMQ_IMMEDIATE, 1));
  return SetOption(handle_, ZMQ_LINGER, 0);
}

absl::Status ZmqSocket::RequireKeys(const std::string& secret_key) {
  BATON_RETURN_IF_ERROR(SetOption(handle_, ZMQ_CURVE_SERVER, 1));
  BATON_RETURN_IF_ERROR(SetText(handle_, ZMQ_CURVE_SECRETKEY, secret_key));
  return SetText(handle_, ZMQ_ZAP_DOMAIN, "baton");
}

absl::Status ZmqSocket::PresentKeys(const ZmqKeys& own, const std::string& server_public_key) {
  BATON_RETURN_IF_ERROR(SetText(handle_, ZMQ_CURVE_PUBLICKEY, own.public_key));
  BATON_RETURN_IF_ERROR(SetText(handle_, ZMQ_CURVE_SECRETKEY, own.secret_key));
  return SetText(handle_, ZMQ_CURVE_SERVERKEY, server_public_key);
}

absl::Status ZmqSocket::SubscribeToAll() { return SetText(handle_, ZMQ_SUBSCRIBE, ""); }

absl::StatusOr<std::string> ZmqSocket::Bind(const std::string& address) {
  // Only where it is asked for: it would show IPv4 addresses in its own way.
  const int ipv6 = address.find('[') == std::string::npos ? 0 : 1;
  BATON_RETURN_IF_ERROR(SetOption(handle_, ZMQ_IPV6, ipv6));
  if (zmq_bind(handle_, address.c_str()) != 0) {
    if (zmq_errno() == EADDRINUSE) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   "cannot listen at {}: another process does; stop it, or choose another port",
                   address);
    }
    return Error(absl::StatusCode::kFailedPrecondition, "cannot listen at {}: {}", address,
                 zmq_strerror(zmq_errno()));
  }
  std::array<char, 256> bound{};
  size_t size = bound.size();
  if (zmq_getsockopt(handle_, ZMQ_LAST_ENDPOINT, bound.data(), &size) != 0) {
    return ZmqError("ask for the address of " + address);
  }
  return std::string(bound.data());
}

absl::Status ZmqSocket::Dial(const std::string& address) {
  BATON_RETURN_IF_ERROR(SetOption(handle_, ZMQ_IPV6, 1));
  if (zmq_connect(handle_, address.c_str()) != 0) return ZmqError("connect to " + address);
  return absl::OkStatus();
}

ZmqMessage::ZmqMessage() {
  static_assert(sizeof(zmq_msg_t) == kHandleBytes && alignof(zmq_msg_t) <= 8);
  zmq_msg_init(Raw(handle_));
}

ZmqMessage::ZmqMessage(size_t size_bytes) {
  // The only failure is that memory has run out, which ends the process everywhere else too.
  if (zmq_msg_init_size(Raw(handle_), size_bytes) != 0) std::abort();
}

ZmqMessage ZmqMessage::Copy(Bytes bytes) {
  ZmqMessage message(bytes.size());
  if (!bytes.empty()) std::memcpy(message.mutable_bytes().data(), bytes.data(), bytes.size());
  return message;
}

ZmqMessage ZmqMessage::Copy(const std::string& text) {
  return Copy(std::as_bytes(std::span(text)));
}

ZmqMessage ZmqMessage::CopySecret(Bytes bytes) {
  auto* const copy = new std::vector<std::byte>(bytes.begin(), bytes.end());
  const auto forget = [](void*, void* hint) {
    const std::unique_ptr<std::vector<std::byte>> secret(
        static_cast<std::vector<std::byte>*>(hint));
    Wipe(*secret);
  };
  ZmqMessage message;
  // Memory has run out, which ends the process everywhere else too.
  if (zmq_msg_init_data(Raw(message.handle_), copy->data(), copy->size(), forget, copy) != 0) {
    std::abort();
  }
  return message;
}

ZmqMessage::~ZmqMessage() { zmq_msg_close(Raw(handle_)); }

ZmqMessage::ZmqMessage(ZmqMessage&& other) noexcept : ZmqMessage() { *this = std::move(other); }

ZmqMessage& ZmqMessage::operator=(ZmqMessage&& other) noexcept {
  if (this != &other) zmq_msg_move(Raw(handle_), Raw(other.handle_));
  return *this;
}

Bytes ZmqMessage::bytes() const {
  return {static_cast<const std::byte*>(zmq_msg_data(Raw(handle_))), zmq_msg_size(Raw(handle_))};
}

MutableBytes ZmqMessage::mutable_bytes() {
  return {static_cast<std::byte*>(zmq_msg_data(Raw(handle_))), zmq_msg_size(Raw(handle_))};
}

std::string ZmqMessage::text() const {
  return {reinterpret_cast<const char*>(bytes().data()), bytes().size()};
}

std::string ZmqMessage::sender() const {
  const char* name = zmq_msg_gets(Raw(handle_), "User-Id");
  return name == nullptr ? std::string() : std::string(name);
}

int ZmqMessage::connection() const { return zmq_msg_get(Raw(handle_), ZMQ_SRCFD); }

// ZeroMQ appends ":UID:GID:PID" to the address of a peer on a Unix socket.
std::optional<LocalPeer> ZmqMessage::local_peer() const {
  const char* address = zmq_msg_gets(Raw(handle_), "Peer-Address");
  if (address == nullptr) return std::nullopt;
  const std::vector<std::string> parts = absl::StrSplit(address, ':');
  LocalPeer peer;
  if (parts.size() < 4 || !absl::SimpleAtoi(parts[parts.size() - 3], &peer.uid) ||
      !absl::SimpleAtoi(parts.back(), &peer.pid)) {
    return std::nullopt;
  }
  return peer;
}

absl::StatusOr<ZmqKeys> ZmqMakeKeys() {
  std::array<char, kKeyBuffer> public_key{};
  std::array<char, kKeyBuffer> secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) return ZmqError("make keys");
  return ZmqKeys{public_key.data(), secret_key.data()};
}

absl::StatusOr<std::string> ZmqPublicKey(const std::string& secret_key) {
  BATON_RETURN_IF_ERROR(ZmqKeyBytes(secret_key).status());
  std::array<char, kKeyBuffer> public_key{};
  if (zmq_curve_public(public_key.data(), secret_key.c_str()) != 0) {
    return ZmqError("compute a public key");
  }
  return std::string(public_key.data());
}

absl::StatusOr<std::string> ZmqKeyBytes(const std::string& key) {
  std::array<uint8_t, kKeyBytes> bytes{};
  if (key.size() == kKeyBuffer - 1 && zmq_z85_decode(bytes.data(), key.c_str()) != nullptr) {
    return std::string(bytes.begin(), bytes.end());
  }
  return Error(absl::StatusCode::kInvalidArgument,
               "this is no key: it has neither 64 hexadecimal digits nor 40 characters of Z85");
}

std::string ZmqKeyText(Bytes key) {
  std::array<char, kKeyBuffer> text{};
  if (key.size() != kKeyBytes) return "";
  zmq_z85_encode(text.data(), reinterpret_cast<const uint8_t*>(key.data()), key.size());
  return text.data();
}

void ZmqPoll(std::span<ZmqPollItem> items, absl::Duration timeout) {
  constexpr size_t kMaxItems = 24;
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
