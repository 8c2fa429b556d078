#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "cli/baton/become_batond.h"
#include "cli/baton/commands.h"
#include "cli/control/finding_of.h"
#include "cli/control/names_of.h"
#include "engine/base/errno_status.h"
#include "engine/base/model.pb.h"
#include "engine/base/posix_storage.h"
#include "engine/base/status.h"
#include "engine/base/storage_probe.h"
#include "engine/base/system_runtime.h"
#include "engine/meta/pool_file.h"

namespace baton {
namespace {

const std::map<std::string, Durability> kDurabilities = {
    {"node", DURABILITY_NODE}, {"sync", DURABILITY_SYNC}, {"none", DURABILITY_NONE}};

struct PoolInitArguments {
  std::string directory;
  std::string durability = "node";
};

constexpr mode_t kPoolMode = 0700;

absl::StatusOr<std::vector<Finding>> TryStorage(PosixStorage& storage, Runtime& runtime) {
  BATON_RETURN_IF_ERROR(RemoveProbes(storage));
  BATON_RETURN_IF_ERROR(CheckIsFree(storage));
  std::vector<Finding> findings = ProbeStorage(storage, runtime, storage.directory());
  for (const Finding& finding : findings) {
    if (finding.verdict != Verdict::kFail) continue;
    return Error(absl::StatusCode::kFailedPrecondition, "the storage is not fit for it: {}: {}",
                 finding.check, finding.text);
  }
  return findings;
}

absl::StatusOr<control::PoolMade> MakePoolIn(const PoolInitArguments& arguments) {
  BATON_ASSIGN_OR_RETURN(auto storage, PosixStorage::Open(arguments.directory));
  SystemRuntime runtime;
  BATON_ASSIGN_OR_RETURN(const std::vector<Finding> findings, TryStorage(*storage, runtime));
  BATON_RETURN_IF_ERROR(InitPool(*storage, kDurabilities.at(arguments.durability), runtime));
  BATON_ASSIGN_OR_RETURN(const PoolRecord pool, ReadPool(*storage));
  control::PoolMade made;
  made.set_path(arguments.directory);
  made.set_pool_id(pool.pool_id());
  made.set_durability(NameOf(pool.durability()));
  for (const Finding& finding : findings) *made.add_storage() = control::FindingOf(finding);
  return made;
}

absl::StatusOr<control::PoolMade> MakePool(const PoolInitArguments& arguments) {
  const bool made = ::mkdir(arguments.directory.c_str(), kPoolMode) == 0;
  if (!made && errno != EEXIST) return ErrnoStatus(errno, "make", arguments.directory);
  absl::StatusOr<control::PoolMade> pool = MakePoolIn(arguments);
  if (!pool.ok() && made) ::rmdir(arguments.directory.c_str());
  return pool;
}

// What the storage did, a line a check.
std::string DescribeStorage(const control::PoolMade& made) {
  std::vector<std::vector<std::string>> rows;
  for (const control::Finding& finding : made.storage()) {
    rows.push_back({finding.verdict(), finding.check(), finding.text()});
  }
  return FormatTable(rows);
}

// No controller is asked, so no status of this may be taken for one of the connection.
absl::StatusOr<ExitCode> PoolInit(CommandContext& context, const PoolInitArguments& arguments) {
  const absl::StatusOr<control::PoolMade> made = MakePool(arguments);
  if (!made.ok()) {
    return Error(absl::StatusCode::kFailedPrecondition, "no pool is made in {}: {}",
                 arguments.directory, Message(made.status()));
  }
  if (context.console.json()) context.console.AnswerJson(*made);
  context.console.Confirm(DescribeStorage(*made));
  context.console.Confirm(fmt::format("pool {} made in {}, durability {}", made->pool_id(),
                                      made->path(), made->durability()));
  return ExitCode::kDone;
}

void AddPoolDrain(CLI::App& pool, Command& chosen) {
  CLI::App* drain = pool.add_subcommand(
      "drain", "bring all that was acknowledged to the files in DIR/volumes; needs no controller");
  auto directory = std::make_shared<std::string>();
  drain->add_option("DIR", *directory, "a pool that no controller serves")
      ->required()
      ->type_name(kDirectoryType);
  drain->callback([directory, &chosen] {
    chosen = [directory](CommandContext&) { return BecomeBatond({"--drain", *directory}); };
  });
}

}  // namespace

void AddPoolCommands(CLI::App& app, Command& chosen) {
  CLI::App* pool = app.add_subcommand("pool", "pools: directories on shared storage");
  pool->require_subcommand(1);
  CLI::App* init = pool->add_subcommand("init", "make an empty pool; needs no controller");
  auto arguments = std::make_shared<PoolInitArguments>();
  init->add_option("DIR", arguments->directory, "an empty directory; made if it is not there")
      ->required()
      ->type_name(kDirectoryType);
  init->add_option("--durability", arguments->durability,
                   "node: an acknowledged write is on the storage; sync: every write is durable; "
                   "none: page cache, for tests")
      ->check(CLI::IsMember({"node", "sync", "none"}))
      ->capture_default_str();
  init->callback([arguments, &chosen] {
    chosen = [arguments](CommandContext& context) { return PoolInit(context, *arguments); };
  });
  AddPoolDrain(*pool, chosen);
}

}  // namespace baton
