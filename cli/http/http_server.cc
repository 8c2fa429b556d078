#include "cli/http/http_server.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <microhttpd.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "cli/http/event_streams.h"
#include "cli/http/http_listener.h"
#include "cli/http/http_settings.h"
#include "engine/base/errno_status.h"
#include "engine/base/status.h"
#include "engine/base/wake_fd.h"
#include "ha/io/worker_pool.h"

namespace baton::http {
namespace {

// One request and its answer. Of the loop, but `answer`: of a worker from Queue until Done.
struct Exchange {
  MHD_Connection* connection = nullptr;  // null: a look for what is new of the stream
  HttpRequest request;
  std::optional<HttpAnswer> answer;
  bool suspended = false;
  std::atomic<bool> abandoned = false;  // nobody will see the answer
};

// A connection as the loop watches it.
struct Client {
  int fd = -1;
  absl::Duration since;
  std::shared_ptr<Exchange> busy = nullptr;  // its request is with a worker
  bool is_stream = false;
  bool ended = false;  // by us; the library has not seen that yet
};

struct DaemonStopper {
  void operator()(MHD_Daemon* daemon) const { MHD_stop_daemon(daemon); }
};

MHD_Result AddToQuery(void* query, MHD_ValueKind, const char* key, const char* value) {
  static_cast<std::map<std::string, std::string>*>(query)->insert_or_assign(
      key, value == nullptr ? "" : value);
  return MHD_YES;
}

bool HasBody(MHD_Connection* connection) {
  const auto header = [connection](const char* name) {
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  };
  const char* const length = header(MHD_HTTP_HEADER_CONTENT_LENGTH);
  return header(MHD_HTTP_HEADER_TRANSFER_ENCODING) != nullptr ||
         (length != nullptr && std::strcmp(length, "0") != 0);
}

// What strangers send is no fault of this program.
void LogOfLibrary(void*, const char* format, va_list arguments) {
  std::array<char, 256> line;
  std::vsnprintf(line.data(), line.size(), format, arguments);
  std::string text(line.data());
  text.erase(text.find_last_not_of('\n') + 1);
  spdlog::debug("http: {}", text);
}

// `response` is the caller's no more.
MHD_Result Send(MHD_Connection* connection, const HttpAnswer& answer, MHD_Response* response) {
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.type.c_str());
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
  MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
  for (const auto& [name, value] : answer.headers) {
    MHD_add_response_header(response, name.c_str(), value.c_str());
  }
  const MHD_Result queued =
      MHD_queue_response(connection, static_cast<unsigned>(answer.status), response);
  MHD_destroy_response(response);
  return queued;
}

MHD_Result Send(MHD_Connection* connection, const HttpAnswer& answer) {
  return Send(
      connection, answer,
      MHD_create_response_from_buffer(answer.body.size(), const_cast<char*>(answer.body.data()),
                                      MHD_RESPMEM_MUST_COPY));
}

using RequestLane = ha::WorkerPool<std::shared_ptr<Exchange>>;

class Server final : public HttpServer {
 public:
  explicit Server(Options options);
  ~Server() override {
    Close();
    lanes_.clear();
  }
  absl::Status Start(UniqueFd listener);
  void Close() override;

 private:
  // The loop.
  void Loop();
  void AwaitSomething();
  void TryToServe();
  absl::Status Serve();
  void Accept();
  void TakeDone();
  void TakeLook(const HttpAnswer& answer);
  void LookForStreams(absl::Duration now);
  static void End(Client& client);
  void EndOld();
  void EndOldest();
  void EndAll();

  // What the library calls, in the loop.
  static MHD_Result OnRequest(void* server, MHD_Connection* connection, const char* path,
                              const char* method, const char* version, const char* upload,
                              size_t* upload_bytes, void** exchange);
  static void OnConnection(void* server, MHD_Connection* connection, void** context,
                           MHD_ConnectionNotificationCode code);
  static void OnCompleted(void* server, MHD_Connection* connection, void** exchange,
                          MHD_RequestTerminationCode code);
  MHD_Result Begin(MHD_Connection* connection, const char* path, const char* method,
                   void** exchange);
  MHD_Result Queue(const std::shared_ptr<Exchange>& exchange);
  MHD_Result BeginStream(Exchange& exchange);

