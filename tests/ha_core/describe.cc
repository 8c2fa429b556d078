#include <fmt/format.h>

#include "tests/ha_core/transcript.h"

namespace baton::ha {
namespace {

std::string Line(const action::AskOwnerToStop& a) {
  return fmt::format("ask {} to stop epoch {}", a.node, a.epoch);
}
std::string Line(const action::RunFence& a) { return "run fence against " + a.node; }
std::string Line(const action::Claim& a) {
  return fmt::format("claim the epoch after {}, proof: {}", a.epoch, Name(a.proof));
}
std::string Line(const action::Recover& a) { return fmt::format("recover epoch {}", a.epoch); }
std::string Line(const action::Serve& a) { return fmt::format("serve epoch {}", a.epoch); }
std::string Line(const action::Seal& a) { return "seal: " + a.reason; }
std::string Line(const action::OfferHandover& a) {
  return fmt::format("offer handover of epoch {} to {}", a.epoch, a.to);
}
std::string Line(const action::AnswerStop& a) {
  return fmt::format("answer {} about epoch {}: {}", a.to, a.epoch, a.ok ? "sealed" : "no");
}
std::string Line(const action::RefuseHandover& a) { return "refuse handover: " + a.text; }
std::string Line(const action::BecomeStandby&) { return "become standby"; }
std::string Line(const action::PublishCertificate& a) {
  return fmt::format("publish certificate of epoch {}", a.epoch);
}
std::string Line(const action::RaiseAlarm& a) {
  return fmt::format("raise alarm {}: {}", Name(a.alarm), a.text);
}
std::string Line(const action::ClearAlarm& a) { return "clear alarm " + Name(a.alarm); }
std::string Line(const action::RecordNote& a) { return fmt::format("note {}: {}", a.kind, a.text); }
std::string Line(const action::EndProcess& a) {
  return a.reason.empty() ? "end process, in order" : "end process: " + a.reason;
}

}  // namespace

std::string Describe(const Action& action) {
  return std::visit([](const auto& what) { return Line(what); }, action);
}

}  // namespace baton::ha
