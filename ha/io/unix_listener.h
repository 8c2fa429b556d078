// The Unix socket file of a server: exactly one listener a path, nothing stale left in the way.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/base/unique_fd.h"

namespace baton::ha {

// A socket that listens. Its file's mode is the gate: whoever may write the file may connect, and
// nothing behind it asks again (ZeroMQ shows no peer credentials of ipc connections that could be
// relied on).
//
// PATH.lock is held while the listener lives, so that of two servers that start at one time one is
// refused; it is left behind, empty. The destructor removes the socket file, unless the listener
// was adopted to be left.
class UnixListener {
 public:
  // Connections queue from here on; they are served once a RequestServer is started on it.
  //   FailedPrecondition  somebody listens at `path`, or what is there is no socket
  //   InvalidArgument     a path that no socket can have
  //   anything else       the system's own refusal
  // Nothing is changed by a refusal. The file of a listener that died is replaced.
  // `group`: of the file; nullopt: that of this process.
  static absl::StatusOr<std::unique_ptr<UnixListener>> Bind(const std::string& path, mode_t mode,
                                                            std::optional<gid_t> group = {});
  // The listener that another process made and whose descriptors it has handed over. kLeave: that
  // one goes on to own the file.
  enum class AtEnd { kRemove, kLeave };
  static std::unique_ptr<UnixListener> Adopt(std::string path, UniqueFd lock, UniqueFd socket,
                                             AtEnd at_end);
  ~UnixListener();
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  int fd() const { return socket_.get(); }
  int lock_fd() const { return lock_.get(); }
  const std::string& path() const { return path_; }

 private:
  UnixListener(std::string path, UniqueFd lock, UniqueFd socket, AtEnd at_end)
      : path_(std::move(path)),
        lock_(std::move(lock)),
        socket_(std::move(socket)),
        at_end_(at_end) {}

  const std::string path_;
  const UniqueFd lock_;
  const UniqueFd socket_;
  const AtEnd at_end_;
};

// OK: somebody listens at `path`. NotFound: there is no such file. Unavailable: a socket that
// nobody listens on. FailedPrecondition: no socket. PermissionDenied: not for this user.
absl::Status ProbeUnixSocket(const std::string& path);

}  // namespace baton::ha
