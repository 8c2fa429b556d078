#include <absl/strings/ascii.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

#include "cli/baton/commands.h"
#include "cli/baton/keygen.pb.h"
#include "engine/base/names.h"
#include "engine/base/status.h"
#include "ha/io/keys.h"

namespace baton {
namespace {

struct KeygenArguments {
  std::string path = "baton.key";
  std::string node;
};

// The first part of the machine's name; empty when that is no name of a node.
std::string NodeOfThisMachine() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "";
  const std::string host = absl::AsciiStrToLower(name.data());
  const std::string node = host.substr(0, host.find('.'));
  return CheckName(node).ok() ? node : "";
}

absl::StatusOr<control::KeysMade> MakeKeys(const KeygenArguments& arguments) {
  BATON_RETURN_IF_ERROR(CheckName(arguments.node));
  BATON_ASSIGN_OR_RETURN(const ha::KeyPair keys, ha::MakeKeyPair());
  BATON_RETURN_IF_ERROR(ha::WriteKeyFiles(arguments.node, keys, arguments.path));
  control::KeysMade made;
  made.set_node(arguments.node);
  made.set_path(arguments.path);
  made.set_public_path(arguments.path + ".pub");
  made.set_public_key(ha::KeyInHex(keys.public_key));
  made.set_allowed_line(ha::AllowedKeysLine(arguments.node, keys));
  return made;
}

// No controller is asked, so no status of this may be taken for one of the connection.
absl::StatusOr<ExitCode> Keygen(CommandContext& context, const KeygenArguments& arguments) {
  const absl::StatusOr<control::KeysMade> made = MakeKeys(arguments);
  if (!made.ok()) {
    return Error(absl::StatusCode::kFailedPrecondition, "no keys are made: {}",
                 Message(made.status()));
  }
  if (context.console.json()) {
    context.console.AnswerJson(*made);
  } else {
    context.console.Answer(made->allowed_line());
  }
  return ExitCode::kDone;
}

}  // namespace

void AddKeygenCommand(CLI::App& app, Command& chosen) {
  CLI::App* keygen =
      app.add_subcommand("keygen", "make the keys of a controller; needs no controller");
  auto arguments = std::make_shared<KeygenArguments>();
  arguments->node = NodeOfThisMachine();
  keygen
      ->add_option("--out", arguments->path,
                   "where the secret key goes, mode 0600; NAME and public key go to FILE.pub; "
                   "nothing is overwritten")
      ->type_name("FILE")
      ->capture_default_str();
  keygen->add_option("--node", arguments->node, "the name of the controller; default: the host's")
      ->type_name("NAME")
      ->capture_default_str();
  keygen->callback([arguments, &chosen] {
    chosen = [arguments](CommandContext& context) { return Keygen(context, *arguments); };
  });
}

}  // namespace baton
