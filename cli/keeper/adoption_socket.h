// Where a controller that has lost its keeper can be found by another one: the socket
// CONTROL.keeper.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>

#include "engine/base/unique_fd.h"

namespace baton::keeper {

// For the user of the controller only: by the file's mode (0600), and the peer is asked for.
class AdoptionSocket {
 public:
  struct Connection {
    UniqueFd socket;
    pid_t pid = 0;
  };

  // The controller's side. A file that is there is replaced: whoever serves `control_path` is
  // alone there.
  static absl::StatusOr<std::unique_ptr<AdoptionSocket>> Open(const std::string& control_path);
  ~AdoptionSocket();  // removes the file
  AdoptionSocket(const AdoptionSocket&) = delete;
  AdoptionSocket& operator=(const AdoptionSocket&) = delete;
  int fd() const { return socket_.get(); }
  // When fd() is readable.
  absl::StatusOr<Connection> Accept() const;

  // The keeper's side. NotFound: no controller waits there.
  static absl::StatusOr<Connection> Connect(const std::string& control_path);

 private:
  AdoptionSocket(std::string path, UniqueFd socket)
      : path_(std::move(path)), socket_(std::move(socket)) {}

  const std::string path_;
  const UniqueFd socket_;
};

}  // namespace baton::keeper
