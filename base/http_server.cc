#include "base/http_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/http_server_listen.h"
#include "base/http_server_session.h"
#include "base/http_server_wire.h"
#include "base/json.h"
#include "base/log.h"

namespace pointsman {
namespace {

// A connection that has waited this long for its client may be cut to make room.
constexpr Duration kPatience = 2s;
constexpr Duration kPauseWithoutDescriptors = 100ms;

struct Connection {
  Connection(int fd, const TlsContext* tls, Caller who, Instant now)
      : wire(fd, tls), caller(std::move(who)), began(now), waiting_since(now.ns) {}

  Wire wire;
  const Caller caller;
  const Instant began;
  std::atomic<std::int64_t> waiting_since;  // Instant (ns); 0 while a handler works.
  std::atomic<bool> done{false};
  bool cut = false;  // By us; no longer counted.
  std::thread thread;
};

std::string first_value(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

// Wakes the accept thread: to stop, or because a connection ended.
class Bell {
 public:
  Bell() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { CHECK(fd_ >= 0); }
  ~Bell() { close(fd_); }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  int fd() const { return fd_; }
  void ring() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t done = write(fd_, &one, sizeof one);
  }
  void hush() {
    std::uint64_t rings = 0;
    [[maybe_unused]] const ssize_t done = read(fd_, &rings, sizeof rings);
  }

 private:
  int fd_;
};

}  // namespace

std::string HttpCall::header(std::string_view name) const { return first_value(headers, name); }
std::string HttpCall::parameter(std::string_view name) const { return first_value(query, name); }

HttpReply problem(int status, std::string_view title, std::string_view detail) {
  const Json body = Json::object({{"type", "about:blank"},
                                  {"title", std::string(title)},
                                  {"status", status},
                                  {"detail", std::string(detail)}});
  HttpReply reply;
  reply.status = status;
  reply.content_type = "application/problem+json";
  reply.body = body.dump();
  return reply;
}

struct HttpServer::Impl {
  SessionHost host;
  ListenSocket listener;
  Bell bell;
  std::thread acceptor;
  Descriptor reserve;                 // Given up for one caller at a time when there is no other.
  std::list<Connection> connections;  // Of the accept thread alone.

  std::mutex tls_mutex;  // reload_tls() comes from another thread.
  std::optional<TlsContext> tls;

