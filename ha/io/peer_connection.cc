#include "ha/io/peer_connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/base/status.h"
#include "ha/io/hello.h"
#include "ha/io/peer_settings.h"

namespace baton::ha {
namespace {

constexpr int kLossesLoggedPerMinute = 6;
// A hello that ZeroMQ has no room for yet is offered again so soon.
constexpr absl::Duration kHelloRetry = absl::Milliseconds(1);

}  // namespace

PeerConnection::PeerConnection(Runtime& runtime, PeerContext& context, const PeerIdentity& identity,
                               PeerRefusals& refusals, Options options)
    : runtime_(runtime),
      context_(context),
      identity_(identity),
      refusals_(refusals),
      options_(std::move(options)),
      losses_(runtime, kLossesLoggedPerMinute, absl::Minutes(1)),
      failures_(runtime, 1, absl::Minutes(1)),
      requests_(runtime, wake_),
      retry_delay_(kReconnectMin) {
  outgoing_.reserve(kMaxInFlight);
}

absl::StatusOr<std::unique_ptr<PeerConnection>> PeerConnection::Start(Runtime& runtime,
                                                                      PeerContext& context,
                                                                      const PeerIdentity& identity,
                                                                      PeerRefusals& refusals,
                                                                      Options options) {
  std::unique_ptr<PeerConnection> connection(
      new PeerConnection(runtime, context, identity, refusals, std::move(options)));
  BATON_RETURN_IF_ERROR(connection->wake_.status());
  connection->thread_ =
      runtime.StartThread("to-calls", [loop = connection.get()] { loop->Loop(); });
  return connection;
}

PeerConnection::~PeerConnection() { Stop(); }

void PeerConnection::Stop() {
  stopping_ = true;
  wake_.Wake();
  thread_ = nullptr;
}

void PeerConnection::ConnectTo(const std::optional<PeerAddress>& endpoint) {
  {
    absl::MutexLock lock(&mutex_);
    if (endpoint_ == endpoint) return;
    endpoint_ = endpoint;
  }
  restart_ = true;
  wake_.Wake();
}

void PeerConnection::Restart() {
  requests_.Close(fmt::format("the connection to {} was given up", options_.peer));
  restart_ = true;
  wake_.Wake();
}

std::optional<PeerAddress> PeerConnection::endpoint() {
  absl::MutexLock lock(&mutex_);
  return endpoint_;
}

std::string PeerConnection::refusal() const {
  absl::MutexLock lock(&mutex_);
  return refusal_;
}

void PeerConnection::NoteRefusal(const std::string& text) {
  absl::MutexLock lock(&mutex_);
  refusal_ = text;
}

void PeerConnection::Loop() {
  while (!stopping_) {
    WaitForWork();
    if (restart_.exchange(false)) {
      Drop("it was given up");
      retry_at_ = runtime_.BootTime();
    }
    if (socket_ != nullptr) {
      Advance();
    } else if (runtime_.BootTime() >= retry_at_) {
      Begin();
    }
  }
  Drop("this controller stops");
}

void PeerConnection::WaitForWork() {
  std::array<ZmqPollItem, 3> items{ZmqPollItem{.fd = wake_.fd()}};
  size_t count = 1;
  if (socket_ != nullptr) {
    items[count++] = {.handle = socket_->handle()};
    items[count++] = {.handle = socket_->connection_events()};
  }
  ZmqPoll(std::span(items).first(count), NextTimeout());
  if (items[0].readable) wake_.Clear();
}

absl::Duration PeerConnection::NextTimeout() const {
  if (hello_due_) return kHelloRetry;
  const absl::Duration next = socket_ == nullptr ? retry_at_ : give_up_at_;
  if (next == absl::InfiniteDuration()) return next;
  return std::max(next - runtime_.BootTime(), absl::ZeroDuration());
}

void PeerConnection::Begin() {
  const std::optional<PeerAddress> target = endpoint();
  retry_at_ = absl::InfiniteDuration();
  if (!target) return;
  const std::optional<PeerAddress> address = options_.resolve(*target);
  if (!address) {
    Drop("its name is being looked up");
    return;
  }
  dialed_ = *address;
  absl::StatusOr<std::unique_ptr<ZmqSocket>> socket =
      context_.OpenClient(ZmqSocket::Type::kDealer, options_.peer);
  absl::Status status = socket.status();
  if (status.ok()) status = (*socket)->Dial(dialed_.Endpoint());
  if (!status.ok()) {
    Drop(Message(status));
    return;
  }
  socket_ = *std::move(socket);
  give_up_at_ = runtime_.BootTime() + kHandshakeTimeout;
}

void PeerConnection::Advance() {
  // Events are looked at first and acted on last: what came before the end is still received.
  const std::optional<std::string> event = SeeEvents();
  std::optional<std::string> trouble = ReceiveAll();
  if (!trouble) trouble = event;
  if (!trouble && hello_due_) trouble = SendHello();
  if (!trouble && connected_) trouble = SendRequests();
  if (!trouble && runtime_.BootTime() >= give_up_at_) trouble = "no answer";
  if (trouble) Drop(*trouble);
}

std::optional<std::string> PeerConnection::SeeEvents() {
  std::optional<std::string> trouble;
  while (const std::optional<ZmqSocket::Event> event = socket_->NextEvent()) {
    switch (*event) {
      case ZmqSocket::Event::kMade:
        hello_due_ = true;
        break;
      case ZmqSocket::Event::kCome:
        break;  // to those who listen
      case ZmqSocket::Event::kNotMade:
        break;  // ZeroMQ tries again
      case ZmqSocket::Event::kLost:
        if (!trouble) trouble = "it was lost";
        break;
      case ZmqSocket::Event::kKeyRefused:
        trouble = "our key is not allowed there";
        break;
      case ZmqSocket::Event::kHandshakeFailed:
        trouble = "no agreement on keys";
        break;
    }
  }
  return trouble;
}

std::optional<std::string> PeerConnection::SendHello() {
  std::array<ZmqMessage, 2> frames{EncodeHeader({.kind = FrameKind::kHello}),
                                   ZmqMessage::Copy(MakeHello(identity_).SerializeAsString())};
  if (socket_->Send(frames)) hello_due_ = false;
  return std::nullopt;
}

std::optional<std::string> PeerConnection::ReceiveAll() {
  std::array<ZmqMessage, 2> frames;
  while (const size_t count = socket_->Receive(frames)) {
    const std::optional<WireHeader> header = DecodeHeader(frames[0].bytes());
    if (!header || count != frames.size()) {
      refusals_.Count(PeerRefusals::Kind::kGarbled, "a garbled answer of " + options_.peer);
      return "it answers garbled messages";
    }
    if (auto trouble = Accept({*header, std::move(frames[1])})) return trouble;
  }
  return std::nullopt;
}

std::optional<std::string> PeerConnection::Accept(PeerMessage message) {
  if (message.header.kind == FrameKind::kWelcome && !connected_) return AcceptWelcome(message);
  if (message.header.kind == FrameKind::kAnswer && connected_) {
    requests_.Complete(std::move(message));
    return std::nullopt;
  }
  if (message.header.kind == FrameKind::kRefusal) {
    const std::string why = "it says: " + message.body.text();
    NoteRefusal(why);
    return why;
  }
  refusals_.Count(PeerRefusals::Kind::kGarbled, "an answer out of turn of " + options_.peer);
  return "it answers out of turn";
}

std::optional<std::string> PeerConnection::AcceptWelcome(const PeerMessage& message) {
  Welcome welcome;
  const Bytes body = message.body.bytes();
  if (!welcome.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    refusals_.Count(PeerRefusals::Kind::kGarbled, "a garbled welcome of " + options_.peer);
    return "its welcome is garbled";
  }
  const PeerClaim claim{welcome.protocol(), welcome.pool_id(), welcome.node()};
  if (const std::optional<Objection> objection = Examine(claim, options_.peer, identity_)) {
    refusals_.Count(objection->kind, objection->text);
    NoteRefusal(objection->text);
    return objection->text;
  }
  NoteRefusal("");
  give_up_at_ = absl::InfiniteDuration();
  retry_delay_ = kReconnectMin;
  connected_ = true;
  requests_.Open();
  options_.on_made(welcome, dialed_);
  return std::nullopt;
}

std::optional<std::string> PeerConnection::SendRequests() {
  requests_.Take(outgoing_);
  bool sent = true;
  for (PeerMessage& request : outgoing_) {
    std::array<ZmqMessage, 2> frames{EncodeHeader(request.header), std::move(request.body)};
    sent = sent && socket_->Send(frames);
  }
  outgoing_.clear();
  // ZeroMQ's queue holds more than may be under way: the peer does not read.
  if (!sent) return "it takes no more requests";
  return std::nullopt;
}

void PeerConnection::Drop(const std::string& why) {
  requests_.Close(fmt::format("no connection to {}: {}", options_.peer, why));
  if (refusal() != why) NoteRefusal("");  // it is not that any more
  const bool was_connected = connected_.exchange(false);
  const bool was_begun = socket_ != nullptr;
  socket_ = nullptr;
  hello_due_ = false;
  retry_at_ = runtime_.BootTime() + retry_delay_;
  give_up_at_ = absl::InfiniteDuration();
  retry_delay_ = std::min(2 * retry_delay_, kReconnectMax);
  LogLimiter& log = was_connected ? losses_ : failures_;
  if (was_begun && !stopping_) log.Warn("no connection to {}: {}", options_.peer, why);
  if (was_begun && !was_connected) options_.on_failed();
  if (!was_connected) return;
  refusals_.Count(PeerRefusals::Kind::kLostConnection, why);
  options_.on_lost();
}

}  // namespace baton::ha
