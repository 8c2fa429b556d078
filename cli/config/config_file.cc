// The one file that includes toml++.
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <filesystem>
#include <optional>

#include "cli/config/config.h"
#include "engine/base/status.h"

namespace baton {
namespace {

class ConfigFile {
 public:
  ConfigFile(std::string path, Config& config)
      : path_(std::move(path)), config_(config), settings_(SettingsOf(config)) {}

  absl::Status Read() {
    if (!std::filesystem::exists(path_)) return absl::NotFoundError(path_ + " is not there");
    const toml::parse_result parsed = toml::parse_file(path_);
    if (!parsed) {
      return Refuse(parsed.error().source(), std::string(parsed.error().description()));
    }
    config_.file = path_;
    return ReadTable(parsed.table(), "");
  }

 private:
  absl::Status Refuse(const toml::source_region& where, const std::string& why) const {
    return Error(absl::StatusCode::kInvalidArgument, "{}:{}: {}", path_, where.begin.line, why);
  }

  const Setting* Find(const std::string& path) const {
    for (const Setting& setting : settings_) {
      if (setting.path == path || setting.old_path == path) return &setting;
    }
    return nullptr;
  }

  bool IsSection(const std::string& path) const {
    for (const Setting& setting : settings_) {
      if (setting.path.starts_with(path + ".")) return true;
    }
    return false;
  }

  absl::Status ReadTable(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string path = prefix + std::string(key.str());
      if (const Setting* setting = Find(path)) {
        if (config_.lines.contains(setting->path)) {
          return Refuse(key.source(), path + ": is another name of a setting above");
        }
        BATON_RETURN_IF_ERROR(ReadSetting(*setting, path, node));
        config_.lines[setting->path] = key.source().begin.line;
        if (path != setting->path) config_.old_names[setting->path] = path;
      } else if (!IsSection(path)) {
        return Refuse(key.source(), path + ": there is no such setting");
      } else if (!node.is_table()) {
        return Refuse(node.source(), path + ": must be a table");
      } else {
        BATON_RETURN_IF_ERROR(ReadTable(*node.as_table(), path + "."));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadSetting(const Setting& setting, const std::string& path,
                           const toml::node& node) const {
    const char* wanted =
        std::visit([&node](auto* value) { return Assign(node, *value); }, setting.value);
    if (wanted == nullptr) return absl::OkStatus();
    return Refuse(node.source(), path + ": must be " + wanted);
  }

  // What the value should have been; nullptr: it has been taken.
  template <typename Value>
  static const char* TakeExact(const toml::node& node, Value& value, const char* wanted) {
    const std::optional<Value> found = node.value_exact<Value>();
    if (!found) return wanted;
    value = *found;
    return nullptr;
  }
  static const char* Assign(const toml::node& node, std::string& value) {
    return TakeExact(node, value, "a text in quotes");
  }
  static const char* Assign(const toml::node& node, bool& value) {
    return TakeExact(node, value, "true or false");
  }
  static const char* Assign(const toml::node& node, int64_t& value) {
    return TakeExact(node, value, "a whole number");
  }
  static const char* Assign(const toml::node& node, double& value) {
    if (!node.is_number()) return "a number";
    value = node.value_or(0.0);
    return nullptr;
  }
  static const char* Assign(const toml::node& node, std::vector<std::string>& value) {
    constexpr const char* kWanted = "a list of texts in quotes";
    if (!node.is_array()) return kWanted;
    value.clear();
    for (const toml::node& element : *node.as_array()) {
      if (Assign(element, value.emplace_back()) != nullptr) return kWanted;
    }
    return nullptr;
  }
  static const char* Assign(const toml::node& node, std::map<std::string, std::string>& value) {
    constexpr const char* kWanted = "a table of texts in quotes";
    if (!node.is_table()) return kWanted;
    value.clear();
    for (const auto& [key, element] : *node.as_table()) {
      if (Assign(element, value[std::string(key.str())]) != nullptr) return kWanted;
    }
    return nullptr;
  }

  const std::string path_;
  Config& config_;
  const std::vector<Setting> settings_;
};

}  // namespace

absl::Status ReadConfig(const std::string& path, Config& config) {
  return ConfigFile(path, config).Read();
}

}  // namespace baton