  // By a worker.
  void CarryOut(const std::shared_ptr<Exchange>& exchange);

  const Options options_;
  WakeFd wake_;
  std::atomic<bool> closing_ = false;
  // Of the loop.
  UniqueFd listener_;
  EventStreams streams_;
  HttpRequest stream_request_;  // the newest one for the stream
  absl::Duration next_look_;
  bool looks_ = false;  // a worker does, for the streams
  std::unique_ptr<MHD_Daemon, DaemonStopper> daemon_;
  int poll_fd_ = -1;
  bool has_room_ = true;  // for another connection; false until the next tick
  std::map<MHD_Connection*, Client> clients_;
  absl::Duration next_tick_;

  absl::Mutex mutex_;
  std::vector<std::shared_ptr<Exchange>> done_ ABSL_GUARDED_BY(mutex_);

  std::deque<RequestLane> lanes_;
  std::unique_ptr<Thread> loop_;
};

Server::Server(Options options) : options_(std::move(options)) {
  for (const Options::Lane& lane : options_.lanes) {
    lanes_.emplace_back(options_.runtime,
                        RequestLane::Options{.thread_name = "http-worker", .threads = lane.threads},
                        [this](const std::shared_ptr<Exchange>& each) { CarryOut(each); });
  }
}

absl::Status Server::Start(UniqueFd listener) {
  BATON_RETURN_IF_ERROR(wake_.status());
  listener_ = std::move(listener);
  TryToServe();
  loop_ = options_.runtime.StartThread("http", [this] { Loop(); });
  return absl::OkStatus();
}

void Server::Close() {
  closing_ = true;
  wake_.Wake();
  loop_.reset();
  for (size_t i = 0; i < lanes_.size(); ++i) {
    if (!options_.lanes[i].may_wait) lanes_[i].Stop();
  }
}

// ---- the loop ----

void Server::Loop() {
  next_tick_ = options_.runtime.BootTime() + kTick;
  while (!closing_) {
    AwaitSomething();
    TakeDone();
    Accept();
    LookForStreams(options_.runtime.BootTime());
    if (daemon_ != nullptr) MHD_run(daemon_.get());
    if (options_.runtime.BootTime() < next_tick_) continue;
    next_tick_ = options_.runtime.BootTime() + kTick;
    has_room_ = true;
    if (daemon_ == nullptr) TryToServe();
    EndOld();
  }
  EndAll();
}

void Server::AwaitSomething() {
  const bool accepts = daemon_ != nullptr && has_room_ && clients_.size() < kMaxConnections;
  std::array<pollfd, 3> watched{pollfd{wake_.fd(), POLLIN, 0}, pollfd{poll_fd_, POLLIN, 0},
                                pollfd{accepts ? listener_.get() : -1, POLLIN, 0}};
  const bool will_look = !streams_.empty() && !looks_;
  const absl::Duration next = will_look ? std::min(next_tick_, next_look_) : next_tick_;
  const absl::Duration left = next - options_.runtime.BootTime();
  auto wait_ms = std::max<int64_t>(absl::ToInt64Milliseconds(left) + 1, 0);
  MHD_UNSIGNED_LONG_LONG library_ms = 0;
  if (daemon_ != nullptr && MHD_get_timeout(daemon_.get(), &library_ms) == MHD_YES) {
    wait_ms = std::min<int64_t>(wait_ms, static_cast<int64_t>(library_ms));
  }
  ::poll(watched.data(), watched.size(), static_cast<int>(wait_ms));
  if (watched[0].revents != 0) wake_.Clear();
}

// The address may be somebody else's when this controller takes over.
void Server::TryToServe() {
  const absl::Status served = Serve();
  if (!served.ok()) spdlog::debug("http: {}", Message(served));
  options_.problem.Set(Message(served));
}

absl::Status Server::Serve() {
  if (!listener_.valid()) {
    BATON_ASSIGN_OR_RETURN(listener_, ListenAt(options_.address));
  }
  // No thread of its own, and none for a connection: everything happens in MHD_run.
  daemon_.reset(MHD_start_daemon(
      MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET, 0,
      nullptr, nullptr, &OnRequest, this, MHD_OPTION_EXTERNAL_LOGGER, &LogOfLibrary, nullptr,
      MHD_OPTION_CONNECTION_LIMIT, kMaxConnections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      kConnectionBytes, MHD_OPTION_CONNECTION_TIMEOUT,
      static_cast<unsigned>(absl::ToInt64Seconds(kSilence)), MHD_OPTION_NOTIFY_CONNECTION,
      &OnConnection, this, MHD_OPTION_NOTIFY_COMPLETED, &OnCompleted, this, MHD_OPTION_END));
  if (daemon_ == nullptr) {
    return Error(absl::StatusCode::kInternal, "cannot serve HTTP on {}", Name(options_.address));
  }
  poll_fd_ = MHD_get_daemon_info(daemon_.get(), MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  spdlog::info("http: listening on {}{}", Name(options_.address),
               options_.address.IsLoopback() ? "" : ": whoever reaches that is answered");
  return absl::OkStatus();
}

// The library would ask without a pause for a connection for which there is no descriptor.
void Server::Accept() {
  if (daemon_ == nullptr) return;
  while (has_room_ && clients_.size() < kMaxConnections) {
    sockaddr_storage from = {};
    socklen_t length = sizeof(from);
    auto* const address = reinterpret_cast<sockaddr*>(&from);
    const int fd = ::accept4(listener_.get(), address, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      // The library's from here on, also where it does not want it.
      MHD_add_connection(daemon_.get(), fd, address, length);
      MHD_run(daemon_.get());
      continue;
    }
    has_room_ = errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
    if (!has_room_) {
      spdlog::debug("http: {}", Message(ErrnoStatus(errno, "accept a connection at", "the port")));
    }
    return;
  }
}

void Server::TakeDone() {
  std::vector<std::shared_ptr<Exchange>> done;
  {
    absl::MutexLock lock(&mutex_);
    done.swap(done_);
  }
  for (const std::shared_ptr<Exchange>& exchange : done) {
    if (exchange->connection == nullptr) {
      TakeLook(*exchange->answer);
      continue;
    }
    exchange->suspended = false;
    clients_[exchange->connection].busy = nullptr;
    MHD_resume_connection(exchange->connection);
  }
}

// One look for all streams, by a thread of the lane.
void Server::LookForStreams(absl::Duration now) {
  if (streams_.empty() || looks_ || now < next_look_) return;
  next_look_ = now + kStreamLook;
  RequestLane& lane = lanes_[options_.lane(stream_request_)];
  if (lane.waiting() >= kQueuedRequests) return;
  looks_ = true;
  const auto look = std::make_shared<Exchange>();
  look->request = stream_request_;
  lane.Queue(look);
}

void Server::TakeLook(const HttpAnswer& answer) {
  looks_ = false;
  if (!answer.stream_version) return;  // refused: there may be an answer the next time
  streams_.Publish(*answer.stream_version, answer.body, options_.runtime.BootTime());
}

void Server::End(Client& client) {
  client.ended = true;
  if (client.busy != nullptr) client.busy->abandoned = true;
  ::shutdown(client.fd, SHUT_RDWR);
}

// Whoever sends or takes a byte now and then is not silent.
void Server::EndOld() {
  const absl::Duration limit = options_.runtime.BootTime() - kConnectionTime;
  for (auto& [connection, client] : clients_) {
    if (client.since < limit && !client.ended && !client.is_stream) End(client);
  }
  streams_.EndOld(options_.runtime.BootTime());
}

void Server::EndOldest() {
  Client* oldest = nullptr;
  for (auto& [connection, client] : clients_) {
    if (client.busy != nullptr || client.ended || client.is_stream) continue;
    if (oldest == nullptr || client.since < oldest->since) oldest = &client;
  }
  if (oldest != nullptr) End(*oldest);
}

// What workers still have is answered for them: nobody waits for it.
void Server::EndAll() {
  listener_ = UniqueFd();
  if (daemon_ == nullptr) return;
  TakeDone();
  std::vector<MHD_Connection*> busy;
  for (const auto& [connection, client] : clients_) {
    if (client.busy != nullptr) busy.push_back(connection);
  }
  for (MHD_Connection* const connection : busy) MHD_resume_connection(connection);
  streams_.EndAll();
  daemon_.reset();
  poll_fd_ = -1;
}

// ---- what the library calls ----

MHD_Result Server::OnRequest(void* server, MHD_Connection* connection, const char* path,
                             const char* method, const char*, const char*, size_t* upload_bytes,
                             void** context) {
  auto& self = *static_cast<Server*>(server);
  if (*context == nullptr) return self.Begin(connection, path, method, context);
  if (*upload_bytes > 0) return MHD_NO;  // there is none, said its headers
  const auto& exchange = *static_cast<std::shared_ptr<Exchange>*>(*context);
  if (exchange->suspended) return MHD_NO;  // the end
  if (!exchange->answer) return self.Queue(exchange);
  return exchange->answer->stream_version ? self.BeginStream(*exchange)
                                          : Send(connection, *exchange->answer);
}

MHD_Result Server::BeginStream(Exchange& exchange) {
  if (!streams_.HasRoom()) {
    return Send(exchange.connection,
                ErrorAnswer(MHD_HTTP_SERVICE_UNAVAILABLE, "UNAVAILABLE",
                            "others are told already what is new, and there is room for no more: "
                            "ask for /v1/status now and then"));
  }
  const absl::Duration now = options_.runtime.BootTime();
  stream_request_ = exchange.request;
  clients_[exchange.connection].is_stream = true;
  return Send(exchange.connection, *exchange.answer,
              streams_.Begin(exchange.connection, exchange.answer->body, now));
}

MHD_Result Server::Begin(MHD_Connection* connection, const char* path, const char* method,
                         void** context) {
  auto exchange = std::make_shared<Exchange>();
  exchange->connection = connection;
  *context = new std::shared_ptr<Exchange>(exchange);
  const std::string name = method;
  if (name != MHD_HTTP_METHOD_GET && name != MHD_HTTP_METHOD_HEAD) {
    HttpAnswer refused = ErrorAnswer(MHD_HTTP_METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED",
                                     "only GET and HEAD are answered here");
    refused.headers.emplace_back(MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    return Send(connection, refused);
  }
  if (HasBody(connection)) {
    return Send(connection, ErrorAnswer(MHD_HTTP_CONTENT_TOO_LARGE, "CONTENT_TOO_LARGE",
                                        "a request has no body here"));
  }
  exchange->request.path = path;
  MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &AddToQuery,
                            &exchange->request.query);
  const char* const host =
      MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
  if (host != nullptr) exchange->request.host = host;
  return MHD_YES;
}

MHD_Result Server::Queue(const std::shared_ptr<Exchange>& exchange) {
  RequestLane& lane = lanes_[options_.lane(exchange->request)];
  if (lane.waiting() >= kQueuedRequests) {
    return Send(exchange->connection,
                ErrorAnswer(MHD_HTTP_SERVICE_UNAVAILABLE, "UNAVAILABLE",
                            "this controller is busy with other requests: try again later"));
  }
  exchange->suspended = true;
  clients_[exchange->connection].busy = exchange;
  MHD_suspend_connection(exchange->connection);
  lane.Queue(exchange);
  return MHD_YES;
}

void Server::OnConnection(void* server, MHD_Connection* connection, void**,
                          MHD_ConnectionNotificationCode code) {
  auto& self = *static_cast<Server*>(server);
  if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
    self.clients_.erase(connection);
    return;
  }
  if (self.clients_.size() >= kCrowdedConnections) self.EndOldest();
  const MHD_ConnectionInfo* const info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  self.clients_[connection] = {.fd = info->connect_fd, .since = self.options_.runtime.BootTime()};
}

void Server::OnCompleted(void*, MHD_Connection*, void** context, MHD_RequestTerminationCode) {
  delete static_cast<std::shared_ptr<Exchange>*>(*context);
  *context = nullptr;
}

// ---- the workers ----

void Server::CarryOut(const std::shared_ptr<Exchange>& exchange) {
  const bool is_wanted = !closing_ && !exchange->abandoned;
  HttpAnswer answer = is_wanted ? options_.answer(exchange->request)
                                : ErrorAnswer(MHD_HTTP_SERVICE_UNAVAILABLE, "UNAVAILABLE",
                                              "nobody waits for this answer any more");
  {
    absl::MutexLock lock(&mutex_);
    exchange->answer = std::move(answer);
    done_.push_back(exchange);
  }
  wake_.Wake();
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(Options options, UniqueFd listener) {
  auto server = std::make_unique<Server>(std::move(options));
  BATON_RETURN_IF_ERROR(server->Start(std::move(listener)));
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace baton::http
