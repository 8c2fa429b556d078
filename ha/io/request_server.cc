#include "ha/io/request_server.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "engine/base/status.h"
#include "engine/base/wake_fd.h"
#include "ha/io/worker_pool.h"
#include "ha/io/zmq_socket.h"

namespace baton::ha {
namespace {

struct QueuedRequest {
  std::string peer;
  RequestServer::Task task;
};

struct QueuedAnswer {
  std::string peer;
  std::string body;
};

using Lane = WorkerPool<QueuedRequest>;

// One loop thread owns the socket; workers meet it at queues.
class Server final : public RequestServer {
 public:
  Server(RequestServer::Options options, Reader reader);
  ~Server() override;
  absl::Status Start(const UnixListener& listener);

 private:
  void Loop();
  void ReceiveRequests();
  void Queue(QueuedRequest request);
  void Answer(QueuedAnswer answer) ABSL_LOCKS_EXCLUDED(mutex_);
  void NoteDropped() { options_.dropped.fetch_add(1, std::memory_order_relaxed); }
  void SendAnswers() ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasRoom() const;

  // By a worker.
  void CarryOut(QueuedRequest request);

  const RequestServer::Options options_;
  const Reader reader_;
  std::unique_ptr<ZmqContext> context_;
  std::unique_ptr<ZmqSocket> socket_;  // the loop's
  WakeFd wake_;                        // by which workers wake the loop
  std::atomic<bool> workers_ended_ = false;

  absl::Mutex mutex_;
  std::deque<QueuedAnswer> answers_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<Thread> loop_;
  std::deque<Lane> lanes_;
};

Server::Server(RequestServer::Options options, Reader reader)
    : options_(std::move(options)), reader_(std::move(reader)) {
  for (const int workers : options_.workers) {
    lanes_.emplace_back(options_.runtime,
                        Lane::Options{.thread_name = "control-worker", .threads = workers},
                        [this](QueuedRequest request) { CarryOut(std::move(request)); });
  }
}

absl::Status Server::Start(const UnixListener& listener) {
  BATON_RETURN_IF_ERROR(wake_.status());
  BATON_ASSIGN_OR_RETURN(context_, ZmqContext::Make());
  BATON_ASSIGN_OR_RETURN(socket_, ZmqSocket::Open(*context_, ZmqSocket::Type::kRouter));
  BATON_RETURN_IF_ERROR(socket_->Serve(listener.path(), listener.fd()));
  loop_ = options_.runtime.StartThread("control", [this] { Loop(); });
  return absl::OkStatus();
}

Server::~Server() {
  for (Lane& lane : lanes_) lane.Stop();
  workers_ended_ = true;
  wake_.Wake();
  loop_.reset();
}

void Server::Loop() {
  while (!workers_ended_) {
    // While the queue is full nothing is read: requests wait in their senders' sockets.
    std::array<ZmqPollItem, 2> items{ZmqPollItem{.fd = wake_.fd()},
                                     ZmqPollItem{.handle = socket_->handle()}};
    ZmqPoll(std::span(items).first(HasRoom() ? 2 : 1), absl::InfiniteDuration());
    if (items[0].readable) wake_.Clear();
    if (items[1].readable) ReceiveRequests();
    SendAnswers();
  }
  SendAnswers();
}

// Not all at once: answers are not to wait for one who sends on and on.
void Server::ReceiveRequests() {
  for (size_t i = 0; i < options_.queued_requests && HasRoom(); ++i) {
    std::array<ZmqMessage, 2> frames;
    const size_t count = socket_->Receive(frames);
    if (count == 0) return;
    std::optional<Task> task;
    if (count == frames.size()) task = reader_(frames[1].text(), frames[1].local_peer());
    if (task) {
      Queue({frames[0].text(), *std::move(task)});
    } else {
      NoteDropped();
    }
  }
}

// Only this thread queues, so that there is no more in a lane when the request comes in.
void Server::Queue(QueuedRequest request) {
  Lane& lane = lanes_[request.task.lane];
  if (lane.waiting() >= options_.queued_requests) {
    return Answer({std::move(request.peer), options_.busy});
  }
  lane.Queue(std::move(request));
}

void Server::Answer(QueuedAnswer answer) {
  absl::MutexLock guard(&mutex_);
  answers_.push_back(std::move(answer));
}

void Server::SendAnswers() {
  std::deque<QueuedAnswer> answers;
  {
    absl::MutexLock guard(&mutex_);
    answers.swap(answers_);
  }
  // Not taken: a sender that asks on and on without reading. It loses the answer.
  for (QueuedAnswer& answer : answers) {
    static_cast<void>(socket_->Send({std::move(answer.peer), std::move(answer.body)}));
  }
}

bool Server::HasRoom() const {
  if (!options_.busy.empty()) return true;
  return std::all_of(lanes_.begin(), lanes_.end(), [this](const Lane& lane) {
    return lane.waiting() < options_.queued_requests;
  });
}

void Server::CarryOut(QueuedRequest request) {
  wake_.Wake();  // there is room again
  std::optional<std::string> body = request.task.answer();
  if (!body) return NoteDropped();
  Answer({std::move(request.peer), *std::move(body)});
  wake_.Wake();
}

}  // namespace

absl::StatusOr<std::unique_ptr<RequestServer>> RequestServer::StartLanes(
    const UnixListener& listener, Options options, Reader reader) {
  auto server = std::make_unique<Server>(std::move(options), std::move(reader));
  BATON_RETURN_IF_ERROR(server->Start(listener));
  return std::unique_ptr<RequestServer>(std::move(server));
}

absl::StatusOr<std::unique_ptr<RequestServer>> RequestServer::Start(const UnixListener& listener,
                                                                    Options options,
                                                                    Handler handler) {
  return StartLanes(
      listener, std::move(options),
      [handler = std::move(handler)](const std::string& request, const Sender& sender) {
        return std::optional(
            Task{.answer = [handler, request, sender] { return handler(request, sender); }});
      });
}

}  // namespace baton::ha
