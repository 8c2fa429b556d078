#include "engine/lease/death_certificate.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/meta/file_copy.h"
#include "engine/lease/lease_file.h"
#include "engine/meta/node_identity.h"
#include "engine/meta/sealed_record.h"

namespace baton {
namespace {

constexpr char kDirectory[] = "lease";
constexpr uint32_t kCertificateVersion = 1;

absl::StatusOr<DeathCertificate> ReadGood(Storage& storage, uint64_t epoch) {
  const std::string path = DeathCertificatePath(epoch);
  BATON_ASSIGN_OR_RETURN(const std::string content,
                         ReadWholeFile(storage, path, limits::kBlockBytes));
  BATON_ASSIGN_OR_RETURN(const std::string payload, UnsealPayload(content, path));
  DeathCertificate certificate;
  if (!certificate.ParseFromString(payload)) return GarbledFile(path, "its record does not parse");
  if (certificate.version() != kCertificateVersion) {
    return GarbledFile(path, "its version is not known");
  }
  if (certificate.epoch() != epoch) return GarbledFile(path, "it is of another epoch");
  return certificate;
}

}  // namespace

std::string DeathCertificatePath(uint64_t epoch) { return LeasePath(epoch) + ".reaped"; }

absl::Status WriteDeathCertificate(Storage& storage, DeathCertificate certificate) {
  if (certificate.epoch() == 0 || certificate.node().empty()) {
    return absl::InvalidArgumentError("a death certificate must name an epoch and a node");
  }
  certificate.set_version(kCertificateVersion);
  const std::string path = DeathCertificatePath(certificate.epoch());
  const std::string temporary = path + "." + RandomUuid() + ".tmp";  // nobody else's
  absl::Status status =
      WriteNewFile(storage, temporary, SealPayload(certificate.SerializeAsString()));
  if (status.ok()) status = storage.Rename(temporary, path);
  if (status.ok()) return storage.SyncDirectory(kDirectory);
  storage.Remove(temporary).IgnoreError();  // otherwise the next claim removes it
  return status;
}

absl::StatusOr<std::optional<DeathCertificate>> ReadDeathCertificate(Storage& storage,
                                                                     uint64_t epoch) {
  const absl::StatusOr<DeathCertificate> certificate = ReadGood(storage, epoch);
  if (certificate.ok()) return *certificate;
  if (absl::IsNotFound(certificate.status())) return std::nullopt;
  if (!absl::IsDataLoss(certificate.status())) return certificate.status();
  spdlog::warn("a death certificate is ignored: {}", Message(certificate.status()));
  return std::nullopt;
}

bool IsAbout(const DeathCertificate& certificate, const LeaseRecord& record) {
  return certificate.epoch() == record.epoch && certificate.node() == record.node &&
         certificate.boot_id() == record.boot_id && certificate.instance() == record.instance;
}

bool CertificateIsProof(const Storage& storage) { return storage.WritesEndWithProcess(); }

}  // namespace baton
