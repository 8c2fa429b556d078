#include "ha/io/hello.h"

#include <fmt/format.h>

namespace baton::ha {

Hello MakeHello(const PeerIdentity& identity) {
  Hello hello;
  hello.set_protocol(identity.protocol);
  hello.set_pool_id(identity.pool_id);
  hello.set_node(identity.node);
  hello.set_instance(identity.instance);
  return hello;
}

std::optional<Objection> Examine(const PeerClaim& claim, const std::string& proven,
                                 const PeerIdentity& identity) {
  using Kind = PeerRefusals::Kind;
  // The version first: of a newer one nothing else need mean what it does here.
  if (claim.protocol == 0 || claim.protocol > identity.protocol) {
    return Objection{Kind::kProtocol,
                     fmt::format("{} speaks protocol {}, {} only up to {}", proven, claim.protocol,
                                 identity.node, identity.protocol)};
  }
  if (claim.pool_id != identity.pool_id) {
    return Objection{Kind::kPool,
                     fmt::format("{} and {} belong to different pools", proven, identity.node)};
  }
  if (proven.empty() || claim.node != proven || claim.node == identity.node) {
    return Objection{Kind::kName, fmt::format("{} calls itself by a name that is not its own",
                                              proven.empty() ? "a peer" : proven)};
  }
  return std::nullopt;
}

}  // namespace baton::ha
