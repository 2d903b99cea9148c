#include "providers/compare.h"

#include <functional>

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

Change change() {
  return {{"example.test", "api.example.test", "A"},
          {"198.51.100.20", "198.51.100.20"},
          std::chrono::seconds(60),
          "svc 2 sh",
          {"192.0.2.10"},
          {"svc 1 hz"}};
}

RecordSet live(std::vector<std::string> values, std::string mark, int ttl_s = 60) {
  return {change().key, std::move(values), std::chrono::seconds(ttl_s), std::move(mark)};
}

Result<Todo> compared(const RecordSet& set) { return compare(set, check_change(change()).value()); }

ErrorCode invalid(const std::function<void(Change&)>& spoil) {
  Change spoiled = change();
  spoil(spoiled);
  const auto checked = check_change(spoiled);
  return checked.ok() ? ErrorCode::kInternal : checked.error().code;
}

}  // namespace

TEST_CASE("compare: what is written, what is left, what is a conflict") {
  CHECK_EQ(compared(live({"198.51.100.20"}, "svc 2 sh")).value(), Todo::kNothing);
  CHECK_EQ(compared(live({"198.51.100.20"}, "svc 1 hz")).value(), Todo::kWrite);
  CHECK_EQ(compared(live({"198.51.100.20"}, "svc 2 sh", 300)).value(), Todo::kWrite);
  CHECK_EQ(compared(live({"192.0.2.10"}, "svc 1 hz")).value(), Todo::kWrite);
  CHECK_EQ(compared(live({"192.0.2.10"}, "svc 2 sh")).value(), Todo::kWrite);
  CHECK_EQ(compared(live({}, "svc 1 hz")).value(), Todo::kWrite);
  CHECK_EQ(compared(live({"203.0.113.1"}, "svc 1 hz")).error().code, ErrorCode::kConflict);
  CHECK_EQ(compared(live({"192.0.2.10", "203.0.113.1"}, "svc 1 hz")).error().code,
           ErrorCode::kConflict);
  CHECK_EQ(compared(live({"192.0.2.10"}, "svc 3 hz")).error().code, ErrorCode::kConflict);
  CHECK_EQ(compared(live({"192.0.2.10"}, "")).error().code, ErrorCode::kConflict);
  CHECK_EQ(compared(live({"192.0.2.10"}, "svc 1 hz\nother")).error().code, ErrorCode::kConflict);
}

TEST_CASE("a change is checked and made canonical") {
  CHECK_EQ(check_change(change())->desired.size(), 1);
  CHECK_EQ(invalid([](Change& c) { c.desired.clear(); }), ErrorCode::kInvalid);
  CHECK_EQ(invalid([](Change& c) { c.desired = {"not an address"}; }), ErrorCode::kInvalid);
  CHECK_EQ(invalid([](Change& c) { c.expected = {"::1"}; }), ErrorCode::kInvalid);
  CHECK_EQ(invalid([](Change& c) { c.ttl = std::chrono::seconds(0); }), ErrorCode::kInvalid);
  CHECK_EQ(invalid([](Change& c) { c.ttl = std::chrono::hours(48); }), ErrorCode::kInvalid);
  CHECK_EQ(invalid([](Change& c) { c.mark = "two\nlines"; }), ErrorCode::kInvalid);
  CHECK_EQ(invalid([](Change& c) { c.mark = std::string(201, 'm'); }), ErrorCode::kInvalid);
  CHECK_EQ(invalid([](Change& c) { c.key.type = "MX"; }), ErrorCode::kInvalid);
  CHECK_EQ(invalid([](Change& c) { c.key.name = "api.example.com"; }), ErrorCode::kInvalid);
  CHECK_EQ(invalid([](Change& c) { c.key.zone = ""; }), ErrorCode::kInvalid);
  CHECK_EQ(invalid([](Change& c) {
             c.key = {"example.test", "example.test", "CNAME"};
             c.desired = {"a.test"};
             c.expected.clear();
           }),
           ErrorCode::kInvalid);
  CHECK_EQ(invalid([](Change& c) {
             c.key.type = "CNAME";
             c.desired = {"a.test", "b.test"};
             c.expected.clear();
           }),
           ErrorCode::kInvalid);
}
