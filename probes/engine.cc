#include "probes/engine.h"

#include <curl/curl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <unordered_map>

#include <fmt/format.h>

#include "base/check.h"
#include "probes/dial.h"
#include "probes/loop.h"

namespace pointsman {

namespace {

// What is prepared for a target once, so that asking needs no parsing.
struct Question {
  const ProbeSpec& spec;
  const Place& place;
  CURLU* url = curl_url();
  curl_slist* headers = nullptr;
  curl_slist* connect_to = nullptr;
  std::optional<std::int64_t> cert_end;  // Wall seconds; a reused connection shows none anew.
  std::unique_ptr<HttpExchange> idle;    // Only of targets that do not share handles.

  Question(const ProbeSpec& s, const Place& p);
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;
  ~Question();

  // Plain fresh questions differ in URL and headers alone, so a few handles, which stay in the
  // processor's caches, serve all of them. TLS and kept connections leave more behind in a handle.
  bool shares_handles() const { return !place.tls && !spec.keep_alive; }
};

}  // namespace

// One question under way, on an easy handle that serves again and again.
struct HttpExchange {
  CURL* easy = nullptr;
  CURLM* multi = nullptr;
  Question* question = nullptr;
  std::uint64_t attempt = 0;
  int fd = -1;  // Connected for us, not yet taken by curl.
  bool connected = false;
  int socket_errno = 0;
  std::size_t head_bytes = 0;
  std::size_t body_bytes = 0;
  bool cut = false;
  std::string body;
  std::array<char, CURL_ERROR_SIZE> error{};

