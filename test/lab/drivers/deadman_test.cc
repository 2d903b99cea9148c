#include "agent/deadman.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <thread>

#include "agent/drivers/endpoint.h"
#include "base/clock.h"
#include "base/process.h"

#include "test/lab/drivers/must.h"

// The dead-man switch with real traffic. Three network namespaces without names (they go with this
// process): the site, where this process and its servers live, its peer, and a client.

namespace pointsman {
namespace {

constexpr int kWeb = 80, kMysql = 3306, kRedis = 6379, kAgent = 7443;
const DeadmanPorts kService{"im-api", {kMysql, kRedis}, {kWeb}, {"10.77.1.2", "fd77:1::2"}};

void must(const std::vector<std::string>& argv, const std::string& input = "") {
  const auto ran = run_process(argv, input, 10s);
  if (ran && ran->exit_code == 0) return;
  fmt::print(stderr, "{} {}: {}\n", argv[0], argv[1], ran ? ran->err : ran.error().message);
  abort();
}

// A network namespace; threads enter it, and sockets made in it stay in it.
class Namespace {
 public:
  Namespace() {
    std::thread([this] {
      if (::unshare(CLONE_NEWNET) != 0) abort();
      fd_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    }).join();
  }
  ~Namespace() { ::close(fd_); }
  void run(const std::function<void()>& what) const {
    std::thread([&] {
      if (::setns(fd_, CLONE_NEWNET) != 0) abort();
      what();
    }).join();
  }
  std::string path() const { return fmt::format("/proc/{}/fd/{}", ::getpid(), fd_); }

