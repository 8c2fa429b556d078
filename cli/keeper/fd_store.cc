#include "cli/keeper/fd_store.h"

#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "cli/keeper/keeper.pb.h"
#include "cli/keeper/keeper_settings.h"
#include "engine/base/errno_status.h"
#include "engine/base/status.h"
#include "engine/base/unique_fd.h"

namespace baton::keeper {
namespace {

constexpr char kFuseName[] = "baton-fuse";
constexpr char kFactsName[] = "baton-facts";
constexpr char kOpensName[] = "baton-opens";

bool Store(const char* name, int fd) {
  const std::string state = fmt::format("FDSTORE=1\nFDNAME={}", name);
  const int result = ::sd_pid_notify_with_fds(0, 0, state.c_str(), &fd, 1);
  if (result > 0) return true;
  spdlog::warn("the service manager does not keep {}: {}", name,
               std::generic_category().message(-result));
  return false;
}

// In a file of memory: text is nothing that the store takes.
absl::StatusOr<UniqueFd> FactsFile(const Facts& facts) {
  UniqueFd file(::memfd_create(kFactsName, MFD_CLOEXEC));
  const std::string bytes = facts.SerializeAsString();
  if (file.valid() &&
      ::pwrite(file.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size())) {
    return file;
  }
  return ErrnoStatus(errno, "write", kFactsName);
}

bool ReadFacts(const UniqueFd& file, Facts& facts) {
  std::string bytes(kMaxPacketBytes, '\0');
  const ssize_t length = ::pread(file.get(), bytes.data(), bytes.size(), 0);
  return length > 0 && facts.ParseFromArray(bytes.data(), static_cast<int>(length));
}

}  // namespace

bool StoreMount(const MountState& held) {
  if (std::getenv("NOTIFY_SOCKET") == nullptr) return false;
  Facts facts;
  facts.set_mount_path(held.mount->path());
  facts.set_mount_device(held.mount->device());
  facts.set_init_request(held.mount->init_request());
  facts.set_init_answer(held.init_answer);
  facts.set_pool(held.pool);
  const absl::StatusOr<UniqueFd> file = FactsFile(facts);
  if (!file.ok()) {
    spdlog::warn("{}", Message(file.status()));
    return false;
  }
  // Those of the keeper before are another file: they would fill the store.
  ::sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", kFactsName);
  return Store(kFuseName, held.mount->fd()) && Store(kFactsName, file->get()) &&
         Store(kOpensName, held.open_table.get());
}

void ForgetStoredMount() {
  for (const char* name : {kFuseName, kFactsName, kOpensName}) {
    ::sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
  }
}

Kept TakeKept() {
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  Kept kept;
  for (int i = 0; i < count; ++i) {
    kept.insert_or_assign(names[i], UniqueFd(SD_LISTEN_FDS_START + i));
    std::free(names[i]);
  }
  std::free(names);
  return kept;
}

absl::StatusOr<MountState> HeldFrom(Kept kept, const std::string& mount) {
  Facts facts;
  if (!kept.contains(kFuseName) || !kept.contains(kFactsName) || !kept.contains(kOpensName) ||
      !ReadFacts(kept.at(kFactsName), facts)) {
    return Error(absl::StatusCode::kNotFound, "the service manager has kept nothing");
  }
  MountState held;
  held.mount =
      fs::Mount::Adopt(facts.mount_path(), facts.mount_device(), std::move(kept.at(kFuseName)),
                       facts.init_request(), fs::AtEnd::kUnmount);
  if (!held.mount->Connected()) {
    return Error(absl::StatusCode::kNotFound, "the mount that was kept has ended");
  }
  if (!IsMountPoint(facts.mount_path(), mount)) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "the mount of the last run at {} was kept: unmount that, or name it",
                 facts.mount_path());
  }
  held.open_table = std::move(kept.at(kOpensName));
  held.init_answer = facts.init_answer();
  held.pool = facts.pool();
  spdlog::info("going on with the mount at {} that the service manager has kept",
               facts.mount_path());
  return held;
}

}  // namespace baton::keeper
