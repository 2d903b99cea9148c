#include "orchestrator/notify/notice_memory.h"

#include <array>
#include <utility>

#include "base/json.h"

namespace pointsman {
namespace {

constexpr std::size_t kKeptMost = 200;

using Fact = std::pair<const char*, std::string NoticeFacts::*>;
constexpr std::array<Fact, 11> kFacts{{{"phase", &NoticeFacts::phase},
                                       {"primary", &NoticeFacts::primary},
                                       {"other", &NoticeFacts::other},
                                       {"published", &NoticeFacts::published},
                                       {"gate", &NoticeFacts::gate},
                                       {"move", &NoticeFacts::move},
                                       {"kind", &NoticeFacts::kind},
                                       {"from", &NoticeFacts::from},
                                       {"to", &NoticeFacts::to},
                                       {"outcome", &NoticeFacts::outcome},
                                       {"took", &NoticeFacts::took}}};

Json json_of(const NoticeItem& item) {
  Json facts = Json::object();
  for (const auto& [key, member] : kFacts) facts.set(key, item.facts.*member);
  return Json::object({{"id", item.id},
                       {"service", item.service},
                       {"rule", item.rule},
                       {"level", static_cast<int>(item.level)},
                       {"detail", item.detail},
                       {"at", item.at.ns},
                       {"since", item.since.ns},
                       {"count", item.count},
                       {"about", item.about},
                       {"facts", std::move(facts)}});
}

Json json_of(const KeptNotice& kept) {
  Json channels = Json::array();
  for (const std::string& name : kept.channels) channels.push(name);
  Json out = json_of(kept.item);
  out.set("channels", std::move(channels));
  return out;
}

template <typename Kept>
Json list_of(const std::vector<Kept>& all) {
  Json list = Json::array();
  for (const Kept& one : all) {
    if (list.as_array().size() < kKeptMost) list.push(json_of(one));
  }
  return list;
}

NoticeItem item_from(const Json& json) {
  NoticeItem item;
  item.id = json.string_or("id");
  item.service = json.string_or("service");
  item.rule = json.string_or("rule");
  const std::int64_t level = json.int_or("level");
  item.level = level == 2 ? Urgency::kUrgent : level == 1 ? Urgency::kWarning : Urgency::kNote;
  item.detail = json.string_or("detail");
  item.at.ns = json.int_or("at");
  item.since.ns = json.int_or("since");
  item.count = static_cast<int>(json.int_or("count", 1));
  item.about = json.string_or("about");
  if (const Json* facts = json.find("facts")) {
    for (const auto& [key, member] : kFacts) item.facts.*member = facts->string_or(key);
  }
  return item;
}

KeptNotice kept_from(const Json& json) {
  KeptNotice kept{item_from(json), {}};
  for (const Json& name : json.array_or_empty("channels")) {
    if (name.is_string()) kept.channels.push_back(name.as_string());
  }
  return kept;
}

}  // namespace

std::string to_text(const NoticeMemory& memory) {
  Json tested = Json::object();
  for (const auto& [name, at] : memory.tested) tested.set(name, at);
  Json moves = Json::object();
  for (const auto& [service, move] : memory.moves) moves.set(service, move);
  return Json::object({{"version", 1},
                       {"kept", list_of(memory.kept)},
                       {"standing", list_of(memory.standing)},
                       {"tested", std::move(tested)},
                       {"moves", std::move(moves)}})
             .dump() +
         "\n";
}

Result<NoticeMemory> notice_memory_from(std::string_view text) {
  const auto json = Json::parse(text);
  if (!json.ok()) return json.error();
  if (json->int_or("version") != 1) return {ErrorCode::kInvalid, "no version that is known here"};
  NoticeMemory memory;
  for (const Json& one : json->array_or_empty("kept")) {
    KeptNotice kept = kept_from(one);
    if (kept.item.id.empty() || kept.item.rule.empty()) {
      return {ErrorCode::kInvalid, "a notice without id or rule"};
    }
    memory.kept.push_back(std::move(kept));
  }
  for (const Json& one : json->array_or_empty("standing")) {
    NoticeItem item = item_from(one);
    if (item.rule.empty()) return {ErrorCode::kInvalid, "a standing notice without a rule"};
    memory.standing.push_back(std::move(item));
  }
  if (const Json* tested = json->find("tested"); tested != nullptr && tested->is_object()) {
    for (const auto& [name, at] : tested->as_object()) {
      if (at.is_int()) memory.tested[name] = at.as_int();
    }
  }
  if (const Json* moves = json->find("moves"); moves != nullptr && moves->is_object()) {
    for (const auto& [service, move] : moves->as_object()) {
      if (move.is_string()) memory.moves[service] = move.as_string();
    }
  }
  return memory;
}

}  // namespace pointsman
