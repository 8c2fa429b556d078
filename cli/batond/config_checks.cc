#include "cli/batond/config_checks.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "cli/batond/ha_setup.h"
#include "engine/base/errno_status.h"
#include "engine/base/posix_storage.h"
#include "engine/base/status.h"
#include "engine/base/storage_probe.h"
#include "engine/base/system_runtime.h"
#include "engine/meta/pool_file.h"
#include "fs/mount_table.h"
#include "ha/io/port_holder.h"
#include "ha/io/tcp_socket.h"
#include "ha/node/fence_command.h"

namespace baton {
namespace {

constexpr char kOwnProgram[] = "batond";  // of any version

Finding FromStatus(const std::string& check, const absl::Status& status, const std::string& good) {
  return status.ok() ? Good(check, good) : Bad(check, Message(status));
}

absl::StatusOr<std::string> DescribePool(PosixStorage& storage) {
  BATON_ASSIGN_OR_RETURN(const PoolRecord pool, ReadPool(storage));
  return fmt::format("{}{}", pool.pool_id(),
                     storage.WritesEndWithProcess()
                         ? ""
                         : "; on a file system whose writes may outlive their process");
}

Finding CheckPort(const std::string& what, const ha::PeerAddress& address) {
  if (ha::TryTcp(address).ok()) {
    return Good("ports", fmt::format("{} {} is free", what, address.Endpoint()));
  }
  std::string who = "an unknown process";
  for (const ha::PortHolder& holder : ha::FindPortHolders(address)) {
    if (holder.pid == 0) continue;
    who = fmt::format("process {} ({})", holder.pid, holder.name);
    if (!holder.name.starts_with(kOwnProgram)) continue;
    return Good("ports", fmt::format("{} {} is held by {}", what, address.Endpoint(), who));
  }
  return Bad("ports", fmt::format("{} {} is held by {}: end that, or use another port", what,
                                  address.Endpoint(), who));
}

std::vector<Finding> CheckPortsAt(const ha::PeerNetwork::Options& network,
                                  const ha::PeerAddress& address) {
  if (const absl::Status here = ha::TryTcp(address.WithPort(0)); !here.ok()) {
    return {Bad("ports",
                fmt::format("{} is no address of this machine ({})", address.host, Message(here)))};
  }
  std::vector<Finding> findings = {CheckPort("pair.listen", address)};
  for (const auto& [what, port] : {std::pair("pair.heartbeat_port", network.heartbeat_port),
                                   std::pair("pair.data_port", network.data_port)}) {
    if (port != 0) findings.push_back(CheckPort(what, address.WithPort(port)));
  }
  return findings;
}

}  // namespace

std::vector<Finding> CheckPool(const DaemonOptions& options) {
  const auto storage = PosixStorage::Open(options.pool);
  if (!storage.ok()) return {Bad("pool", Message(storage.status()))};
  const absl::StatusOr<std::string> pool = DescribePool(**storage);
  if (!pool.ok()) return {Bad("pool", options.pool + ": " + Message(pool.status()))};
  SystemRuntime runtime;
  std::vector<Finding> findings = {Good("pool", options.pool + ": " + *pool)};
  for (Finding& finding : ProbeStorage(**storage, runtime, (*storage)->directory())) {
    const bool needs_direct_io = finding.check == "direct-io" && !options.pair.alone();
    if (needs_direct_io && finding.verdict == Verdict::kWarn) finding.verdict = Verdict::kFail;
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::vector<Finding> CheckMountPoint(const DaemonOptions& options) {
  const auto mounts = fs::MountsAt(std::filesystem::absolute(options.mount).lexically_normal());
  if (mounts.ok() && !mounts->empty() && mounts->back().type == "fuse.baton") {
    return {Good("mount", options.mount + " is mounted by a controller")};
  }
  std::error_code error;
  const bool is_empty = std::filesystem::is_empty(options.mount, error);
  if (error) {
    return {Bad("mount", fmt::format("{}: {}: `mkdir -p` it, or `umount` what is left there",
                                     options.mount, error.message()))};
  }
  if (!std::filesystem::is_directory(options.mount) || !is_empty) {
    return {Bad("mount", options.mount + " must be an empty directory")};
  }
  return {Good("mount", options.mount + " is an empty directory")};
}

std::vector<Finding> CheckKeys(const DaemonOptions& options) {
  if (options.pair.alone()) return {};
  if (options.pair.insecure) return {Good("keys", "none, by pair.insecure")};
  return {
      FromStatus("keys", CheckKeyFiles(options.pair), "private, and there is one of each peer")};
}

std::vector<Finding> CheckPorts(const DaemonOptions& options) {
  const ha::PeerNetwork::Options& network = options.pair.network;
  if (network.listen.empty()) return {};
  const absl::StatusOr<ha::PeerAddress> address = ha::PeerAddress::Parse(network.listen);
  if (!address.ok()) return {Bad("ports", Message(address.status()))};
  if (!address->IsNumber()) return {Good("ports", network.listen + " is a name: not looked at")};
  return CheckPortsAt(network, *address);
}

std::vector<Finding> CheckFence(const DaemonOptions& options) {
  if (options.pair.network.peers.empty()) return {};
  const ha::FenceCommand& fence = options.pair.fence;
  if (fence.program.empty()) {
    return {Good("fence", "there is no command: a takeover waits for the lease")};
  }
  std::vector<Finding> findings;
  for (const auto& [peer, address] : options.pair.network.peers) {
    findings.push_back(
        FromStatus("fence", ha::RunFenceCommand(fence, peer, ha::FenceAction::kMonitor).status(),
                   fmt::format("{} could turn off {}", fence.program, peer)));
  }
  return findings;
}

}  // namespace baton
