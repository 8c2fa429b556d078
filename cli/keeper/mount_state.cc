#include "cli/keeper/mount_state.h"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <utility>

#include "cli/keeper/adoption_socket.h"
#include "cli/keeper/keeper_settings.h"
#include "engine/base/status.h"

namespace baton::keeper {
namespace {

constexpr size_t kDescriptorsOfFacts = 4;

absl::StatusOr<Received> AwaitFacts(const Child& child) {
  pollfd watched = {.fd = child.channel().fd(), .events = POLLIN, .revents = 0};
  ::poll(&watched, 1, static_cast<int>(absl::ToInt64Milliseconds(kDefaultLivenessTimeout)));
  BATON_ASSIGN_OR_RETURN(std::optional<Received> received, child.channel().Receive());
  if (received && received->message.has_facts() &&
      received->descriptors.size() == kDescriptorsOfFacts) {
    return *std::move(received);
  }
  return Error(absl::StatusCode::kFailedPrecondition,
               "process {} serves without a keeper, but does not answer: kill it", child.pid());
}

MountState HeldFrom(Received received, std::unique_ptr<Child> child) {
  const Facts& facts = received.message.facts();
  MountState held;
  held.mount =
      fs::Mount::Adopt(facts.mount_path(), facts.mount_device(), std::move(received.descriptors[0]),
                       facts.init_request(), fs::AtEnd::kUnmount);
  held.listener =
      ha::UnixListener::Adopt(facts.control_path(), std::move(received.descriptors[2]),
                              std::move(received.descriptors[1]), ha::UnixListener::AtEnd::kRemove);
  held.open_table = std::move(received.descriptors[3]);
  held.init_answer = facts.init_answer();
  held.restarts = facts.restarts();
  held.pool = facts.pool();
  held.writes_end_with_process = facts.writes_end_with_process();
  held.node = facts.node();
  held.pool_directory = facts.pool_directory();
  held.child = std::move(child);
  return held;
}

}  // namespace

// Not resolved by the kernel: that could wait for the mount itself. Only the directories above it
// are.
bool IsMountPoint(const std::string& served, const std::string& wanted) {
  std::filesystem::path path = std::filesystem::absolute(wanted).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::error_code error;
  const std::filesystem::path above = std::filesystem::canonical(path.parent_path(), error);
  return served == path || (!error && served == above / path.filename());
}

absl::StatusOr<MountState> TakeFromController(const std::string& control,
                                              const std::string& mount) {
  BATON_ASSIGN_OR_RETURN(AdoptionSocket::Connection host, AdoptionSocket::Connect(control));
  BATON_ASSIGN_OR_RETURN(auto child, Child::Attach(host.pid, std::move(host.socket)));
  BATON_ASSIGN_OR_RETURN(Received received, AwaitFacts(*child));
  const std::string& served = received.message.facts().mount_path();
  if (!IsMountPoint(served, mount)) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "process {} at {} serves {}: start batond with that mount point, or stop it first",
                 child->pid(), control, served);
  }
  spdlog::info("keeping process {}, which serves {} and had lost its keeper", child->pid(), served);
  return HeldFrom(std::move(received), std::move(child));
}

}  // namespace baton::keeper
