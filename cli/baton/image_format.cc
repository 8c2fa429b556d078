#include "cli/baton/image_format.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/baton/child_program.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using QemuAnswer = nlohmann::json;
using Kind = ImageFormat::Kind;

struct Signature {
  size_t offset;
  std::string_view bytes;
  Kind kind;
  const char* name;
  const char* reader;
};

using std::string_view_literals::operator""sv;

constexpr std::array kSignatures = {
    Signature{0, "QFI\xfb\0\0\0\x01"sv, Kind::kDisk, "a qcow image", "qcow"},
    Signature{0, "QFI\xfb"sv, Kind::kDisk, "a qcow2 image", "qcow2"},
    Signature{0, "QED\0"sv, Kind::kDisk, "a QED image", "qed"},
    Signature{0, "KDMV"sv, Kind::kDisk, "a VMDK image", "vmdk"},
    Signature{0, "COWD"sv, Kind::kDisk, "a VMDK image", "vmdk"},
    Signature{0, "# Disk DescriptorFile"sv, Kind::kDescription, "a VMDK description", "vmdk"},
    Signature{0, "vhdxfile"sv, Kind::kDisk, "a VHDX image", "vhdx"},
    Signature{0, "conectix"sv, Kind::kDisk, "a VHD image", "vpc"},
    Signature{0x40, "\x7f\x10\xda\xbe"sv, Kind::kDisk, "a VDI image", "vdi"},
    Signature{0, "\x1f\x8b\x08"sv, Kind::kPacked, "compressed with gzip", "gzip"},
    Signature{0, "\xfd\x37zXZ\0"sv, Kind::kPacked, "compressed with xz", "xz"},
    Signature{0, "BZh"sv, Kind::kPacked, "compressed with bzip2", "bzip2"},
    Signature{0, "\x28\xb5\x2f\xfd"sv, Kind::kPacked, "compressed with zstd", "zstd"},
};

constexpr size_t kVhdFooterBytes = 512;

bool Has(const Signature& signature, std::string_view head) {
  return head.size() >= signature.offset &&
         head.substr(signature.offset).starts_with(signature.bytes);
}

absl::StatusOr<std::string> ReadAll(ChildProgram& program) {
  std::string text;
  char part[4096];
  while (true) {
    BATON_ASSIGN_OR_RETURN(const size_t count, program.Read(part, sizeof part));
    if (count == 0) break;
    text.append(part, count);
  }
  BATON_RETURN_IF_ERROR(program.Finish());
  return text;
}

// An image that is not whole by itself would bring in whatever files it names.
absl::Status CheckIsWhole(const QemuAnswer& info, const std::string& path) {
  const QemuAnswer specific = info.value("format-specific", QemuAnswer::object()).value("data", QemuAnswer::object());
  if (!info.contains("backing-filename") && !specific.contains("data-file")) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kInvalidArgument,
               "{0} needs another file, too; make one image of both: qemu-img convert -O raw {0} "
               "COPY",
               path);
}

}  // namespace

ImageFormat RecogniseImage(std::string_view head, std::string_view tail) {
  const auto found =
      std::find_if(kSignatures.begin(), kSignatures.end(),
                   [head](const Signature& signature) { return Has(signature, head); });
  if (found != kSignatures.end()) {
    return {.kind = found->kind, .name = found->name, .reader = found->reader};
  }
  // The fixed form is a raw image and a footer.
  if (tail.size() >= kVhdFooterBytes &&
      tail.substr(tail.size() - kVhdFooterBytes).starts_with("conectix")) {
    return {.kind = Kind::kDisk, .name = "a VHD image", .reader = "vpc"};
  }
  return {.kind = Kind::kRaw, .name = "a raw image", .reader = ""};
}

absl::StatusOr<uint64_t> MeasureDisk(const ImageFormat& format, int fd, const std::string& path) {
  const std::string what = fmt::format("{} is {}", path, format.name);
  const auto program = ChildProgram::Start(
      {"qemu-img", "info", "--output=json", "-f", format.reader, ChildProgram::kInputPath}, fd);
  if (!program.ok()) return Annotate(program.status(), what);
  const absl::StatusOr<std::string> text = ReadAll(**program);
  if (!text.ok()) return Annotate(text.status(), what);
  const QemuAnswer info = QemuAnswer::parse(*text, nullptr, false);
  if (!info.is_object() || !info.contains("virtual-size") ||
      !info["virtual-size"].is_number_unsigned()) {
    return Error(absl::StatusCode::kFailedPrecondition, "qemu-img does not tell the size of {}",
                 path);
  }
  BATON_RETURN_IF_ERROR(CheckIsWhole(info, path));
  return info["virtual-size"].get<uint64_t>();
}

}  // namespace baton
