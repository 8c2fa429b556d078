// baton volume export: what a volume shows into a file, as one moment of it.
#include <absl/time/clock.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "cli/baton/child_program.h"
#include "cli/baton/commands.h"
#include "cli/baton/import.h"
#include "cli/baton/interrupt.h"
#include "cli/baton/qemu_convert.h"
#include "cli/baton/shown_copy.h"
#include "engine/base/boot_time.h"
#include "engine/base/errno_status.h"
#include "engine/base/limits.h"
#include "engine/base/names.h"
#include "engine/base/status.h"
#include "engine/base/sync_folder.h"
#include "engine/base/unique_fd.h"
#include "engine/base/write_all.h"

namespace baton {
namespace {

using control::Request;
using control::Response;

// The kernel tells the mount of a close a moment after the close.
constexpr absl::Duration kExportCloseGrace = absl::Seconds(2);
constexpr char kStandardOutput[] = "-";

struct ExportArguments {
  std::string name;
  std::string file;
  std::string format = "auto";
  bool force = false;
  bool live = false;

  bool to_stream() const { return file == kStandardOutput; }
};

absl::StatusOr<VolumeStatus> LookAtVolume(CommandContext& context, const std::string& name) {
  Request request;
  request.mutable_volume_show()->set_name(name);
  BATON_ASSIGN_OR_RETURN(const Response response, context.client->Call(request));
  return response.volume();
}

// One that is read while programs write to it has no moment that the file would be of.
absl::StatusOr<VolumeStatus> FindVolumeToExport(CommandContext& context,
                                                const ExportArguments& arguments) {
  const absl::Duration deadline = BootTime() + kExportCloseGrace;
  while (true) {
    BATON_ASSIGN_OR_RETURN(VolumeStatus volume, LookAtVolume(context, arguments.name));
    if (volume.offline() || volume.importing()) {
      return Error(absl::StatusCode::kFailedPrecondition, "volume {} is {}: it has no content yet",
                   arguments.name, volume.offline() ? "offline" : "being imported");
    }
    if (arguments.live || volume.open_count() == 0) return volume;
    if (BootTime() >= deadline) break;
    absl::SleepFor(absl::Milliseconds(50));
  }
  return Error(absl::StatusCode::kFailedPrecondition,
               "volume {0} is open, and a file of it would mix several moments: export a clone of "
               "it (baton clone run {0} COPY), close it, or take that with --live",
               arguments.name);
}

// "raw" or "qcow2".
absl::StatusOr<std::string> FormatOf(const ExportArguments& arguments) {
  const std::string& file = arguments.file;
  if (arguments.to_stream() && arguments.format == "qcow2") {
    return Error(absl::StatusCode::kInvalidArgument,
                 "qcow2 cannot be written to standard output: name a file, or take --format raw");
  }
  if (arguments.format != "auto") return arguments.format;
  if (file.ends_with(".qcow2")) return "qcow2";
  for (const char* other : {".vmdk", ".vhdx", ".vhd", ".vdi", ".qcow"}) {
    if (!file.ends_with(other)) continue;
    return Error(absl::StatusCode::kInvalidArgument,
                 "{} would not be what its name says: export writes raw and qcow2, and qemu-img "
                 "convert makes other formats of them (--format takes the name as it is)",
                 file);
  }
  return "raw";
}

absl::Status CheckFile(const ExportArguments& arguments) {
  struct stat status;
  if (arguments.to_stream()) {
    if (::isatty(STDOUT_FILENO) == 0) return absl::OkStatus();
    return Error(absl::StatusCode::kInvalidArgument,
                 "standard output is a terminal: name a file, or pass it on");
  }
  if (::lstat(arguments.file.c_str(), &status) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, "examine", arguments.file);
  }
  if (!S_ISREG(status.st_mode)) {
    return Error(absl::StatusCode::kInvalidArgument, "{} is there and is no regular file",
                 arguments.file);
  }
  if (arguments.force) return absl::OkStatus();
  return Error(absl::StatusCode::kAlreadyExists,
               "{} is there already: name another file, or replace it with --force",
               arguments.file);
}

// The file under another name until it is complete. Removed by the destructor, unless it was.
class NewFile {
 public:
  static absl::StatusOr<std::unique_ptr<NewFile>> Make(const std::string& path,
                                                       uint64_t size_bytes) {
    std::string name = path + ".XXXXXX";
    UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd.valid()) return ErrnoStatus(errno, "make", path);
    std::unique_ptr<NewFile> file(new NewFile(path, name, std::move(fd)));
    if (::ftruncate(file->fd_.get(), static_cast<off_t>(size_bytes)) == 0) return file;
    return ErrnoStatus(errno, "make", path);
  }
  ~NewFile() {
    if (!done_) ::unlink(name_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  const std::string& name() const { return name_; }

  // Durable when it returns OK.
  absl::Status Finish(bool may_replace) {
    if (::fsync(fd_.get()) != 0) return ErrnoStatus(errno, "sync", name_);
    BATON_RETURN_IF_ERROR(Rename(may_replace));
    done_ = true;
    return SyncFolderOf(path_);
  }

 private:
  NewFile(std::string path, std::string name, UniqueFd fd)
      : path_(std::move(path)), name_(std::move(name)), fd_(std::move(fd)) {}

  absl::Status Rename(bool may_replace) {
    const unsigned flags = may_replace ? 0 : RENAME_NOREPLACE;
    int result = ::renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, path_.c_str(), flags);
    // Not every file system knows the flag; that nothing was there was looked at before.
    if (result != 0 && errno == EINVAL) result = ::rename(name_.c_str(), path_.c_str());
    return result == 0 ? absl::OkStatus() : ErrnoStatus(errno, "make", path_);
  }

  const std::string path_;
  const std::string name_;
  const UniqueFd fd_;
  bool done_ = false;
};

absl::Status ExportToFile(const ImportSource& volume, const ExportArguments& arguments,
                          const std::string& format, const CopyProgress& progress) {
  const bool is_raw = format == "raw";
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<NewFile> file,
                         NewFile::Make(arguments.file, is_raw ? volume.size_bytes : 0));
  if (is_raw) {
    BATON_RETURN_IF_ERROR(CopyIntoVolume(volume, file->name(), progress));
  } else {
    BATON_RETURN_IF_ERROR(
        QemuConvert({"-f", "raw", "-O", format, ChildProgram::kInputPath, file->name()},
                    volume.fd.get(), volume.path, volume.size_bytes, progress));
    BATON_RETURN_IF_ERROR(CheckUnchanged(volume));
  }
  return file->Finish(arguments.force);
}

