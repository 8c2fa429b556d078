#include "tests/checker/mounted_backend.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <cerrno>

#include "engine/base/errno_status.h"
#include "engine/base/unique_fd.h"

namespace baton::checker {
namespace {

// An open file of the mount.
class MountedVolume final : public VolumeIo {
 public:
  MountedVolume(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  uint64_t size_bytes() const override {
    return static_cast<uint64_t>(::lseek(fd_.get(), 0, SEEK_END));
  }
  absl::Status Read(uint64_t offset, MutableBytes out) override {
    return Transfer("read", offset, out.size(), [&](uint64_t done, off_t at) {
      return ::pread(fd_.get(), out.data() + done, out.size() - done, at);
    });
  }
  absl::Status Write(uint64_t offset, Bytes data) override {
    return Transfer("write", offset, data.size(), [&](uint64_t done, off_t at) {
      return ::pwrite(fd_.get(), data.data() + done, data.size() - done, at);
    });
  }
  absl::Status Flush() override { return Result(::fdatasync(fd_.get()), "sync"); }
  absl::Status Discard(uint64_t offset, uint64_t length_bytes) override {
    return Result(::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                              static_cast<off_t>(offset), static_cast<off_t>(length_bytes)),
                  "discard");
  }

 private:
  absl::Status Result(int result, const char* operation) const {
    return result == 0 ? absl::OkStatus() : ErrnoStatus(errno, operation, path_);
  }
  // The kernel may do a part only.
  template <typename Call>
  absl::Status Transfer(const char* operation, uint64_t offset, uint64_t length, Call call) const {
    for (uint64_t done = 0; done < length;) {
      const ssize_t part = call(done, static_cast<off_t>(offset + done));
      if (part < 0 && errno == EINTR) continue;
      if (part <= 0) return ErrnoStatus(part < 0 ? errno : ENODATA, operation, path_);
      done += static_cast<uint64_t>(part);
    }
    return absl::OkStatus();
  }

  const UniqueFd fd_;
  const std::string path_;
};

}  // namespace

MountedBackend::MountedBackend() {
  EXPECT_OK(pool_.Open());
  mount_ = Must(fs::Mount::Make({.path = scratch_.mount_point()}));
  EXPECT_OK(Serve(/*adopt=*/false));
}

MountedBackend::~MountedBackend() { EXPECT_OK(mount_->TakeDown(fs::Unmount::kLazy)); }

absl::Status MountedBackend::Serve(bool adopt) {
  owned_ = std::make_unique<ha::OwnedPool>(ha::OwnedPool{pool_.engine(), pool_.storage()});
  drainable_.Set(*owned_);
  fs::SessionOptions options;
  options.fd = mount_->fd();
  options.init_request = mount_->init_request();
  options.adopt = adopt;
  absl::StatusOr<std::unique_ptr<fs::Session>> session =
      fs::Session::Start(volumes_, pool_.runtime(), std::move(options));
  if (!session.ok()) return session.status();
  session_ = *std::move(session);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<VolumeIo>> MountedBackend::Open(const std::string& volume,
                                                               bool direct) {
  std::string path = mount_->path() + "/" + volume;
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | (direct ? O_DIRECT : 0)));
  if (!fd.valid()) return ErrnoStatus(errno, "open", path);
  return std::make_unique<MountedVolume>(std::move(fd), std::move(path));
}

absl::Status MountedBackend::Seal() {
  session_.reset();
  drainable_.Drain();
  return pool_->Seal().status();
}

absl::Status MountedBackend::Reopen() {
  pool_.Close();
  const absl::Status status = pool_.Open();
  return status.ok() ? Serve(/*adopt=*/true) : status;
}

}  // namespace baton::checker
