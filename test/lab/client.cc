// lab-client: the users of the laboratory's product, and its witnesses.
//   write   writes at a fixed rate to where the name (or --address) leads, with unique ids
//   try     tries real writes into MariaDB and Redis from outside, as a client that found the ports
//   watch   asks both stores at their own site what they say of themselves
// Each logs with CLOCK_MONOTONIC. Lines: "W id sent done address result", "A at addresses",
// "T at store result", "S at store account" (A, T and S only when it changed).

#include <mysql.h>
#include <csignal>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test/lab/net.h"
#include "test/lab/stores.h"

namespace pointsman::lab {
namespace {

std::atomic<bool> g_stop{false};

void sleep_until(std::int64_t at_ns) {
  std::int64_t left = at_ns - monotonic_ns();
  if (left > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(left));
}

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const auto& part : parts) all += (all.empty() ? "" : ",") + part;
  return all.empty() ? "none" : all;
}

// The address that writes go to. A resolver that caches for no time: the last answer stands.
class Target {
 public:
  explicit Target(std::string address) : address_(std::move(address)) {}
  std::string get() {
    std::lock_guard hold(mutex_);
    return address_;
  }
  void set(const std::string& address) {
    std::lock_guard hold(mutex_);
    address_ = address;
  }

 private:
  std::mutex mutex_;  // The resolver sets what the writers read.
  std::string address_;
};

void resolve(const Options& options, Target& target, EventLog& log) {
  HostPort server = host_port(options.text("dns"));
  std::string name = options.text("name");
  std::string last;
  std::int64_t step = options.number_or("resolve-ms", 50) * kMs;
  for (std::int64_t next = monotonic_ns(); !g_stop; next = std::max(next + step, monotonic_ns())) {
    sleep_until(next);
    auto answer = ask_a(server, name, monotonic_ns() + 200 * kMs);
    std::string shown = answer ? joined(*answer) : "silent";
    if (shown != last) log.line("A " + std::to_string(monotonic_ns()) + " " + shown);
    last = shown;
    if (answer && !answer->empty()) target.set(answer->front());
  }
}

struct Writer {
  std::string prefix;
  std::string host;
  int port = 8080;
  std::int64_t timeout = 300 * kMs;
  std::int64_t step = 10 * kMs;
  std::int64_t start = 0;
  std::atomic<std::int64_t> next{0};
};

// Each write has its moment; whichever thread is free takes the next one. A write that is more than
// a second late (the machine was busy) is left out and told, so that the rate never bursts.
void write_some(Writer& writer, Target& target, EventLog& log) {
  while (!g_stop) {
    std::int64_t n = writer.next++;
    std::int64_t due = writer.start + n * writer.step;
    sleep_until(due);
    if (g_stop) return;
    std::string id = writer.prefix + "-" + std::to_string(n);
    std::string address = target.get();
    std::int64_t sent = monotonic_ns();
    std::string result = "late";
    if (sent - due < 1000 * kMs && !address.empty()) {
      std::string why;
      auto status = http_post({{address, writer.port}, writer.host, "/write", id},
                              sent + writer.timeout, why);
      result = status ? std::to_string(*status) : why;
    }
    log.line("W " + id + " " + std::to_string(sent) + " " + std::to_string(monotonic_ns()) + " " +
             (address.empty() ? "none" : address) + " " + result);
  }
}

int run_write(const Options& options) {
  EventLog log(options.text("log"));
  Target target(options.text_or("address", ""));
  Writer writer;
  writer.prefix = options.text("prefix");
  writer.host = options.text_or("name", "app.example.test");
  writer.port = options.number_or("port", 8080);
  writer.timeout = options.number_or("timeout-ms", 300) * kMs;
  writer.step = 1'000'000'000 / options.number_or("rate", 100);
  writer.start = monotonic_ns() + 200 * kMs;
  std::vector<std::thread> threads;
  if (!options.text_or("dns", "").empty()) {
    threads.emplace_back([&] { resolve(options, target, log); });
  }
  int lanes = options.number_or("rate", 100) / 2 + 4;
  for (int i = 0; i < lanes; ++i) {
    threads.emplace_back([&] { write_some(writer, target, log); });
  }
  for (auto& thread : threads) thread.join();
  return 0;
}

// Repeats `ask` on a fixed schedule and logs its answer whenever it changes; also logs when two
// answers are more than 10 steps apart, for then the witness itself was blind.
void watch(const Options& options, EventLog& log, const std::string& head,
           const std::function<std::string()>& ask) {
  std::int64_t step = options.number_or("every-ms", 20) * kMs;
  std::string last;
  std::int64_t last_at = 0;
  for (std::int64_t next = monotonic_ns(); !g_stop; next = std::max(next + step, monotonic_ns())) {
    sleep_until(next);
    std::int64_t asked = monotonic_ns();
    std::string now = ask();
    std::int64_t at = monotonic_ns();
    if (now != last) {
      log.line(head + " " + std::to_string(asked) + " " + std::to_string(at) + " " + now);
    } else if (at - last_at > 10 * step) {
      log.line("G " + std::to_string(last_at) + " " + std::to_string(at) + " " + head);
    }
    last = now;
    last_at = at;
  }
  log.line("E " + std::to_string(monotonic_ns()) + " " + head);
}

int run_try(const Options& options) {
  EventLog log(options.text("log"));
  std::string prefix = options.text("prefix");
  Stores for_mysql(store_address(options));
  Stores for_redis(store_address(options));
  std::thread redis([&] {
    long n = 0;
    watch(options, log, "T redis", [&] {
      std::string why = for_redis.redis_write(prefix + "-r" + std::to_string(n++));
      return why.empty() ? std::string("taken") : "refused " + why;
    });
  });
  long n = 0;
  watch(options, log, "T mysql", [&] {
    std::string why = for_mysql.mysql_write(prefix + "-m" + std::to_string(n++), "direct");
    return why.empty() ? std::string("taken") : "refused " + why;
  });
  redis.join();
  return 0;
}

int run_watch(const Options& options) {
  EventLog log(options.text("log"));
  Stores for_mysql(store_address(options));
  Stores for_redis(store_address(options));
  std::thread redis(
      [&] { watch(options, log, "S redis", [&] { return for_redis.redis_account(); }); });
  watch(options, log, "S mysql", [&] { return for_mysql.mysql_account(); });
  redis.join();
  return 0;
}

}  // namespace
}  // namespace pointsman::lab

int main(int argc, char** argv) {
  using namespace pointsman::lab;
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, [](int) { g_stop = true; });
  std::signal(SIGINT, [](int) { g_stop = true; });
  mysql_library_init(0, nullptr, nullptr);
  std::string verb = argc > 1 ? argv[1] : "";
  Options options(argc, argv, argc > 1 ? 2 : 1);
  if (verb == "write") return run_write(options);
  if (verb == "try") return run_try(options);
  if (verb == "watch") return run_watch(options);
  std::fprintf(stderr, "usage: lab-client write|try|watch --name value ...\n");
  return 2;
}
