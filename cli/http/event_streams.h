// Clients that stay, and are sent what is new of one thing: server-sent events.
#pragma once

#include <absl/time/time.h>
#include <microhttpd.h>

#include <list>
#include <memory>
#include <string>

namespace baton::http {

// A client is sent the newest message that it has not got; those that came and went meanwhile it
// never sees. So it costs no more than two messages, which all share, however slowly it reads. One
// that takes nothing for kSilence is ended by the library, any other one after kStreamTime.
//
// All is the server loop's. The library's daemon ends before this.
class EventStreams {
 public:
  EventStreams() = default;
  EventStreams(const EventStreams&) = delete;
  EventStreams& operator=(const EventStreams&) = delete;

  bool empty() const { return streams_.empty(); }
  bool HasRoom() const;

  // The body of the answer to `connection`: it begins with `message` and ends when the stream does.
  // Null: there is no memory.
  MHD_Response* Begin(MHD_Connection* connection, std::string message, absl::Duration now);
  // For all. A `version` that they were sent already is sent again only after kStreamRepeat.
  void Publish(const std::string& version, std::string message, absl::Duration now);
  // Those that are too old.
  void EndOld(absl::Duration now);
  // The daemon is about to end, and none may be suspended then.
  void EndAll();

 private:
  using Message = std::shared_ptr<const std::string>;
  struct Stream {
    EventStreams& owner;
    MHD_Connection* const connection;
    const absl::Duration since;
    Message sending = nullptr, next = nullptr;
    size_t sent = 0;
    bool suspended = false;
    bool ended = false;
    std::list<Stream>::iterator place = {};
  };

  // What the library calls.
  static ssize_t Read(void* stream, uint64_t position, char* room, size_t room_bytes);
  static void Free(void* stream);

  static void Resume(Stream& stream);
  static void End(Stream& stream);

  std::list<Stream> streams_;
  std::string version_;
  absl::Duration published_ = -absl::InfiniteDuration();
};

}  // namespace baton::http
