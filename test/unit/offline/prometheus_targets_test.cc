#include "orchestrator/offline/prometheus_targets.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

SiteSettings site(const std::string& name, const std::string& address, const std::string& agent) {
  SiteSettings one;
  one.name = name;
  one.address = address;
  one.agent = agent;
  return one;
}

// Two services at the same two sites, and a third whose agents are reached by a way of their own.
MonitorConfig three_services() {
  MonitorConfig config;
  config.name = "monitor-1";
  for (const char* name : {"im-api", "im-web"}) {
    ServiceSettings service;
    service.name = name;
    service.sites = {site("hz", "192.0.2.10", "https://192.0.2.10:7443"),
                     site("sh", "198.51.100.20", "https://198.51.100.20:7443")};
    config.services.push_back(std::move(service));
  }
  ServiceSettings third;
  third.name = "mail";
  third.sites = {site("bj", "203.0.113.1", "https://[2001:db8::1]:7443"),
                 site("gz", "203.0.113.2", "")};
  config.services.push_back(std::move(third));
  return config;
}

std::string targets_of(const MonitorConfig& config, const std::string& job,
                       const std::vector<std::string>& jobs = {"node", "redis"}) {
  for (const TargetFile& one : prometheus_targets(config, jobs)) {
    if (one.job == job) return one.targets.dump();
  }
  return "no such job";
}

std::string group(const std::string& target, const std::string& label, const std::string& value) {
  return R"({"targets":[")" + target + R"("],"labels":{")" + label + R"(":")" + value + R"("}})";
}

}  // namespace

TEST_CASE("prometheus targets: each host once, where the monitor reaches its agent") {
  const MonitorConfig config = three_services();
  CHECK_EQ(targets_of(config, "pointsman-agent"),
           "[" + group("192.0.2.10:9780", "site", "hz") + "," +
               group("198.51.100.20:9780", "site", "sh") + "," +
               group("[2001:db8::1]:9780", "site", "bj") + "]");
  CHECK_EQ(targets_of(config, "redis"), "[" + group("192.0.2.10:9121", "site", "hz") + "," +
                                            group("198.51.100.20:9121", "site", "sh") + "," +
                                            group("[2001:db8::1]:9121", "site", "bj") + "," +
                                            group("203.0.113.2:9121", "site", "gz") + "]");
}

TEST_CASE("prometheus targets: the monitor's own host is asked too, and no job that is not there") {
  const MonitorConfig config = three_services();
  CHECK(targets_of(config, "node").find(group("127.0.0.1:9100", "site", "monitor-1")) == 1);
  CHECK_EQ(targets_of(config, "mysql"), "[]");
  CHECK_EQ(targets_of(config, "minio"), "[]");
  CHECK(targets_of(config, "minio", {"minio"}).find("192.0.2.10:9000") != std::string::npos);
}

TEST_CASE("prometheus targets: the daemon by a name that it answers to") {
  MonitorConfig config = three_services();
  CHECK_EQ(targets_of(config, "pointsman"), "[]");
  config.web.emplace();
  config.web->listen = "0.0.0.0:8780";
  CHECK_EQ(targets_of(config, "pointsman"),
           "[" + group("127.0.0.1:8780", "monitor", "monitor-1") + "]");
  config.web->hosts = {"monitor.example"};
  config.web->cert = "web.pem";
  CHECK_EQ(targets_of(config, "pointsman"),
           R"([{"targets":["monitor.example:8780"],"labels":{"monitor":"monitor-1",)"
           R"("__scheme__":"https"}}])");
}
