// Host I/O that a standby forwards to the owner: the two interfaces that the rest of the
// controller sees. How it travels: docs/pair-protocol.md.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <string>

#include "engine/base/bytes.h"

namespace baton::ha {

// What a forwarded request is for. `epoch`: the one whose owner its sender believes to talk to.
struct ForwardScope {
  uint64_t epoch = 0;
  uint64_t volume_id = 0;
};

// The owner's side: where forwarded requests end. Called by up to kStreamsPerPeer threads of each
// peer at once.
//
// `scope.epoch` must be the epoch in which this node is the owner, and stay so until the call
// returns (the gate of the epoch is held); otherwise the call changes nothing and returns Aborted.
// Every status reaches the caller as it is, except Unavailable, which arrives as Aborted: there
// it would mean that the connection was lost.
class ForwardTarget {
 public:
  virtual ~ForwardTarget() = default;
  // `out` and `data` are aligned to 4 KiB in memory and at most limits::kMaxRequestBytes long.
  virtual absl::Status Read(const std::string& peer, const ForwardScope& scope, uint64_t offset,
                            MutableBytes out) = 0;
  virtual absl::Status Write(const std::string& peer, const ForwardScope& scope, uint64_t offset,
                             Bytes data) = 0;
  virtual absl::Status Flush(const std::string& peer, const ForwardScope& scope) = 0;
  virtual absl::Status Discard(const std::string& peer, const ForwardScope& scope, uint64_t offset,
                               uint64_t length_bytes) = 0;
};

// The standby's side: requests to one peer, synchronous, from any number of threads at once; up to
// kStreamsPerPeer are under way, and are answered in any order.
//
// A call has no time limit of its own. It ends with the target's status, or with
//   Unavailable  the peer is not connected, or the connection was lost or given up before the
//                answer. Whether the request took effect is not known (but WasNeverSent of
//                ha/io/not_sent.h); send it again, to the same peer or to the next owner.
//   Aborted      the peer is not the owner of `scope.epoch`; nothing was done
// Once any call of a later session at the same peer has been answered, no request of an earlier
// session will take effect any more: what is sent again is never overtaken by its own
// first copy. (Between two owners, the epoch sees to that.)
class ForwardClient {
 public:
  virtual ~ForwardClient() = default;

  // At most limits::kMaxRequestBytes; after a failure `out` is undefined.
  virtual absl::Status Read(const ForwardScope& scope, uint64_t offset, MutableBytes out) = 0;
  virtual absl::Status Write(const ForwardScope& scope, uint64_t offset, Bytes data) = 0;
  virtual absl::Status Flush(const ForwardScope& scope) = 0;
  virtual absl::Status Discard(const ForwardScope& scope, uint64_t offset,
                               uint64_t length_bytes) = 0;

  // Calls can be sent now.
  virtual bool connected() const = 0;
  // Ends every call in flight with Unavailable and begins a new connection: the peer was declared
  // gone, or is not to be waited for.
  virtual void Abort() = 0;
};

}  // namespace baton::ha
