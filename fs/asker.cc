#include "fs/asker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "engine/base/unique_fd.h"
#include "fs/protocol.h"

namespace baton::fs {
namespace {

constexpr size_t kProcFileBytes = 4096;
using ProcText = std::array<char, kProcFileBytes>;

constexpr uint64_t BitOf(int signal) { return uint64_t{1} << (signal - 1); }

constexpr uint64_t kCoreSignals = BitOf(SIGQUIT) | BitOf(SIGILL) | BitOf(SIGTRAP) | BitOf(SIGABRT) |
                                  BitOf(SIGBUS) | BitOf(SIGFPE) | BitOf(SIGSEGV) | BitOf(SIGXCPU) |
                                  BitOf(SIGXFSZ) | BitOf(SIGSYS);

// Of the kernel's flags of a task (field 9 of its `stat`).
constexpr uint64_t kEndedBySignal = 0x400;  // PF_SIGNALED

// Empty: there is no such task, or it is not shown to us.
std::string_view ReadProc(uint32_t task, const char* file, ProcText& room) {
  const UniqueFd fd(::open(fmt::format("/proc/{}/{}", task, file).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return {};
  const ssize_t length = ::read(fd.get(), room.data(), room.size());
  return {room.data(), length > 0 ? static_cast<size_t>(length) : 0};
}

uint64_t Number(std::string_view text, int base) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

// What stands behind "\nNAME:\t".
std::string_view FieldOf(std::string_view status, std::string_view name) {
  const size_t at = status.find(name);
  return at == std::string_view::npos ? std::string_view() : status.substr(at + name.size());
}

uint64_t SignalsOf(std::string_view status, std::string_view name) {
  return Number(FieldOf(status, name), 16);
}

bool FatalSignalPending(std::string_view status) {
  const uint64_t pending = SignalsOf(status, "\nSigPnd:\t") | SignalsOf(status, "\nShdPnd:\t");
  if (pending & BitOf(SIGKILL)) return true;
  // A debugger may take any other signal away.
  if (Number(FieldOf(status, "\nTracerPid:\t"), 10) != 0) return false;
  const uint64_t harmless = SignalsOf(status, "\nSigBlk:\t") | SignalsOf(status, "\nSigIgn:\t") |
                            SignalsOf(status, "\nSigCgt:\t");
  return (pending & kCoreSignals & ~harmless) != 0;
}

// The flags come seventh after the name, which may have spaces and parentheses in it.
bool EndsBySignal(std::string_view stat) {
  size_t at = stat.rfind(')');
  for (int field = 0; field < 7 && at != std::string_view::npos; ++field) {
    at = stat.find(' ', at + 1);
  }
  if (at == std::string_view::npos) return false;
  return (Number(stat.substr(at + 1), 10) & kEndedBySignal) != 0;
}

// nullopt: it is not there, or its number is another one's by now.
std::optional<bool> IsTaskBeingKilled(uint32_t task, uint32_t& process) {
  ProcText room;
  const std::string_view status = ReadProc(task, "status", room);
  const auto now = static_cast<uint32_t>(Number(FieldOf(status, "\nTgid:\t"), 10));
  if (now == 0 || (process != 0 && process != now)) return std::nullopt;
  process = now;
  return FatalSignalPending(status) || EndsBySignal(ReadProc(task, "stat", room));
}

bool MayBeCalledOff(Bytes request, uint32_t opcode) {
  switch (opcode) {
    case FUSE_WRITE: {
      const auto& write =
          *reinterpret_cast<const fuse_write_in*>(request.data() + sizeof(fuse_in_header));
      return request.size() >= kWriteHeaderBytes && !(write.write_flags & FUSE_WRITE_CACHE);
    }
    case FUSE_READ:
    case FUSE_OPEN:
    case FUSE_FSYNC:
    case FUSE_FALLOCATE:
    case FUSE_LSEEK:
    case FUSE_LOOKUP:
    case FUSE_GETATTR:
    case FUSE_SETATTR:
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
    case FUSE_STATFS:
    case FUSE_GETLK:
    case FUSE_SETLK:
    case FUSE_SETLKW:
      return true;
    default:  // the kernel's numbers, not ours
      return false;
  }
}

}  // namespace

Asker AskerOf(Bytes request) {
  const auto& header = *reinterpret_cast<const fuse_in_header*>(request.data());
  return {.task = MayBeCalledOff(request, header.opcode) ? header.pid : 0, .process = 0};
}

bool MayHaveBeenSent(Bytes request) {
  const auto& header = *reinterpret_cast<const fuse_in_header*>(request.data());
  return (header.unique & kUniqueResent) != 0 &&
         (header.opcode == FUSE_WRITE || header.opcode == FUSE_FALLOCATE);
}

bool IsBeingKilled(Asker& asker) {
  if (asker.task == 0) return false;
  const std::optional<bool> killed = IsTaskBeingKilled(asker.task, asker.process);
  if (killed || asker.process == 0) return killed.value_or(false);
  return IsTaskBeingKilled(asker.process, asker.process).value_or(false);
}

}  // namespace baton::fs
