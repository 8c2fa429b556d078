// XXH3 over bytes: the one family of checksums of every format of the pool.
#pragma once

#define XXH_STATIC_LINKING_ONLY  // for the size of the streaming state, which lives on stacks
#include <xxhash.h>

#include <array>
#include <cstdint>

#include "engine/base/bytes.h"

namespace baton {

// XXH3-64: detects a garbled record.
inline uint64_t Checksum64(Bytes data) { return XXH3_64bits(data.data(), data.size()); }
// Another one for each seed: who does not know the seed cannot make data that has it.
inline uint64_t SeededChecksum64(Bytes data, uint64_t seed) {
  return XXH3_64bits_withSeed(data.data(), data.size(), seed);
}

// XXH3-128 in its canonical (big-endian) form: names the content of an extent.
using Digest = std::array<std::byte, 16>;
inline Digest Canonical(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  Digest digest;
  for (size_t i = 0; i < digest.size(); ++i) digest[i] = std::byte{canonical.digest[i]};
  return digest;
}
inline Digest DigestOf(Bytes data) { return Canonical(XXH3_128bits(data.data(), data.size())); }

}  // namespace baton