  HttpExchange() = default;
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;
  ~HttpExchange() { curl_easy_cleanup(easy); }
};

namespace {

constexpr std::size_t kBodyMost = 64 << 10;
constexpr std::size_t kHeadMost = 64 << 10;
// Several small multi handles are quicker than a large one: curl walks per-handle lists.
constexpr std::uint32_t kLanes = 4;
// Idle handles kept for plain questions; a burst that needs more makes its own.
constexpr std::size_t kSharedMost = 128;
constexpr long kCaCacheSeconds = 600;
// curl allocates it for every exchange. The least that curl allows is the most that malloc takes
// from its thread's own cache; anything larger stirs up the whole heap each time.
constexpr long kReadBytes = 1024;

std::size_t on_head(char*, std::size_t size, std::size_t count, void* to) {
  auto* exchange = static_cast<HttpExchange*>(to);
  exchange->head_bytes += size * count;
  return exchange->head_bytes > kHeadMost ? 0 : size * count;
}

std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* to) {
  auto* exchange = static_cast<HttpExchange*>(to);
  const std::size_t length = size * count;
  const std::size_t room = kBodyMost - exchange->body_bytes;
  const std::size_t taken = std::min(length, room);
  exchange->body_bytes += taken;
  exchange->cut = taken < length;
  const ProbeSpec& spec = exchange->question->spec;
  if (!spec.expect_body.empty() || !spec.expect_json.empty()) exchange->body.append(bytes, taken);
  return exchange->cut ? 0 : length;
}

curl_socket_t on_open(void* from, curlsocktype, curl_sockaddr* address) {
  auto* exchange = static_cast<HttpExchange*>(from);
  exchange->connected = exchange->fd >= 0;
  if (exchange->connected) return std::exchange(exchange->fd, -1);
  const int fd =
      socket(address->family, address->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->protocol);
  if (fd < 0) exchange->socket_errno = errno;
  return fd < 0 ? CURL_SOCKET_BAD : fd;
}

int on_opened(void* from, curl_socket_t, curlsocktype) {
  return static_cast<HttpExchange*>(from)->connected ? CURL_SOCKOPT_ALREADY_CONNECTED
                                                     : CURL_SOCKOPT_OK;
}

template <typename V>
void set(CURL* easy, CURLoption option, V value) {
  CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

void add_line(curl_slist*& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list, line.c_str());
  CHECK(longer != nullptr);
  list = longer;
}

Question::Question(const ProbeSpec& s, const Place& p) : spec(s), place(p) {
  const bool by_name = place.tls && !place.name.empty();
  const std::string text = fmt::format("{}://{}:{}{}", place.tls ? "https" : "http",
                                       by_name ? place.name : place.ip, place.port, place.path);
  CHECK(url != nullptr && curl_url_set(url, CURLUPART_URL, text.c_str(), 0) == CURLUE_OK);
  if (by_name) add_line(connect_to, fmt::format("::{}:{}", place.ip, place.port));
  add_line(headers, "Host: " + place.host_field);
  if (!spec.keep_alive) add_line(headers, "Connection: close");
}

Question::~Question() {
  idle.reset();  // It refers to the rest.
  curl_url_cleanup(url);
  curl_slist_free_all(headers);
  curl_slist_free_all(connect_to);
}

void set_tls(CURL* easy, const Question& question) {
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // A resumed session would show no certificate, and the certificate is part of the question.
  set(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  set(easy, CURLOPT_CA_CACHE_TIMEOUT, kCaCacheSeconds);
  if (!question.spec.ca_file.empty()) {
    set(easy, CURLOPT_CAINFO, question.spec.ca_file.c_str());
    set(easy, CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }
  if (question.spec.cert_days > 0) set(easy, CURLOPT_CERTINFO, 1L);
  if (question.connect_to != nullptr) set(easy, CURLOPT_CONNECT_TO, question.connect_to);
}

// What stays with a handle for good; URL and headers come with each question.
void set_up(HttpExchange& exchange, const Question& question) {
  CURL* easy = exchange.easy;
  void* const self = &exchange;
  if (!question.spec.keep_alive) {
    set(easy, CURLOPT_FRESH_CONNECT, 1L);
    set(easy, CURLOPT_FORBID_REUSE, 1L);
  }
  set(easy, CURLOPT_USERAGENT, "pointsman/" PM_VERSION);
  set(easy, CURLOPT_PRIVATE, self);
  set(easy, CURLOPT_ERRORBUFFER, exchange.error.data());
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_PROXY, "");
  set(easy, CURLOPT_NOPROXY, "*");
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_TCP_NODELAY, 0L);  // One write per question: nothing to delay.
  set(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
  set(easy, CURLOPT_BUFFERSIZE, kReadBytes);
  set(easy, CURLOPT_HEADERFUNCTION, on_head);
  set(easy, CURLOPT_HEADERDATA, self);
  set(easy, CURLOPT_WRITEFUNCTION, on_body);
  set(easy, CURLOPT_WRITEDATA, self);
  set(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
  set(easy, CURLOPT_OPENSOCKETDATA, self);
  set(easy, CURLOPT_SOCKOPTFUNCTION, on_opened);
  set(easy, CURLOPT_SOCKOPTDATA, self);
  if (question.place.tls) set_tls(easy, question);
}

std::optional<std::int64_t> read_cert_end(CURL* easy) {
  curl_certinfo* chain = nullptr;
  if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == nullptr ||
      chain->num_of_certs < 1) {
    return std::nullopt;
  }
  constexpr std::string_view kField = "Expire date:";
  for (const curl_slist* line = chain->certinfo[0]; line != nullptr; line = line->next) {
    const std::string_view text(line->data);
    if (!text.starts_with(kField)) continue;
    const auto end = curl_getdate(line->data + kField.size(), nullptr);
    if (end >= 0) return end;
  }
  return std::nullopt;
}

Error failure(const HttpExchange& exchange, CURLcode code) {
  const Place& place = exchange.question->place;
  long os_errno = exchange.socket_errno;
  if (os_errno == 0) curl_easy_getinfo(exchange.easy, CURLINFO_OS_ERRNO, &os_errno);
  const std::string words = exchange.error[0] != '\0' ? std::string(exchange.error.data())
                                                      : std::string(curl_easy_strerror(code));
  const auto error = [&](ErrorCode kind) {
    return Error{kind, fmt::format("{}: {}", place.where, words)};
  };
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return os_errno != 0 ? network_error(place, static_cast<int>(os_errno))
                           : error(ErrorCode::kUnavailable);
    case CURLE_WRITE_ERROR:
      return {ErrorCode::kInvalid, place.where + ": the head of its answer is larger than 64 KiB"};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR: return error(ErrorCode::kRefused);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_PARTIAL_FILE:
    case CURLE_UNSUPPORTED_PROTOCOL: return error(ErrorCode::kInvalid);
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_URL_MALFORMAT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ENGINE_NOTFOUND: return error(ErrorCode::kInternal);
    default: return error(ErrorCode::kUnavailable);
  }
}

class CurlSpeaker final : public HttpSpeaker {
 public:
  CurlSpeaker(const Clock& clock, int epoll_fd) : clock_(clock), epoll_fd_(epoll_fd) {
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    for (std::uint32_t i = 0; i < kLanes; ++i) {
      Lane& lane = lanes_[i];
      lane.speaker = this;
      lane.index = i;
      lane.multi = curl_multi_init();
      CHECK(lane.multi != nullptr);
      curl_multi_setopt(lane.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
      curl_multi_setopt(lane.multi, CURLMOPT_SOCKETDATA, &lane);
      curl_multi_setopt(lane.multi, CURLMOPT_TIMERFUNCTION, on_timer);
      curl_multi_setopt(lane.multi, CURLMOPT_TIMERDATA, &lane);
      curl_multi_setopt(lane.multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
      curl_multi_setopt(lane.multi, CURLMOPT_MAXCONNECTS, 10'000L);
    }
  }

  ~CurlSpeaker() override {
    shared_.clear();
    questions_.clear();
    for (const Lane& lane : lanes_) curl_multi_cleanup(lane.multi);
    curl_global_cleanup();
  }

  HttpExchange* begin(const Errand& errand, int fd) override {
    const std::uint32_t target = errand.target;
    if (questions_.size() <= target) questions_.resize(target + 1);
    auto& question = questions_[target];
    if (!question) question = std::make_unique<Question>(errand.spec, errand.place);
    auto exchange = take(*question);
    exchange->attempt = errand.attempt;
    exchange->fd = fd;
    exchange->connected = false;
    exchange->socket_errno = 0;
    exchange->head_bytes = exchange->body_bytes = 0;
    exchange->cut = false;
    exchange->error[0] = '\0';
    Lane& lane = lanes_[lane_of(target, *question)];
    exchange->multi = lane.multi;
    CHECK(curl_multi_add_handle(lane.multi, exchange->easy) == CURLM_OK);
    return exchange.release();
  }

  void cancel(HttpExchange* exchange) override { put_back(detach(exchange)); }

  void forget(std::uint32_t target) override {
    if (target < questions_.size()) questions_[target].reset();
  }

  void ready(std::uint64_t event, std::uint32_t epoll_events) override {
    Lane& lane = lanes_[(event >> 32) % kLanes];
    int mask = 0;
    if ((epoll_events & (EPOLLIN | EPOLLHUP)) != 0) mask |= CURL_CSELECT_IN;
    if ((epoll_events & EPOLLOUT) != 0) mask |= CURL_CSELECT_OUT;
    if ((epoll_events & EPOLLERR) != 0) mask |= CURL_CSELECT_ERR;
    int running = 0;
    curl_multi_socket_action(lane.multi, static_cast<int>(event & 0xffffffff), mask, &running);
    lane.touched = true;
  }

  void turn(Instant now, WallTime wall, std::vector<Finished>& finished) override {
    for (Lane& lane : lanes_) {
      if (lane.due <= now) {
        lane.due = Instant::never();
        int running = 0;
        curl_multi_socket_action(lane.multi, CURL_SOCKET_TIMEOUT, 0, &running);
        lane.touched = true;
      }
      if (lane.touched) collect(lane, wall, finished);
      lane.touched = false;
    }
  }

  Instant next_turn() const override {
    Instant next = Instant::never();
    for (const Lane& lane : lanes_) next = std::min(next, lane.due);
    return next;
  }

 private:
  struct Lane {
    CurlSpeaker* speaker = nullptr;
    CURLM* multi = nullptr;
    std::uint32_t index = 0;
    Instant due = Instant::never();
    bool touched = false;
  };

  static int on_socket(CURL*, curl_socket_t fd, int what, void* from, void*) {
    const auto* lane = static_cast<const Lane*>(from);
    const int epoll_fd = lane->speaker->epoll_fd_;
    epoll_event event{};
    event.data.u64 = kHttpEvent | std::uint64_t{lane->index} << 32 | static_cast<unsigned>(fd);
    if (what == CURL_POLL_REMOVE) {
      epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, &event);
      return 0;
    }
    if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
    // A socket connected by the loop is in the set already.
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0) return 0;
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -1;
  }

  static int on_timer(CURLM*, long timeout_ms, void* from) {
    auto* lane = static_cast<Lane*>(from);
    if (timeout_ms < 0) {
      lane->due = Instant::never();
    } else if (timeout_ms == 0) {
      lane->due = Instant{0};
    } else {
      lane->due = lane->speaker->clock_.now() + Duration(1ms) * timeout_ms;
    }
    return 0;
  }

  // Targets of one CA file share a lane, for a multi handle keeps one parsed CA store.
  std::uint32_t lane_of(std::uint32_t target, const Question& question) {
    if (!question.place.tls) return target % kLanes;
    const auto next = static_cast<std::uint32_t>(lane_of_ca_.size() % kLanes);
    return lane_of_ca_.emplace(question.spec.ca_file, next).first->second;
  }

  std::unique_ptr<HttpExchange> take(Question& question) {
    std::unique_ptr<HttpExchange> exchange;
    if (question.shares_handles() && !shared_.empty()) {
      exchange = std::move(shared_.back());
      shared_.pop_back();
    } else {
      exchange = std::move(question.idle);
    }
    if (!exchange) {
      exchange = std::make_unique<HttpExchange>();
      exchange->easy = curl_easy_init();
      CHECK(exchange->easy != nullptr);
      set_up(*exchange, question);
    }
    exchange->question = &question;
    set(exchange->easy, CURLOPT_CURLU, question.url);
    set(exchange->easy, CURLOPT_HTTPHEADER, question.headers);
    return exchange;
  }

  std::unique_ptr<HttpExchange> detach(HttpExchange* exchange) {
    curl_multi_remove_handle(exchange->multi, exchange->easy);
    if (exchange->fd >= 0) close(exchange->fd);
    exchange->fd = -1;
    return std::unique_ptr<HttpExchange>(exchange);
  }

  void put_back(std::unique_ptr<HttpExchange> exchange) {
    exchange->body.clear();
    Question& question = *exchange->question;
    exchange->question = nullptr;
    if (!question.shares_handles()) {
      question.idle = std::move(exchange);
    } else if (shared_.size() < kSharedMost) {
      shared_.push_back(std::move(exchange));
    }
  }

  void collect(Lane& lane, WallTime wall, std::vector<Finished>& finished) {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(lane.multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      char* from = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &from);
      auto* exchange = reinterpret_cast<HttpExchange*>(from);
      finished.push_back({exchange->attempt, reply_of(*exchange, code, wall)});
      put_back(detach(exchange));
    }
  }

