#include "cli/batond/keeper_process.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "cli/batond/loop_answer.h"
#include "cli/batond/machine_checks.h"
#include "cli/batond/process_limits.h"
#include "cli/keeper/fd_store.h"
#include "cli/keeper/keeper.h"
#include "cli/keeper/mount_state.h"
#include "engine/base/errno_status.h"
#include "engine/base/posix_storage.h"
#include "engine/base/standard_streams.h"
#include "engine/base/status.h"
#include "engine/lease/node_lock.h"
#include "engine/meta/pool_file.h"
#include "fs/open_table.h"

namespace baton {
namespace {

constexpr int kRefused = 1;
constexpr mode_t kControlMode = 0660;
constexpr mode_t kControlDirectoryMode = 0755;

// /run is empty after a boot: the socket's own directory is made, not those above it.
absl::Status MakeControlDirectory(const std::string& control_path) {
  const std::string directory = std::filesystem::path(control_path).parent_path();
  if (directory.empty() || ::mkdir(directory.c_str(), kControlDirectoryMode) != 0) {
    if (directory.empty() || errno == EEXIST) return absl::OkStatus();
    return ErrnoStatus(errno, "make the directory", directory);
  }
  // Regardless of the umask.
  if (::chmod(directory.c_str(), kControlDirectoryMode) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "set the mode of", directory);
}

// What stays in this node's page cache is lost with it, and not seen by the others.
absl::Status CheckDirectIo(const DaemonOptions& options, Storage& storage) {
  if (options.pair.alone()) return absl::OkStatus();
  BATON_ASSIGN_OR_RETURN(const auto file,
                         storage.Open(kIntentsPath, {.direct = true, .read_only = true}));
  if (file->alignment().offset_bytes > 1) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "its file system does no direct I/O: what one controller writes another might not see; use "
      "it without peers, or put the pool on one that does (ext4, XFS, NFS, CephFS, GFS2)");
}

// Only before there is a mount: a keeper does no I/O on the pool.
absl::Status LearnPool(const DaemonOptions& options, keeper::MountState& held) {
  BATON_ASSIGN_OR_RETURN(const auto storage, PosixStorage::Open(options.pool));
  const absl::StatusOr<PoolRecord> pool = ReadPool(*storage);
  if (!pool.ok()) return Annotate(pool.status(), "pool " + options.pool);
  const absl::Status direct = CheckDirectIo(options, *storage);
  if (!direct.ok()) return Annotate(direct, "pool " + options.pool);
  held.pool = pool->SerializeAsString();
  held.writes_end_with_process = storage->WritesEndWithProcess();
  held.node = options.node;
  held.pool_directory = options.AbsolutePool();
  return NodeLock::Take(storage->directory(), options.node).status();
}

// What programs have open there are volumes of the pool that it showed.
bool IsOfAnotherPool(const keeper::MountState& kept, const keeper::MountState& known) {
  PoolRecord before, now;
  return !kept.pool.empty() && before.ParseFromString(kept.pool) &&
         now.ParseFromString(known.pool) && before.pool_id() != now.pool_id();
}

absl::StatusOr<keeper::MountState> MakeHeld(const DaemonOptions& options, keeper::Kept kept) {
  keeper::MountState known;
  BATON_RETURN_IF_ERROR(LearnPool(options, known));
  BATON_RETURN_IF_ERROR(MakeControlDirectory(options.control));
  BATON_ASSIGN_OR_RETURN(
      auto listener, ha::UnixListener::Bind(options.control, kControlMode, options.control_group));
  absl::StatusOr<keeper::MountState> held = keeper::HeldFrom(std::move(kept), options.mount);
  if (absl::IsNotFound(held.status())) held = keeper::MountState{};
  if (!held.ok()) return held.status();
  if (IsOfAnotherPool(*held, known)) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "the mount of the last run at {} was kept, and shows another pool than {}: stop "
                 "the service, then start it",
                 options.mount, options.pool);
  }
  held->listener = std::move(listener);
  held->pool = std::move(known.pool);
  held->writes_end_with_process = known.writes_end_with_process;
  held->node = std::move(known.node);
  held->pool_directory = std::move(known.pool_directory);
  if (held->mount != nullptr) return held;
  BATON_ASSIGN_OR_RETURN(held->open_table, fs::OpenTable::MakeFile());
  BATON_ASSIGN_OR_RETURN(held->mount, fs::Mount::Make({.path = options.mount}));
  return held;
}

// Of a controller that goes on without a keeper, of the service manager, or made anew.
absl::StatusOr<keeper::MountState> FindHeld(const DaemonOptions& options) {
  keeper::Kept kept = keeper::TakeKept();
  absl::StatusOr<keeper::MountState> found =
      keeper::TakeFromController(options.control, options.mount);
  return absl::IsNotFound(found.status()) ? MakeHeld(options, std::move(kept)) : std::move(found);
}

absl::StatusOr<std::string> OwnProgram() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return ErrnoStatus(error.value(), "read", "/proc/self/exe");
  return path.string();
}

absl::StatusOr<std::unique_ptr<keeper::Keeper>> MakeKeeper(const DaemonOptions& options,
                                                           std::vector<std::string> arguments) {
  BATON_ASSIGN_OR_RETURN(std::string program, OwnProgram());
  BATON_ASSIGN_OR_RETURN(keeper::MountState held, FindHeld(options));
  return keeper::Keeper::Make(
      {.program = std::move(program),
       .arguments = std::move(arguments),
       .liveness_timeout = options.liveness_timeout,
       .give_up_after = options.give_up_after,
       .answer =
           [node = options.node](const std::string& request, const std::string& problem) {
             return control::AnswerForController(node, request, problem);
           }},
      std::move(held));
}

}  // namespace

int RunKeeper(const DaemonOptions& options, std::vector<std::string> arguments) {
  const auto keeper = MakeKeeper(options, std::move(arguments));
  if (!keeper.ok()) {
    SayError("batond: " + Message(keeper.status()));
    return kRefused;
  }
  if (const std::optional<std::string> warning = WarnOfPauses(options.pair)) {
    spdlog::warn("{}", *warning);
  }
  LockMemory(Lock::kAll);
  return (*keeper)->Run();
}

}  // namespace baton
