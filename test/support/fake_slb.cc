#include <algorithm>

#include "test/support/fake_aliyun.h"

// The load balancers: what slb 2014-05-15 does with the servers of the default group.

namespace pointsman {
namespace {

constexpr const char* kRequestId = "365F4154-92F6-4AE4-92F8-7FF34B540710";
constexpr std::size_t kServersMost = 20;

Json servers_of(const FakeBalancer& balancer) {
  Json list = Json::array();
  for (const FakeBackend& backend : balancer.backends) {
    list.push(Json::object({{"ServerId", backend.id},
                            {"Weight", backend.weight},
                            {"Type", backend.type},
                            {"ServerIp", backend.ip},
                            {"Description", ""}}));
  }
  return Json::object({{"BackendServer", list}});
}

Json health_of(const FakeBalancer& balancer) {
  Json list = Json::array();
  for (const FakeBackend& backend : balancer.backends) {
    list.push(Json::object({{"ServerId", backend.id},
                            {"ServerIp", backend.ip},
                            {"ListenerPort", 80},
                            {"Port", 80},
                            {"Protocol", "tcp"},
                            {"ServerHealthStatus", backend.health}}));
  }
  return Json::object({{"BackendServer", list}});
}

// Weights come as text or as numbers.
int weight_in(const Json& entry) {
  const Json* found = entry.find("Weight");
  if (found == nullptr) return 100;
  return found->is_int() ? static_cast<int>(found->as_int()) : std::stoi(found->as_string());
}

}  // namespace

FakeReply FakeAliyun::balance(const FakeCall& call) {
  const auto found = std::find_if(
      world_.balancers.begin(), world_.balancers.end(), [&](const FakeBalancer& balancer) {
        return balancer.id == call.at("LoadBalancerId") && balancer.region == call.at("RegionId");
      });
  if (found == world_.balancers.end()) {
    return error(404, "InvalidLoadBalancerId.NotFound",
                 "The specified LoadBalancerId is not found.");
  }
  if (call.action == "SetBackendServers") {
    const auto wanted = Json::parse(call.at("BackendServers"));
    if (!wanted.ok() || !wanted->is_array() || wanted->as_array().size() > kServersMost) {
      return error(400, "InvalidParameter", "BackendServers is no list of at most 20.");
    }
    std::vector<FakeBackend> next = found->backends;
    for (const Json& entry : wanted->as_array()) {
      const auto member = std::find_if(next.begin(), next.end(), [&](const FakeBackend& backend) {
        return backend.id == entry.string_or("ServerId") &&
               backend.type == entry.string_or("Type", "ecs") &&
               (backend.type != "eci" || backend.ip == entry.string_or("ServerIp"));
      });
      if (member == next.end()) {
        return error(400, "ObtainIpFail", "The server is no member of this load balancer.");
      }
      member->weight = weight_in(entry);
    }
    found->backends = next;
    ++changes_;
  } else if (call.action == "DescribeHealthStatus") {
    return {
        200,
        Json::object({{"RequestId", kRequestId}, {"BackendServers", health_of(*found)}}).dump()};
  } else if (call.action != "DescribeLoadBalancerAttribute") {
    return error(404, "InvalidAction.NotFound", "Specified api is not found.");
  }
  return {200, Json::object({{"RequestId", kRequestId},
                             {"LoadBalancerId", found->id},
                             {"RegionId", found->region},
                             {"LoadBalancerStatus", found->status},
                             {"Address", "192.0.2.80"},
                             {"BackendServers", servers_of(*found)}})
                   .dump()};
}

}  // namespace pointsman
