#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <string>

#include "cli/baton/commands.h"
#include "cli/control/names_of.h"
#include "engine/base/errno_status.h"
#include "engine/base/model.pb.h"
#include "engine/base/posix_storage.h"
#include "engine/base/status.h"
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

absl::StatusOr<PoolRecord> MakePoolIn(const PoolInitArguments& arguments) {
  BATON_ASSIGN_OR_RETURN(auto storage, PosixStorage::Open(arguments.directory));
  SystemRuntime runtime;
  BATON_RETURN_IF_ERROR(InitPool(*storage, kDurabilities.at(arguments.durability), runtime));
  return ReadPool(*storage);
}

absl::StatusOr<PoolRecord> MakePool(const PoolInitArguments& arguments) {
  const bool made = ::mkdir(arguments.directory.c_str(), kPoolMode) == 0;
  if (!made && errno != EEXIST) return ErrnoStatus(errno, "make", arguments.directory);
  absl::StatusOr<PoolRecord> pool = MakePoolIn(arguments);
  if (!pool.ok() && made) ::rmdir(arguments.directory.c_str());
  return pool;
}

// No controller is asked, so no status of this may be taken for one of the connection.
absl::StatusOr<ExitCode> PoolInit(CommandContext& context, const PoolInitArguments& arguments) {
  const absl::StatusOr<PoolRecord> pool = MakePool(arguments);
  if (!pool.ok()) {
    return Error(absl::StatusCode::kFailedPrecondition, "no pool is made in {}: {}",
                 arguments.directory, Message(pool.status()));
  }
  control::PoolMade made;
  made.set_path(arguments.directory);
  made.set_pool_id(pool->pool_id());
  made.set_durability(NameOf(pool->durability()));
  if (context.console.json()) context.console.AnswerJson(made);
  context.console.Confirm(fmt::format("pool {} made in {}, durability {}", made.pool_id(),
                                      made.path(), made.durability()));
  return ExitCode::kDone;
}

// `batond` beside this program, or else the one in PATH, which has the engine. Returns only if
// there is none.
absl::StatusOr<ExitCode> PoolDrain(const std::string& directory) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string beside = (self.parent_path() / "batond").string();
  const std::string program = ::access(beside.c_str(), X_OK) == 0 ? beside : "batond";
  ::execlp(program.c_str(), program.c_str(), "--drain", directory.c_str(), nullptr);
  return ErrnoStatus(errno, "start", program);
}

void AddPoolDrain(CLI::App& pool, Command& chosen) {
  CLI::App* drain = pool.add_subcommand(
      "drain", "bring all that was acknowledged to the files in DIR/volumes; needs no controller");
  auto directory = std::make_shared<std::string>();
  drain->add_option("DIR", *directory, "a pool that no controller serves")
      ->required()
      ->type_name(kDirectoryType);
  drain->callback([directory, &chosen] {
    chosen = [directory](CommandContext&) { return PoolDrain(*directory); };
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