  static Result<ProbeReply> reply_of(HttpExchange& exchange, CURLcode code, WallTime wall) {
    const bool whole = code == CURLE_OK || (code == CURLE_WRITE_ERROR && exchange.cut);
    if (!whole) return failure(exchange, code);
    ProbeReply reply;
    long status = 0;
    curl_easy_getinfo(exchange.easy, CURLINFO_RESPONSE_CODE, &status);
    reply.status = static_cast<int>(status);
    reply.body = std::move(exchange.body);
    reply.cut = exchange.cut;
    Question& question = *exchange.question;
    if (question.spec.cert_days > 0) {
      if (const auto end = read_cert_end(exchange.easy)) question.cert_end = end;
      if (question.cert_end) {
        reply.cert_seconds_left = *question.cert_end - wall.ns / 1'000'000'000;
      }
    }
    return reply;
  }

  const Clock& clock_;
  const int epoll_fd_;
  std::array<Lane, kLanes> lanes_;
  std::unordered_map<std::string, std::uint32_t> lane_of_ca_;
  std::vector<std::unique_ptr<Question>> questions_;   // By target.
  std::vector<std::unique_ptr<HttpExchange>> shared_;  // Idle; the last used is the next.
};

}  // namespace

struct ProbeEngine::Impl {
  ProbeLoop loop;
};

ProbeEngine::ProbeEngine(const Clock& clock, Sink sink)
    : impl_(new Impl{ProbeLoop(clock, std::move(sink), [&](int epoll_fd) {
        return std::make_unique<CurlSpeaker>(clock, epoll_fd);
      })}) {}

ProbeEngine::~ProbeEngine() = default;

Result<void> ProbeEngine::watch(std::vector<ProbeSpec> targets) {
  return impl_->loop.watch(std::move(targets));
}

void ProbeEngine::hurry(const std::string& target) { impl_->loop.hurry(target); }

EngineStats ProbeEngine::stats() const { return impl_->loop.stats(); }

}  // namespace pointsman
