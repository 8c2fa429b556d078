#include "tests/sim/sim_namespace.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"
#include "engine/base/storage_path.h"

namespace baton::sim {
namespace {

NodePtr Lookup(const Node& directory, const std::string& name) {
  const auto at = directory.names.find(name);
  return at == directory.names.end() ? nullptr : at->second;
}

// In the order of the paths: the choices of a crash must not depend on addresses.
void Visit(const NodePtr& node, std::vector<NodePtr>& files) {
  if (!node->is_directory) {
    if (std::find(files.begin(), files.end(), node) == files.end()) files.push_back(node);
    return;
  }
  for (const auto& [name, child] : node->names) Visit(child, files);
}

// Whether the rename of `node` over `old` (may be null) is allowed; 0 or an errno.
int RenameError(const Node& node, const NodePtr& old) {
  if (old == nullptr) return 0;
  if (node.is_directory && !old->is_directory) return ENOTDIR;
  if (!node.is_directory && old->is_directory) return EISDIR;
  return old->is_directory && !old->names.empty() ? ENOTEMPTY : 0;
}

}  // namespace

// ---- looking up ----

absl::StatusOr<NodePtr> Namespace::Find(const std::string& path, const char* operation) const {
  NodePtr node = root_;
  size_t begin = 0;
  while (begin < path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (!node->is_directory) return ErrnoStatus(ENOTDIR, operation, path);
    node = Lookup(*node, path.substr(begin, end - begin));
    if (node == nullptr) return ErrnoStatus(ENOENT, operation, path);
    begin = end + 1;
  }
  return node;
}

absl::StatusOr<NodePtr> Namespace::FindDirectory(const std::string& path,
                                                 const char* operation) const {
  BATON_ASSIGN_OR_RETURN(NodePtr node, Find(path, operation));
  if (!node->is_directory) return ErrnoStatus(ENOTDIR, operation, path);
  return node;
}

absl::StatusOr<Namespace::Place> Namespace::Locate(const std::string& path,
                                                   const char* operation) const {
  if (path.empty()) return ErrnoStatus(EINVAL, operation, "the root");
  SplitPath split = SplitStoragePath(path);
  BATON_ASSIGN_OR_RETURN(NodePtr directory, FindDirectory(split.parent, operation));
  return Place{std::move(directory), std::move(split.name)};
}

std::vector<NodePtr> Namespace::Files() const {
  std::vector<NodePtr> files;
  Visit(root_, files);
  return files;
}

// ---- changing ----

Namespace::ChangeId Namespace::Journal(std::vector<Edit> edits) {
  for (const Edit& edit : edits) {
    if (edit.node == nullptr) {
      edit.directory->names.erase(edit.name);
    } else {
      edit.directory->names[edit.name] = edit.node;
    }
  }
  journal_.push_back({++last_id_, false, std::move(edits)});
  return last_id_;
}

absl::StatusOr<Namespace::ChangeId> Namespace::Insert(const std::string& path, NodePtr node,
                                                      const char* operation) {
  BATON_ASSIGN_OR_RETURN(const Place place, Locate(path, operation));
  if (Lookup(*place.directory, place.name) != nullptr) {
    return ErrnoStatus(EEXIST, operation, path);
  }
  return Journal({{place.directory, place.name, std::move(node)}});
}

absl::StatusOr<Namespace::ChangeId> Namespace::Remove(const std::string& path) {
  BATON_ASSIGN_OR_RETURN(const Place place, Locate(path, "remove"));
  const NodePtr node = Lookup(*place.directory, place.name);
  if (node == nullptr) return ErrnoStatus(ENOENT, "remove", path);
  if (!node->names.empty()) return ErrnoStatus(ENOTEMPTY, "remove", path);
  return Journal({{place.directory, place.name, nullptr}});
}

absl::StatusOr<Namespace::ChangeId> Namespace::Rename(const std::string& from,
                                                      const std::string& to) {
  BATON_ASSIGN_OR_RETURN(const Place source, Locate(from, "rename"));
  BATON_ASSIGN_OR_RETURN(const Place target, Locate(to, "rename to"));
  const NodePtr node = Lookup(*source.directory, source.name);
  if (node == nullptr) return ErrnoStatus(ENOENT, "rename", from);
  if (to.starts_with(from + "/")) return ErrnoStatus(EINVAL, "rename into itself", from);
  const NodePtr old = Lookup(*target.directory, target.name);
  if (old == node) return ChangeId{0};
  if (const int error = RenameError(*node, old); error != 0) {
    return ErrnoStatus(error, "rename " + from + " to", to);
  }
  return Journal({{source.directory, source.name, nullptr}, {target.directory, target.name, node}});
}

// ---- durability ----

bool Namespace::Change::Touches(const Node* directory) const {
  return std::any_of(edits.begin(), edits.end(),
                     [&](const Edit& edit) { return edit.directory.get() == directory; });
}

void Namespace::Complete(ChangeId id) {
  for (Change& change : journal_) {
    if (change.id == id) change.completed = true;
  }
}

Namespace::ChangeId Namespace::LastCompleted(const Node& directory) const {
  ChangeId last = 0;
  for (const Change& change : journal_) {
    if (change.completed && change.Touches(&directory)) last = change.id;
  }
  return last;
}

void Namespace::ApplyDurably(const Change& change) {
  for (const Edit& edit : change.edits) {
    if (edit.node == nullptr) {
      edit.directory->durable.erase(edit.name);
    } else {
      edit.directory->durable[edit.name] = edit.node;
    }
  }
}

void Namespace::MakeDurable(const Node& directory, ChangeId id) {
  // Backwards: a rename between directories takes along what the other one had before.
  std::set<const Node*> directories = {&directory};
  std::set<ChangeId> chosen;
  for (auto change = journal_.rbegin(); change != journal_.rend(); ++change) {
    if (change->id > id) continue;
    const bool touched = std::any_of(directories.begin(), directories.end(),
                                     [&](const Node* node) { return change->Touches(node); });
    if (!touched) continue;
    chosen.insert(change->id);
    for (const Edit& edit : change->edits) directories.insert(edit.directory.get());
  }
  for (const Change& change : journal_) {
    if (chosen.contains(change.id)) ApplyDurably(change);
  }
  std::erase_if(journal_, [&](const Change& change) { return chosen.contains(change.id); });
}

// ---- crash ----

void Namespace::Recover(const NodePtr& directory) {
  directory->names = directory->durable;
  for (const auto& [name, node] : directory->names) {
    if (node->is_directory) Recover(node);
  }
}

void Namespace::Crash(CrashKind kind, Random& random) {
  if (kind == CrashKind::kProcess) {
    for (Change& change : journal_) change.completed = true;
    return;
  }
  std::set<const Node*> cut;  // directories that keep nothing more
  const uint64_t losses_in_four = random.Below(4);
  for (const Change& change : journal_) {
    const bool lost =
        std::any_of(change.edits.begin(), change.edits.end(),
                    [&](const Edit& edit) { return cut.contains(edit.directory.get()); }) ||
        random.Below(4) < losses_in_four;
    if (!lost) {
      ApplyDurably(change);
      continue;
    }
    for (const Edit& edit : change.edits) cut.insert(edit.directory.get());
  }
  journal_.clear();
  Recover(root_);
}

}  // namespace baton::sim
