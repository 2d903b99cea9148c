#include "orchestrator/notify/notice_text.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "base/time_of_day.h"
#include "orchestrator/notify/notice_memory.h"

using namespace pointsman;

namespace {

NoticeItem moved() {
  NoticeItem item;
  item.id = "m";
  item.service = "im-api";
  item.rule = "move-ended";
  item.level = Urgency::kWarning;
  item.detail = "im-api: failover to sh done: the record names sh";
  item.at = WallTime{1'714'979'289'000'000'000};
  item.since = WallTime{1'714'979'280'000'000'000};
  item.facts = {"steady", "sh", "hz", "sh", "", "mv1", "failover", "hz", "sh", "done", "6.1 s"};
  return item;
}

std::string since() { return format_local(WallTime{1'714'979'280'000'000'000}); }

}  // namespace

TEST_CASE("texts: what happened, since when, what was done, what to do, how it stands, the link") {
  const NoticeWords en = words_of(moved(), {"en", "monitor-1", "https://m.test/"});
  CHECK_EQ(en.title, "[warning] im-api: failover to sh: done");
  CHECK_EQ(en.text,
           "What: failover to sh done: the record names sh\n"
           "Since: " +
               since() +
               "\n"
               "pointsman: moved im-api from hz to sh in 6.1 s: done\n"
               "Now: if it is not `done`: `pointsman history im-api` says what is left; else look "
               "after hz\n"
               "State: in power sh, users are sent to sh, phase steady\n"
               "Link: https://m.test/\n"
               "From: pointsman on monitor-1");
  const NoticeWords zh = words_of(moved(), {"zh", "monitor-1", ""});
  CHECK_EQ(zh.title, "【警告】im-api：故障切换 到 sh：完成");
  CHECK_EQ(zh.text,
           "详情：failover to sh done: the record names sh\n"
           "开始：" +
               since() +
               "\n"
               "pointsman: 已将 im-api 从 hz 切换到 sh，用时 6.1 s，结果：完成\n"
               "现在请：若结果不是“完成”，用 pointsman history im-api 查看剩余步骤；否则请检查 hz\n"
               "状态：在任站点 sh，用户指向 sh，阶段 稳定\n"
               "来自：pointsman @ monitor-1");
}

TEST_CASE("texts: one that is over, several in one, an unknown rule, hostile words") {
  NoticeItem over = moved();
  over.rule = "sites-apart";
  over.over = true;
  over.over_at = over.at;
  CHECK_EQ(words_of(over, {"en", "m", ""}).title,
           "[note] im-api: over: the sites do not reach each other");
  CHECK_NE(words_of(over, {"en", "m", ""}).text.find("\nOver: "), std::string::npos);

  NoticeItem adopted = moved();
  adopted.facts.kind = "adopt";
  adopted.facts.from.clear();
  CHECK_EQ(words_of(adopted, {"en", "m", ""}).title, "[warning] im-api: adopt of sh: done");
  CHECK_EQ(words_of(adopted, {"zh", "m", ""}).text.find('?'), std::string::npos);

  NoticeItem like = moved();
  like.rule = "record-drift";
  like.count = 7;
  const NoticeMessage several = message_of({moved(), like}, {"en", "m", ""});
  CHECK_EQ(several.title, "[warning] im-api: failover to sh: done (8 notices)");
  CHECK(
      several.text.starts_with("- im-api: failover to sh: done\n"
                               "- im-api: somebody else changed the DNS record (x7)\n\nWhat: "));

  NoticeItem unknown = moved();
  unknown.rule = "something-new";
  unknown.detail = "bad\r\nSubject: x \x1b[31m";
  unknown.facts = {};
  const NoticeWords words = words_of(unknown, {"en", "m", ""});
  CHECK_EQ(words.title, "[warning] im-api: a notice (something-new)");
  CHECK_EQ(words.text.find('\r'), std::string::npos);
  CHECK_EQ(words.text.find('\x1b'), std::string::npos);
  CHECK_EQ(words.text.find("{"), std::string::npos);
}

// Every rule by which the core tells people something has its words, in the table and the manual.
TEST_CASE("texts: every rule of the core has its words") {
  const std::string root = PM_TEST_DATA "/../../";
  std::ifstream manual_file(root + "docs/notices.md");
  const std::string manual{std::istreambuf_iterator<char>(manual_file), {}};
  std::set<std::string> rules;
  const std::regex call("tell\\(([^;]*);");
  const std::regex word("\"([a-z]+(?:-[a-z]+)*)\"");
  for (const auto& entry : std::filesystem::directory_iterator(root + "orchestrator/core")) {
    if (entry.path().extension() != ".cc") continue;
    std::ifstream file(entry.path());
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    for (std::sregex_iterator at(text.begin(), text.end(), call), end; at != end; ++at) {
      const std::string inside = (*at)[1];
      if (inside.find("NoticeLevel::") == std::string::npos) continue;
      for (std::sregex_iterator w(inside.begin(), inside.end(), word), none; w != none; ++w) {
        if ((*w)[1] != "done") rules.insert((*w)[1]);
      }
    }
  }
  CHECK_GE(rules.size(), 17);
  for (const std::string& rule : rules) {
    CHECK_MESSAGE(words_of_rule(rule).rule == rule, rule);
  }
  for (const RuleWords& one : rule_words()) {
    CHECK_MESSAGE(manual.find("`" + std::string(one.rule) + "`") != std::string::npos, one.rule);
    if (*one.ends != '\0') CHECK(words_of_rule(one.ends).lasting);
  }
}

TEST_CASE("memory: what is kept comes back, and what is not of our making is refused") {
  NoticeMemory memory;
  NoticeItem item = moved();
  item.detail = "with \"quotes\" and 中文";
  item.level = Urgency::kUrgent;
  memory.kept.push_back({item, {"chat", "mail"}});
  memory.standing.push_back(item);
  memory.moves["im-api"] = "m1";
  memory.tested["chat"] = 1'714'979'289;
  const auto back = notice_memory_from(to_text(memory));
  REQUIRE(back.ok());
  CHECK_EQ(to_text(*back), to_text(memory));
  CHECK_EQ(back->standing.at(0).detail, item.detail);
  CHECK_EQ(back->kept.at(0).channels.size(), 2);
  CHECK_EQ(back->kept.at(0).item.facts.took, "6.1 s");
  CHECK_EQ(back->tested.at("chat"), 1'714'979'289);
  for (const char* bad : {"", "{", "[]", R"({"version":2})", R"({"version":1,"kept":[{}]})"}) {
    CHECK_FALSE(notice_memory_from(bad).ok());
  }
  CHECK(notice_memory_from(R"({"version":1,"kept":null,"tested":3})").ok());
}
