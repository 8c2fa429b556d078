// The files behind volumes, POOL/volumes/NAME: made, and taken as they are.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "engine/base/fence.h"
#include "engine/base/model.pb.h"
#include "engine/base/storage.h"

namespace baton {

std::string VolumeFilePath(const std::string& volume);

// Makes the file, durable when it returns OK; on an error there is none, or an empty one. A file
// without data that lies there is taken over: it is what is left of a creation that a crash broke
// off. AlreadyExists: the file holds data, which is somebody's. Only a path of a volume that is
// not recorded may be named. The space of a thick one is taken in slices, and never the last
// limits::kReserveBytes of the storage: ResourceExhausted.
absl::Status MakeVolumeFile(Storage& storage, const Fence& fence, const std::string& volume,
                            uint64_t size_bytes, bool thick);

// How much a thick volume may still take of the storage.
absl::StatusOr<uint64_t> BytesForThick(const Storage& storage);

// Makes the file of a volume, which has the size and the name of `from`, one that has those of
// `to`: longer, or under another name. Durable when it returns OK. After an error it is one of the
// two, or in between; UndoFileChange makes it what it was. AlreadyExists: a file of the new name
// holds data, which is somebody's. The fence is asked directly before each step that changes
// something, and a step that is carried out late all the same neither cuts a file nor replaces one.
absl::Status ChangeFile(Storage& storage, const Fence& fence, const VolumeRecord& from,
                        const VolumeRecord& to);

// Whatever ChangeFile has done of it, also before a crash: the file is that of `from` again,
// durable when it returns OK. REQUIRES: what `from` has not was never shown to anybody.
absl::Status UndoFileChange(Storage& storage, const Fence& fence, const VolumeRecord& from,
                            const VolumeRecord& to);

// The size of a file that is to become a volume as it is; its content is durable. NotFound: there
// is none. InvalidArgument: no volume can have its size.
absl::StatusOr<uint64_t> MeasureAdoptedFile(Storage& storage, const std::string& volume);

}  // namespace baton