 private:
  int fd_ = -1;
};

// Answers every line on the ports of the site, and speaks unasked when told to.
class EchoServer {
 public:
  EchoServer() {
    for (const int port : {kWeb, kMysql, kRedis, kAgent}) {
      Socket socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const int on = 1, off = 0;
      ::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
      ::setsockopt(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_port = htons(static_cast<std::uint16_t>(port));
      if (::bind(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) abort();
      if (::listen(socket.fd(), 64) != 0) abort();
      sockets_.push_back(std::move(socket));
    }
    listeners_ = sockets_.size();
    thread_ = std::thread([this] { serve(); });
  }
  ~EchoServer() {
    stop_ = true;
    thread_.join();
  }
  void shout() { shout_ = true; }

 private:
  void serve() {
    while (!stop_) {
      std::vector<pollfd> waits;
      for (const auto& socket : sockets_) waits.push_back({socket.fd(), POLLIN, 0});
      ::poll(waits.data(), waits.size(), 5);
      for (std::size_t i = 0; i < waits.size(); ++i) {
        if ((waits[i].revents & POLLIN) == 0) continue;
        if (i < listeners_) {
          sockets_.emplace_back(::accept4(waits[i].fd, nullptr, nullptr, SOCK_CLOEXEC));
          continue;
        }
        char text[256];
        const ssize_t n = ::recv(waits[i].fd, text, sizeof(text), MSG_DONTWAIT);
        if (n > 0) (void)::send(waits[i].fd, text, static_cast<std::size_t>(n), MSG_NOSIGNAL);
      }
      if (shout_.exchange(false)) {
        for (std::size_t i = listeners_; i < sockets_.size(); ++i) {
          (void)::send(sockets_[i].fd(), "late", 4, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
      }
    }
  }

  std::vector<Socket> sockets_;
  std::size_t listeners_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<bool> shout_{false};
  std::thread thread_;
};

struct Net {
  Net() {
    // This thread, and whatever it starts, moves to the site.
    if (::unshare(CLONE_NEWNET) != 0) abort();
    must({"ip", "link", "set", "lo", "up"});
    join(peer, 1);
    join(client, 2);
    server = std::make_unique<EchoServer>();
  }
  static Net& get() {
    static Net net;
    return net;
  }

  static void join(const Namespace& other, int n) {
    const std::string ours = fmt::format("s{}", n);
    must({"ip", "link", "add", ours, "type", "veth", "peer", "name", "v0", "netns", other.path()});
    must({"ip", "addr", "add", fmt::format("10.77.{}.1/24", n), "dev", ours});
    must({"ip", "addr", "add", fmt::format("fd77:{}::1/64", n), "dev", ours, "nodad"});
    must({"ip", "link", "set", ours, "up"});
    other.run([n] {
      must({"ip", "link", "set", "lo", "up"});
      must({"ip", "addr", "add", fmt::format("10.77.{}.2/24", n), "dev", "v0"});
      must({"ip", "addr", "add", fmt::format("fd77:{}::2/64", n), "dev", "v0", "nodad"});
      must({"ip", "link", "set", "v0", "up"});
    });
  }

  // A connection to the site from where `from` says: "peer", "client" or "site".
  Socket connect(const std::string& from, int port, bool v6 = false) const {
    Socket made;
    const auto dial = [&](const std::string& host) {
      const Endpoint to{"", host, port};
      auto connected = connect_to(to, system_clock().now() + 250ms);
      if (connected) made = std::move(*connected);
    };
    if (from == "site") {
      dial(v6 ? "::1" : "127.0.0.1");
    } else if (from == "peer") {
      peer.run([&] { dial(v6 ? "fd77:1::1" : "10.77.1.1"); });
    } else {
      client.run([&] { dial(v6 ? "fd77:2::1" : "10.77.2.1"); });
    }
    return made;
  }
  bool open(const std::string& from, int port, bool v6 = false) const {
    Socket socket = connect(from, port, v6);
    return socket.open() && answers(socket);
  }
  // Which of the site's ports pass, as in "web mysql redis agent".
  std::string sees(const std::string& from, bool v6 = false) const {
    std::string seen;
    for (const auto& [name, port] : {std::pair{"web", kWeb}, std::pair{"mysql", kMysql},
                                     std::pair{"redis", kRedis}, std::pair{"agent", kAgent}}) {
      if (open(from, port, v6)) seen += (seen.empty() ? "" : " ") + std::string(name);
    }
    return seen;
  }
  static bool answers(const Socket& socket, int within_ms = 250) {
    if (::send(socket.fd(), "hello", 5, MSG_NOSIGNAL) != 5) return false;
    return hears(socket, within_ms);
  }
  static bool hears(const Socket& socket, int within_ms = 250) {
    pollfd wait{socket.fd(), POLLIN, 0};
    if (::poll(&wait, 1, within_ms) <= 0) return false;
    char text[256];
    return ::recv(socket.fd(), text, sizeof(text), MSG_DONTWAIT) > 0;
  }

  Namespace peer, client;
  std::unique_ptr<EchoServer> server;
};

// The real clock, which can be made to jump between two readings: a process that was frozen there.
class JumpingClock : public Clock {
 public:
  Instant now() const override {
    const Instant real = system_clock().now();
    if (readings_before_jump == 0) return real + jump;
    if (readings_before_jump > 0) --readings_before_jump;
    return real;
  }
  WallTime wall() const override { return system_clock().wall(); }

  mutable int readings_before_jump = -1;
  Duration jump{0};
};

// A site whose agent never reigned, in the namespace of the tests.
struct Scene {
  Scene() : net(Net::get()), deadman(make_nft_deadman(clock)) {
    must({"nft", "flush", "ruleset"});
    MUST(deadman->set_up({kService}));
  }
  ~Scene() { must({"nft", "flush", "ruleset"}); }
  void lease(Duration length) { MUST(deadman->renew("im-api", clock.now() + length)); }
  void sleep(Duration length) const { std::this_thread::sleep_for(length); }

  Net& net;
  JumpingClock clock;
  std::unique_ptr<Deadman> deadman;
};

}  // namespace

TEST_CASE("deadman: an agent that never reigned touches nothing") {
  Scene scene;
  CHECK(*scene.deadman->mode("im-api") == DeadmanMode::kUntouched);
  CHECK(scene.net.sees("client") == "web mysql redis agent");
  CHECK(run_process({"nft", "list", "ruleset"}, "", 5s)->out == "");
  CHECK(scene.deadman->verify("im-api").ok());
  CHECK(*scene.deadman->rest("im-api") == 0ms);
  CHECK_FALSE(scene.deadman->renew("im-api", scene.clock.now() + 3s).ok());
}

TEST_CASE("deadman: armed, only a lease opens; the peer and loopback keep the stores") {
  Scene scene;
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kArmed));
  for (const bool v6 : {false, true}) {
    CAPTURE(v6);
    CHECK(scene.net.sees("client", v6) == "agent");
    CHECK(scene.net.sees("peer", v6) == "mysql redis agent");
    CHECK(scene.net.sees("site", v6) == "mysql redis agent");
  }
  scene.lease(10s);
  for (const char* from : {"client", "peer", "site"}) {
    CHECK(scene.net.sees(from) == "web mysql redis agent");
  }
  const Duration rest = *scene.deadman->rest("im-api");
  CHECK(rest > 9s);
  CHECK(rest <= 10s);
  CHECK(rest % 1s != 0ms);
  MUST(scene.deadman->close("im-api"));
  CHECK(*scene.deadman->rest("im-api") == 0ms);
  CHECK(scene.net.sees("client") == "agent");
  CHECK(scene.deadman->verify("im-api").ok());
}

TEST_CASE("deadman: the kernel ends the lease, and cuts what is established both ways") {
  Scene scene;
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kArmed));
  scene.lease(800ms);
  Socket web = scene.net.connect("client", kWeb);
  Socket mysql = scene.net.connect("client", kMysql);
  Socket replica = scene.net.connect("peer", kMysql);
  REQUIRE(Net::answers(web));
  REQUIRE(Net::answers(mysql));
  REQUIRE(Net::answers(replica));
  scene.sleep(850ms);  // Nobody renews.
  scene.net.server->shout();
  CHECK_FALSE(Net::hears(web, 400));
  CHECK_FALSE(Net::hears(mysql, 100));
  CHECK(Net::hears(replica));
  CHECK_FALSE(Net::answers(web));
  CHECK_FALSE(Net::answers(mysql));
  CHECK(Net::answers(replica));
  CHECK(scene.net.sees("client") == "agent");
  CHECK(*scene.deadman->rest("im-api") == 0ms);
  scene.lease(10s);
  CHECK(scene.net.sees("client") == "web mysql redis agent");
  CHECK(Net::hears(mysql, 5000));  // What was cut goes on by itself.
}

TEST_CASE("deadman: in standby the public ports are open, the stores to the peer and loopback") {
  Scene scene;
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kStandby));
  CHECK(*scene.deadman->mode("im-api") == DeadmanMode::kStandby);
  CHECK(scene.net.sees("client") == "web agent");
  CHECK(scene.net.sees("peer") == "web mysql redis agent");
  CHECK(scene.net.sees("site") == "web mysql redis agent");
  // To power and back: armed always starts closed.
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kArmed));
  CHECK(scene.net.sees("client") == "agent");
  scene.lease(10s);
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kArmed));  // Again: keeps what lives.
  CHECK(scene.net.sees("client") == "web mysql redis agent");
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kStandby));
  CHECK(scene.net.sees("client") == "web agent");
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kArmed));
  CHECK(scene.net.sees("client") == "agent");
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kUntouched));
  CHECK(scene.net.sees("client") == "web mysql redis agent");
  CHECK(run_process({"nft", "list", "ruleset"}, "", 5s)->out == "");
}

