#include "cli/keeper/channel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "cli/keeper/keeper_settings.h"
#include "engine/base/errno_status.h"
#include "engine/base/status.h"

namespace baton::keeper {
namespace {

constexpr char kName[] = "the keeper's socket";

struct alignas(cmsghdr) ControlData {
  std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptors)> bytes = {};
};

void Attach(msghdr& header, ControlData& control, std::initializer_list<int> descriptors) {
  if (descriptors.size() == 0) return;
  const size_t bytes = sizeof(int) * descriptors.size();
  header.msg_control = control.bytes.data();
  header.msg_controllen = CMSG_SPACE(bytes);
  cmsghdr* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(bytes);
  std::memcpy(CMSG_DATA(part), descriptors.begin(), bytes);
}

std::vector<UniqueFd> Detach(msghdr& header) {
  std::vector<UniqueFd> descriptors;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      descriptors.emplace_back(descriptor);
    }
  }
  return descriptors;
}

absl::Status Gone() {
  return Error(absl::StatusCode::kUnavailable, "{}: the other end is gone", kName);
}

}  // namespace

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> Channel::Pair() {
  std::array<int, 2> ends = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return ErrnoStatus(errno, "make", kName);
  }
  return std::make_pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

absl::Status Channel::Send(const Packet& message, std::initializer_list<int> descriptors) const {
  std::string bytes = message.SerializeAsString();
  iovec part = {.iov_base = bytes.data(), .iov_len = bytes.size()};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  ControlData control;
  Attach(header, control, descriptors);
  if (::sendmsg(socket_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return absl::OkStatus();
  if (errno == EAGAIN || errno == EPIPE || errno == ECONNRESET) return Gone();
  return ErrnoStatus(errno, "send on", kName);
}

absl::StatusOr<std::optional<Received>> Channel::Receive() const {
  std::string bytes(kMaxPacketBytes, '\0');
  iovec part = {.iov_base = bytes.data(), .iov_len = bytes.size()};
  ControlData control;
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes.data();
  header.msg_controllen = control.bytes.size();
  const ssize_t length = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  if (length < 0 && errno != ECONNRESET) return ErrnoStatus(errno, "receive on", kName);
  if (length <= 0) return Gone();
  Received received;
  received.descriptors = Detach(header);
  const bool whole = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
  if (whole && received.message.ParseFromArray(bytes.data(), static_cast<int>(length))) {
    return received;
  }
  return Error(absl::StatusCode::kDataLoss, "{}: a message is garbled", kName);
}

}  // namespace baton::keeper
