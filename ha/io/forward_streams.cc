#include "ha/io/forward_streams.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "ha/io/not_sent.h"
#include "ha/io/tcp_socket.h"

namespace baton::ha {
namespace {

constexpr int kSessionLossesLoggedPerMinute = 6;

WireHeader RequestOf(FrameKind kind, const ForwardScope& scope, uint64_t offset,
                     uint64_t length_bytes) {
  return {.kind = kind,
          .epoch = scope.epoch,
          .volume_id = scope.volume_id,
          .offset = offset,
          .length_bytes = length_bytes};
}

absl::Status CheckForwardLength(uint64_t length_bytes) {
  if (length_bytes <= limits::kMaxRequestBytes) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument,
               "a request of {} bytes; at most {} are forwarded", length_bytes,
               limits::kMaxRequestBytes);
}

}  // namespace

ForwardStreams::ForwardStreams(Runtime& runtime, PeerRefusals& refusals, PeerConnection& calls,
                               Options options)
    : runtime_(runtime),
      refusals_(refusals),
      calls_(calls),
      options_(std::move(options)),
      losses_(runtime, kSessionLossesLoggedPerMinute, absl::Minutes(1)),
      failures_(runtime, 1, absl::Minutes(1)) {}

absl::StatusOr<std::unique_ptr<ForwardStreams>> ForwardStreams::Start(Runtime& runtime,
                                                                      PeerRefusals& refusals,
                                                                      PeerConnection& calls,
                                                                      Options options) {
  std::unique_ptr<ForwardStreams> streams(
      new ForwardStreams(runtime, refusals, calls, std::move(options)));
  if (!streams->options_.insecure) {
    BATON_ASSIGN_OR_RETURN(streams->tls_, TlsContext::Make());
  }
  streams->thread_ = runtime.StartThread("to-data", [loop = streams.get()] { loop->Loop(); });
  return streams;
}

ForwardStreams::~ForwardStreams() { Stop(); }

void ForwardStreams::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    End("this controller stops");
    changed_.Signal();
  }
  thread_ = nullptr;
}

void ForwardStreams::ConnectTo(const std::optional<PeerAddress>& address) {
  absl::MutexLock lock(&mutex_);
  End(address ? "the peer is another process" : "calls are not possible");
  address_ = address;
  retry_at_ = absl::ZeroDuration();
  changed_.Signal();
}

bool ForwardStreams::connected() const {
  absl::ReaderMutexLock lock(&mutex_);
  return state_ == State::kOpen;
}

void ForwardStreams::Abort() {
  absl::MutexLock lock(&mutex_);
  End("it was given up");
  retry_at_ = absl::ZeroDuration();
  changed_.Signal();
}

void ForwardStreams::End(const std::string& why) {
  if (state_ == State::kNone) return;
  state_ = State::kNone;
  why_none_ = why;
  for (Slot& slot : slots_) {
    // Whoever has taken it wakes up, and gives it back.
    if (slot.stream != nullptr) slot.stream->Shutdown();
    if (!slot.taken) slot.stream = nullptr;
  }
  slot_freed_.SignalAll();
  changed_.Signal();
}

absl::Status ForwardStreams::Lose(const std::string& why) {
  absl::MutexLock lock(&mutex_);
  End(why);
  return absl::UnavailableError(NoSession());
}

std::string ForwardStreams::NoSession() const {
  return fmt::format("no connection to {}: {}", options_.peer, why_none_);
}

void ForwardStreams::Loop() {
  while (const std::optional<PeerAddress> address = AwaitAddress()) {
    const absl::Status opened = Open(*address);
    if (!opened.ok()) {
      failures_.Warn("no connection to {}: {}", options_.peer, Message(opened));
      continue;
    }
    if (options_.on_change) options_.on_change(true);
    AwaitEnd();
    if (options_.on_change) options_.on_change(false);
  }
}

