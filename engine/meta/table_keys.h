// How numbers are spelled in keys of the metadata: big-endian, so that keys sort by number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace baton {

inline void AppendBigEndian(uint64_t value, int bytes, std::string& out) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift & 0xff));
  }
}

// Of the whole of `text`, at most 8 bytes.
inline uint64_t ReadBigEndian(std::string_view text) {
  uint64_t value = 0;
  for (const char c : text) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

inline std::string KeyOf(uint64_t number) {
  std::string key;
  AppendBigEndian(number, 8, key);
  return key;
}

inline std::string KeyOf(uint64_t number, uint64_t second, int second_bytes) {
  std::string key = KeyOf(number);
  AppendBigEndian(second, second_bytes, key);
  return key;
}

}  // namespace baton
