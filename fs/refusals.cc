// What a mount of volumes does not do: each is EPERM, changes nothing, and is said in the log.
#include "fs/volume_ops.h"

namespace baton::fs {
namespace {

void Refuse(fuse_req_t request, const char* what, const char* name, const char* instead) {
  MountedOf(request).refusals.Warn("refused to {} '{}' through the mount: {}", what, name, instead);
  fuse_reply_err(request, EPERM);
}

constexpr char kCreateInstead[] = "volumes are made with 'baton volume create'";
constexpr char kDeleteInstead[] = "volumes are removed with 'baton volume delete'";
constexpr char kOnlyVolumes[] = "a mount of volumes has nothing but volumes in one directory";
constexpr char kNamesStay[] = "a volume keeps the name that it was made with";

void Create(fuse_req_t request, fuse_ino_t, const char* name, mode_t, fuse_file_info*) {
  Refuse(request, "create", name, kCreateInstead);
}

void MakeNode(fuse_req_t request, fuse_ino_t, const char* name, mode_t, dev_t) {
  Refuse(request, "create", name, kCreateInstead);
}

void MakeDirectory(fuse_req_t request, fuse_ino_t, const char* name, mode_t) {
  Refuse(request, "make directory", name, kOnlyVolumes);
}

void Unlink(fuse_req_t request, fuse_ino_t, const char* name) {
  Refuse(request, "remove", name, kDeleteInstead);
}

void RemoveDirectory(fuse_req_t request, fuse_ino_t, const char* name) {
  Refuse(request, "remove directory", name, kOnlyVolumes);
}

void Rename(fuse_req_t request, fuse_ino_t, const char* name, fuse_ino_t, const char*, unsigned) {
  Refuse(request, "rename", name, kNamesStay);
}

void HardLink(fuse_req_t request, fuse_ino_t, fuse_ino_t, const char* name) {
  Refuse(request, "link", name, kOnlyVolumes);
}

void SymbolicLink(fuse_req_t request, const char*, fuse_ino_t, const char* name) {
  Refuse(request, "make symbolic link", name, kOnlyVolumes);
}

}  // namespace

void AddRefusals(fuse_lowlevel_ops& ops) {
  ops.create = Create;
  ops.mknod = MakeNode;
  ops.mkdir = MakeDirectory;
  ops.unlink = Unlink;
  ops.rmdir = RemoveDirectory;
  ops.rename = Rename;
  ops.link = HardLink;
  ops.symlink = SymbolicLink;
}

}  // namespace baton::fs
