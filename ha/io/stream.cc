#include "ha/io/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace baton::ha {
namespace {

Bytes BytesOfHeader(const WireHeader& header) { return std::as_bytes(std::span(&header, 1)); }

iovec PartOf(Bytes bytes) { return {const_cast<std::byte*>(bytes.data()), bytes.size()}; }

}  // namespace

bool Stream::Send(const WireHeader& header, Bytes body) {
  if (tls_ == nullptr) return SendPlain(header, body);
  return tls_->Send(BytesOfHeader(header)) && tls_->Send(body) && tls_->Flush();
}

bool Stream::SendPlain(const WireHeader& header, Bytes body) {
  Bytes head = BytesOfHeader(header);
  while (!head.empty() || !body.empty()) {
    std::array<iovec, 2> parts{PartOf(head), PartOf(body)};
    msghdr message = {};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t result = ::sendmsg(fd(), &message, MSG_NOSIGNAL);
    if (result < 0 && errno == EINTR) continue;
    if (result <= 0) return false;
    const auto sent = static_cast<size_t>(result);
    const size_t of_head = std::min(sent, head.size());
    head = head.subspan(of_head);
    body = body.subspan(sent - of_head);
  }
  return true;
}

ssize_t Stream::ReceiveSome(MutableBytes first, MutableBytes second) {
  if (tls_ != nullptr) return tls_->Receive(first);
  std::array<iovec, 2> parts{PartOf(first), PartOf(second)};
  msghdr message = {};
  message.msg_iov = parts.data();
  message.msg_iovlen = second.empty() ? 1 : 2;
  while (true) {
    const ssize_t got = ::recvmsg(fd(), &message, 0);
    if (got >= 0 || errno != EINTR) return got;
  }
}

std::optional<size_t> Stream::ReceiveHeader(WireHeader& header, MutableBytes room) {
  const MutableBytes bytes = std::as_writable_bytes(std::span(&header, 1));
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ReceiveSome(bytes.subspan(have), room);
    if (got <= 0) return std::nullopt;
    have += static_cast<size_t>(got);
  }
  return have - bytes.size();
}

bool Stream::Receive(MutableBytes out) {
  while (!out.empty()) {
    const ssize_t got =
        tls_ != nullptr ? tls_->Receive(out) : ::recv(fd(), out.data(), out.size(), MSG_WAITALL);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out = out.subspan(static_cast<size_t>(got));
  }
  return true;
}

void Stream::Shutdown() { ::shutdown(fd(), SHUT_RDWR); }

}  // namespace baton::ha
