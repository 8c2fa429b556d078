#include "ha/io/key_authenticator.h"

#include <array>
#include <optional>
#include <string>

#include "engine/base/status.h"

namespace baton::ha {
namespace {

// The frames of a question: who asks, an empty one, version, number, domain, address, identity,
// mechanism, key.
constexpr size_t kQuestionFrames = 9;
constexpr size_t kAsker = 0, kVersion = 2, kNumber = 3, kAddress = 5, kMechanism = 7, kKey = 8;

using Question = std::array<ZmqMessage, kQuestionFrames>;

std::array<ZmqMessage, 8> MakeVerdict(Question& question, const std::optional<std::string>& name) {
  return {std::move(question[kAsker]),
          ZmqMessage(),
          ZmqMessage::Copy("1.0"),
          std::move(question[kNumber]),
          ZmqMessage::Copy(name ? "200" : "400"),
          ZmqMessage::Copy(name ? "OK" : "this key is not allowed"),
          ZmqMessage::Copy(name.value_or("")),
          ZmqMessage()};
}

}  // namespace

absl::StatusOr<std::unique_ptr<KeyAuthenticator>> KeyAuthenticator::Start(
    Runtime& runtime, ZmqContext& context, const AllowedKeys& allowed, PeerRefusals& refusals) {
  BATON_ASSIGN_OR_RETURN(auto socket, ZmqSocket::Open(context, ZmqSocket::Type::kRouter));
  BATON_RETURN_IF_ERROR(socket->Bind(ZmqSocket::kAuthenticatorAddress).status());
  std::unique_ptr<KeyAuthenticator> made(
      new KeyAuthenticator(std::move(socket), allowed, refusals));
  BATON_RETURN_IF_ERROR(made->wake_.status());
  made->thread_ = runtime.StartThread("peer-keys", [loop = made.get()] { loop->Loop(); });
  return made;
}

KeyAuthenticator::~KeyAuthenticator() {
  stopping_ = true;
  wake_.Wake();
}

void KeyAuthenticator::Loop() {
  while (!stopping_) {
    std::array<ZmqPollItem, 2> items{ZmqPollItem{.fd = wake_.fd()},
                                     ZmqPollItem{.handle = socket_->handle()}};
    ZmqPoll(items, absl::InfiniteDuration());
    AnswerAll();
  }
}

void KeyAuthenticator::AnswerAll() {
  Question question;
  while (const size_t frames = socket_->Receive(question)) {
    // Only ZeroMQ itself asks here.
    if (frames != kQuestionFrames || question[kVersion].text() != "1.0") continue;
    std::optional<std::string> name;
    if (question[kMechanism].text() == "CURVE") {
      name = allowed_.NameOf(ZmqKeyText(question[kKey].bytes()));
    }
    if (!name) {
      refusals_.Count(PeerRefusals::Kind::kKey,
                      "a key that is not allowed, from " + question[kAddress].text());
    }
    std::array<ZmqMessage, 8> verdict = MakeVerdict(question, name);
    socket_->Send(verdict);
  }
}

}  // namespace baton::ha
