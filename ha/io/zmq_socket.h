// ZeroMQ, wrapped: the only file pair that includes it. No type of it is seen outside, and its
// error codes become absl::Status here.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace baton::ha {

// One I/O thread. Thread-safe; outlives its sockets.
class ZmqContext {
 public:
  static absl::StatusOr<std::unique_ptr<ZmqContext>> Make();
  ~ZmqContext();  // waits for answers that are still being sent, at most kLinger each
  ZmqContext(const ZmqContext&) = delete;
  ZmqContext& operator=(const ZmqContext&) = delete;
  void* handle() const { return handle_; }
  // An address within the context that no socket had before: ZeroMQ frees them late.
  std::string UniqueAddress();

 private:
  explicit ZmqContext(void* handle) : handle_(handle) {}
  void* const handle_;
  std::atomic<uint64_t> last_address_{0};
};

using Frames = std::vector<std::string>;

// One socket; at most one thread at a time. Nothing here blocks: wait with ZmqPoll.
//
// A frame that is longer than limits::kMaxMessageBytes is not received: its connection is closed.
class ZmqSocket {
 public:
  enum class Type { kRouter, kDealer };
  static constexpr absl::Duration kLinger = absl::Milliseconds(500);
  // Of a message with more frames only so many are kept: enough to see that it is garbled.
  static constexpr size_t kMaxFrames = 4;

  static absl::StatusOr<std::unique_ptr<ZmqSocket>> Open(ZmqContext& context, Type type);
  ~ZmqSocket();
  ZmqSocket(const ZmqSocket&) = delete;
  ZmqSocket& operator=(const ZmqSocket&) = delete;

  // Serves the connections of a Unix socket that listens already. `fd` stays the caller's.
  absl::Status Serve(const std::string& path, int fd);
  absl::Status Connect(const std::string& path);

  // The next message; nullopt when none is waiting. Of a router the first frame names the peer.
  std::optional<Frames> Receive();
  // False when the message was not taken: no room. To a peer that is gone it vanishes, with true.
  bool Send(const Frames& frames);

  // From now on ConnectionTrouble() tells what became of connections: the worst since the last
  // call. Poll with connection_events().
  enum class Trouble { kNone, kNotMade, kLost };
  absl::Status WatchConnections();
  Trouble ConnectionTrouble();

  void* handle() const { return handle_; }
  void* connection_events() const { return events_; }

 private:
  ZmqSocket(ZmqContext& context, void* handle) : context_(context), handle_(handle) {}

  ZmqContext& context_;
  void* const handle_;
  void* events_ = nullptr;
};

// A ZeroMQ handle or, where that is null, a file descriptor, to be waited for until readable.
struct ZmqPollItem {
  void* handle = nullptr;
  int fd = -1;
  bool readable = false;  // the answer
};

// Waits until an item is readable or `timeout` has passed (InfiniteDuration: no limit). May return
// early with nothing readable.
void ZmqPoll(std::span<ZmqPollItem> items, absl::Duration timeout);

}  // namespace baton::ha
