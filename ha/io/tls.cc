#include "ha/io/tls.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/status.h"

namespace baton::ha {
namespace {

// So much is sent, or taken from the socket, with one system call.
constexpr size_t kTlsBatchBytes = 64 * limits::kKiB;
// The hash of the secrets; either cipher goes with it.
constexpr unsigned char kTlsAes128[] = {0x13, 0x01};
constexpr char kTlsCiphers[] = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";

template <auto Free>
struct Freeing {
  template <typename T>
  void operator()(T* what) const {
    Free(what);
  }
};
using SslContext = std::unique_ptr<SSL_CTX, Freeing<SSL_CTX_free>>;
using SslMethod = std::unique_ptr<BIO_METHOD, Freeing<BIO_meth_free>>;

absl::Status TlsError(const std::string& operation) {
  const char* reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return Error(absl::StatusCode::kInternal, "{}: {}", operation,
               reason == nullptr ? "no reason given" : reason);
}

// The socket below TLS: records are gathered and sent together.
class RecordSocket {
 public:
  explicit RecordSocket(int fd) : fd_(fd) { gathered_.reserve(kTlsBatchBytes); }

  int Write(const char* data, size_t size) {
    if (gathered_.size() + size > gathered_.capacity() && !Flush()) return -1;
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    const size_t taken = std::min(size, gathered_.capacity());
    gathered_.insert(gathered_.end(), bytes, bytes + taken);
    return static_cast<int>(taken);
  }
  bool Flush() {
    Bytes left = gathered_;
    while (!left.empty()) {
      const ssize_t sent = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return false;
      left = left.subspan(static_cast<size_t>(sent));
    }
    gathered_.clear();
    return true;
  }
  ssize_t Read(char* out, size_t size) {
    while (true) {
      const ssize_t got = ::recv(fd_, out, size, 0);
      if (got < 0 && errno == EINTR) continue;
      ended_ = got == 0 || (got < 0 && errno != EAGAIN);
      return got;
    }
  }
  bool ended() const { return ended_; }

 private:
  const int fd_;
  std::vector<std::byte> gathered_;
  bool ended_ = false;
};

RecordSocket& SocketOf(BIO* bio) { return *static_cast<RecordSocket*>(BIO_get_data(bio)); }

int WriteRecords(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  return SocketOf(bio).Write(data, static_cast<size_t>(size));
}

int ReadRecords(BIO* bio, char* out, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t got = SocketOf(bio).Read(out, static_cast<size_t>(size));
  if (got < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}

// OpenSSL asks for this and that between a read that is to be repeated and its look at why.
long ControlRecords(BIO* bio, int command, long, void*) {
  if (command != BIO_CTRL_FLUSH) return 0;
  BIO_clear_retry_flags(bio);
  return SocketOf(bio).Flush() ? 1 : -1;
}

// OpenSSL has few of these numbers for a process.
int TypeOfRecords() {
  static const int type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK;
  return type;
}

uint64_t RecordsOf(Bytes data) {
  return (data.size() + SSL3_RT_MAX_PLAIN_LENGTH - 1) / SSL3_RT_MAX_PLAIN_LENGTH;
}

class OpenSslEnd;
OpenSslEnd& EndOf(SSL* ssl);

class OpenSslEnd final : public Tls {
 public:
  static std::unique_ptr<OpenSslEnd> Make(SSL_CTX* context, BIO_METHOD* method, int fd,
                                          const TlsKeyLimits& limits) {
    std::unique_ptr<OpenSslEnd> end(new OpenSslEnd(SSL_new(context), fd, limits));
    BIO* const bio = BIO_new(method);
    // Memory has run out, which ends the process everywhere else too.
    if (end->ssl_ == nullptr || bio == nullptr) std::abort();
    BIO_set_data(bio, &end->socket_);
    BIO_set_init(bio, 1);
    SSL_set_bio(end->ssl_.get(), bio, bio);
    SSL_set_app_data(end->ssl_.get(), end.get());
    return end;
  }

  void Connect(const SessionKey& key) {
    session_ = key.number;
    find_ = [secret = key.secret](uint64_t) { return std::optional(secret); };
    SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);  // no certificate will do
    SSL_set_connect_state(ssl_.get());
  }
  void Accept(TlsContext::FindSecret find) {
    find_ = std::move(find);
    SSL_set_accept_state(ssl_.get());
  }

  // For the callbacks: what OpenSSL makes of the secret of `session`; null: there is none.
  SSL_SESSION* KeyOf(uint64_t session) {
    const std::optional<SessionSecret> secret = find_(session);
    if (!secret) return nullptr;
    session_ = session;
    SSL_SESSION* const made = SSL_SESSION_new();
    const bool complete =
        made != nullptr &&
        SSL_SESSION_set1_master_key(made, reinterpret_cast<const unsigned char*>(secret->data()),
                                    secret->size()) == 1 &&
        SSL_SESSION_set_cipher(made, SSL_CIPHER_find(ssl_.get(), kTlsAes128)) == 1 &&
        SSL_SESSION_set_protocol_version(made, TLS1_3_VERSION) == 1;
    if (complete) return made;
    SSL_SESSION_free(made);
    return nullptr;
  }
  // Its name on the wire.
  const uint64_t* identity() const { return &session_; }

  Step Handshake() override {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) find_ = nullptr;
    // Without the secret there is a certificate or nothing, and nobody has one here.
    if (result == 1) return SSL_session_reused(ssl_.get()) == 1 ? Step::kDone : Step::kFailed;
    if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return Step::kAgain;
    return socket_.ended() ? Step::kEnded : Step::kFailed;
  }
  uint64_t session() const override { return session_; }

