#include "ha/io/resolver.h"

#include <absl/base/thread_annotations.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <net/if.h>
#include <netdb.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/boot_time.h"
#include "engine/base/status.h"

namespace baton::ha {
namespace {

using Addresses = std::vector<std::string>;  // as a PeerAddress has them

// A name that was looked up less than this ago is not looked up again.
constexpr absl::Duration kLookUpAgain = absl::Seconds(1);
constexpr size_t kMaxAddresses = 8;
// Who waits looks at the clock this often: timed waits of Abseil end by the wall clock.
constexpr absl::Duration kWaitStep = absl::Milliseconds(100);

struct FreeAddresses {
  void operator()(addrinfo* found) const { ::freeaddrinfo(found); }
};

std::string TextOf(const addrinfo& found) {
  char text[NI_MAXHOST];
  if (::getnameinfo(found.ai_addr, found.ai_addrlen, text, sizeof(text), nullptr, 0,
                    NI_NUMERICHOST) != 0) {
    return "";
  }
  return found.ai_family == AF_INET6 ? fmt::format("[{}]", text) : std::string(text);
}

bool IsAddress(const std::string& text) { return PeerAddress{text, 0}.IsNumber(); }

// Waits for name servers. On failure `error` says why.
Addresses LookUp(const std::string& name, std::string& error) {
  addrinfo wanted = {};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int failure = ::getaddrinfo(name.c_str(), nullptr, &wanted, &list);
  const std::unique_ptr<addrinfo, FreeAddresses> owned(list);
  Addresses addresses;
  for (const addrinfo* found = list; found != nullptr; found = found->ai_next) {
    std::string text = TextOf(*found);
    const bool is_new = std::find(addresses.begin(), addresses.end(), text) == addresses.end();
    if (IsAddress(text) && is_new) addresses.push_back(std::move(text));
  }
  if (addresses.size() > kMaxAddresses) addresses.resize(kMaxAddresses);
  error = failure != 0 ? ::gai_strerror(failure) : "it has no address";
  return addresses;
}

using Known = std::map<std::string, Addresses>;

// "NAME ADDRESS..." a line.
Known ReadCache(const std::string& path) {
  Known known;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line) && known.size() < 64;) {
    Addresses words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() < 2 || words.size() > kMaxAddresses + 1) continue;
    const std::string name = words.front();
    words.erase(words.begin());
    if (std::all_of(words.begin(), words.end(), IsAddress)) known[name] = std::move(words);
  }
  return known;
}

// Whatever goes wrong: the next process looks the names up.
void WriteCache(const std::string& path, const Known& known) {
  const std::string temporary = fmt::format("{}.{}.{}", path, ::getpid(), ::gettid());
  {
    std::ofstream file(temporary, std::ios::trunc);
    for (const auto& [name, addresses] : known) {
      file << name << ' ' << absl::StrJoin(addresses, " ") << '\n';
    }
    file.flush();
    if (file.good() && std::rename(temporary.c_str(), path.c_str()) == 0) return;
  }
  std::remove(temporary.c_str());
}

}  // namespace

struct Resolver::Book {
  struct Name {
    bool is_sought = false;
    absl::Duration sought = -absl::InfiniteDuration();
    size_t turn = 0;
    std::string error;  // of the last look-up; empty: it found something
    std::string told;   // in the log
  };

  explicit Book(std::string cache_path)
      : cache(std::move(cache_path)), known(cache.empty() ? Known() : ReadCache(cache)) {}

  const std::string cache;
  absl::Mutex mutex;
  absl::CondVar ended;  // a look-up
  Known known ABSL_GUARDED_BY(mutex);
  std::map<std::string, Name> names ABSL_GUARDED_BY(mutex);

  static void Seek(const std::shared_ptr<Book>& book, const std::string& name);
  void Note(const std::string& name, Addresses found, std::string error);
  std::optional<std::string> Next(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
};

// On a thread that nobody waits for.
void Resolver::Book::Seek(const std::shared_ptr<Book>& book, const std::string& name) {
  {
    absl::MutexLock lock(&book->mutex);
    Name& entry = book->names[name];
    if (entry.is_sought || BootTime() - entry.sought < kLookUpAgain) return;
    entry.is_sought = true;
  }
  std::thread([book, name] {
    std::string error;
    Addresses found = LookUp(name, error);
    book->Note(name, std::move(found), std::move(error));
  }).detach();
}

void Resolver::Book::Note(const std::string& name, Addresses found, std::string error) {
  Known changed;
  {
    absl::MutexLock lock(&mutex);
    Name& entry = names[name];
    entry.error = found.empty() ? std::move(error) : "";
    if (!found.empty() && known[name] != found) {
      known[name] = std::move(found);
      changed = known;
    }
  }
  if (!changed.empty() && !cache.empty()) WriteCache(cache, changed);
  absl::MutexLock lock(&mutex);
  names[name].is_sought = false;
  names[name].sought = BootTime();
  ended.SignalAll();
}

std::optional<std::string> Resolver::Book::Next(const std::string& name) {
  Name& entry = names[name];
  const auto found = known.find(name);
  // Said here, by a thread that the process waits for at its end.
  if (entry.error != std::exchange(entry.told, entry.error) && !entry.error.empty()) {
    spdlog::warn("the name {} cannot be looked up: {}{}", name, entry.error,
                 found == known.end() ? "" : "; its last address counts");
  }
  if (found == known.end()) return std::nullopt;
  return found->second[entry.turn++ % found->second.size()];
}

Resolver::Resolver(std::string cache) : book_(std::make_shared<Book>(std::move(cache))) {}

Resolver::~Resolver() = default;

std::optional<PeerAddress> Resolver::Find(const PeerAddress& address) {
  if (address.IsNumber()) return address;
  Book::Seek(book_, address.host);
  absl::MutexLock lock(&book_->mutex);
  const std::optional<std::string> host = book_->Next(address.host);
  if (!host) return std::nullopt;
  return PeerAddress{*host, address.port};
}

absl::StatusOr<PeerAddress> Resolver::Await(const PeerAddress& address, absl::Duration patience) {
  if (address.IsNumber() || ::if_nametoindex(address.host.c_str()) != 0) return address;
  Book::Seek(book_, address.host);
  const absl::Duration deadline = BootTime() + patience;
  absl::MutexLock lock(&book_->mutex);
  while (!book_->known.contains(address.host) && book_->names[address.host].is_sought &&
         BootTime() < deadline) {
    book_->ended.WaitWithTimeout(&book_->mutex, std::min(deadline - BootTime(), kWaitStep));
  }
  if (const std::optional<std::string> host = book_->Next(address.host)) {
    return PeerAddress{*host, address.port};
  }
  const std::string& error = book_->names[address.host].error;
  return Error(absl::StatusCode::kFailedPrecondition,
               "the name {} cannot be looked up: {}; use an address, or /etc/hosts", address.host,
               error.empty() ? "no name server answers" : error);
}

}  // namespace baton::ha
