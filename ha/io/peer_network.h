// The talk between the controllers of a pool: heartbeats, calls, forwarded host I/O.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/runtime.h"
#include "ha/io/forward.h"
#include "ha/io/keys.h"
#include "ha/io/peer.pb.h"

namespace baton::ha {

// How peers prove who they are. With keys, every connection is encrypted, and whoever holds no
// allowed key gets nothing and changes nothing. `insecure`: plaintext, names are believed; then
// every address, our own and the peers', is a loopback one.
struct PeerSecurity {
  bool insecure = false;
  KeyPair keys;
  AllowedKeys allowed;  // one or more for every peer that is named; those of others let nobody in
};

// What was refused or dropped since the start, for metrics. None of it changed anything.
struct PeerCounters {
  uint64_t refused_keys = 0;       // connections by a key that is not allowed
  uint64_t failed_handshakes = 0;  // connections that speak another language, or none
  uint64_t wrong_pool = 0;         // hellos and heartbeats
  uint64_t wrong_protocol = 0;     // of a newer version than ours
  uint64_t wrong_name = 0;         // our own, not the key's, or in plaintext not a peer's
  uint64_t replayed = 0;           // heartbeats that had been there, or were older
  uint64_t garbled = 0;            // messages that make no sense
  uint64_t lost_connections = 0;   // to peers, once made
};

// One object a controller. Thread-safe.
class PeerNetwork {
 public:
  struct Options {
    std::string node;     // our name
    std::string pool_id;  // others are refused
    // tcp://ADDR:PORT: an address of this machine; port 0: any. Heartbeats and
    // forwarded I/O have a port each on the same address: these, or any (peers are told which).
    std::string listen;
    uint16_t heartbeat_port = 0;
    uint16_t data_port = 0;
    std::map<std::string, std::string> peers;  // name -> tcp://ADDR:PORT
    // A file that keeps the addresses of names in `peers` for the next process; empty: none.
    std::string address_cache;
    PeerSecurity security;
    uint32_t protocol = 0;  // 0: ours; tests play a newer one
  };

  struct Handlers {
    // Answers the call of a peer. On any of kCallWorkers threads.
    std::function<std::string(const std::string& peer, const std::string& request)> on_call;
    // A heartbeat of a peer that passed every check. On the network's thread: must not block.
    std::function<void(const Heartbeat& heartbeat)> on_heartbeat;
    // A connection to a peer was made or lost (calls to it are possible, or not any more). Not
    // required. On the network's threads: must not block, must not call back.
    std::function<void(const std::string& peer, bool connected)> on_connection;
    // The same for forwarded I/O: forward(peer)->connected() has changed.
    std::function<void(const std::string& peer, bool connected)> on_forward_connection;
    // Where forwarded I/O ends; outlives the network. nullptr: none is served.
    ForwardTarget* forward_target = nullptr;
  };

  // Listens, and goes on trying to connect to each peer.
  //   InvalidArgument     an address or a name that makes no sense; an address that is no loopback
  //                       one with `insecure`; a peer without an allowed key
  //   FailedPrecondition  the address or the port cannot be had, or our name not be looked up
  // `runtime` outlives the network.
  static absl::StatusOr<std::unique_ptr<PeerNetwork>> Start(Runtime& runtime, Options options,
                                                            Handlers handlers);
  // Calls in flight end with Unavailable; requests that handlers have are finished. No caller may
  // be left inside.
  virtual ~PeerNetwork() = default;

  // Where we listen, with the real port.
  virtual std::string endpoint() const = 0;

  // Sends a heartbeat to all who listen, now: the caller keeps the beat, so that it stops when the
  // caller hangs. Fills in protocol, pool_id, node, instance and sequence; progress beyond
  // kMaxClonesPerHeartbeat is left out, texts beyond kMaxHeartbeatText are cut. Never blocks.
  virtual void Publish(Heartbeat heartbeat) = 0;

  // The answer of `peer`, or
  //   Unavailable       not connected: nothing was sent; or the connection was lost before the
  //                     answer: the request may have taken effect, or may yet
  //   DeadlineExceeded  no answer in time; the same
  //   NotFound          there is no such peer
  //   InvalidArgument   the request is longer than limits::kMaxRequestBytes
  // Never waits longer than `timeout`. Calls to one peer are answered in any order.
  virtual absl::StatusOr<std::string> Call(const std::string& peer, const std::string& request,
                                           absl::Duration timeout) = 0;
  // For good: calls in flight end with Unavailable, and so does every one from here on. By the
  // thread that ends the network. Heartbeats, forwarded I/O and calls of peers go on.
  virtual void EndCalls() = 0;

  // What `peer` has forwarded to us, over the connection that it has, and what of that is still on
  // its way: nothing of it begins any more. It has to connect anew. Returns when what runs of it
  // has ended; false: some of it still runs after `timeout`.
  virtual bool EndForwarded(const std::string& peer, absl::Duration timeout) = 0;

  // For a drill: as a cut cable, for `time`, and then over by itself. Heartbeats and calls are
  // dropped both ways, calls as if there were no connection, and nothing that is forwarded to us
  // is begun. Waits a moment for what of that runs.
  virtual void Isolate(absl::Duration time) = 0;

  // Forwards to `peer`; nullptr: there is no such peer. The network's.
  virtual ForwardClient* forward(const std::string& peer) = 0;

  // Calls to it are possible.
  virtual bool connected(const std::string& peer) const = 0;
  // What keeps it from being connected or from taking forwarded I/O, and does not pass by itself,
  // for an operator: another version, another pool. Empty: nothing that is known. Of a peer that is
  // down nothing is.
  virtual std::string Trouble(const std::string& peer) const = 0;
  virtual std::vector<std::string> peers() const = 0;
  virtual PeerCounters counters() const = 0;
};

}  // namespace baton::ha
