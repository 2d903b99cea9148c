#include "base/notify.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "base/descriptor.h"
#include "test/support/certs.h"

namespace pointsman {
namespace {

using testing::Folder;

// What systemd does: a datagram socket whose address is in the environment.
class Supervisor {
 public:
  explicit Supervisor(const std::string& name)
      : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(name.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    REQUIRE(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~Supervisor() { unsetenv("NOTIFY_SOCKET"); }

  std::string heard() {
    char bytes[512];
    const ssize_t got = recv(socket_.get(), bytes, sizeof bytes, 0);
    return got < 0 ? "" : std::string(bytes, static_cast<std::size_t>(got));
  }

 private:
  Descriptor socket_;
};

TEST_CASE("notify: one datagram a message, by path or by abstract name") {
  const Folder folder;
  for (const std::string& name :
       {folder / "notify", "@pointsman-notify-test-" + std::to_string(getpid())}) {
    Supervisor supervisor(name);
    CHECK(notify_supervisor("READY=1"));
    CHECK(notify_supervisor("STATUS=steady\nWATCHDOG=1"));
    CHECK(supervisor.heard() == "READY=1");
    CHECK(supervisor.heard() == "STATUS=steady\nWATCHDOG=1");
    CHECK(supervisor.heard().empty());
  }
}

TEST_CASE("notify: nobody who listens is no failure, and nothing blocks") {
  unsetenv("NOTIFY_SOCKET");
  CHECK_FALSE(notify_supervisor("READY=1"));
  const Folder folder;
  for (const std::string& name :
       {folder / "nobody", std::string("relative"), std::string(), "/" + std::string(200, 'x')}) {
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
    CHECK_FALSE(notify_supervisor("READY=1"));
  }
  // A supervisor that does not read: its queue fills, and we go on.
  Supervisor deaf(folder / "deaf");
  int sent = 0;
  while (sent < 100'000 && notify_supervisor("WATCHDOG=1")) ++sent;
  CHECK(sent < 100'000);
}

TEST_CASE("notify: the watchdog is fed twice in its period, when it is ours") {
  const auto period = [](const char* usec, const char* pid) {
    usec == nullptr ? unsetenv("WATCHDOG_USEC") : setenv("WATCHDOG_USEC", usec, 1);
    pid == nullptr ? unsetenv("WATCHDOG_PID") : setenv("WATCHDOG_PID", pid, 1);
    const auto found = watchdog_period();
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return found;
  };
  const std::string own = std::to_string(getpid());
  CHECK(period("3000000", own.c_str()) == 1500ms);
  CHECK(period("3000000", nullptr) == 1500ms);
  CHECK_FALSE(period("3000000", "1").has_value());
  CHECK_FALSE(period(nullptr, own.c_str()).has_value());
  for (const char* wrong : {"", "x", "3s", "-1", "0", "99999999999999999999"}) {
    CHECK_FALSE(period(wrong, nullptr).has_value());
  }
}

}  // namespace
}  // namespace pointsman
