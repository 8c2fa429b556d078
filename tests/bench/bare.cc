// The least that a FUSE server can be: threads that pass reads and writes of one file on to another
// one by direct I/O, and nothing else. `compare` takes it for the limit of FUSE.
//
//   bare_bench FILE MOUNTPOINT
//
// MOUNTPOINT is a file, too. It is served until it is unmounted. The features, the requests in
// flight and the place of the data in the buffers are those of Baton's mount.
#define FUSE_USE_VERSION 312
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr int kThreads = 16;
constexpr size_t kPageBytes = 4096;
constexpr size_t kMaxRequestBytes = 1 << 20;
constexpr size_t kWriteHeaderBytes = sizeof(fuse_in_header) + sizeof(fuse_write_in);

int FileOf(fuse_req_t request) { return *static_cast<int*>(fuse_req_userdata(request)); }

// Of this thread, and aligned for direct I/O.
char* Answer() {
  thread_local char* const buffer =
      static_cast<char*>(std::aligned_alloc(kPageBytes, kMaxRequestBytes));
  return buffer;
}

void Init(void*, fuse_conn_info* connection) {
  connection->want = connection->capable & (FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO);
  connection->max_write = kMaxRequestBytes;
  connection->max_background = 64;
  connection->congestion_threshold = 48;
}

void GetAttributes(fuse_req_t request, fuse_ino_t node, fuse_file_info*) {
  struct stat attributes = {};
  if (fstat(FileOf(request), &attributes) != 0) {
    fuse_reply_err(request, errno);
    return;
  }
  attributes.st_ino = node;
  fuse_reply_attr(request, &attributes, 0);
}

void Open(fuse_req_t request, fuse_ino_t, fuse_file_info* file) {
  fuse_open_out answer = {};
  answer.fh = file->fh;
  answer.open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
  // Not fuse_reply_open(): libfuse 3.14 does not know of parallel writes.
  fuse_reply_buf(request, reinterpret_cast<const char*>(&answer), sizeof(answer));
}

void Read(fuse_req_t request, fuse_ino_t, size_t size, off_t offset, fuse_file_info*) {
  const ssize_t done = pread(FileOf(request), Answer(), size, offset);
  if (done < 0) {
    fuse_reply_err(request, errno);
  } else {
    fuse_reply_buf(request, Answer(), static_cast<size_t>(done));
  }
}

void Write(fuse_req_t request, fuse_ino_t, const char* data, size_t size, off_t offset,
           fuse_file_info*) {
  const ssize_t done = pwrite(FileOf(request), data, size, offset);
  if (done < 0) {
    fuse_reply_err(request, errno);
  } else {
    fuse_reply_write(request, static_cast<size_t>(done));
  }
}

void Flush(fuse_req_t request, fuse_ino_t, int, fuse_file_info*) {
  fuse_reply_err(request, fdatasync(FileOf(request)) == 0 ? 0 : errno);
}

// The data of a WRITE begins at a page of the buffer, so that it needs no copy.
void Serve(fuse_session* session) {
  char* const buffer =
      static_cast<char*>(std::aligned_alloc(kPageBytes, 2 * kPageBytes + kMaxRequestBytes));
  char* const request = buffer + kPageBytes - kWriteHeaderBytes;
  while (true) {
    const ssize_t length = read(fuse_session_fd(session), request, kPageBytes + kMaxRequestBytes);
    if (length < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
    if (length <= 0) break;  // unmounted
    fuse_buf received = {};
    received.mem = request;
    received.size = static_cast<size_t>(length);
    fuse_session_process_buf(session, &received);
  }
  std::free(buffer);
}

int Run(int file, const char* mountpoint) {
  fuse_lowlevel_ops ops = {};
  ops.init = Init;
  ops.getattr = GetAttributes;
  ops.open = Open;
  ops.read = Read;
  ops.write = Write;
  ops.fsync = Flush;
  char name[] = "bare_bench";
  char* argv[] = {name, nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, argv);
  fuse_session* const session = fuse_session_new(&args, &ops, sizeof(ops), &file);
  if (session == nullptr || fuse_session_mount(session, mountpoint) != 0) return 1;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(Serve, session);
  for (std::thread& thread : threads) thread.join();
  fuse_session_unmount(session);
  fuse_session_destroy(session);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: bare_bench FILE MOUNTPOINT\n");
    return 2;
  }
  const int file = open(argv[1], O_RDWR | O_DIRECT);
  if (file < 0) {
    std::perror(argv[1]);
    return 1;
  }
  return Run(file, argv[2]);
}