TEST_CASE("deadman: a renewal never lengthens a lease") {
  Scene scene;
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kArmed));
  SUBCASE("the lease is over") {
    scene.lease(10s);
    MUST(scene.deadman->renew("im-api", scene.clock.now() - 1ms));
    CHECK(*scene.deadman->rest("im-api") == 0ms);
    CHECK(scene.net.sees("client") == "agent");
  }
  SUBCASE("frozen between reading the clock and sending, beyond the end") {
    scene.lease(10s);
    scene.clock.jump = 5s;
    scene.clock.readings_before_jump = 2;  // renew(now + 3 s) reads twice before it looks again.
    MUST(scene.deadman->renew("im-api", scene.clock.now() + 3s));
    CHECK(*scene.deadman->rest("im-api") == 0ms);
  }
  SUBCASE("frozen there for a while: the rest is what is left") {
    scene.lease(10s);
    scene.clock.readings_before_jump = 2;
    scene.clock.jump = 2s;
    MUST(scene.deadman->renew("im-api", scene.clock.now() + 3s));
    CHECK(*scene.deadman->rest("im-api") < 1100ms);
    CHECK(*scene.deadman->rest("im-api") > 500ms);
  }
  SUBCASE("a shorter lease replaces a longer one") {
    scene.lease(24h);
    CHECK(*scene.deadman->rest("im-api") > 23h);
    scene.lease(2s);
    CHECK(*scene.deadman->rest("im-api") <= 2s);
  }
}