// nullopt: it stops.
std::optional<PeerAddress> ForwardStreams::AwaitAddress() {
  absl::MutexLock lock(&mutex_);
  while (!stopping_) {
    const bool may_begin = address_.has_value() && taken_ == 0;
    if (may_begin && runtime_.BootTime() >= retry_at_) {
      retry_at_ = runtime_.BootTime() + retry_delay_;
      retry_delay_ = std::min(2 * retry_delay_, kReconnectMax);
      return address_;
    }
    if (may_begin) {
      runtime_.WaitUntil(changed_, mutex_, retry_at_);
    } else {
      runtime_.Wait(changed_, mutex_);
    }
  }
  return std::nullopt;
}

// The first connection is made at once: it shows that the address can be reached.
absl::Status ForwardStreams::Open(const PeerAddress& address) {
  BATON_ASSIGN_OR_RETURN(const SessionKey key, AskForSession());
  Slot& slot = slots_.front();
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_ || address_ != address) return absl::CancelledError("it was given up");
    key_ = key;
    state_ = State::kBegun;
    slot.taken = true;
    ++taken_;
  }
  const absl::Status connected = Connect(slot);
  GiveBack(slot);
  absl::MutexLock lock(&mutex_);
  if (!connected.ok()) End(Message(connected));
  if (state_ != State::kBegun) return absl::UnavailableError(why_none_);
  state_ = State::kOpen;
  retry_at_ = runtime_.BootTime() + kReconnectMin;
  retry_delay_ = kReconnectMin;
  return absl::OkStatus();
}

absl::StatusOr<SessionKey> ForwardStreams::AskForSession() {
  BATON_ASSIGN_OR_RETURN(const PeerMessage answer,
                         calls_.Exchange({WireHeader{.kind = FrameKind::kAttach}, ZmqMessage()},
                                         runtime_.BootTime() + kHandshakeTimeout));
  const auto code = static_cast<absl::StatusCode>(answer.header.code);
  if (code != absl::StatusCode::kOk) return absl::Status(code, answer.body.text());
  ForwardSession session;
  SessionKey key;
  const Bytes body = answer.body.bytes();
  if (!session.ParseFromArray(body.data(), static_cast<int>(body.size())) ||
      session.secret().size() != key.secret.size()) {
    refusals_.Count(PeerRefusals::Kind::kGarbled, "a garbled session of " + options_.peer);
    return absl::InternalError("its session is garbled");
  }
  key.number = session.number();
  std::memcpy(key.secret.data(), session.secret().data(), key.secret.size());
  return key;
}

void ForwardStreams::AwaitEnd() {
  absl::MutexLock lock(&mutex_);
  while (state_ == State::kOpen) runtime_.Wait(changed_, mutex_);
  if (stopping_) return;
  losses_.Warn("{}", NoSession());
  refusals_.Count(PeerRefusals::Kind::kLostConnection, why_none_);
}

absl::Status ForwardStreams::Read(const ForwardScope& scope, uint64_t offset, MutableBytes out) {
  BATON_RETURN_IF_ERROR(CheckForwardLength(out.size()));
  return Carry(RequestOf(FrameKind::kRead, scope, offset, out.size()), {}, out);
}

absl::Status ForwardStreams::Write(const ForwardScope& scope, uint64_t offset, Bytes data) {
  BATON_RETURN_IF_ERROR(CheckForwardLength(data.size()));
  return Carry(RequestOf(FrameKind::kWrite, scope, offset, data.size()), data, {});
}

absl::Status ForwardStreams::Flush(const ForwardScope& scope) {
  return Carry(RequestOf(FrameKind::kFlush, scope, 0, 0), {}, {});
}

absl::Status ForwardStreams::Discard(const ForwardScope& scope, uint64_t offset,
                                     uint64_t length_bytes) {
  return Carry(RequestOf(FrameKind::kDiscard, scope, offset, length_bytes), {}, {});
}

absl::Status ForwardStreams::Carry(WireHeader request, Bytes data, MutableBytes out) {
  BATON_ASSIGN_OR_RETURN(Slot* const slot, Take());
  const absl::Status status = Use(*slot, request, data, out);
  GiveBack(*slot);
  return status;
}

