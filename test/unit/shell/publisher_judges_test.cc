// What a publisher makes of the servers' answers and of the marks that it finds.

#include "test/unit/shell/publisher_scene.h"

#include <doctest/doctest.h>

#include <map>

using namespace pointsman;
using namespace pointsman::publishing;

TEST_CASE("a record is not published while one of its servers is behind, and another silent") {
  Scene scene;
  std::map<std::string, AuthorityAnswer> told;
  for (const char* server : {"192.0.2.51:53", "192.0.2.52:53", "192.0.2.53:53"}) {
    told[server].server = server;
    told[server].answered = true;
    told[server].values = {"198.51.100.20"};
  }
  told["192.0.2.52:53"].values = {"192.0.2.10"};
  told["192.0.2.53:53"].answered = false;
  told["192.0.2.53:53"].problem = "no answer in time";
  scene.record.authorities = {"192.0.2.51:53", "192.0.2.52:53", "192.0.2.53:53"};
  Publisher publisher(
      scene.service, scene.record, scene.provider,
      [&](const std::string& server, const RecordKey&, Duration) { return told.at(server); });
  const auto some = publisher.ask({0, 1, "m-1"}, 1s);
  CHECK_FALSE(some.agreed);
  CHECK(some.any_agreed);
  CHECK_EQ(some.detail,
           "api.example.test A: published at 192.0.2.51:53; not yet at 192.0.2.52:53 says "
           "192.0.2.10, 192.0.2.53:53 no answer in time");
  told["192.0.2.52:53"].values = {"198.51.100.20"};
  CHECK_FALSE(publisher.ask({0, 1, "m-1"}, 1s).agreed);
  told["192.0.2.53:53"] = told["192.0.2.52:53"];
  CHECK(publisher.ask({0, 1, "m-1"}, 1s).agreed);
}

TEST_CASE("a pre-flight fails while the record carries the mark of another") {
  Scene scene;
  RecordSet set = scene.zone.get({"example.test", "api.example.test", "A"});
  const std::string tail = " epoch=1 reign=0000000000000001 site=hz";
  for (const std::string& foreign : {std::string("pm"), "pointsman service=other" + tail,
                                     "pointsman service=im-api" + tail + "\nby hand"}) {
    set.mark = foreign;
    scene.zone.put(set);
    const auto told = scene.publisher->preflight(1s);
    REQUIRE_FALSE(told.ok());
    CHECK_EQ(told.error().code, ErrorCode::kInvalid);
    CHECK_NE(told.error().message.find("carries the mark of another"), std::string::npos);
    CHECK_FALSE(scene.publish("move").accepted);
  }
  set.mark = "pointsman service=im-api epoch=1 reign=0000000000000001 site=hz";
  scene.zone.put(set);
  CHECK(scene.publisher->preflight(1s).ok());
  CHECK(scene.publish("move").accepted);
}
