#include "ha/io/forward_server.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/base/limits.h"
#include "engine/base/resident_memory.h"
#include "engine/base/status.h"
#include "ha/io/peer_settings.h"
#include "ha/io/tcp_socket.h"

namespace baton::ha {
namespace {

// Without descriptors, connections wait so long to be taken.
constexpr absl::Duration kAcceptRetry = absl::Milliseconds(50);
constexpr size_t kFixedPolls = 2;  // the wake-up, the listener

// It makes a request that can be carried out in a buffer.
bool IsForwardRequest(const WireHeader& request) {
  if (!IsHeader(request) || request.offset > limits::kMaxVolumeBytes) return false;
  switch (request.kind) {
    case FrameKind::kRead:
    case FrameKind::kWrite:
      return request.length_bytes <= limits::kMaxRequestBytes;
    case FrameKind::kFlush:
    case FrameKind::kDiscard:
      return request.length_bytes <= limits::kMaxVolumeBytes;
    case FrameKind::kHello:
    case FrameKind::kWelcome:
    case FrameKind::kRefusal:
    case FrameKind::kCall:
    case FrameKind::kAnswer:
    case FrameKind::kAttach:
    case FrameKind::kJoin:
      break;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ForwardServer>> ForwardServer::Start(Runtime& runtime, bool insecure,
                                                                    PeerRefusals& refusals,
                                                                    ForwardTarget& target,
                                                                    const PeerAddress& address) {
  std::unique_ptr<ForwardServer> server(new ForwardServer(runtime, refusals, target));
  BATON_RETURN_IF_ERROR(server->wake_.status());
  if (!insecure) {
    BATON_ASSIGN_OR_RETURN(server->tls_, TlsContext::Make());
  }
  BATON_ASSIGN_OR_RETURN(server->listener_, ListenTcp(address));
  server->port_ = PortOfTcp(server->listener_.get());
  server->loop_ = runtime.StartThread("peer-data", [loop = server.get()] { loop->Loop(); });
  return server;
}

ForwardServer::~ForwardServer() {
  stopping_ = true;
  wake_.Wake();
  loop_ = nullptr;  // nobody joins any more
  sessions_.EndAll();
  members_.clear();
}

void ForwardServer::Loop() {
  while (!stopping_) {
    const std::vector<bool> readable = Wait();
    wake_.Clear();
    Advance(readable);
    Accept();
    members_.remove_if([](const Member& member) { return member.over.load(); });
  }
}

// Which newcomers can be read from.
std::vector<bool> ForwardServer::Wait() {
  const absl::Duration now = runtime_.BootTime();
  absl::Duration until = absl::InfiniteDuration();
  std::vector<pollfd> polled{{wake_.fd(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
  if (now < accept_at_) {
    polled[1].fd = -1;
    until = accept_at_;
  }
  for (const Newcomer& newcomer : newcomers_) {
    polled.push_back({newcomer.stream->fd(), POLLIN, 0});
    until = std::min(until, newcomer.came + kHandshakeTimeout);
  }
  const bool forever = until == absl::InfiniteDuration();
  const auto wait_ms = absl::ToInt64Milliseconds(absl::Ceil(until - now, absl::Milliseconds(1)));
  ::poll(polled.data(), polled.size(),
         forever ? -1 : static_cast<int>(std::max<int64_t>(wait_ms, 0)));
  std::vector<bool> readable;
  for (size_t i = kFixedPolls; i < polled.size(); ++i) readable.push_back(polled[i].revents != 0);
  return readable;
}

void ForwardServer::Accept() {
  if (runtime_.BootTime() < accept_at_) return;
  // Not all at once: those that came before are not to wait for one who connects on and on.
  for (size_t i = 0; i < kMaxStrangers; ++i) {
    UniqueFd fd = AcceptTcp(listener_.get());
    if (!fd.valid()) {
      const bool none_waits = errno == EAGAIN || errno == ECONNABORTED || errno == EINTR;
      if (!none_waits) accept_at_ = runtime_.BootTime() + kAcceptRetry;
      return;
    }
    auto stream = std::make_unique<Stream>(std::move(fd));
    if (tls_ != nullptr) {
      stream->Encrypt(
          tls_->Accept(stream->fd(), [this](uint64_t session) { return sessions_.Find(session); }));
    }
    newcomers_.push_back({.stream = std::move(stream),
                          .came = runtime_.BootTime(),
                          .encrypted = tls_ == nullptr,
                          .join = {}});
    strangers_.Come(newcomers_.back().stream->fd());
  }
}

void ForwardServer::Advance(const std::vector<bool>& readable) {
  const absl::Duration now = runtime_.BootTime();
  size_t i = 0;
  for (auto newcomer = newcomers_.begin(); newcomer != newcomers_.end();) {
    Progress progress = readable[i++] ? Advance(*newcomer) : Progress::kMore;
    if (progress == Progress::kMore && newcomer->came + kHandshakeTimeout <= now) {
      progress = Progress::kRefused;
    }
    if (progress == Progress::kRefused) {
      refusals_.Count(PeerRefusals::Kind::kHandshake,
                      fmt::format("a connection to port {} without a proper handshake", port_));
    }
    if (progress == Progress::kMore) {
      ++newcomer;
      continue;
    }
    if (progress != Progress::kJoined) strangers_.Go(newcomer->stream->fd());
    newcomer = newcomers_.erase(newcomer);
  }
}

ForwardServer::Progress ForwardServer::Advance(Newcomer& newcomer) {
  if (!newcomer.encrypted) {
    const Tls::Step step = newcomer.stream->tls()->Handshake();
    if (step == Tls::Step::kAgain) return Progress::kMore;
    if (step == Tls::Step::kEnded) return Progress::kOver;
    if (step == Tls::Step::kFailed) return Progress::kRefused;
    newcomer.encrypted = true;
  }
  return ReceiveJoin(newcomer);
}

ForwardServer::Progress ForwardServer::ReceiveJoin(Newcomer& newcomer) {
  const MutableBytes join = std::as_writable_bytes(std::span(&newcomer.join, 1));
  while (newcomer.received < join.size()) {
    const ssize_t got = newcomer.stream->ReceiveSome(join.subspan(newcomer.received));
    if (got < 0 && errno == EAGAIN) return Progress::kMore;
    if (got <= 0) return newcomer.received == 0 ? Progress::kOver : Progress::kRefused;
    newcomer.received += static_cast<size_t>(got);
  }
  return Join(newcomer);
}

// Over: it comes too late.
ForwardServer::Progress ForwardServer::Join(Newcomer& newcomer) {
  Stream& stream = *newcomer.stream;
  const uint64_t session = newcomer.join.number;
  const bool proven = stream.tls() == nullptr ? sessions_.Find(session).has_value()
                                              : stream.tls()->session() == session;
  if (!proven || !IsHeader(newcomer.join) || newcomer.join.kind != FrameKind::kJoin ||
      newcomer.join.offset >= kStreamsPerPeer) {
    return Progress::kRefused;
  }
  const ForwardSessions::Ticket ticket = sessions_.Join(session, newcomer.join.offset, stream);
  if (ticket.peer == nullptr) return Progress::kOver;
  strangers_.Go(stream.fd());
  LetTcpBlock(stream.fd());
  Member& member = members_.emplace_back();
  member.stream = std::move(newcomer.stream);
  member.ticket = ticket;
  member.thread = runtime_.StartThread("peer-data", [this, &member] { Serve(member); });
  return Progress::kJoined;
}

void ForwardServer::Serve(Member& member) {
  if (sessions_.AwaitTurn(member.ticket)) ServeAll(member);
  sessions_.Leave(member.ticket);
  member.stream->Shutdown();
  member.over = true;
  wake_.Wake();
}

void ForwardServer::ServeAll(const Member& member) {
  const ResidentMemory memory(limits::kMaxRequestBytes);
  const MutableBytes buffer(memory.data(), limits::kMaxRequestBytes);
  if (!member.stream->Send({.kind = FrameKind::kWelcome, .number = member.ticket.session}, {})) {
    return;
  }
  while (ServeOne(member, buffer)) {
  }
}

// False: the stream is over.
bool ForwardServer::ServeOne(const Member& member, MutableBytes buffer) {
  Stream& stream = *member.stream;
  WireHeader header;
  const std::optional<size_t> received = stream.ReceiveHeader(header, buffer);
  if (!received) return false;
  if (!IsForwardRequest(header)) return Refuse(member, "a request that makes no sense");
  const uint64_t body_bytes = header.kind == FrameKind::kWrite ? header.length_bytes : 0;
  if (*received > body_bytes) return Refuse(member, "a request before the answer to another one");
  if (!stream.Receive(buffer.subspan(*received, body_bytes - *received))) return false;
  if (!sessions_.Run(member.ticket)) return false;
  const absl::Status status = CarryOut(member.ticket.peer->name, header, buffer);
  // Before the answer: a peer that does not read holds back no session.
  sessions_.Finish(member.ticket);
  if (!status.ok()) return SendError(stream, header, status);
  const Bytes data = buffer.first(header.kind == FrameKind::kRead ? header.length_bytes : 0);
  header.kind = FrameKind::kAnswer;
  header.length_bytes = data.size();
  return stream.Send(header, data);
}

absl::Status ForwardServer::CarryOut(const std::string& peer, const WireHeader& request,
                                     MutableBytes buffer) {
  const ForwardScope scope{.epoch = request.epoch, .volume_id = request.volume_id};
  if (request.kind == FrameKind::kRead) {
    return target_.Read(peer, scope, request.offset, buffer.first(request.length_bytes));
  }
  if (request.kind == FrameKind::kWrite) {
    return target_.Write(peer, scope, request.offset, buffer.first(request.length_bytes));
  }
  if (request.kind == FrameKind::kFlush) return target_.Flush(peer, scope);
  return target_.Discard(peer, scope, request.offset, request.length_bytes);
}

bool ForwardServer::SendError(Stream& stream, WireHeader header, const absl::Status& status) {
  const std::string text = Message(status).substr(0, kMaxAnswerText);
  header.kind = FrameKind::kAnswer;
  header.length_bytes = text.size();
  // At the other end Unavailable means that the connection was lost.
  const bool unavailable = absl::IsUnavailable(status);
  header.code = static_cast<uint32_t>(unavailable ? absl::StatusCode::kAborted : status.code());
  return stream.Send(header, std::as_bytes(std::span(text)));
}

// The peer has to begin a new session.
bool ForwardServer::Refuse(const Member& member, const std::string& why) {
  refusals_.Count(PeerRefusals::Kind::kGarbled, why);
  sessions_.End(member.ticket);
  return false;
}

}  // namespace baton::ha
