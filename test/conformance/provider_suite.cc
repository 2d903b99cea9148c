#include "test/conformance/provider_suite.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>

namespace pointsman {
namespace {

constexpr Duration kWithin = 5s;
constexpr std::chrono::seconds kTtl(60);
const std::string kOld = "im-api 41 hz";
const std::string kNew = "im-api 42 sh";

using Values = std::vector<std::string>;

// The key of most cases.
RecordKey fresh(ProviderBench& bench) { return bench.fresh_key(bench.types().front()); }

Values in(ProviderBench& bench, const Values& addresses) {
  Values out;
  for (const std::string& address : addresses) out.push_back(bench.value(address));
  return out;
}

// Whether the case of this name has a subject here.
bool has(bool subject, const char* name) {
  if (!subject) MESSAGE("left out, for there is no such thing here: ", std::string(name));
  return subject;
}

Change change_of(const RecordKey& key, std::vector<std::string> desired,
                 std::vector<std::string> expected) {
  return {key, std::move(desired), kTtl, kNew, std::move(expected), {"", kOld}};
}

// Asks for the change twice and sees that the account shows it and that the second writes nothing.
void succeed_twice(ProviderBench& bench, const Change& change) {
  const auto first = bench.provider().replace(change, kWithin);
  if (!first.ok()) FAIL_CHECK(first.error().message);
  const RecordSet live = bench.get(change.key);
  CHECK_EQ(live.values, change.desired);
  if (bench.has_ttl()) CHECK_EQ(live.ttl, change.ttl);
  // A mark that finds no room is not written by half, and an older one does not stay in its place.
  CHECK_EQ(live.mark, bench.keeps(change.mark) ? change.mark : "");
  const long before = bench.changes(), written = bench.writes();
  const auto again = bench.provider().replace(change, kWithin);
  if (!again.ok()) FAIL_CHECK(again.error().message);
  CHECK_EQ(bench.changes(), before);
  CHECK_EQ(bench.writes(), written);
  const auto rendered = bench.provider().render(change, kWithin);
  REQUIRE(rendered.ok());
  CHECK(rendered->empty());
}

void fail_twice(ProviderBench& bench, const Change& change, ErrorCode code) {
  const long before = bench.changes(), written = bench.writes();
  for (int run = 0; run < 2; ++run) {
    const auto result = bench.provider().replace(change, kWithin);
    REQUIRE_FALSE(result.ok());
    CHECK_EQ(result.error().code, code);
    CHECK_FALSE(result.error().message.empty());
    const auto rendered = bench.provider().render(change, kWithin);
    REQUIRE_FALSE(rendered.ok());
    CHECK_EQ(rendered.error().code, code);
  }
  CHECK_EQ(bench.changes(), before);
  CHECK_EQ(bench.writes(), written);
}

void case_absent_set(ProviderBench& bench) {
  const RecordKey key = fresh(bench);
  const auto absent = bench.provider().read(key, kWithin);
  REQUIRE(absent.ok());
  CHECK(absent->values.empty());
  CHECK(absent->mark.empty());
  succeed_twice(bench, change_of(key, in(bench, {"192.0.2.10"}), in(bench, {"198.51.100.20"})));
}

void case_first_mark(ProviderBench& bench) {
  const RecordKey key = fresh(bench);
  bench.put({key, in(bench, {"192.0.2.10"}), kTtl, ""});
  // The value already stands there: only the mark is new.
  succeed_twice(bench, change_of(key, in(bench, {"192.0.2.10"}), {}));
}

void case_move(ProviderBench& bench, const std::string& type, const std::string& from,
               const std::string& to) {
  const RecordKey key = bench.fresh_key(type);
  bench.put({key, Values{from}, kTtl, kOld});
  const Change change = change_of(key, Values{to}, Values{from});
  const long before = bench.changes(), written = bench.writes();
  const auto rendered = bench.provider().render(change, kWithin);
  REQUIRE(rendered.ok());
  CHECK_FALSE(rendered->empty());
  CHECK_EQ(bench.changes(), before);
  CHECK_EQ(bench.writes(), written);
  CHECK_EQ(bench.get(key).values, std::vector<std::string>{from});
  succeed_twice(bench, change);
  CHECK_GT(bench.changes(), before);
  CHECK_GT(bench.writes(), written);
  const auto read = bench.provider().read(key, kWithin);
  REQUIRE(read.ok());
  CHECK_EQ(read->values, std::vector<std::string>{to});
  if (bench.has_ttl()) CHECK_EQ(read->ttl, kTtl);
  if (bench.keeps(kNew)) CHECK_EQ(read->mark, kNew);
}

void case_several_values(ProviderBench& bench) {
  const RecordKey key = fresh(bench);
  bench.put({key, in(bench, {"192.0.2.10", "192.0.2.11"}), kTtl, kOld});
  succeed_twice(bench,
                change_of(key, in(bench, {"198.51.100.20", "198.51.100.21", "198.51.100.22"}),
                          in(bench, {"192.0.2.11", "192.0.2.10"})));
}

void case_half_done(ProviderBench& bench) {
  const RecordKey key = fresh(bench);
  bench.put({key, in(bench, {"192.0.2.10", "198.51.100.20"}), kTtl, kOld});
  succeed_twice(bench, change_of(key, in(bench, {"198.51.100.20"}), in(bench, {"192.0.2.10"})));
}

void case_ttl_alone(ProviderBench& bench) {
  if (!has(bench.has_ttl(), "a TTL alone")) return;
  const RecordKey key = fresh(bench);
  bench.put({key, in(bench, {"192.0.2.10"}), std::chrono::seconds(3600), kNew});
  succeed_twice(bench, change_of(key, in(bench, {"192.0.2.10"}), {}));
}

void case_foreign_value(ProviderBench& bench) {
  const RecordKey key = fresh(bench);
  bench.put({key, in(bench, {"192.0.2.10", "203.0.113.99"}), kTtl, kOld});
  fail_twice(bench, change_of(key, in(bench, {"198.51.100.20"}), in(bench, {"192.0.2.10"})),
             ErrorCode::kConflict);
}

void case_foreign_mark(ProviderBench& bench) {
  if (!has(bench.keeps("im-api 99 sh"), "a foreign mark")) return;
  const RecordKey key = fresh(bench);
  bench.put({key, in(bench, {"192.0.2.10"}), kTtl, "im-api 99 sh"});
  fail_twice(bench, change_of(key, in(bench, {"198.51.100.20"}), in(bench, {"192.0.2.10"})),
             ErrorCode::kConflict);
  // Nor when only the mark is foreign and the value would be right.
  fail_twice(bench, change_of(key, in(bench, {"192.0.2.10"}), {}), ErrorCode::kConflict);
}

void case_lost_mark(ProviderBench& bench) {
  if (!has(bench.keeps(kOld), "a lost mark")) return;
  const RecordKey key = fresh(bench);
  bench.put({key, in(bench, {"192.0.2.10"}), kTtl, ""});
  Change change = change_of(key, in(bench, {"198.51.100.20"}), in(bench, {"192.0.2.10"}));
  change.expected_marks = {kOld};
  fail_twice(bench, change, ErrorCode::kConflict);
}

// Row 46: an older write of ours took effect after a newer one. With its mark declared it is put
// right; with the value of a person under the very same mark it is not.
void case_late_older_write(ProviderBench& bench) {
  const RecordKey key = fresh(bench);
  const Values ours = in(bench, {"192.0.2.10"}), late = in(bench, {"198.51.100.20"});
  bench.put({key, ours, kTtl, kNew});
  succeed_twice(bench, change_of(key, ours, late));
  bench.put({key, late, kTtl, kOld});
  succeed_twice(bench, change_of(key, ours, late));
  bench.put({key, in(bench, {"203.0.113.99"}), kTtl, kOld});
  fail_twice(bench, change_of(key, ours, late), ErrorCode::kConflict);
}

// Row 48: the record is gone, and its mark with it.
void case_deleted(ProviderBench& bench) {
  if (!has(bench.keeps(kOld), "a record that somebody deleted")) return;
  const RecordKey key = fresh(bench);
  bench.put({key, in(bench, {"192.0.2.10"}), kTtl, kOld});
  bench.put({key, {}, kTtl, ""});
  Change change = change_of(key, in(bench, {"198.51.100.20"}), in(bench, {"192.0.2.10"}));
  change.expected_marks = {kOld};
  fail_twice(bench, change, ErrorCode::kConflict);
  CHECK(bench.get(key).values.empty());
}

// Row 49.
void case_cname_in_the_way(ProviderBench& bench) {
  if (!has(bench.knows_cname(), "a CNAME that stands alone")) return;
  RecordKey key = bench.fresh_key("CNAME");
  bench.put({key, {"elsewhere.example.net"}, kTtl, ""});
  key.type = "A";
  fail_twice(bench, change_of(key, {"198.51.100.20"}, {"192.0.2.10"}), ErrorCode::kConflict);
  for (const auto& failed : {bench.provider().read(key, kWithin).error(),
                             bench.provider().preflight(key, kWithin).error()}) {
    CHECK_EQ(failed.code, ErrorCode::kConflict);
    CHECK_MESSAGE(failed.message.find("CNAME") != std::string::npos, failed.message);
  }
  key.type = "CNAME";
  CHECK_EQ(bench.get(key).values, Values{"elsewhere.example.net"});
}

void case_neighbours_untouched(ProviderBench& bench) {
  const RecordKey key = fresh(bench);
  const RecordKey other = fresh(bench);
  bench.put({key, in(bench, {"192.0.2.10"}), kTtl, kOld});
  bench.put({other, in(bench, {"192.0.2.30"}), std::chrono::seconds(88), "other"});
  succeed_twice(bench, change_of(key, in(bench, {"198.51.100.20"}), in(bench, {"192.0.2.10"})));
  CHECK_EQ(bench.get(other).values, in(bench, {"192.0.2.30"}));
  if (bench.keeps("other")) CHECK_EQ(bench.get(other).mark, "other");
}

void case_other_type_untouched(ProviderBench& bench) {
  const Values types = bench.types();
  const bool both = std::find(types.begin(), types.end(), "AAAA") != types.end();
  if (!has(both, "another type of the same name")) return;
  const RecordKey key = fresh(bench);
  RecordKey beside = key;
  beside.type = "AAAA";
  bench.put({key, in(bench, {"192.0.2.10"}), kTtl, kOld});
  bench.put({beside, {"2001:db8::10"}, std::chrono::seconds(77), kOld});
  succeed_twice(bench, change_of(key, in(bench, {"198.51.100.20"}), in(bench, {"192.0.2.10"})));
  CHECK_EQ(bench.get(beside).values, Values{"2001:db8::10"});
  CHECK_EQ(bench.get(beside).ttl.count(), 77);
}

void case_case_of_names(ProviderBench& bench) {
  if (!has(bench.folds_case(), "names without case")) return;
  const RecordKey key = fresh(bench);
  bench.put({key, in(bench, {"192.0.2.10"}), kTtl, kOld});
  Change change = change_of(key, in(bench, {"198.51.100.20"}), in(bench, {"192.0.2.10"}));
  for (char& c : change.key.name) c = static_cast<char>(std::toupper(c));
  succeed_twice(bench, change);
}

void case_awkward_mark(ProviderBench& bench) {
  const RecordKey key = fresh(bench);
  bench.put({key, in(bench, {"192.0.2.10"}), kTtl, kOld});
  Change change = change_of(key, in(bench, {"198.51.100.20"}), in(bench, {"192.0.2.10"}));
  change.mark = R"(a "quoted" \ back; (x) $ @ #)" + std::string(160, 'm');
  succeed_twice(bench, change);
}

void case_invalid(ProviderBench& bench) {
  const RecordKey key = fresh(bench);
  bench.put({key, in(bench, {"192.0.2.10"}), kTtl, kOld});
  fail_twice(bench, change_of(key, {}, in(bench, {"192.0.2.10"})), ErrorCode::kInvalid);
  fail_twice(bench, change_of(key, in(bench, {"2001:db8::1"}), in(bench, {"192.0.2.10"})),
             ErrorCode::kInvalid);
  Change long_mark = change_of(key, in(bench, {"198.51.100.20"}), in(bench, {"192.0.2.10"}));
  long_mark.mark = std::string(201, 'x');
  fail_twice(bench, long_mark, ErrorCode::kInvalid);
  Change outside = change_of(key, in(bench, {"198.51.100.20"}), in(bench, {"192.0.2.10"}));
  outside.key.name = "api.elsewhere.invalid";
  fail_twice(bench, outside, ErrorCode::kInvalid);
}

void case_preflight(ProviderBench& bench) {
  const RecordKey key = fresh(bench);
  const auto missing = bench.provider().preflight(key, kWithin);
  REQUIRE_FALSE(missing.ok());
  CHECK_EQ(missing.error().code, ErrorCode::kNotFound);
  bench.put({key, in(bench, {"192.0.2.10"}), kTtl, kOld});
  const long before = bench.changes();
  for (int run = 0; run < 2; ++run) {
    const auto text = bench.provider().preflight(key, kWithin);
    if (!text.ok()) FAIL_CHECK(text.error().message);
  }
  CHECK_EQ(bench.changes(), before);
}

}  // namespace

void run_provider_suite(ProviderBench& bench) {
  case_absent_set(bench);
  case_first_mark(bench);
  for (const std::string& type : bench.types()) {
    if (type == "AAAA") {
      case_move(bench, type, "2001:db8::10", "2001:db8:1::20");
    } else if (type == "CNAME") {
      case_move(bench, type, "site-a.example.net", "site-b.example.net");
    } else {
      case_move(bench, type, bench.value("192.0.2.10"), bench.value("198.51.100.20"));
    }
  }
  case_several_values(bench);
  case_half_done(bench);
  case_ttl_alone(bench);
  case_foreign_value(bench);
  case_foreign_mark(bench);
  case_lost_mark(bench);
  case_late_older_write(bench);
  case_deleted(bench);
  case_cname_in_the_way(bench);
  case_neighbours_untouched(bench);
  case_other_type_untouched(bench);
  case_case_of_names(bench);
  case_awkward_mark(bench);
  case_invalid(bench);
  case_preflight(bench);
}

}  // namespace pointsman
