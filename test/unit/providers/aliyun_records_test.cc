#include "providers/aliyun_records.h"

#include "base/json.h"
#include "providers/aliyun_mark.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace pointsman;

namespace {

const RecordKey kKey{"example.test", "api.example.test", "A"};

AliyunRecord record(const std::string& id, const std::string& value,
                    const std::string& line = "default") {
  AliyunRecord out;
  out.id = id;
  out.rr = "api";
  out.type = "A";
  out.value = value;
  out.line = line;
  out.ttl = std::chrono::seconds(60);
  return out;
}

AliyunLive live(std::vector<AliyunRecord> records) {
  auto out = aliyun_live(kKey, std::move(records));
  REQUIRE(out.ok());
  return *std::move(out);
}

Change change(std::vector<std::string> desired, const std::string& mark = "") {
  Change out;
  out.key = kKey;
  out.desired = std::move(desired);
  out.mark = mark;
  return out;
}

// "update 1 192.0.2.2, delete 3": as a transcript.
std::string told(const Result<std::vector<AliyunStep>>& steps) {
  if (!steps.ok()) return std::string("no: ") + steps.error().message;
  std::string out;
  for (const AliyunStep& step : *steps) {
    const AliyunRecord& r = step.record;
    if (!out.empty()) out += ", ";
    switch (step.act) {
      case AliyunAct::kUpdate: out += fmt::format("update {} {}", r.id, r.value); break;
      case AliyunAct::kAdd: out += fmt::format("add {} {}", r.line, r.value); break;
      case AliyunAct::kRemark: out += fmt::format("remark {} {}", r.id, r.remark); break;
      case AliyunAct::kDelete: out += fmt::format("delete {}", r.id); break;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("a mark is spelled in the few letters that a remark may have") {
  const std::string mark = "pointsman service=im-api epoch=2 reign=0123456789abcdef site=sh";
  const auto remark = make_remark({"", mark});
  REQUIRE(remark);
  CHECK_EQ(*remark, "pm._pim-api_e2_r0123456789abcdef_ssh.");
  CHECK_EQ(read_remark(*remark).mark, mark);
  CHECK_EQ(read_remark(*remark).words, "");
}

TEST_CASE("a mark that the far side cut short is none, wherever it was cut") {
  const auto remark = make_remark({"Ops", "pointsman service=a.b epoch=2 reign=0123 site=s"});
  REQUIRE(remark);
  for (std::size_t size = 0; size < remark->size(); ++size) {
    CHECK_EQ(read_remark(std::string_view(*remark).substr(0, size)).mark, "");
  }
  CHECK_NE(read_remark(*remark).mark, "");
}

TEST_CASE("the operator's words stay before the mark") {
  const auto remark = make_remark({"主站, 勿动", "a 1"});
  REQUIRE(remark);
  CHECK_EQ(*remark, "主站, 勿动,pm.a_x201.");
  CHECK_EQ(read_remark(*remark).words, "主站, 勿动");
  CHECK_EQ(read_remark(*remark).mark, "a 1");
  CHECK_EQ(make_remark({"主站, 勿动", ""}), "主站, 勿动");
}

TEST_CASE("what is no mark of ours is the operator's") {
  for (const char* text :
       {"", "pm", "pm.", "pm._q.", "pm._x2.", "pm._x2g.", "pm.a b.", "note pm.a.", "pm.a.,note",
        "pm._.", "pm..", "pm.\xE4\xB8\xBB.", "pm.a", "pm._pim-api_e2_r0123"}) {
    CAPTURE(text);
    CHECK_EQ(read_remark(text).mark, "");
    CHECK_EQ(read_remark(text).words, text);
  }
}

TEST_CASE("every byte of a mark comes back, and one too long is not kept") {
  for (char c = ' '; c <= '~'; ++c) {
    const std::string mark = std::string("x") + c + "y";
    CAPTURE(mark);
    const auto remark = make_remark({"words", mark});
    REQUIRE(remark);
    CHECK_EQ(read_remark(*remark).mark, mark);
    CHECK_EQ(read_remark(*remark).words, "words");
  }
  CHECK(make_remark({"", std::string(46, 'a')}));
  CHECK_FALSE(make_remark({"", std::string(47, 'a')}));
  CHECK_FALSE(make_remark({std::string(40, 'w'), "0123456789"}));
  // Words that would be read as a mark cannot be put before one.
  CHECK_FALSE(make_remark({"pm.other.", ""}));
}

TEST_CASE("one value is changed in place") {
  const AliyunLive now = live({record("7", "192.0.2.1")});
  CHECK_EQ(told(plan_aliyun(now, change({"198.51.100.1"}))), "update 7 198.51.100.1");
  CHECK_EQ(told(plan_aliyun(now, change({"192.0.2.1"}))), "");
  CHECK_EQ(told(plan_aliyun(now, change({"198.51.100.1"}, "m"))),
           "update 7 198.51.100.1, remark 7 pm.m.");
}

TEST_CASE("an update keeps every field that it does not change") {
  AliyunRecord before = record("7", "192.0.2.1", "telecom");
  before.priority = 5;
  before.weight = 3;
  before.remark = "words";
  const auto steps = plan_aliyun(live({before}), change({"198.51.100.1"}));
  REQUIRE(steps.ok());
  AliyunRecord after = before;
  after.value = "198.51.100.1";
  REQUIRE_EQ(steps->size(), 1);
  CHECK_EQ(steps->front().record, after);
}

TEST_CASE("another TTL is a change of its own, of every record") {
  AliyunRecord slow = record("8", "192.0.2.2");
  slow.ttl = std::chrono::seconds(600);
  const AliyunLive now = live({record("7", "192.0.2.1"), slow});
  CHECK_EQ(now.set.ttl.count(), 600);
  const auto steps = plan_aliyun(now, change({"192.0.2.1", "192.0.2.2"}));
  CHECK_EQ(told(steps), "update 8 192.0.2.2");
  CHECK_EQ(steps->front().record.ttl.count(), 60);
}

TEST_CASE("sets of different sizes add before they delete, and are never empty") {
  const AliyunLive two = live({record("7", "192.0.2.1"), record("8", "192.0.2.2")});
  CHECK_EQ(told(plan_aliyun(two, change({"198.51.100.1", "198.51.100.2", "198.51.100.3"}))),
           "update 7 198.51.100.1, update 8 198.51.100.2, add default 198.51.100.3");
  CHECK_EQ(told(plan_aliyun(two, change({"198.51.100.1"}, "m"))),
           "update 7 198.51.100.1, remark 7 pm.m., delete 8");
  // Half done: the wanted value is there already, so the other goes, and the mark first.
  CHECK_EQ(told(plan_aliyun(two, change({"192.0.2.2"}, "m"))), "remark 8 pm.m., delete 7");
  CHECK_EQ(told(plan_aliyun(live({}), change({"192.0.2.1"}))), "add default 192.0.2.1");
}

TEST_CASE("every line moves, the mark stands on the first record of line default") {
  const AliyunLive now = live({record("5", "192.0.2.1", "telecom"), record("17", "192.0.2.1"),
                               record("6", "192.0.2.1", "unicom")});
  CHECK_EQ(told(plan_aliyun(now, change({"198.51.100.1"}, "m"))),
           "update 17 198.51.100.1, update 5 198.51.100.1, update 6 198.51.100.1, "
           "remark 17 pm.m.");
  CHECK_EQ(now.set.values, std::vector<std::string>{"192.0.2.1"});
  // One line that lags behind is enough for work to be left.
  const AliyunLive half = live({record("5", "192.0.2.1", "telecom"), record("17", "198.51.100.1")});
  CHECK_EQ(told(plan_aliyun(half, change({"198.51.100.1"}))), "update 5 198.51.100.1");
  CHECK_EQ(half.set.values, std::vector<std::string>{"192.0.2.1", "198.51.100.1"});
}

TEST_CASE("a mark that has no room takes the older one away, and the words stay") {
  AliyunRecord marked = record("7", "192.0.2.1");
  marked.remark = "the operator's words,pm.old.";
  const std::string mark(40, 'm');
  CHECK_EQ(told(plan_aliyun(live({marked}), change({"198.51.100.1"}, mark))),
           "update 7 198.51.100.1, remark 7 the operator's words");
  marked.remark = "pm.older.,pm.old.";
  CHECK_EQ(told(plan_aliyun(live({marked}), change({"192.0.2.1"}, std::string(60, 'm')))),
           "remark 7 ");
  marked.remark = "the operator's words";
  CHECK_EQ(told(plan_aliyun(live({marked}), change({"192.0.2.1"}, mark))), "");
}

TEST_CASE("a mark of ours on any other record is removed, unless the record goes") {
  AliyunRecord beside = record("8", "192.0.2.2");
  beside.remark = "words,pm.old.";
  AliyunRecord off = record("9", "192.0.2.3", "telecom");
  off.enabled = false;
  off.remark = "pm.older.";
  AliyunRecord plain = record("11", "192.0.2.1", "unicom");
  plain.remark = "of the operator";
  const AliyunLive now = live({record("7", "192.0.2.1"), beside, off, plain});
  CHECK_EQ(now.set.mark, "old");
  CHECK_EQ(told(plan_aliyun(now, change({"192.0.2.1", "192.0.2.2"}, "m"))),
           "add unicom 192.0.2.2, remark 7 pm.m., remark 8 words, remark 9 ");
  CHECK_EQ(told(plan_aliyun(now, change({"192.0.2.1"}, "m"))),
           "remark 7 pm.m., remark 9 , delete 8");
}

TEST_CASE("disabled and locked records are told, and not fought") {
  AliyunRecord off = record("8", "198.51.100.1");
  off.enabled = false;
  const AliyunLive now = live({record("7", "192.0.2.1"), off});
  CHECK_EQ(now.set.values, std::vector<std::string>{"192.0.2.1"});
  CHECK_EQ(told(plan_aliyun(now, change({"203.0.113.1"}))), "update 7 203.0.113.1");
  CHECK_EQ(told(plan_aliyun(now, change({"198.51.100.1"}))),
           "no: record 8 (198.51.100.1, line default) is disabled and holds a wanted value: "
           "enable or delete it");
  CHECK_EQ(told(plan_aliyun(live({off}), change({"192.0.2.1"}))),
           "no: record 8 (198.51.100.1, line default) is disabled, as is all else at the name: "
           "users get no answer; enable it");
  AliyunRecord shut = record("7", "192.0.2.1");
  shut.locked = true;
  CHECK_EQ(told(plan_aliyun(live({shut}), change({"198.51.100.1"}))),
           "no: record 7 (192.0.2.1, line default) is locked: unlock it in the console");
  CHECK_EQ(told(plan_aliyun(live({shut}), change({"192.0.2.1"}))), "");
}

TEST_CASE("two records of one line that hold the same are refused by name") {
  const auto twins = aliyun_live(kKey, {record("7", "192.0.2.1"), record("8", "192.0.2.1")});
  REQUIRE_FALSE(twins.ok());
  CHECK_EQ(twins.error().code, ErrorCode::kConflict);
  for (const char* part : {"record 7 (192.0.2.1, line default)", "record 8 (192.0.2.1", "delete"}) {
    CHECK_NE(twins.error().message.find(part), std::string::npos);
  }
  AliyunRecord elsewhere = record("8", "192.0.2.1");
  elsewhere.line = "telecom";
  CHECK(aliyun_live(kKey, {record("7", "192.0.2.1"), elsewhere}).ok());
}

TEST_CASE("marks that differ are all told, in the order of their records") {
  AliyunRecord first = record("7", "192.0.2.1"), second = record("8", "192.0.2.2"),
               third = record("9", "192.0.2.3");
  first.remark = "pm.older.";
  second.remark = "Ops,pm.newer.";
  third.remark = "pm.older.";
  CHECK_EQ(live({first, second, third}).set.mark, "older\nnewer");
}

TEST_CASE("weights that differ and a CNAME in the way are refused by name") {
  AliyunRecord heavy = record("8", "192.0.2.2");
  heavy.weight = 9;
  auto refused = aliyun_live(kKey, {record("7", "192.0.2.1"), heavy});
  REQUIRE_FALSE(refused.ok());
  CHECK_EQ(refused.error().code, ErrorCode::kRefused);
  CHECK_NE(refused.error().message.find("record 8 (192.0.2.2, line default)"), std::string::npos);
  heavy.line = "telecom";  // Alone on its line, a weight means nothing.
  CHECK(aliyun_live(kKey, {record("7", "192.0.2.1"), heavy}).ok());
  AliyunRecord alias = record("9", "elsewhere.example.net");
  alias.type = "CNAME";
  refused = aliyun_live(kKey, {alias});
  REQUIRE_FALSE(refused.ok());
  CHECK_EQ(refused.error().code, ErrorCode::kConflict);
}

TEST_CASE("names that only resemble ours and other types are passed over") {
  AliyunRecord longer = record("1", "192.0.2.1");
  longer.rr = "api2";
  AliyunRecord text = record("2", "hello");
  text.type = "TXT";
  AliyunRecord upper = record("3", "192.0.2.3");
  upper.rr = "API";
  CHECK_EQ(live({longer, text, upper}).set.values, std::vector<std::string>{"192.0.2.3"});
  CHECK_EQ(aliyun_rr(check_key({"example.test", "example.test", "A"}).value()), "@");
  CHECK_EQ(aliyun_rr(check_key(kKey).value()), "api");
}

TEST_CASE("a page with numbers as text is read, one that lacks parts is not") {
  const auto page = parse_aliyun_page(
      Json::parse(R"({"TotalCount":"1","DomainRecords":{"Record":[{"RecordId":9007199254740993,
        "RR":"api","Type":"A","Value":"192.0.2.1","TTL":"60","Status":"Disable","Priority":5}]}})")
          .value());
  REQUIRE(page.ok());
  CHECK_EQ(page->records.front().id, "9007199254740993");
  CHECK_FALSE(page->records.front().enabled);
  CHECK_EQ(page->records.front().priority, 5);
  CHECK_EQ(page->total, 1);
  for (const char* text :
       {"{}", "[]", R"({"TotalCount":1})", R"({"TotalCount":1,"DomainRecords":{"Record":{}}})",
        R"({"DomainRecords":{"Record":[]}})", R"({"TotalCount":-1,"DomainRecords":{"Record":[]}})",
        R"({"TotalCount":1,"DomainRecords":{"Record":[{"RR":"api"}]}})",
        R"({"TotalCount":1,"DomainRecords":{"Record":["x"]}})"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_aliyun_page(Json::parse(text).value()).ok());
  }
}