  void serve(Connection& connection);
  void accept_all();
  void accept_one();
  void keep_reserve();
  int take_caller();
  bool make_room(const std::string& source);
  void add(int fd, Caller caller);
  void reap();
  void end_all();
};

// Whether one more from `source` may stay. When all places are taken, somebody who waits for his
// client gives his up: at once when his source holds more than the newcomer's (and then even where
// a handler works for him), so that a few sources cannot keep others out, else after a while.
bool HttpServer::Impl::make_room(const std::string& source) {
  struct Held {
    int places = 0;
    Connection* oldest = nullptr;
    Connection* patient = nullptr;  // Waits longest.
    std::int64_t since = 0;
  };
  std::map<std::string, Held> sources;
  int all = 0;
  for (Connection& connection : connections) {
    if (connection.cut || connection.done) continue;
    ++all;
    Held& held = sources[connection.caller.source];
    if (++held.places == 1) held.oldest = &connection;
    const std::int64_t since = connection.waiting_since;
    if (since != 0 && (held.patient == nullptr || since < held.since)) {
      held.patient = &connection;
      held.since = since;
    }
  }
  const int same = sources[source].places;
  if (!listener.is_unix() && same >= host.options.connections_per_source) return false;
  if (all < host.options.connections_most) return true;
  // Those that were cut end soon; threads stay bounded when the machine is too busy to end them.
  if (static_cast<int>(connections.size()) >= 2 * host.options.connections_most) return false;
  const Held* greedy = nullptr;
  const Held* patient = nullptr;
  for (const auto& [name, held] : sources) {
    if (greedy == nullptr || held.places > greedy->places) greedy = &held;
    if (held.patient == nullptr) continue;
    if (patient == nullptr || held.since < patient->since) patient = &held;
  }
  Connection* chosen = nullptr;
  if (greedy->places > same + 1) {
    chosen = greedy->patient != nullptr ? greedy->patient : greedy->oldest;
  } else if (patient != nullptr && system_clock().now() - Instant{patient->since} >= kPatience) {
    chosen = patient->patient;
  }
  if (chosen == nullptr) return false;
  chosen->cut = true;
  chosen->wire.cut();
  return true;
}

void HttpServer::Impl::serve(Connection& connection) {
  try {
    HttpSession session(host, connection.wire, connection.caller, connection.waiting_since);
    session.run(connection.began);
  } catch (const std::exception& exception) {  // Out of memory: this connection alone pays.
    log(LogLevel::kError, "http-route-failed", {{"what", exception.what()}});
  }
}

void HttpServer::Impl::add(int fd, Caller caller) {
  Connection* connection = nullptr;
  {
    const std::lock_guard lock(tls_mutex);
    connection = &connections.emplace_back(fd, tls ? &*tls : nullptr, std::move(caller),
                                           system_clock().now());
  }
  try {
    connection->thread = std::thread([this, connection] {
      serve(*connection);
      connection->wire.cut();
      connection->done = true;
      bell.ring();
    });
  } catch (const std::system_error&) {
    connections.pop_back();  // No thread to be had: the caller is hung up on.
  }
}

void HttpServer::Impl::keep_reserve() {
  if (!reserve.any()) reserve.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

// The connection of a caller, or -1. When the process may open nothing more, people must still be
// able to ask it why: one at a time takes the place of the reserve.
int HttpServer::Impl::take_caller() {
  static LogPace pace;
  const auto take = [this] {
    return accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  };
  int fd = take();
  if (fd >= 0 || (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)) {
    keep_reserve();
    return fd;
  }
  const bool descriptors = errno == EMFILE || errno == ENFILE;
  if (pace.due(system_clock().now())) {
    log(LogLevel::kError, "descriptors-out",
        {{"listen", host.options.listen}, {"problem", std::strerror(errno)}});
  }
  if (descriptors && reserve.any()) {
    reserve.reset();
    fd = take();
  }
  if (fd < 0) keep_reserve();
  if (fd < 0) std::this_thread::sleep_for(kPauseWithoutDescriptors);
  return fd;
}

void HttpServer::Impl::accept_one() {
  const int fd = take_caller();
  if (fd < 0) return;
  Caller caller = caller_of(fd);
  if (make_room(caller.source)) {
    add(fd, std::move(caller));
  } else {
    close(fd);
  }
}

void HttpServer::Impl::reap() {
  connections.remove_if([this](Connection& connection) {
    if (!connection.done) return false;
    connection.thread.join();
    // Were it closed, whoever else is short of descriptors would have it before us.
    if (!reserve.any()) reserve.reset(connection.wire.release());
    return true;
  });
}

void HttpServer::Impl::end_all() {
  for (Connection& connection : connections) connection.wire.cut();
  for (Connection& connection : connections) connection.thread.join();
  connections.clear();
}

void HttpServer::Impl::accept_all() {
  while (!host.stopping) {
    std::array<pollfd, 2> waits{{{listener.fd(), POLLIN, 0}, {bell.fd(), POLLIN, 0}}};
    poll(waits.data(), waits.size(), -1);
    bell.hush();
    reap();
    if ((waits[0].revents & POLLIN) != 0) accept_one();
  }
  end_all();
}

HttpServer::HttpServer() : impl_(std::make_unique<Impl>()) {}
HttpServer::~HttpServer() { stop(); }

void HttpServer::route(std::string method, const std::string& path, Handler handler) {
  CHECK(!impl_->acceptor.joinable());
  impl_->host.routes.add(std::move(method), path, std::move(handler));
}

Result<void> HttpServer::start(const HttpServerOptions& options) {
  CHECK(!impl_->acceptor.joinable());
  http_global_init();
  impl_->host.options = options;
  impl_->tls.reset();
  if (!options.cert_file.empty()) {
    Result<TlsContext> tls = TlsContext::load(options);
    if (!tls.ok()) return tls.error();
    impl_->tls.emplace(*std::move(tls));
  } else if (!options.client_ca_file.empty()) {
    return {ErrorCode::kInvalid, "listening on " + options.listen +
                                     ": client certificates need a certificate of our own"};
  }
  Result<ListenSocket> listener = ListenSocket::open(options.listen, options.unix_mode);
  if (!listener.ok()) return listener.error();
  impl_->listener = *std::move(listener);
  impl_->keep_reserve();
  impl_->host.stopping = false;
  impl_->acceptor = std::thread([impl = impl_.get()] { impl->accept_all(); });
  return {};
}

int HttpServer::port() const { return impl_->listener.port(); }

Result<void> HttpServer::reload_tls() {
  if (impl_->host.options.cert_file.empty()) return {};
  Result<TlsContext> fresh = TlsContext::load(impl_->host.options);
  if (!fresh.ok()) return fresh.error();
  const std::lock_guard lock(impl_->tls_mutex);
  impl_->tls.emplace(*std::move(fresh));
  return {};
}

void HttpServer::stop() {
  if (!impl_->acceptor.joinable()) return;
  impl_->host.stopping = true;
  impl_->bell.ring();
  impl_->acceptor.join();
  impl_->reserve.reset();
  impl_->listener = ListenSocket();
}

}  // namespace pointsman
