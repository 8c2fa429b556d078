#include "ha/io/stream_join.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "engine/base/status.h"
#include "ha/io/peer_settings.h"
#include "ha/io/tcp_socket.h"

namespace baton::ha {
namespace {

// One attempt, with one deadline for all of it: who answers byte by byte gets no more time.
class JoinAttempt {
 public:
  JoinAttempt(Runtime& runtime, Stream& stream, const StreamJoin& join)
      : runtime_(runtime),
        stream_(stream),
        join_(join),
        until_(runtime.BootTime() + kHandshakeTimeout) {}

  absl::Status Run() {
    BATON_RETURN_IF_ERROR(ConnectTcpTo(stream_.fd(), join_.address, kHandshakeTimeout));
    if (join_.tls != nullptr) BATON_RETURN_IF_ERROR(Encrypt());
    const WireHeader join{
        .kind = FrameKind::kJoin, .number = join_.key.number, .offset = join_.place};
    WireHeader welcome;
    if (!stream_.Send(join, {}) || !Receive(welcome) || !IsHeader(welcome) ||
        welcome.kind != FrameKind::kWelcome) {
      return absl::UnavailableError("it takes no connection of this session");
    }
    LetTcpBlock(stream_.fd());
    return absl::OkStatus();
  }

 private:
  absl::Status Encrypt() {
    stream_.Encrypt(join_.tls->Connect(stream_.fd(), join_.key));
    Tls::Step step = stream_.tls()->Handshake();
    while (step == Tls::Step::kAgain && MoreHasCome()) step = stream_.tls()->Handshake();
    if (step == Tls::Step::kDone) return absl::OkStatus();
    return absl::UnavailableError("no agreement on keys");
  }
  bool Receive(WireHeader& header) {
    MutableBytes left = std::as_writable_bytes(std::span(&header, 1));
    while (!left.empty()) {
      const ssize_t got = stream_.ReceiveSome(left);
      if (got > 0) {
        left = left.subspan(static_cast<size_t>(got));
      } else if (got == 0 || errno != EAGAIN || !MoreHasCome()) {
        return false;
      }
    }
    return true;
  }
  bool MoreHasCome() const { return AwaitTcp(stream_.fd(), POLLIN, until_ - runtime_.BootTime()); }

  Runtime& runtime_;
  Stream& stream_;
  const StreamJoin& join_;
  const absl::Duration until_;
};

}  // namespace

absl::Status JoinSession(Runtime& runtime, Stream& stream, const StreamJoin& join) {
  return JoinAttempt(runtime, stream, join).Run();
}

}  // namespace baton::ha