absl::StatusOr<ForwardStreams::Slot*> ForwardStreams::Take() {
  absl::MutexLock lock(&mutex_);
  while (state_ == State::kOpen) {
    Slot* free = nullptr;
    for (Slot& slot : slots_) {
      // One with a connection rather than one without.
      if (!slot.taken && (free == nullptr || slot.stream != nullptr)) free = &slot;
      if (free != nullptr && free->stream != nullptr) break;
    }
    if (free != nullptr) {
      free->taken = true;
      ++taken_;
      return free;
    }
    runtime_.Wait(slot_freed_, mutex_);
  }
  return NotSent(NoSession());
}

void ForwardStreams::GiveBack(Slot& slot) {
  absl::MutexLock lock(&mutex_);
  // Before the caller hears that there is no answer: what is queued must not be sent later.
  if (state_ == State::kNone) slot.stream = nullptr;
  slot.taken = false;
  slot_freed_.Signal();
  if (--taken_ == 0 && state_ == State::kNone) changed_.Signal();
}

absl::Status ForwardStreams::Use(Slot& slot, WireHeader& request, Bytes data, MutableBytes out) {
  if (slot.stream == nullptr) {
    const absl::Status connected = Connect(slot);
    if (!connected.ok()) return NotSent(Lose(Message(connected)).message());
  }
  request.number = ++slot.requests;
  if (!slot.stream->Send(request, data)) return Lose("it was lost");
  return ReceiveAnswer(*slot.stream, request, out);
}

absl::Status ForwardStreams::ReceiveAnswer(Stream& stream, const WireHeader& request,
                                           MutableBytes out) {
  std::array<std::byte, kMaxAnswerText> text;
  const MutableBytes room = out.empty() ? MutableBytes(text) : out;
  WireHeader answer;
  const std::optional<size_t> received = stream.ReceiveHeader(answer, room);
  if (!received) return Lose("it was lost");
  const auto code = static_cast<absl::StatusCode>(answer.code);
  const size_t expected = code == absl::StatusCode::kOk ? out.size() : text.size();
  const bool fits = code == absl::StatusCode::kOk ? answer.length_bytes == expected
                                                  : answer.length_bytes <= expected;
  if (!IsHeader(answer) || answer.kind != FrameKind::kAnswer || answer.number != request.number ||
      !fits || *received > answer.length_bytes) {
    refusals_.Count(PeerRefusals::Kind::kGarbled, "a garbled answer of " + options_.peer);
    return Lose("it answers garbled messages");
  }
  if (code == absl::StatusCode::kOk) {
    return stream.Receive(out.subspan(*received)) ? absl::OkStatus() : Lose("it was lost");
  }
  if (!out.empty()) std::memcpy(text.data(), out.data(), *received);
  if (!stream.Receive(MutableBytes(text).subspan(*received, answer.length_bytes - *received))) {
    return Lose("it was lost");
  }
  return absl::Status(code, {reinterpret_cast<const char*>(text.data()), answer.length_bytes});
}

// By whoever has taken the slot.
absl::Status ForwardStreams::Connect(Slot& slot) {
  PeerAddress address;
  SessionKey key;
  Stream* stream = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (state_ == State::kNone) return absl::UnavailableError("it was given up");
    address = *address_;
    key = key_;
    BATON_ASSIGN_OR_RETURN(UniqueFd fd, OpenTcp(address));
    slot.stream = std::make_unique<Stream>(std::move(fd));
    stream = slot.stream.get();
  }
  return Introduce(*stream, address, key);
}

absl::Status ForwardStreams::Introduce(Stream& stream, const PeerAddress& address,
                                       const SessionKey& key) {
  BATON_RETURN_IF_ERROR(ConnectTcpTo(stream.fd(), address, kHandshakeTimeout));
  if (tls_ != nullptr) {
    stream.Encrypt(tls_->Connect(stream.fd(), key));
    if (stream.tls()->Handshake() != Tls::Step::kDone) {
      return absl::UnavailableError("no agreement on keys");
    }
  }
  WireHeader welcome;
  if (!stream.Send({.kind = FrameKind::kJoin, .number = key.number}, {}) ||
      stream.ReceiveHeader(welcome, {}) != 0 || !IsHeader(welcome) ||
      welcome.kind != FrameKind::kWelcome) {
    return absl::UnavailableError("it takes no connection of this session");
  }
  LimitTcpWaits(stream.fd(), absl::InfiniteDuration());
  return absl::OkStatus();
}

}  // namespace baton::ha