  ssize_t Receive(MutableBytes out) override {
    ERR_clear_error();
    size_t got = 0;
    const int result = SSL_read_ex(ssl_.get(), out.data(), out.size(), &got);
    if (result == 1) return static_cast<ssize_t>(got);
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    errno = error == SSL_ERROR_WANT_READ ? EAGAIN : ECONNRESET;
    return -1;
  }
  bool Send(Bytes data) override {
    if (data.empty()) return true;
    ERR_clear_error();
    size_t sent = 0;
    return CountForKey(data) && SSL_write_ex(ssl_.get(), data.data(), data.size(), &sent) == 1;
  }
  bool Flush() override { return socket_.Flush(); }
  uint64_t keys_renewed() const override { return keys_renewed_; }

 private:
  OpenSslEnd(SSL* ssl, int fd, const TlsKeyLimits& limits)
      : limits_(limits), socket_(fd), ssl_(ssl) {}

  // The next key, where this one must not be used for `data`, too. The other end does the same for
  // what it sends.
  bool CountForKey(Bytes data) {
    records_of_key_ += RecordsOf(data);
    bytes_of_key_ += data.size();
    if (records_of_key_ <= limits_.records && bytes_of_key_ <= limits_.bytes) return true;
    records_of_key_ = RecordsOf(data);
    bytes_of_key_ = data.size();
    ++keys_renewed_;
    return SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1;
  }

  const TlsKeyLimits limits_;
  uint64_t records_of_key_ = 0;
  uint64_t bytes_of_key_ = 0;
  uint64_t keys_renewed_ = 0;

  RecordSocket socket_;
  const std::unique_ptr<SSL, Freeing<SSL_free>> ssl_;
  TlsContext::FindSecret find_;
  uint64_t session_ = 0;
};

OpenSslEnd& EndOf(SSL* ssl) { return *static_cast<OpenSslEnd*>(SSL_get_app_data(ssl)); }

// 0: the handshake fails.
int OfferSecret(SSL* ssl, const EVP_MD*, const unsigned char** identity, size_t* size,
                SSL_SESSION** key) {
  OpenSslEnd& end = EndOf(ssl);
  *key = end.KeyOf(end.session());
  *identity = reinterpret_cast<const unsigned char*>(end.identity());
  *size = sizeof(*end.identity());
  return *key == nullptr ? 0 : 1;
}

int FindOfferedSecret(SSL* ssl, const unsigned char* identity, size_t size, SSL_SESSION** key) {
  uint64_t session = 0;
  *key = nullptr;
  if (size != sizeof(session)) return 0;
  std::memcpy(&session, identity, size);
  *key = EndOf(ssl).KeyOf(session);
  return *key == nullptr ? 0 : 1;
}

class OpenSslContext final : public TlsContext {
 public:
  explicit OpenSslContext(const TlsKeyLimits& limits)
      : limits_(limits),
        method_(BIO_meth_new(TypeOfRecords(), "records")),
        context_(SSL_CTX_new(TLS_method())) {}

  absl::Status Prepare() {
    SSL_CTX* const context = context_.get();
    const bool prepared = method_ != nullptr && context != nullptr &&
                          BIO_meth_set_write(method_.get(), WriteRecords) == 1 &&
                          BIO_meth_set_read(method_.get(), ReadRecords) == 1 &&
                          BIO_meth_set_ctrl(method_.get(), ControlRecords) == 1 &&
                          SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
                          SSL_CTX_set_ciphersuites(context, kTlsCiphers) == 1 &&
                          SSL_CTX_set_num_tickets(context, 0) == 1;
    if (!prepared) return TlsError("prepare TLS");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_psk_use_session_callback(context, OfferSecret);
    SSL_CTX_set_psk_find_session_callback(context, FindOfferedSecret);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, kTlsBatchBytes);
    return absl::OkStatus();
  }

  std::unique_ptr<Tls> Connect(int fd, const SessionKey& key) override {
    auto end = OpenSslEnd::Make(context_.get(), method_.get(), fd, limits_);
    end->Connect(key);
    return end;
  }
  std::unique_ptr<Tls> Accept(int fd, FindSecret find) override {
    auto end = OpenSslEnd::Make(context_.get(), method_.get(), fd, limits_);
    end->Accept(std::move(find));
    return end;
  }

 private:
  const TlsKeyLimits limits_;
  const SslMethod method_;
  const SslContext context_;
};

}  // namespace

void Wipe(MutableBytes secret) { OPENSSL_cleanse(secret.data(), secret.size()); }

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::Make(const TlsKeyLimits& limits) {
  auto context = std::make_unique<OpenSslContext>(limits);
  BATON_RETURN_IF_ERROR(context->Prepare());
  return std::unique_ptr<TlsContext>(std::move(context));
}

}  // namespace baton::ha
