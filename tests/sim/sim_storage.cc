#include "tests/sim/sim_storage.h"

#include <algorithm>
#include <cerrno>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"
#include "engine/base/storage_path.h"
#include "tests/sim/sim_file.h"

namespace baton::sim {
namespace {

// Calls visit for each element once, in an order of chance.
template <typename Element, typename Visit>
void InAnyOrder(std::vector<Element>& elements, Random& random, Visit visit) {
  std::vector<Element*> order;
  for (Element& element : elements) order.push_back(&element);
  for (size_t left = order.size(); left > 0; --left) {
    std::swap(order[random.Below(left)], order[left - 1]);
    visit(*order[left - 1]);
  }
}

}  // namespace

SimStorage::SimStorage(Steps& steps, Options options) : steps_(steps), options_(options) {}

// ---- names ----

template <typename Change>
absl::Status SimStorage::ChangeNames(const Operation& operation, Change change) {
  const Steps::Flight flight = steps_.Begin(operation, steps_.boot());
  absl::StatusOr<Namespace::ChangeId> id = Namespace::ChangeId{0};
  if (flight.fate != Steps::Fate::kNothing) id = change();
  BATON_RETURN_IF_ERROR(steps_.End(operation, flight));
  if (id.ok()) names_.Complete(*id);
  return id.status();
}

absl::StatusOr<NodePtr> SimStorage::Create(const std::string& path, bool exclusive) {
  NodePtr node = std::make_shared<Node>(false);
  const absl::Status created = ChangeNames({OperationKind::kCreate, path},
                                           [&] { return names_.Insert(path, node, "create"); });
  if (absl::IsAlreadyExists(created) && !exclusive) return names_.Find(path, "open");
  BATON_RETURN_IF_ERROR(created);
  return node;
}

absl::StatusOr<std::unique_ptr<File>> SimStorage::Open(const std::string& path,
                                                       OpenOptions options) {
  BATON_RETURN_IF_ERROR(CheckStoragePath(path));
  BATON_RETURN_IF_ERROR(steps_.CheckAlive(steps_.boot()));
  absl::StatusOr<NodePtr> node = names_.Find(path, "open");
  if (absl::IsNotFound(node.status()) && options.create) {
    node = Create(path, options.exclusive);
  } else if (node.ok() && options.create && options.exclusive) {
    return ErrnoStatus(EEXIST, "create", path);
  }
  BATON_RETURN_IF_ERROR(node.status());
  if ((*node)->is_directory) return ErrnoStatus(EISDIR, "open", path);
  return std::make_unique<SimFile>(*this, *std::move(node), path, options);
}

absl::Status SimStorage::MakeDirectory(const std::string& path) {
  BATON_RETURN_IF_ERROR(CheckStoragePath(path));
  return ChangeNames({OperationKind::kMakeDirectory, path}, [&] {
    return names_.Insert(path, std::make_shared<Node>(true), "make directory");
  });
}

absl::StatusOr<std::vector<std::string>> SimStorage::List(const std::string& path) const {
  BATON_RETURN_IF_ERROR(CheckStoragePath(path));
  BATON_RETURN_IF_ERROR(steps_.CheckAlive(steps_.boot()));
  BATON_ASSIGN_OR_RETURN(const NodePtr directory, names_.FindDirectory(path, "list"));
  std::vector<std::string> names;
  for (const auto& [name, node] : directory->names) names.push_back(name);
  return names;
}

absl::StatusOr<bool> SimStorage::Exists(const std::string& path) const {
  BATON_RETURN_IF_ERROR(CheckStoragePath(path));
  BATON_RETURN_IF_ERROR(steps_.CheckAlive(steps_.boot()));
  const absl::Status found = names_.Find(path, "look up").status();
  if (absl::IsNotFound(found)) return false;
  BATON_RETURN_IF_ERROR(found);
  return true;
}

absl::Status SimStorage::Rename(const std::string& from, const std::string& to) {
  BATON_RETURN_IF_ERROR(CheckStoragePath(from));
  BATON_RETURN_IF_ERROR(CheckStoragePath(to));
  return ChangeNames({OperationKind::kRename, from}, [&] { return names_.Rename(from, to); });
}

absl::Status SimStorage::RenameToFree(const std::string& from, const std::string& to) {
  BATON_RETURN_IF_ERROR(CheckStoragePath(from));
  BATON_RETURN_IF_ERROR(CheckStoragePath(to));
  return ChangeNames({OperationKind::kRename, from}, [&]() -> absl::StatusOr<Namespace::ChangeId> {
    if (names_.Find(to, "rename to").ok()) return ErrnoStatus(EEXIST, "rename to", to);
    return names_.Rename(from, to);
  });
}

absl::Status SimStorage::Link(const std::string& from, const std::string& to) {
  BATON_RETURN_IF_ERROR(CheckStoragePath(from));
  BATON_RETURN_IF_ERROR(CheckStoragePath(to));
  return ChangeNames({OperationKind::kLink, from}, [&]() -> absl::StatusOr<Namespace::ChangeId> {
    BATON_ASSIGN_OR_RETURN(NodePtr node, names_.Find(from, "link"));
    if (node->is_directory) return ErrnoStatus(EPERM, "link", from);
    return names_.Insert(to, std::move(node), "link to");
  });
}

absl::Status SimStorage::Remove(const std::string& path) {
  BATON_RETURN_IF_ERROR(CheckStoragePath(path));
  return ChangeNames({OperationKind::kRemove, path}, [&] { return names_.Remove(path); });
}

absl::Status SimStorage::SyncDirectory(const std::string& path) {
  BATON_RETURN_IF_ERROR(CheckStoragePath(path));
  BATON_ASSIGN_OR_RETURN(const NodePtr directory, names_.FindDirectory(path, "sync directory"));
  const Namespace::ChangeId last = names_.LastCompleted(*directory);
  const Operation operation = {OperationKind::kSyncDirectory, path};
  const Steps::Flight flight = steps_.Begin(operation, steps_.boot());
  BATON_RETURN_IF_ERROR(steps_.End(operation, flight));
  names_.MakeDurable(*directory, last);
  return absl::OkStatus();
}

// ---- the whole ----

absl::Status SimStorage::WriteSideBySide(std::span<const SideWrite> writes) {
  std::vector<WriteInFlight> flights;
  flights.reserve(writes.size());
  absl::Status status;
  for (const SideWrite& write : writes) {
    auto& file = dynamic_cast<SimFile&>(*write.file);
    WriteInFlight flight(file, write.offset, write.data, WriteMode::kDurable);
    const absl::Status good = flight.Check();
    status.Update(good);
    if (good.ok()) flights.push_back(flight);
  }
  Random& random = steps_.random();
  InAnyOrder(flights, random, [](WriteInFlight& flight) { flight.Issue(); });
  InAnyOrder(flights, random, [](WriteInFlight& flight) { flight.TakeEffect(); });
  InAnyOrder(flights, random, [&](WriteInFlight& flight) { status.Update(flight.Finish()); });
  return status;
}

uint64_t SimStorage::UsedBytes() const {
  uint64_t used = 0;
  for (const NodePtr& file : names_.Files()) used += file->content.pages().allocated_bytes();
  return used;
}

absl::StatusOr<uint64_t> SimStorage::FreeBytes() const {
  BATON_RETURN_IF_ERROR(steps_.CheckAlive(steps_.boot()));
  const uint64_t used = UsedBytes();
  return options_.capacity_bytes > used ? options_.capacity_bytes - used : 0;
}

absl::StatusOr<uint64_t> SimStorage::TotalBytes() const {
  BATON_RETURN_IF_ERROR(steps_.CheckAlive(steps_.boot()));
  return options_.capacity_bytes;
}

// ---- for tests ----

void SimStorage::Crash(CrashKind kind) {
  names_.Crash(kind, steps_.random());
  for (const NodePtr& file : names_.Files()) file->content.Crash(kind, steps_.random());
}

std::vector<std::byte> SimStorage::Peek(const std::string& path) const {
  const absl::StatusOr<NodePtr> node = names_.Find(path, "peek");
  if (!node.ok()) return {};
  std::vector<std::byte> data((*node)->content.size_bytes());
  (*node)->content.Read(0, data);
  return data;
}

void SimStorage::Poke(const std::string& path, uint64_t offset, Bytes data) {
  const absl::StatusOr<NodePtr> node = names_.Find(path, "poke");
  if (!node.ok()) steps_.runtime().Die("poke: no such file: " + path);
  Content& content = (*node)->content;
  content.MakeDurable(content.Write(offset, data, true));
}

}  // namespace baton::sim
