// The mount itself: the kernel's end of the conversation, without anybody who answers yet.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "engine/base/unique_fd.h"

namespace baton::fs {

struct MountOptions {
  std::string path;         // an existing, empty directory
  bool allow_other = true;  // other users than the one who mounts; the modes decide what they may
};

enum class Unmount {
  kClean,   // FailedPrecondition while files are open or a directory is someone's current one
  kLazy,    // the name is gone at once; open files work as long as a session serves them
  kForced,  // as kLazy, and all requests end with an error at once, whoever serves or does not
};

// What the destructor does.
enum class AtEnd {
  kUnmount,
  kLeave,  // somebody else holds the mount and ends it
};

// A mounted /dev/fuse. It is apart from the session so that a process which never serves (the
// keeper) can hold it while sessions in other processes come and go: requests wait as long as
// anyone holds the descriptor. Whoever makes it must never use the mount: that would wait for a
// session. Not thread-safe. The destructor unmounts lazily, unless the mount was adopted to be
// left.
class Mount {
 public:
  // Refused, with nothing changed: NotFound (no such directory), FailedPrecondition (no directory,
  // not empty, something is mounted there), PermissionDenied (not root). A dead mount that an
  // earlier controller left behind is taken away first.
  static absl::StatusOr<std::unique_ptr<Mount>> Make(const MountOptions& options);
  // The mount that another process made and whose descriptor it has handed over; `path`, `device`
  // and `init_request` are what that one says of it.
  static std::unique_ptr<Mount> Adopt(std::string path, std::string device, UniqueFd fd,
                                      std::string init_request, AtEnd at_end);
  ~Mount();
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  // Where it is, symbolic links resolved.
  const std::string& path() const { return path_; }
  // Of the mounted file system, in the mount table: "MAJOR:MINOR".
  const std::string& device() const { return device_; }
  // The shared /dev/fuse: blocking, closed on exec. Never clone it (FUSE_DEV_IOC_CLONE): the death
  // of a clone's last holder fails the requests read through it.
  int fd() const { return fd_.get(); }
  // The kernel's FUSE_INIT request, read and not answered. Every session is given these bytes: the
  // kernel sends them once, and who has not seen them cannot speak its version of the protocol.
  const std::string& init_request() const { return init_request_; }

  // False once it was unmounted for good: nobody has a file open any more. Never waits.
  bool Connected() const;
  // OK also when someone else has unmounted it. Call with kClean only while a session serves: the
  // kernel has pages to write back.
  absl::Status TakeDown(Unmount how);
  // Somebody else holds the mount and ends it: the destructor does not.
  void Leave() { at_end_ = AtEnd::kLeave; }

 private:
  Mount(std::string path, std::string device, UniqueFd fd, std::string init_request, AtEnd at_end);

  const std::string path_;
  const std::string device_;  // in the mount table: tells our mount from another one at path_
  const UniqueFd fd_;
  const std::string init_request_;
  AtEnd at_end_;
};

}  // namespace baton::fs
