// The keys by which controllers know each other, and the files that they are kept in.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace baton::ha {

// In Z85, as ZeroMQ takes them. Files and people have them in hexadecimal digits, which no shell
// and no configuration language takes for anything else; files of earlier versions have Z85.
struct KeyPair {
  std::string public_key;
  std::string secret_key;
};

// 64 hexadecimal digits. REQUIRES: `key` is one in Z85.
std::string KeyInHex(const std::string& key);

// A new key pair (Curve25519).
absl::StatusOr<KeyPair> MakeKeyPair();

// Writes the secret key to `path` (mode 0600) and AllowedKeysLine(name, keys) to `path`.pub (mode
// 0644), a line each, both durable. AlreadyExists when one of the two is there: nothing is ever
// overwritten. After another failure neither is left behind.
absl::Status WriteKeyFiles(const std::string& name, const KeyPair& keys, const std::string& path);

// The pair of a secret key file; the public key is computed. PermissionDenied: the file may be
// read or written by others than its owner, or is not safe as AllowedKeys::Read says.
// InvalidArgument: it holds no key.
absl::StatusOr<KeyPair> ReadKeyFile(const std::string& path);

// The controllers that may connect, and their public keys: one NAME PUBLICKEY a line; empty lines
// and lines that begin with # are comments. A name may have several keys, as it has while one of
// them is being replaced; a key stands there once.
class AllowedKeys {
 public:
  AllowedKeys() = default;

  // PermissionDenied: somebody else than root and the user of this process may write the file, or
  // put another one in its place, and so let in whom they like.
  static absl::StatusOr<AllowedKeys> Read(const std::string& path);
  static absl::StatusOr<AllowedKeys> Parse(const std::string& text);
  // Of either spelling. AlreadyExists: the key is there. InvalidArgument: it is no name, or no key.
  absl::Status Add(const std::string& name, const std::string& public_key);

  // nullopt: not allowed.
  std::optional<std::string> NameOf(const std::string& public_key) const;
  // In the order of the file; empty: not allowed.
  const std::vector<std::string>& KeysOf(const std::string& name) const;
  // Those of `names` alone.
  AllowedKeys Only(const std::set<std::string>& names) const;

 private:
  absl::flat_hash_map<std::string, std::string> name_by_key_;
  absl::flat_hash_map<std::string, std::vector<std::string>> keys_by_name_;
};

// "NAME PUBLICKEY", the key in hexadecimal digits: the line of `keys` for the files of allowed keys
// of the other controllers.
std::string AllowedKeysLine(const std::string& name, const KeyPair& keys);

}  // namespace baton::ha
