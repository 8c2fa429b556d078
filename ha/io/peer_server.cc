#include "ha/io/peer_server.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include "engine/base/status.h"
#include "engine/base/wake_fd.h"
#include "ha/io/hello.h"
#include "ha/io/peer_sessions.h"
#include "ha/io/peer_settings.h"
#include "ha/io/strangers.h"
#include "ha/io/worker_pool.h"

namespace baton::ha {
namespace {

// The connection, the header, the second frame.
using Message = std::array<ZmqMessage, 3>;

struct Job {
  PeerSessions::Ticket ticket;
  ZmqMessage route;
  WireHeader header;
  ZmqMessage body;
};

class ServerOfPeers final : public PeerServer {
 public:
  ServerOfPeers(Runtime& runtime, const PeerIdentity& identity, PeerRefusals& refusals,
                PeerService& service, Options options)
      : runtime_(runtime),
        identity_(identity),
        refusals_(refusals),
        service_(service),
        options_(std::move(options)),
        strangers_(runtime),
        workers_(runtime, {.thread_name = options_.thread_name, .threads = options_.workers},
                 [this](Job job) { Serve(std::move(job)); }) {}
  ~ServerOfPeers() override;

  absl::Status Listen(PeerContext& context);
  const std::string& endpoint() const override { return endpoint_; }

 private:
  // The loop's.
  void Loop();
  void SeeEvents();
  void ReceiveSome();
  void Handle(Message message);
  void HandleHello(Message message);
  void HandleRequest(const WireHeader& header, Message message);
  ZmqMessage MakeWelcome() const;
  void Refuse(ZmqMessage route, const std::string& why);
  void SendRefusal(ZmqMessage route, const std::string& why);
  void SendAll() ABSL_LOCKS_EXCLUDED(mutex_);

  // By a worker, or the loop.
  void Serve(Job job) ABSL_LOCKS_EXCLUDED(mutex_);

  Runtime& runtime_;
  const PeerIdentity& identity_;
  PeerRefusals& refusals_;
  PeerService& service_;
  const Options options_;
  std::string endpoint_;
  std::unique_ptr<ZmqSocket> socket_;
  Strangers strangers_;
  WakeFd wake_;
  std::atomic<bool> workers_ended_ = false;

  absl::Mutex mutex_;
  PeerSessions sessions_ ABSL_GUARDED_BY(mutex_);
  std::vector<Message> answers_ ABSL_GUARDED_BY(mutex_);
  std::vector<Message> sending_;  // the loop's; changes places with answers_
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;

