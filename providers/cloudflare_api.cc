#include "providers/cloudflare_api.h"

#include <algorithm>

#include <fmt/format.h>

namespace pointsman {
namespace {

constexpr std::int64_t kPageSize = 50;  // More than that, lists of zones do not take.
constexpr int kPagesMost = 10;
constexpr std::size_t kCodesMost = 16;  // Of one answer.
constexpr std::size_t kWordsMost = 200;

// One error, or a link of the chain behind one.
void add_code(const ApiCaller& caller, const Json& told, CloudflareFailure& failure,
              std::string& text) {
  if (failure.codes.size() >= kCodesMost) return;
  const std::int64_t code = told.int_or("code");
  failure.codes.push_back(static_cast<int>(std::clamp<std::int64_t>(code, 0, 1'000'000'000)));
  text += fmt::format("{} {}", code, caller.words(told.string_or("message"), kWordsMost));
}

void add_codes(const ApiCaller& caller, const Json& told, CloudflareFailure& failure,
               std::string& text) {
  if (!text.empty()) text += ", ";
  add_code(caller, told, failure, text);
  for (const Json& inner : told.array_or_empty("error_chain")) {
    if (failure.codes.size() >= kCodesMost) return;
    text += " (";
    add_code(caller, inner, failure, text);
    text += ')';
  }
}

std::optional<ErrorCode> code_of(int code) {
  switch (code) {
    case kCloudflareNoRecord:
    case kCloudflareNoRoute:
    case 7000: return ErrorCode::kNotFound;
    case kCloudflareRecordExists:
    case kCloudflareIdentical:
    case 81053:
    case 81054: return ErrorCode::kConflict;
    case 1000:
    case 6003:
    case 6111:
    case 9106:
    case 9109:
    case 10000: return ErrorCode::kRefused;
    case 1004: return ErrorCode::kInvalid;
    default: return std::nullopt;
  }
}

std::string advice(ErrorCode code) {
  return code == ErrorCode::kRefused
             ? "; is the token right, still valid, allowed from this address, and has it DNS Write "
               "on this zone?"
             : "";
}

CloudflareFailure read_failure(const ApiCaller& caller, const ApiAnswer& answer, bool writes) {
  CloudflareFailure out;
  std::string text;
  for (const Json& told : answer.body.array_or_empty("errors")) {
    if (out.codes.size() < kCodesMost) add_codes(caller, told, out, text);
  }
  if (answer.well()) {
    // Neither a success nor a refusal that could be told apart: for a write, look what stands
    // there.
    out.error = caller.error(writes ? ErrorCode::kTimeout : ErrorCode::kUnavailable,
                             fmt::format("HTTP {} without success: {}", answer.status,
                                         text.empty() ? "no error named" : text));
  } else {
    out.error = caller.status_error(answer.status, text);
  }
  for (const int code : out.codes) {
    const auto known = code_of(code);
    if (known && !(answer.well() && writes)) {
      out.error.code = *known;
      break;
    }
  }
  out.error.message += advice(out.error.code);
  return out;
}

}  // namespace

bool CloudflareFailure::has(int code) const {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

bool cloudflare_throttled(const ApiAnswer& answer) {
  const auto& errors = answer.body.array_or_empty("errors");
  return !answer.well() && std::any_of(errors.begin(), errors.end(), [](const Json& told) {
    const std::int64_t code = told.int_or("code");
    return code == 971 || code == 10429;
  });
}

CloudflareOutcome cloudflare_call(ApiCaller& caller, ApiRequest request, Instant deadline) {
  CloudflareOutcome out;
  auto answer = caller.call(request, deadline);
  if (!answer.ok()) {
    out.failure.error = answer.error();
    return out;
  }
  const Json* success = answer->body.find("success");
  const bool yes = success != nullptr && success->is_bool() && success->as_bool();
  if (answer->well() && yes && answer->body.find("result") != nullptr) {
    out.body = std::move(answer->body);
  } else {
    out.failure = read_failure(caller, *answer, request.writes);
  }
  return out;
}

CloudflareList cloudflare_list(ApiCaller& caller, const std::string& target, CloudflareTurn turn) {
  CloudflareList out;
  const auto fail = [&](ErrorCode code, std::string_view why) {
    out.failure = CloudflareFailure{caller.error(code, fmt::format("{}: {}", target, why))};
    return std::move(out);
  };
  for (int page = 1; page <= kPagesMost; ++page) {
    ApiRequest request;
    request.target = fmt::format("{}&per_page={}&page={}", target, kPageSize, page);
    request.of_move = turn.of_move;
    auto outcome = cloudflare_call(caller, std::move(request), turn.deadline);
    if (!outcome.body) {
      out.failure = std::move(outcome.failure);
      return out;
    }
    const Json* result = outcome.body->find("result");
    if (!result->is_array()) return fail(ErrorCode::kUnavailable, "result is no list");
    const auto& entries = result->as_array();
    out.entries.insert(out.entries.end(), entries.begin(), entries.end());
    const Json* about = outcome.body->find("result_info");
    const std::int64_t pages = about == nullptr ? 0 : about->int_or("total_pages");
    const std::int64_t total = about == nullptr ? 0 : about->int_or("total_count");
    const auto size = static_cast<std::int64_t>(entries.size());
    const auto so_far = static_cast<std::int64_t>(out.entries.size());
    const bool last =
        size < kPageSize || (pages > 0 && page >= pages) || (total > 0 && so_far >= total);
    if (!last) continue;
    // Of a list with holes nothing is known, least of all that a record is absent.
    if (so_far < total || page < pages) {
      return fail(
          ErrorCode::kUnavailable,
          fmt::format("{} entries on {} pages came, told: {} on {}", so_far, page, total, pages));
    }
    return out;
  }
  return fail(ErrorCode::kConflict, fmt::format("more than {} entries", kPageSize * kPagesMost));
}

ApiRequest cloudflare_write(const CloudflarePlan& plan, const std::string& zone_id) {
  ApiRequest request;
  request.writes = request.of_move = true;
  const std::string records = fmt::format("/zones/{}/dns_records", zone_id);
  if (plan.size() == 1 && plan.deletes.empty()) {
    const bool patch = !plan.patches.empty();
    const Json& body = patch ? plan.patches.front() : plan.posts.front();
    request.method = patch ? "PATCH" : "POST";
    request.target = patch ? fmt::format("{}/{}", records, body.string_or("id")) : records;
    Json::Object members;
    for (const Json::Member& member : body.as_object()) {
      if (member.first != "id") members.push_back(member);
    }
    request.body = Json::from_members(std::move(members)).dump();
    return request;
  }
  Json body = Json::object();
  Json deletes = Json::array();
  for (const std::string& id : plan.deletes) deletes.push(Json::object({{"id", id}}));
  if (!plan.deletes.empty()) body.set("deletes", std::move(deletes));
  if (!plan.patches.empty()) body.set("patches", Json(plan.patches));
  if (!plan.posts.empty()) body.set("posts", Json(plan.posts));
  request.method = "POST";
  request.target = records + "/batch";
  request.body = body.dump();
  return request;
}

}  // namespace pointsman
