#include <cstdio>

#include "test/support/fake_aliyun.h"

// The fake as a program: prints its URL, serves until its standard input ends.
int main() {
  using namespace pointsman;
  FakeAliyun fake;
  fake.with([](FakeAliyun::World& world) {
    world.min_ttl = 60;
    world.keys["STS.testid"] = {"testsecret", "CAIS/dummy+token==/abc", {}};
    for (const char* rr : {"www", "*.a_b"}) {
      FakeRecord record;
      record.id = std::to_string(world.next_id++);
      record.rr = rr;
      record.value = "192.0.2.10";
      world.records.push_back(record);
    }
    FakeBalancer balancer{.id = "lb-1", .region = "cn-hangzhou"};
    balancer.backends = {{.id = "i-hz"}, {.id = "i-sh", .weight = 0}};
    world.balancers = {balancer};
  });
  std::printf("%s\n", fake.endpoint().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
