#include "fs/connection.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"
#include "engine/base/unique_fd.h"
#include "fs/mount_settings.h"
#include "fs/protocol.h"

namespace baton::fs {
namespace {

// A fixed list, not libfuse's defaults: what is on is what was tested. Left out on purpose:
// splicing (answers come from resident buffers), the write-back cache (a write that is
// acknowledged has left the node), truncating by OPEN itself (the kernel would take the volume for
// empty, and asynchronous reads of it would end at once), invalidating by time stamps
// (Session::DropPages does it), names with attributes in one answer (neither may be kept, so the
// kernel would ask for each again). Nodes are the same for ever, so they may be found by number.
// Locks are the owner's to grant, on whatever node.
constexpr unsigned kFeatures = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_EXPORT_SUPPORT |
                               FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS;

void ChooseFeatures(void*, fuse_conn_info* connection) {
  connection->want = connection->capable & kFeatures;
  connection->max_write = limits::kMaxRequestBytes;
  connection->max_readahead =
      std::min<unsigned>(connection->max_readahead, limits::kMaxRequestBytes);
  connection->max_background = kMaxBackground;
  connection->congestion_threshold = kCongestionThreshold;
}

template <typename T>
T BodyOf(const std::string& message, size_t header_bytes) {
  T body = {};
  if (message.size() > header_bytes) {
    std::memcpy(&body, message.data() + header_bytes,
                std::min(sizeof(body), message.size() - header_bytes));
  }
  return body;
}

fuse_init_in InitIn(const std::string& request) {
  return BodyOf<fuse_init_in>(request, sizeof(fuse_in_header));
}

fuse_init_out InitOut(const std::string& answer) {
  return BodyOf<fuse_init_out>(answer, sizeof(fuse_out_header));
}

// What libfuse 3.14 does not say: it forgets parallel look-ups, though they are wanted, and knows
// nothing of the upper word of the flags.
void AddMissingFeatures(const fuse_init_in& offered, std::string& answer) {
  fuse_init_out out = InitOut(answer);
  out.flags |= offered.flags & FUSE_PARALLEL_DIROPS;
  if (offered.flags & FUSE_INIT_EXT) out.flags2 |= offered.flags2 & kInitDirectIoAllowMmap;
  std::memcpy(answer.data() + sizeof(fuse_out_header), &out, sizeof(out));
}

ssize_t Receive(int fd, void* to, size_t room_bytes, void*) { return ::read(fd, to, room_bytes); }

void NoteAnswer(Mounted& mounted) {
  if (mounted.answered.load(std::memory_order_relaxed) || mounted.answered.exchange(true)) return;
  if (!mounted.on_first_answer) return;
  const absl::Duration came = absl::Nanoseconds(mounted.first_came_ns.load());
  mounted.on_first_answer(mounted.request_waited ? std::nullopt : std::optional(came));
}

ssize_t Send(int fd, iovec* parts, int count, void* user_data) {
  std::string* capture = static_cast<Server*>(user_data)->capture;
  if (capture == nullptr) {
    const ssize_t sent = ::writev(fd, parts, count);
    if (sent >= 0) NoteAnswer(static_cast<Server*>(user_data)->mounted);
    return sent;
  }
  ssize_t total = 0;
  for (int i = 0; i < count; ++i) {
    capture->append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
    total += static_cast<ssize_t>(parts[i].iov_len);
  }
  return total;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Make(int fd,
                                                             const std::string& init_request,
                                                             Mounted& mounted,
                                                             MutableBytes answer) {
  std::unique_ptr<Connection> result(new Connection(mounted, answer));
  BATON_RETURN_IF_ERROR(result->Open(fd));
  BATON_RETURN_IF_ERROR(result->Initialise(init_request));
  return result;
}

absl::Status Connection::Open(int fd) {
  char name[] = "baton";
  char* argv[] = {name, nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, argv);
  fuse_lowlevel_ops ops = VolumeOps();
  ops.init = ChooseFeatures;
  session_.reset(fuse_session_new(&args, &ops, sizeof(ops), &server_));
  fuse_opt_free_args(&args);
  if (session_ == nullptr) return Error(absl::StatusCode::kInternal, "cannot make a FUSE session");
  UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own.valid()) return ErrnoStatus(errno, "duplicate the descriptor of", kFuseDevice);
  fuse_custom_io io = {};
  io.read = Receive;
  io.writev = Send;
  if (const int error = fuse_session_custom_io(session_.get(), &io, own.get())) {
    return ErrnoStatus(-error, "attach", kFuseDevice);
  }
  own.Release();  // fuse_session_destroy closes it
  return absl::OkStatus();
}

absl::Status Connection::Initialise(std::string init_request) {
  server_.capture = &init_answer_;
  Process({reinterpret_cast<std::byte*>(init_request.data()), init_request.size()});
  server_.capture = nullptr;
  fuse_out_header header = {};
  std::memcpy(&header, init_answer_.data(), std::min(sizeof(header), init_answer_.size()));
  if (header.error != 0 || init_answer_.size() != sizeof(header) + sizeof(fuse_init_out)) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "this kernel's FUSE protocol {}.{} is not understood: Linux 6.1 or later is "
                 "needed",
                 InitIn(init_request).major, InitIn(init_request).minor);
  }
  AddMissingFeatures(InitIn(init_request), init_answer_);
  return absl::OkStatus();
}

void Connection::Process(MutableBytes request) {
  fuse_buf buffer = {};
  buffer.mem = request.data();
  buffer.size = request.size();
  fuse_session_process_buf(session_.get(), &buffer);
}

void Connection::Serve(MutableBytes request) {
  const auto& header = *reinterpret_cast<const fuse_in_header*>(request.data());
  server_.received = header.unique;
  server_.unique = header.unique & ~kUniqueResent;
  Process(request);
}

bool GoesOnWith(const std::string& init_answer, const std::string& ours) {
  if (init_answer.size() != ours.size()) return false;
  const fuse_init_out given = InitOut(init_answer);
  fuse_init_out own = InitOut(ours);
  if ((given.flags & ~own.flags) != 0 || (given.flags2 & ~own.flags2) != 0) return false;
  own.flags = given.flags;
  own.flags2 = given.flags2;
  return std::memcmp(&given, &own, sizeof(own)) == 0;
}

std::string DescribeInit(const std::string& init_request, const std::string& init_answer) {
  const fuse_init_in in = InitIn(init_request);
  const fuse_init_out out = InitOut(init_answer);
  return fmt::format(
      "FUSE protocol {}.{} (kernel {}.{}), flags {:#x} {:#x} (offered {:#x} {:#x}), requests of {} "
      "bytes, {} in the background, memory maps {}, resending {}",
      out.major, out.minor, in.major, in.minor, out.flags, out.flags2, in.flags, in.flags2,
      out.max_write, out.max_background,
      out.flags2 & kInitDirectIoAllowMmap ? "shared and private" : "private only",
      CanResend(init_request) ? "possible" : "not possible before Linux 6.9");
}

bool CanResend(const std::string& init_request) {
  const fuse_init_in in = InitIn(init_request);
  return (in.flags & FUSE_INIT_EXT) && (in.flags2 & kInitHasResend);
}

}  // namespace baton::fs
