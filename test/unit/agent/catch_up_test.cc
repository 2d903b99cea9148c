#include "agent/catch_up.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

Instant at(Duration d) { return Instant{} + 100s + d; }

std::optional<bool> contains(const std::string& received, const std::string& executed) {
  if (executed == "?") return std::nullopt;
  return std::stoi(received) >= std::stoi(executed);
}

}  // namespace

TEST_CASE("caught up is the newest instant whose position arrived whole") {
  CatchUp catch_up;
  CHECK_FALSE(catch_up.caught_up("mysql").has_value());
  catch_up.primary_told("mysql", "10", at(0s));
  catch_up.primary_told("mysql", "20", at(1s));
  catch_up.primary_told("mysql", "30", at(2s));
  catch_up.standby_read("mysql", "25", contains);
  CHECK_EQ(*catch_up.caught_up("mysql"), at(1s));
  catch_up.standby_read("mysql", "29", contains);
  CHECK_EQ(*catch_up.caught_up("mysql"), at(1s));
  catch_up.standby_read("mysql", "30", contains);
  CHECK_EQ(*catch_up.caught_up("mysql"), at(2s));
  // An idle primary: the same position, later.
  catch_up.primary_told("mysql", "30", at(3s));
  catch_up.primary_told("mysql", "30", at(4s));
  catch_up.standby_read("mysql", "30", contains);
  CHECK_EQ(*catch_up.caught_up("mysql"), at(4s));
  CHECK_EQ(*catch_up.told("mysql"), at(4s));
}

TEST_CASE("what cannot be compared, is empty or comes late confirms nothing") {
  CatchUp catch_up;
  catch_up.primary_told("mysql", "", at(0s));
  CHECK_FALSE(catch_up.told("mysql").has_value());
  catch_up.primary_told("mysql", "?", at(1s));
  catch_up.standby_read("mysql", "99", contains);
  CHECK_FALSE(catch_up.caught_up("mysql").has_value());
  catch_up.primary_told("mysql", "1", at(0s));
  CHECK_EQ(*catch_up.told("mysql"), at(1s));
  catch_up.standby_read("redis", "99", contains);
  CHECK_FALSE(catch_up.caught_up("redis").has_value());
}

TEST_CASE("a standby far behind a busy primary stays bounded and is judged by its oldest") {
  CatchUp catch_up;
  for (int k = 0; k < 1000; ++k) {
    catch_up.primary_told("mysql", std::to_string(k), at(std::chrono::seconds(k)));
  }
  catch_up.standby_read("mysql", "3", contains);
  REQUIRE(catch_up.caught_up("mysql").has_value());
  CHECK_EQ(*catch_up.caught_up("mysql"), at(3s));
  catch_up.standby_read("mysql", "999", contains);
  CHECK_EQ(*catch_up.caught_up("mysql"), at(999s));
  catch_up.forget();
  CHECK_FALSE(catch_up.caught_up("mysql").has_value());
}
