#include "ha/io/forward_streams.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/base/errno_status.h"
#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "ha/io/not_sent.h"
#include "ha/io/stream_join.h"
#include "ha/io/tcp_socket.h"

namespace baton::ha {
namespace {

constexpr int kSessionLossesLoggedPerMinute = 6;
// Of a watched stream: its slot in the lower bits, above them which of the slot's streams it is.
constexpr int kSlotBits = 8;
constexpr uint64_t kWakeWatched = ~uint64_t{0};
static_assert(kStreamsPerPeer <= 1 << kSlotBits);

absl::Status WatchFd(int watch, int fd, uint32_t events, uint64_t watched) {
  epoll_event event = {.events = events, .data = {.u64 = watched}};
  if (::epoll_ctl(watch, EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "watch", "a descriptor");
}

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

// nullopt: it is garbled.
std::optional<SessionKey> SessionOf(Bytes body) {
  ForwardSession session;
  SessionKey key;
  const bool parsed = session.ParseFromArray(body.data(), static_cast<int>(body.size())) &&
                      session.secret().size() == key.secret.size();
  key.number = session.number();
  if (parsed) std::memcpy(key.secret.data(), session.secret().data(), key.secret.size());
  Wipe(std::as_writable_bytes(std::span(*session.mutable_secret())));
  return parsed ? std::optional(key) : std::nullopt;
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
  BATON_RETURN_IF_ERROR(streams->wake_.status());
  streams->watch_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!streams->watch_.valid()) return ErrnoStatus(errno, "make", "an epoll");
  BATON_RETURN_IF_ERROR(WatchFd(streams->watch_.get(), streams->wake_.fd(), EPOLLIN, kWakeWatched));
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
  key_ = SessionKey();
  for (Slot& slot : slots_) {
    // Whoever has taken it wakes up, and gives it back.
    if (slot.stream != nullptr) slot.stream->Shutdown();
    if (!slot.taken) slot.stream = nullptr;
  }
  slot_freed_.SignalAll();
  changed_.Signal();
  wake_.Wake();
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
  extra_at_ = absl::ZeroDuration();
  retry_at_ = runtime_.BootTime() + kReconnectMin;
  retry_delay_ = kReconnectMin;
  return absl::OkStatus();
}

absl::StatusOr<SessionKey> ForwardStreams::AskForSession() {
  BATON_ASSIGN_OR_RETURN(PeerMessage answer,
                         calls_.Exchange({WireHeader{.kind = FrameKind::kAttach}, ZmqMessage()},
                                         runtime_.BootTime() + kHandshakeTimeout));
  const auto code = static_cast<absl::StatusCode>(answer.header.code);
  if (code != absl::StatusCode::kOk) return absl::Status(code, answer.body.text());
  const std::optional<SessionKey> key = SessionOf(answer.body.bytes());
  Wipe(answer.body.mutable_bytes());
  if (key) return *key;
  refusals_.Count(PeerRefusals::Kind::kGarbled, "a garbled session of " + options_.peer);
  return absl::InternalError("its session is garbled");
}

void ForwardStreams::AwaitEnd() {
  std::array<epoll_event, kStreamsPerPeer + 1> events;
  while (connected()) {
    const int count =
        ::epoll_wait(watch_.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const uint64_t watched = events[static_cast<size_t>(i)].data.u64;
      if (watched == kWakeWatched) {
        wake_.Clear();
      } else {
        SeeHangUp(watched);
      }
    }
  }
  absl::MutexLock lock(&mutex_);
  if (stopping_) return;
  losses_.Warn("{}", NoSession());
  refusals_.Count(PeerRefusals::Kind::kLostConnection, why_none_);
}

// So that the end of a session is not left to the next request to find.
void ForwardStreams::SeeHangUp(uint64_t watched) {
  absl::MutexLock lock(&mutex_);
  Slot& slot = slots_[watched & ((1 << kSlotBits) - 1)];
  if (slot.stream == nullptr || slot.streams != watched >> kSlotBits) return;
  slot.hung_up = true;
  if (!slot.taken) Drop(slot, "it was lost");
}

void ForwardStreams::Drop(Slot& slot, const std::string& why) {
  slot.stream = nullptr;
  slot.hung_up = false;
  const bool none_left = std::all_of(slots_.begin(), slots_.end(),
                                     [](const Slot& each) { return each.stream == nullptr; });
  if (none_left) End(why);
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

// One with a connection. Nothing was sent over those that could not be made, so the request may use
// another one.
absl::StatusOr<ForwardStreams::Slot*> ForwardStreams::Take() {
  while (true) {
    BATON_ASSIGN_OR_RETURN(Slot* const slot, AwaitFree());
    if (slot->stream != nullptr) return slot;
    const absl::Status connected = Connect(*slot);
    if (connected.ok()) {
      NoteExtraMade();
      return slot;
    }
    GiveBackUnmade(*slot, Message(connected));
  }
}

absl::StatusOr<ForwardStreams::Slot*> ForwardStreams::AwaitFree() {
  absl::MutexLock lock(&mutex_);
  while (state_ == State::kOpen) {
    Slot* const free = FindFree();
    if (free != nullptr && (free->stream != nullptr || runtime_.BootTime() >= extra_at_)) {
      // After a failure one of those who wait tries, and the others follow if it succeeds.
      const bool is_probe = free->stream == nullptr && extra_at_ > absl::ZeroDuration();
      if (is_probe) extra_at_ = runtime_.BootTime() + kExtraStreamRetry;
      free->taken = true;
      ++taken_;
      return free;
    }
    if (free == nullptr) {
      runtime_.Wait(slot_freed_, mutex_);
    } else {
      runtime_.WaitUntil(slot_freed_, mutex_, extra_at_);
    }
  }
  return NotSent(NoSession());
}

// One with a connection rather than one without; null: all are taken.
ForwardStreams::Slot* ForwardStreams::FindFree() {
  Slot* free = nullptr;
  for (Slot& slot : slots_) {
    if (!slot.taken && (free == nullptr || slot.stream != nullptr)) free = &slot;
    if (free != nullptr && free->stream != nullptr) break;
  }
  return free;
}

void ForwardStreams::GiveBack(Slot& slot) {
  absl::MutexLock lock(&mutex_);
  // Before the caller hears that there is no answer: what is queued must not be sent later.
  if (state_ == State::kNone || slot.hung_up) Drop(slot, "it was lost");
  Release(slot);
}

void ForwardStreams::NoteExtraMade() {
  absl::MutexLock lock(&mutex_);
  if (extra_at_ == absl::ZeroDuration()) return;
  extra_at_ = absl::ZeroDuration();
  slot_freed_.SignalAll();
}

void ForwardStreams::GiveBackUnmade(Slot& slot, const std::string& why) {
  absl::MutexLock lock(&mutex_);
  if (state_ == State::kOpen) {
    extra_at_ = runtime_.BootTime() + kExtraStreamRetry;
    failures_.Warn("no further connection to {}: {}", options_.peer, why);
  }
  Drop(slot, why);
  Release(slot);
}

void ForwardStreams::Release(Slot& slot) {
  slot.taken = false;
  slot_freed_.Signal();
  if (--taken_ == 0 && state_ == State::kNone) changed_.Signal();
}

// A request whose stream is lost may have taken effect, or may yet. It is sent again only where
// nothing of its first copy can begin any more and nothing of it runs: over a later stream of the
// same place, or in a later session.
absl::Status ForwardStreams::Use(Slot& slot, WireHeader& request, Bytes data, MutableBytes out) {
  std::optional<absl::Status> answer = Ask(slot, request, data, out);
  if (!answer && Remake(slot)) answer = Ask(slot, request, data, out);
  return answer ? *answer : Lose("it was lost");
}

// nullopt: the stream was lost before the answer.
std::optional<absl::Status> ForwardStreams::Ask(Slot& slot, WireHeader& request, Bytes data,
                                                MutableBytes out) {
  request.number = ++slot.requests;
  if (!slot.stream->Send(request, data)) return std::nullopt;
  return ReceiveAnswer(*slot.stream, request, out);
}

std::optional<absl::Status> ForwardStreams::ReceiveAnswer(Stream& stream, const WireHeader& request,
                                                          MutableBytes out) {
  std::array<std::byte, kMaxAnswerText> text;
  const MutableBytes room = out.empty() ? MutableBytes(text) : out;
  WireHeader answer;
  const std::optional<size_t> received = stream.ReceiveHeader(answer, room);
  if (!received) return std::nullopt;
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
    if (!stream.Receive(out.subspan(*received))) return std::nullopt;
    return absl::OkStatus();
  }
  if (!out.empty()) std::memcpy(text.data(), out.data(), *received);
  if (!stream.Receive(MutableBytes(text).subspan(*received, answer.length_bytes - *received))) {
    return std::nullopt;
  }
  return absl::Status(code, {reinterpret_cast<const char*>(text.data()), answer.length_bytes});
}

// By whoever has taken the slot.
absl::Status ForwardStreams::Connect(Slot& slot) {
  StreamJoin join{.address = {},
                  .key = {},
                  .place = static_cast<size_t>(&slot - slots_.data()),
                  .tls = tls_.get()};
  Stream* stream = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (state_ == State::kNone) return absl::UnavailableError("it was given up");
    join.address = *address_;
    join.key = key_;
    BATON_ASSIGN_OR_RETURN(UniqueFd fd, OpenTcp(join.address));
    slot.stream = std::make_unique<Stream>(std::move(fd));
    slot.hung_up = false;
    ++slot.streams;
    stream = slot.stream.get();
  }
  BATON_RETURN_IF_ERROR(JoinSession(runtime_, *stream, join));
  Watch(slot);
  return absl::OkStatus();
}

bool ForwardStreams::Remake(Slot& slot) {
  const absl::Status connected = Connect(slot);
  if (!connected.ok()) return false;
  losses_.Warn("a connection to {} was lost, and made anew", options_.peer);
  refusals_.Count(PeerRefusals::Kind::kLostConnection, "one of " + options_.peer);
  return true;
}

// Once: whoever has taken the slot finds the end of the connection, too.
void ForwardStreams::Watch(const Slot& slot) {
  const uint64_t watched = slot.streams << kSlotBits | static_cast<uint64_t>(&slot - slots_.data());
  // Without it the next request finds the end.
  WatchFd(watch_.get(), slot.stream->fd(), EPOLLRDHUP | EPOLLONESHOT, watched).IgnoreError();
}

}  // namespace baton::ha
