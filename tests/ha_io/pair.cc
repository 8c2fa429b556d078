#include "tests/ha_io/pair.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "engine/base/unique_fd.h"
#include "tests/base/testing.h"

namespace baton::ha {

KeyRing::KeyRing(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    keys_[name] = Must(MakeKeyPair());
    EXPECT_OK(allowed_.Add(name, keys_[name].public_key));
  }
}

PeerSecurity KeyRing::SecurityOf(const std::string& name) const {
  return {.keys = keys_.at(name), .allowed = allowed_};
}

bool Eventually(const std::function<bool()>& condition, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!condition()) {
    if (absl::Now() >= deadline) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

absl::Status MemoryTarget::Begin(const ForwardScope& scope, uint64_t offset,
                                 uint64_t length_bytes) {
  std::function<void()> hook;
  uint64_t size = 0;
  {
    absl::MutexLock lock(&mutex_);
    hook = hook_;
    size = content_.size();
  }
  ++requests_;
  if (hook) hook();
  if (scope.epoch != epoch_) return absl::AbortedError("not the owner of that epoch");
  if (offset + length_bytes > size) return absl::OutOfRangeError("beyond the end");
  return absl::OkStatus();
}

absl::Status MemoryTarget::Read(const std::string&, const ForwardScope& scope, uint64_t offset,
                                MutableBytes out) {
  const absl::Status status = Begin(scope, offset, out.size());
  if (!status.ok()) return status;
  if (reinterpret_cast<uintptr_t>(out.data()) % 4096 != 0) saw_unaligned_ = true;
  absl::MutexLock lock(&mutex_);
  std::memcpy(out.data(), content_.data() + offset, out.size());
  return absl::OkStatus();
}

absl::Status MemoryTarget::Write(const std::string&, const ForwardScope& scope, uint64_t offset,
                                 Bytes data) {
  const absl::Status status = Begin(scope, offset, data.size());
  if (!status.ok()) return status;
  if (reinterpret_cast<uintptr_t>(data.data()) % 4096 != 0) saw_unaligned_ = true;
  absl::MutexLock lock(&mutex_);
  std::memcpy(content_.data() + offset, data.data(), data.size());
  return absl::OkStatus();
}

absl::Status MemoryTarget::Flush(const std::string&, const ForwardScope& scope) {
  const absl::Status status = Begin(scope, 0, 0);
  if (status.ok()) ++flushes_;
  return status;
}

absl::Status MemoryTarget::Discard(const std::string&, const ForwardScope& scope, uint64_t offset,
                                   uint64_t length_bytes) {
  const absl::Status status = Begin(scope, offset, length_bytes);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  std::fill_n(content_.begin() + static_cast<ptrdiff_t>(offset), length_bytes, std::byte{0});
  return absl::OkStatus();
}

void MemoryTarget::set_hook(std::function<void()> hook) {
  absl::MutexLock lock(&mutex_);
  hook_ = std::move(hook);
}

std::vector<std::byte> MemoryTarget::content() {
  absl::MutexLock lock(&mutex_);
  return content_;
}

PeerNetwork::Options OptionsOf(const std::string& node, PeerSecurity security) {
  PeerNetwork::Options options;
  options.node = node;
  options.pool_id = kPool;
  options.listen = "tcp://127.0.0.1:0";
  options.security = std::move(security);
  return options;
}

absl::Status Start(Runtime& runtime, Player& player, PeerNetwork::Options options,
                   ForwardTarget* target,
                   std::function<std::string(const std::string&, const std::string&)> on_call) {
  // spdlog comes into being here, not in whichever thread is the first to log: its library is not
  // instrumented, and the thread sanitizer would see a race.
  spdlog::default_logger_raw();
  PeerNetwork::Handlers handlers;
  handlers.on_call = std::move(on_call);
  if (!handlers.on_call) {
    handlers.on_call = [](const std::string& peer, const std::string& request) {
      return peer + ": " + request;
    };
  }
  handlers.on_heartbeat = [&player](const Heartbeat& heartbeat) {
    absl::MutexLock lock(&player.mutex);
    player.heartbeats.push_back(heartbeat);
  };
  handlers.forward_target = target;
  absl::StatusOr<std::unique_ptr<PeerNetwork>> network =
      PeerNetwork::Start(runtime, std::move(options), std::move(handlers));
  if (network.ok()) player.network = *std::move(network);
  return network.status();
}

std::string FreeEndpoint() {
  static std::random_device random;
  while (true) {
    std::uniform_int_distribution<uint16_t> below_those_of_clients(10'000, 32'000);
    const uint16_t port = below_those_of_clients(random);
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
      return fmt::format("tcp://127.0.0.1:{}", port);
    }
  }
}

Pair::Pair(Mode mode, ForwardTarget* target,
           std::function<std::string(const std::string&, const std::string&)> on_call)
    : target_(target), on_call_(std::move(on_call)) {
  const bool insecure = mode == Mode::kPlaintext;
  a_options = OptionsOf("a", keys.SecurityOf("a"));
  b_options = OptionsOf("b", keys.SecurityOf("b"));
  a_options.security.insecure = b_options.security.insecure = insecure;
  a_options.listen = FreeEndpoint();
  b_options.listen = FreeEndpoint();
  a_options.peers["b"] = b_options.listen;
  b_options.peers["a"] = a_options.listen;
  EXPECT_OK(Start(runtime, a, a_options));
  StartB();
}

void Pair::StartB() { EXPECT_OK(Start(runtime, b, b_options, target_, on_call_)); }

bool Pair::AwaitConnection() {
  return Eventually([this] { return a.network->connected("b") && b.network->connected("a"); });
}

bool Pair::AwaitForwarding() {
  return Eventually([this] { return a.network->forward("b")->connected(); });
}

}  // namespace baton::ha