  std::unique_ptr<Thread> loop_;
  WorkerPool<Job> workers_;
};

absl::Status ServerOfPeers::Listen(PeerContext& context) {
  BATON_RETURN_IF_ERROR(wake_.status());
  BATON_ASSIGN_OR_RETURN(socket_, context.OpenServer(ZmqSocket::Type::kRouter));
  BATON_ASSIGN_OR_RETURN(endpoint_, socket_->Bind(options_.address));
  loop_ = runtime_.StartThread(options_.thread_name, [this] { Loop(); });
  return absl::OkStatus();
}

ServerOfPeers::~ServerOfPeers() {
  workers_.Stop();
  workers_ended_ = true;
  wake_.Wake();
  loop_ = nullptr;
}

void ServerOfPeers::Loop() {
  while (!workers_ended_) {
    std::array<ZmqPollItem, 3> items{ZmqPollItem{.fd = wake_.fd()},
                                     ZmqPollItem{.handle = socket_->handle()},
                                     ZmqPollItem{.handle = socket_->connection_events()}};
    ZmqPoll(items, absl::InfiniteDuration());
    if (items[0].readable) wake_.Clear();
    if (items[2].readable) SeeEvents();
    if (items[1].readable) ReceiveSome();
    SendAll();
  }
  SendAll();
}

void ServerOfPeers::SeeEvents() {
  int fd = -1;
  while (const std::optional<ZmqSocket::Event> event = socket_->NextEvent(&fd)) {
    if (*event == ZmqSocket::Event::kCome) strangers_.Come(fd);
    if (*event == ZmqSocket::Event::kLost) strangers_.Go(fd);
    if (*event != ZmqSocket::Event::kHandshakeFailed) continue;
    refusals_.Count(PeerRefusals::Kind::kHandshake,
                    "a connection to " + endpoint_ + " without a proper handshake");
  }
}

// Not all at once: answers are not to wait for a peer that sends on and on.
void ServerOfPeers::ReceiveSome() {
  for (size_t i = 0; i < kMaxInFlight; ++i) {
    Message message;
    const size_t frames = socket_->Receive(message);
    if (frames == 0) return;
    if (frames == message.size()) {
      Handle(std::move(message));
    } else {
      Refuse(std::move(message[0]), "a message of a wrong number of frames");
    }
  }
}

void ServerOfPeers::Handle(Message message) {
  const std::optional<WireHeader> header = DecodeHeader(message[1].bytes());
  if (!header) {
    Refuse(std::move(message[0]), "a garbled message");
  } else if (header->kind == FrameKind::kHello) {
    HandleHello(std::move(message));
  } else {
    HandleRequest(*header, std::move(message));
  }
}

void ServerOfPeers::HandleHello(Message message) {
  Hello hello;
  const Bytes body = message[2].bytes();
  if (!hello.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return Refuse(std::move(message[0]), "a garbled hello");
  }
  // The key's name; in plaintext the one that it says, if it is a peer's.
  std::string proven = message[1].sender();
  if (identity_.security.insecure && options_.plaintext_names.contains(hello.node())) {
    proven = hello.node();
  }
  const PeerClaim claim{hello.protocol(), hello.pool_id(), hello.node()};
  if (const std::optional<Objection> objection = Examine(claim, proven, identity_)) {
    refusals_.Count(objection->kind, objection->text);
    return SendRefusal(std::move(message[0]), objection->text);
  }
  strangers_.Go(message[1].connection());
  absl::MutexLock lock(&mutex_);
  sessions_.Begin(proven, message[0].text(), MakeWelcome());
}

ZmqMessage ServerOfPeers::MakeWelcome() const {
  Welcome welcome;
  welcome.set_protocol(identity_.protocol);
  welcome.set_pool_id(identity_.pool_id);
  welcome.set_node(identity_.node);
  welcome.set_instance(identity_.instance);
  welcome.set_heartbeat_port(options_.heartbeat_port);
  welcome.set_stream_port(options_.stream_port);
  return ZmqMessage::Copy(welcome.SerializeAsString());
}

void ServerOfPeers::HandleRequest(const WireHeader& header, Message message) {
  if (!service_.IsValid(header, message[2].bytes().size())) {
    return Refuse(std::move(message[0]), "a request that makes no sense");
  }
  PeerSessions::Ticket ticket;
  {
    absl::MutexLock lock(&mutex_);
    ticket = sessions_.Queue(message[0].text(), kMaxRequestsPerPeer);
  }
  if (ticket.peer == nullptr) {
    return Refuse(std::move(message[0]),
                  "a request of a connection that is over, or of one too many");
  }
  Job job{ticket, std::move(message[0]), header, std::move(message[2])};
  if (service_.IsQuick(header)) {
    Serve(std::move(job));
  } else {
    workers_.Queue(std::move(job));
  }
}

// The sender learns it, so that nobody there waits for an answer.
void ServerOfPeers::Refuse(ZmqMessage route, const std::string& why) {
  refusals_.Count(PeerRefusals::Kind::kGarbled, why);
  {
    absl::MutexLock lock(&mutex_);
    sessions_.End(route.text());
  }
  SendRefusal(std::move(route), why);
}

void ServerOfPeers::SendRefusal(ZmqMessage route, const std::string& why) {
  Message refusal{std::move(route), EncodeHeader({.kind = FrameKind::kRefusal}),
                  ZmqMessage::Copy(why)};
  socket_->Send(refusal);
}

void ServerOfPeers::SendAll() {
  std::vector<std::pair<std::string, ZmqMessage>> welcomes;
  {
    absl::MutexLock lock(&mutex_);
    woken_ = false;
    sending_.swap(answers_);
    welcomes = sessions_.TakeWelcomes();
  }
  for (auto& [route, welcome] : welcomes) {
    Message message{ZmqMessage::Copy(route), EncodeHeader({.kind = FrameKind::kWelcome}),
                    std::move(welcome)};
    socket_->Send(message);
  }
  // One that is not taken is lost: its peer has more answers waiting than it may have requests,
  // and does not read.
  for (Message& answer : sending_) socket_->Send(answer);
  sending_.clear();
}

void ServerOfPeers::Serve(Job job) {
  {
    absl::MutexLock lock(&mutex_);
    if (!sessions_.Run(job.ticket)) return;
  }
  PeerService::Reply reply = service_.Serve(job.ticket.peer->name, job.header, job.body.bytes());
  WireHeader header = job.header;
  header.kind = FrameKind::kAnswer;
  header.code = static_cast<uint32_t>(reply.code);
  Message answer{std::move(job.route), EncodeHeader(header), std::move(reply.body)};
  bool must_wake = false;
  {
    absl::MutexLock lock(&mutex_);
    sessions_.Finish(job.ticket);
    answers_.push_back(std::move(answer));
    must_wake = !std::exchange(woken_, true);
  }
  if (must_wake) wake_.Wake();
}

}  // namespace

absl::StatusOr<std::unique_ptr<PeerServer>> PeerServer::Start(
    Runtime& runtime, PeerContext& context, const PeerIdentity& identity, PeerRefusals& refusals,
    PeerService& service, Options options) {
  auto server =
      std::make_unique<ServerOfPeers>(runtime, identity, refusals, service, std::move(options));
  BATON_RETURN_IF_ERROR(server->Listen(context));
  return std::unique_ptr<PeerServer>(std::move(server));
}

}  // namespace baton::ha
