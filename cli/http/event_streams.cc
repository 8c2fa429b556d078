#include "cli/http/event_streams.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "cli/http/http_settings.h"

namespace baton::http {
namespace {

// The library asks for so much at once.
constexpr size_t kBlockBytes = 4096;

}  // namespace

bool EventStreams::HasRoom() const { return streams_.size() < kMaxStreams; }

MHD_Response* EventStreams::Begin(MHD_Connection* connection, std::string message,
                                  absl::Duration now) {
  Stream& stream = streams_.emplace_back(
      Stream{.owner = *this,
             .connection = connection,
             .since = now,
             .next = std::make_shared<const std::string>(std::move(message))});
  stream.place = std::prev(streams_.end());
  MHD_Response* const response =
      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, kBlockBytes, &Read, &stream, &Free);
  if (response == nullptr) streams_.pop_back();
  return response;
}

void EventStreams::Publish(const std::string& version, std::string message, absl::Duration now) {
  if (version == version_ && now < published_ + kStreamRepeat) return;
  version_ = version;
  published_ = now;
  const auto shared = std::make_shared<const std::string>(std::move(message));
  for (Stream& stream : streams_) {
    stream.next = shared;
    Resume(stream);
  }
}

void EventStreams::EndOld(absl::Duration now) {
  for (Stream& stream : streams_) {
    if (now - stream.since >= kStreamTime) End(stream);
  }
}

void EventStreams::EndAll() {
  for (Stream& stream : streams_) End(stream);
}

void EventStreams::End(Stream& stream) {
  stream.ended = true;
  Resume(stream);
}

void EventStreams::Resume(Stream& stream) {
  if (!std::exchange(stream.suspended, false)) return;
  MHD_resume_connection(stream.connection);
}

// With nothing to send the connection is out of the library's sight until there is something: it
// would ask again and again.
ssize_t EventStreams::Read(void* stream, uint64_t, char* room, size_t room_bytes) {
  Stream& self = *static_cast<Stream*>(stream);
  if (self.ended) return MHD_CONTENT_READER_END_OF_STREAM;
  if (self.sending == nullptr || self.sent == self.sending->size()) {
    self.sending = std::exchange(self.next, nullptr);
    self.sent = 0;
  }
  if (self.sending == nullptr) {
    self.suspended = true;
    MHD_suspend_connection(self.connection);
    return 0;
  }
  const size_t length = std::min(room_bytes, self.sending->size() - self.sent);
  std::memcpy(room, self.sending->data() + self.sent, length);
  self.sent += length;
  return static_cast<ssize_t>(length);
}

void EventStreams::Free(void* stream) {
  Stream& self = *static_cast<Stream*>(stream);
  self.owner.streams_.erase(self.place);
}

}  // namespace baton::http
