// One worker's conversation with the kernel, in libfuse's words.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "fs/volume_ops.h"

namespace baton::fs {

// A libfuse session of its own for each worker, all on the same open /dev/fuse: nothing that a
// request touches is shared between workers, and each finds its own buffer by the user data.
// One thread at a time.
class Connection {
 public:
  // `fd` is duplicated; `mounted` and `answer` outlive the connection. libfuse is shown the
  // FUSE_INIT request, and what it answers is kept here.
  static absl::StatusOr<std::unique_ptr<Connection>> Make(int fd, const std::string& init_request,
                                                          Mounted& mounted, MutableBytes answer);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The bytes that answer FUSE_INIT, for the caller to send: the same from every connection. They
  // are binding for all later sessions on this mount, of later versions too, because the kernel
  // asks only once.
  const std::string& init_answer() const { return init_answer_; }

  // Answers one request, which is no FUSE_INTERRUPT; its bytes may be changed.
  void Serve(MutableBytes request);

 private:
  Connection(Mounted& mounted, MutableBytes answer) : server_{mounted, answer} {}

  absl::Status Open(int fd);
  absl::Status Initialise(std::string init_request);
  void Process(MutableBytes request);

  struct Destroy {
    void operator()(fuse_session* session) const { fuse_session_destroy(session); }
  };

  Server server_;
  std::string init_answer_;
  std::unique_ptr<fuse_session, Destroy> session_;
};

// Whether a session that would answer `ours` can serve a mount that was begun with `init_answer`,
// by an earlier version: it knows all that was agreed to, though it would agree to more.
bool GoesOnWith(const std::string& init_answer, const std::string& ours);

// "protocol 7.45, flags 0x…": what an answer to FUSE_INIT agrees to, for the log.
std::string DescribeInit(const std::string& init_request, const std::string& init_answer);

// The kernel can deliver again what a dead session had read (Linux 6.9).
bool CanResend(const std::string& init_request);

}  // namespace baton::fs
