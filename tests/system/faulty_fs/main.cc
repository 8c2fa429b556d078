// faulty_fs DIRECTORY MOUNT [PID]: shows DIRECTORY as MOUNT, in the mount namespace of process PID,
// and does wrong what standard input tells it: see faults.h. Says "ready" once, then for each line
// "ok", or "what?"; "met" is answered by the number of operations that met the last fault. Ends
// with its standard input, or with the mount.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>

#include "tests/system/faulty_fs/mirror.h"

namespace baton::faulty {
namespace {

constexpr unsigned kThreads = 256;  // as many operations can hang at once

void Obey(Faults& faults) {
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "met") {
      std::cout << faults.met() << std::endl;
    } else {
      std::cout << (faults.Tell(line) ? "ok" : "what?") << std::endl;
    }
  }
}

int Fail(const std::string& what) {
  std::cerr << "faulty_fs: " << what << ": " << std::strerror(errno) << std::endl;
  return 1;
}

bool EnterMountNamespace(int proc, const std::string& process) {
  const int fd = ::openat(proc, (process + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC);
  return fd >= 0 && ::setns(fd, CLONE_NEWNS) == 0;
}

int Serve(fuse* file_system, const char* mount_point, Faults& faults) {
  if (fuse_mount(file_system, mount_point) != 0) return 1;
  std::thread([&faults, mount_point] {
    Obey(faults);
    faults.Tell("all eio");
    ::umount2(mount_point, MNT_DETACH);
  }).detach();
  fuse_loop_config* const config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_max_threads(config, kThreads);
  fuse_loop_cfg_set_idle_threads(config, kThreads);
  const int result = fuse_loop_mt(file_system, config);
  fuse_loop_cfg_destroy(config);
  fuse_unmount(file_system);
  return result == 0 ? 0 : 1;
}

int Main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::cerr << "usage: faulty_fs DIRECTORY MOUNT [PID]" << std::endl;
    return 2;
  }
  ::umask(0);
  const int proc = ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int root = ::open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0 || root < 0) return Fail(argv[1]);
  if (argc == 4 && !EnterMountNamespace(proc, argv[3]))
    return Fail("the namespace of " + std::string(argv[3]));
  Faults faults(proc);
  Mirror shown{root, faults};
  char* words[] = {argv[0], const_cast<char*>("-oallow_other,fsname=faulty,subtype=faulty"),
                   nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(2, words);
  fuse* const file_system =
      fuse_new(&arguments, &MirrorOperations(), sizeof(fuse_operations), &shown);
  if (file_system == nullptr) return 1;
  return Serve(file_system, argv[2], faults);
}

}  // namespace
}  // namespace baton::faulty

int main(int argc, char** argv) { return baton::faulty::Main(argc, argv); }
