// lab-app: a small product of two stores, to be failed over. POST /write with an id as body puts it
// into MariaDB and Redis and answers 200 when both took it; GET /health answers 200 in either role
// when both stores answer; POST /sick with a number makes /health fail that many times for each
// address that asks (told by the proxy in X-Real-IP).

#include <mysql.h>
#include <csignal>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sys/socket.h>

#include "test/lab/net.h"
#include "test/lab/stores.h"

namespace pointsman::lab {
namespace {

constexpr int kConnectionsMost = 200;
constexpr std::int64_t kHealthEvery = 200 * kMs;
constexpr std::int64_t kHealthStale = 700 * kMs;

// Connections to the stores that are free; each is used by one request at a time.
class StorePool {
 public:
  explicit StorePool(StoreAddress address) : address_(std::move(address)) {}

  std::unique_ptr<Stores> take() {
    std::lock_guard hold(mutex_);
    if (free_.empty()) return std::make_unique<Stores>(address_);
    auto stores = std::move(free_.back());
    free_.pop_back();
    return stores;
  }
  void give_back(std::unique_ptr<Stores> stores) {
    std::lock_guard hold(mutex_);
    if (free_.size() < 32) free_.push_back(std::move(stores));
  }

 private:
  std::mutex mutex_;  // Requests run on threads of their own.
  StoreAddress address_;
  std::vector<std::unique_ptr<Stores>> free_;
};

struct App {
  App(std::string name, StoreAddress address) : site(std::move(name)), pool(std::move(address)) {}

  std::string site;
  StorePool pool;
  std::atomic<std::int64_t> mysql_well_at{0};
  std::atomic<std::int64_t> redis_well_at{0};
  std::atomic<int> connections{0};
  std::mutex sick_mutex;  // Requests run on threads of their own.
  int sick_times = 0;
  std::map<std::string, int> sick_left;
};

bool sick_for(App& app, const std::string& asker) {
  std::lock_guard hold(app.sick_mutex);
  auto [left, first] = app.sick_left.emplace(asker, app.sick_times);
  return left->second > 0 && left->second-- > 0;
}

// Asks both stores for ever; each on a thread of its own, so that a hanging one hides no other.
void watch_store(App& app, std::atomic<std::int64_t>& well_at, std::string (Stores::*ping)()) {
  auto stores = app.pool.take();
  for (;;) {
    std::int64_t asked = monotonic_ns();
    std::string why = ((*stores).*ping)();
    if (!why.empty()) why = ((*stores).*ping)();
    if (why.empty()) well_at = asked;
    std::this_thread::sleep_for(std::chrono::nanoseconds(kHealthEvery));
  }
}

std::string http_answer(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) +
         (status == 200   ? " OK"
          : status == 503 ? " Service Unavailable"
                          : " Not Found") +
         "\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
         std::to_string(body.size() + 1) + "\r\n\r\n" + body + "\n";
}

std::string write_answer(App& app, const std::string& id) {
  auto stores = app.pool.take();
  std::string why = stores->mysql_write(id, app.site);
  if (why.empty()) {
    why = stores->redis_write(id);
    if (!why.empty()) why = "redis: " + why;
  } else {
    why = "mysql: " + why;
  }
  app.pool.give_back(std::move(stores));
  return why.empty() ? http_answer(200, app.site) : http_answer(503, why);
}

std::string sick_answer(App& app, const std::string& times) {
  std::lock_guard hold(app.sick_mutex);
  app.sick_times = std::atoi(times.c_str());
  app.sick_left.clear();
  return http_answer(200, "sick " + std::to_string(app.sick_times) + " times");
}

std::string header_of(const std::string& request, const std::string& name) {
  auto at = request.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  at += name.size() + 4;
  return request.substr(at, request.find("\r\n", at) - at);
}

std::string health_answer(App& app, const std::string& request) {
  if (sick_for(app, header_of(request, "X-Real-IP"))) return http_answer(503, "sick as told");
  std::int64_t now = monotonic_ns();
  std::string ill;
  if (now - app.mysql_well_at > kHealthStale) ill += "mysql silent ";
  if (now - app.redis_well_at > kHealthStale) ill += "redis silent ";
  return ill.empty() ? http_answer(200, "well " + app.site) : http_answer(503, ill);
}

std::string answer_to(App& app, const std::string& request, std::size_t head_end) {
  if (request.rfind("GET /health ", 0) == 0) return health_answer(app, request);
  if (request.rfind("POST /write ", 0) == 0) return write_answer(app, request.substr(head_end));
  if (request.rfind("POST /sick ", 0) == 0) return sick_answer(app, request.substr(head_end));
  return http_answer(404, "there is /health, /write and /sick");
}

std::size_t content_length(const std::string& head) {
  for (const char* name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
    auto at = head.find(name);
    if (at != std::string::npos) return std::strtoul(head.c_str() + at + 18, nullptr, 10);
  }
  return 0;
}

void serve(App& app, Socket socket) {
  std::int64_t deadline = monotonic_ns() + 5000 * kMs;
  std::string request;
  while (request.size() < 8192 && receive_some(socket, request, deadline)) {
    auto end = request.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    if (request.size() < end + 4 + content_length(request.substr(0, end))) continue;
    send_all(socket, answer_to(app, request, end + 4), deadline);
    break;
  }
}

int run(const Options& options) {
  Socket listener = listen_tcp(host_port(options.text("listen")));
  App app(options.text("site"), store_address(options));
  std::thread(watch_store, std::ref(app), std::ref(app.mysql_well_at), &Stores::mysql_ping)
      .detach();
  std::thread(watch_store, std::ref(app), std::ref(app.redis_well_at), &Stores::redis_ping)
      .detach();
  for (;;) {
    Socket socket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.ok() || app.connections >= kConnectionsMost) continue;
    ++app.connections;
    std::thread([&app, mine = std::move(socket)]() mutable {
      serve(app, std::move(mine));
      --app.connections;
      mysql_thread_end();
    }).detach();
  }
}

}  // namespace
}  // namespace pointsman::lab

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  mysql_library_init(0, nullptr, nullptr);
  return pointsman::lab::run(pointsman::lab::Options(argc, argv, 1));
}