absl::Status ExportToStream(const ImportSource& volume, const CopyProgress& progress) {
  std::vector<char> buffer(limits::kMaxRequestBytes);
  for (uint64_t done = 0; done < volume.size_bytes;) {
    if (!progress(done)) return Error(absl::StatusCode::kCancelled, "interrupted");
    const size_t wanted = std::min<uint64_t>(buffer.size(), volume.size_bytes - done);
    const ssize_t count = ::pread(volume.fd.get(), buffer.data(), wanted, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "read", volume.path);
    if (count == 0) {
      return Error(absl::StatusCode::kFailedPrecondition, "{} ends before its size", volume.path);
    }
    if (!WriteAll(STDOUT_FILENO, {buffer.data(), static_cast<size_t>(count)})) {
      return ErrnoStatus(errno, "write", "to standard output");
    }
    done += static_cast<uint64_t>(count);
  }
  return CheckUnchanged(volume);
}

absl::StatusOr<ExitCode> ExportVolume(CommandContext& context, const ExportArguments& arguments) {
  BATON_RETURN_IF_ERROR(CheckName(arguments.name));
  BATON_ASSIGN_OR_RETURN(const std::string format, FormatOf(arguments));
  if (arguments.to_stream() && context.console.json()) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "--json prints to standard output, which the volume goes to: name a file");
  }
  if (const absl::Status file = CheckFile(arguments); !file.ok()) return LocalFailure(file);
  BATON_ASSIGN_OR_RETURN(const VolumeStatus volume, FindVolumeToExport(context, arguments));
  absl::StatusOr<ImportSource> source = OpenImportSource(volume.path(), ImportAs::kRaw);
  if (!source.ok()) return LocalFailure(source.status());
  source->may_change = arguments.live;
  CatchInterrupts();
  const absl::Duration begun = BootTime();
  BATON_RETURN_IF_ERROR(
      CopyWithProgress(context.console, source->size_bytes, [&](const CopyProgress& progress) {
        return arguments.to_stream() ? ExportToStream(*source, progress)
                                     : ExportToFile(*source, arguments, format, progress);
      }));
  if (arguments.to_stream()) return ExitCode::kDone;
  if (context.console.json()) context.console.AnswerJson(volume);
  context.console.Confirm(fmt::format("volume {} exported: {} to {} ({}), in {}", arguments.name,
                                      FormatSize(source->size_bytes), arguments.file, format,
                                      FormatElapsed(BootTime() - begun)));
  return ExitCode::kDone;
}

}  // namespace

void AddVolumeExport(CLI::App& volume, Command& chosen) {
  CLI::App* command =
      volume.add_subcommand("export", "write what a volume shows to a file; holes stay holes");
  auto arguments = std::make_shared<ExportArguments>();
  command->add_option("NAME", arguments->name, "the volume; no program may have it open")
      ->required()
      ->type_name(kVolumeType);
  command->add_option("FILE", arguments->file, "the file to make; -: standard output, raw")
      ->required()
      ->type_name(kFileType);
  command
      ->add_option("--format", arguments->format,
                   "raw or qcow2 (by qemu-img); auto: what the ending of FILE says")
      ->check(CLI::IsMember({"auto", "raw", "qcow2"}))
      ->capture_default_str();
  command->add_flag("--force", arguments->force, "replace FILE if it is there");
  command->add_flag("--live", arguments->live,
                    "although programs write to it: the file may mix several moments");
  command->callback([arguments, &chosen] {
    chosen = [arguments](CommandContext& context) { return ExportVolume(context, *arguments); };
  });
}

}  // namespace baton
