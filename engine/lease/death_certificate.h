// POOL/lease/epoch-N.reaped: the owner of epoch N has been reaped, so it is dead.
//
// Written by the process that the keeper of that node has started after it: to start another one
// it must have reaped the one before. A SealedBytes whose payload is a DeathCertificate; made whole
// under another name, synced, then renamed.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "engine/base/model.pb.h"
#include "engine/base/storage.h"
#include "engine/lease/lease_record.h"

namespace baton {

// "lease/epoch-N.reaped".
std::string DeathCertificatePath(uint64_t epoch);

// Durable when it returns OK; one that is there is replaced. Sets the version. InvalidArgument: it
// names no epoch or no node. REQUIRES: the process that it names has been reaped.
absl::Status WriteDeathCertificate(Storage& storage, DeathCertificate certificate);

// nullopt: there is none, or one that is garbled (then a warning is logged: it proves nothing).
absl::StatusOr<std::optional<DeathCertificate>> ReadDeathCertificate(Storage& storage,
                                                                     uint64_t epoch);

// It is about the very process that wrote `record`.
bool IsAbout(const DeathCertificate& certificate, const LeaseRecord& record);

// A certificate proves that the owner cannot write any more: on this storage no write outlives the
// process that issued it (see Storage::WritesEndWithProcess).
bool CertificateIsProof(const Storage& storage);

}  // namespace baton
