// ZeroMQ, wrapped: the only file pair that includes it. No type of it is seen outside, and its
// error codes become absl::Status here.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/bytes.h"

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

// A process at the other end of a Unix socket, as it was when it connected.
struct LocalPeer {
  uint32_t uid = 0;
  uint32_t pid = 0;  // 0: of another namespace
};

// One frame of a message that travels without being copied. Moves from thread to thread.
class ZmqMessage {
 public:
  ZmqMessage();  // empty
  // `size_bytes` undefined bytes.
  explicit ZmqMessage(size_t size_bytes);
  static ZmqMessage Copy(Bytes bytes);
  static ZmqMessage Copy(const std::string& text);
  // Overwritten when the last part of the process has used it.
  static ZmqMessage CopySecret(Bytes bytes);
  ~ZmqMessage();
  ZmqMessage(ZmqMessage&& other) noexcept;
  ZmqMessage& operator=(ZmqMessage&& other) noexcept;

  Bytes bytes() const;
  MutableBytes mutable_bytes();
  std::string text() const;
  // The name that the authenticator gave to the sender; empty: none.
  std::string sender() const;
  // The descriptor of the connection that it came by; -1: none.
  int connection() const;
  // Who sent it over a Unix socket; nullopt: it came another way.
  std::optional<LocalPeer> local_peer() const;

 private:
  friend class ZmqSocket;
  static constexpr size_t kHandleBytes = 64;
  void* handle() const { return handle_; }
  alignas(8) mutable std::byte handle_[kHandleBytes];
};

// What sockets between machines are set to. Zero: ZeroMQ's own default.
struct ZmqTcpOptions {
  absl::Duration reconnect_min;
  absl::Duration reconnect_max;
  absl::Duration handshake_timeout;
  absl::Duration probe_interval;   // of a connection that is silent
  absl::Duration silence_timeout;  // of the answer to a probe: the connection is closed
  int queued_messages = 0;         // in each direction of a connection
  size_t max_message_bytes = 0;
};

// Curve25519 keys in Z85.
struct ZmqKeys {
  std::string public_key;
  std::string secret_key;
};
absl::StatusOr<ZmqKeys> ZmqMakeKeys();
// The public key of a secret key; InvalidArgument: it is no key.
absl::StatusOr<std::string> ZmqPublicKey(const std::string& secret_key);
// The 32 bytes of a key in Z85. InvalidArgument: it is none.
absl::StatusOr<std::string> ZmqKeyBytes(const std::string& key);
// Z85 of 32 bytes, as the authenticator is told a key; empty when these are not 32 bytes.
std::string ZmqKeyText(Bytes key);

// One socket; at most one thread at a time. Nothing here blocks: wait with ZmqPoll.
//
// A frame that is longer than limits::kMaxMessageBytes is not received: its connection is closed.
class ZmqSocket {
 public:
  enum class Type { kRouter, kDealer, kPub, kSub };
  // Of a message with more frames only so many are kept: enough to see that it is garbled.
  static constexpr size_t kMaxFrames = 4;

  static absl::StatusOr<std::unique_ptr<ZmqSocket>> Open(ZmqContext& context, Type type);
  ~ZmqSocket();
  ZmqSocket(const ZmqSocket&) = delete;
  ZmqSocket& operator=(const ZmqSocket&) = delete;

  // Serves the connections of a Unix socket that listens already. `fd` stays the caller's.
  absl::Status Serve(const std::string& path, int fd);
  absl::Status Connect(const std::string& path);

  // Sockets between machines and within the process: addresses as ZeroMQ writes them. Options and
  // keys are set before Bind and Dial. What was not sent when the socket is closed is lost.
  absl::Status SetTcpOptions(const ZmqTcpOptions& options);
  // Only those whom the context's authenticator lets in may connect. It listens at
  // kAuthenticatorAddress before the socket does, and as long: ZeroMQ lets in everybody who has
  // any key while there is none.
  absl::Status RequireKeys(const std::string& secret_key);
  absl::Status PresentKeys(const ZmqKeys& own, const std::string& server_public_key);
  absl::Status SubscribeToAll();
  absl::StatusOr<std::string> Bind(const std::string& address);  // the address with the real port
  absl::Status Dial(const std::string& address);
  static constexpr char kAuthenticatorAddress[] = "inproc://zeromq.zap.01";

  // The next message; nullopt when none is waiting. Of a router the first frame names the peer.
  std::optional<Frames> Receive();
  // False when the message was not taken: no room. To a peer that is gone it vanishes, with true.
  bool Send(const Frames& frames);

  // The same without copies. Frames beyond those that `frames` has room for are not kept, but
  // counted: the number of frames of the message; 0: none is waiting.
  size_t Receive(std::span<ZmqMessage> frames);
  // False: nothing was taken. Frames that were taken are empty afterwards.
  bool Send(std::span<ZmqMessage> frames);

  // From now on NextEvent() tells what became of connections; poll with connection_events().
  // kCome: somebody connected, and has proven nothing yet.
  enum class Event { kCome, kMade, kNotMade, kLost, kKeyRefused, kHandshakeFailed };
  // `fd`: of kCome and kLost the descriptor of the connection; it may be closed by now.
  std::optional<Event> NextEvent(int* fd = nullptr);
  // The worst of the events since the last call.
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