TEST_CASE("deadman: a restarted agent finds lease and mode in the kernel") {
  Scene scene;
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kArmed));
  scene.lease(10s);
  Socket web = scene.net.connect("client", kWeb);
  scene.deadman = make_nft_deadman(scene.clock);
  DeadmanPorts changed = kService;
  changed.allow = {"10.77.1.2", "10.77.2.2"};
  MUST(scene.deadman->set_up({changed}));
  CHECK(*scene.deadman->mode("im-api") == DeadmanMode::kArmed);
  CHECK(*scene.deadman->rest("im-api") > 8s);
  CHECK(Net::answers(web));
  MUST(scene.deadman->close("im-api"));
  CHECK(scene.net.sees("client") == "mysql redis agent");  // By the new `allow`.
}

TEST_CASE("deadman: a table that is gone or changed is found, and made again") {
  Scene scene;
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kArmed));
  scene.lease(10s);
  CHECK(scene.deadman->verify("im-api").ok());
  SUBCASE("gone") { must({"nft", "flush", "ruleset"}); }
  SUBCASE("emptied") { must({"nft", "flush", "chain", "inet", "pointsman", "prerouting"}); }
  SUBCASE("opened") { must({"nft", "insert", "rule", "inet", "pointsman", "in_im-api", "accept"}); }
  CHECK_FALSE(scene.deadman->verify("im-api").ok());
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kArmed));
  CHECK(scene.deadman->verify("im-api").ok());
  MUST(scene.deadman->close("im-api"));
  CHECK(scene.net.sees("client") == "agent");
  scene.lease(10s);
  CHECK(scene.net.sees("client") == "web mysql redis agent");
}

TEST_CASE("deadman: services do not touch each other") {
  Scene scene;
  const DeadmanPorts other{"other.v2", {}, {kAgent}, {}};
  MUST(scene.deadman->set_up({kService, other}));
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kArmed));
  MUST(scene.deadman->set_mode("other.v2", DeadmanMode::kArmed));
  CHECK(scene.net.sees("client") == "");
  MUST(scene.deadman->renew("other.v2", scene.clock.now() + 10s));
  CHECK(scene.net.sees("client") == "agent");
  scene.lease(10s);
  MUST(scene.deadman->close("other.v2"));
  CHECK(scene.net.sees("client") == "web mysql redis");
  CHECK(scene.deadman->verify("im-api").ok());
  MUST(scene.deadman->set_mode("other.v2", DeadmanMode::kUntouched));
  CHECK(scene.net.sees("client") == "web mysql redis agent");
  CHECK(scene.deadman->verify("im-api").ok());
}

TEST_CASE("deadman: the boot ruleset loads closed, and again without cutting") {
  Scene scene;
  must({"nft", "-f", "-"}, boot_ruleset({kService}));
  CHECK(scene.net.sees("client") == "agent");
  MUST(scene.deadman->set_up({kService}));
  CHECK(*scene.deadman->mode("im-api") == DeadmanMode::kArmed);
  scene.lease(10s);
  CHECK(scene.net.sees("client") == "web mysql redis agent");
  must({"nft", "-f", "-"}, boot_ruleset({kService}));
  CHECK(scene.net.sees("client") == "web mysql redis agent");
}

TEST_CASE("deadman: renewals under traffic lose nothing and are quick") {
  Scene scene;
  MUST(scene.deadman->set_mode("im-api", DeadmanMode::kArmed));
  scene.lease(3s);
  Socket web = scene.net.connect("client", kWeb);
  std::atomic<bool> stop{false};
  std::atomic<int> answered{0};
  std::thread traffic([&] {
    while (!stop) {
      if (Net::answers(web, 1000)) ++answered;
    }
  });
  Duration spent{0}, longest{0};
  int renewals = 0;
  const Instant limit = scene.clock.now() + 30s;
  while ((answered < 200 || renewals < 200) && scene.clock.now() < limit) {
    const Instant before = scene.clock.now();
    MUST(scene.deadman->renew("im-api", before + 3s));
    const Duration took = scene.clock.now() - before;
    longest = std::max(longest, took);
    spent += took;
    ++renewals;
    scene.sleep(2ms);
  }
  stop = true;
  traffic.join();
  tcp_info info{};
  socklen_t length = sizeof(info);
  REQUIRE(::getsockopt(web.fd(), IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
  MESSAGE(renewals << " renewals: mean " << spent.count() / renewals / 1000 << " us, longest "
                   << whole_ms(longest) << " ms; " << answered.load() << " answers meanwhile");
  CHECK(answered >= 200);
  CHECK(info.tcpi_total_retrans == 0);  // No packet was dropped between delete and add.
}

}  // namespace pointsman
