#include "orchestrator/shell/api.h"

#include <algorithm>

#include "base/log.h"
#include "base/metrics.h"
#include "orchestrator/shell/api_order.h"
#include "orchestrator/shell/outlook.h"

namespace pointsman {
namespace {

constexpr Duration kAskWithin = 5s;
constexpr const char* kRunsDry = "this daemon runs dry: only dry runs are done";

HttpReply json_reply(int status, const Json& json) {
  HttpReply reply;
  reply.status = status;
  reply.body = json.dump() + "\n";
  reply.headers = {{"cache-control", "no-store"}};
  return reply;
}

// For what is no page: nothing in it is to be run, framed or embedded, whatever it looks like.
void seal(HttpReply& reply) {
  reply.headers.emplace_back("content-security-policy",
                             "default-src 'none'; frame-ancestors 'none'");
  reply.headers.emplace_back("cross-origin-resource-policy", "same-origin");
}

// Whether people will want to look closely.
bool is_busy(const ServiceSnapshot& shot) {
  return shot.state.move.has_value() || shot.state.phase == Phase::kSuspect;
}

}  // namespace

Api::Api(Parts parts)
    : parts_(std::move(parts)),
      entrance_(parts_.clock, parts_.tokens, parts_.tls),
      events_({parts_.clock, [this] {
                 const auto all = parts_.loop.snapshot();
                 const bool busy = std::any_of(
                     all.begin(), all.end(), [](const auto& each) { return is_busy(each.second); });
                 return Events::State{services_json(true).dump(), busy};
               }}) {}

void Api::serve(HttpServer& server) {
  open_route(server, "GET", "/healthz", &Api::health);
  open_route(server, "GET", "/readyz", &Api::ready);
  if (parts_.metrics) route(server, "GET", "/metrics", &Api::metrics);
  route(server, "GET", "/api/v1/services", &Api::services);
  route(server, "GET", "/api/v1/services/{service}", &Api::service);
  route(server, "GET", "/api/v1/services/{service}/explain", &Api::explain);
  route(server, "GET", "/api/v1/history", &Api::history);
  route(server, "GET", "/api/v1/history/verify", &Api::verify);
  route(server, "GET", "/api/v1/moves/{id}", &Api::move);
  for (const char* word : {"failover", "switchover", "adopt", "cancel", "pause", "resume", "ack"}) {
    route(server, "POST", (std::string("/api/v1/services/{service}/") + word).c_str(), &Api::order);
  }
  route(server, "POST", "/api/v1/pause", &Api::order_all);
  route(server, "POST", "/api/v1/resume", &Api::order_all);
  // These ask the entrance themselves.
  open_route(server, "GET", "/api/v1/events", &Api::events);
  open_route(server, "GET", "/api/v1/session", &Api::session);
  open_route(server, "POST", "/api/v1/session", &Api::log_in);
  open_route(server, "DELETE", "/api/v1/session", &Api::log_out);
}

void Api::open_route(HttpServer& server, const char* method, const char* path, Handler handler) {
  server.route(method, path, [this, handler](const HttpCall& call) {
    HttpReply reply = (this->*handler)(call);
    seal(reply);
    return reply;
  });
}

void Api::route(HttpServer& server, const char* method, const char* path, Handler handler) {
  if (parts_.trusted) return open_route(server, method, path, handler);
  server.route(method, path, [this, handler](const HttpCall& call) {
    auto guest = entrance_.admit(call);
    auto* refusal = std::get_if<HttpReply>(&guest);
    HttpReply reply = refusal != nullptr ? std::move(*refusal) : (this->*handler)(call);
    seal(reply);
    return reply;
  });
}

HttpReply Api::session(const HttpCall& call) {
  if (!parts_.trusted) return entrance_.tell_session(call);
  return json_reply(200,
                    Json::object({{"role", "operator"}, {"csrf", Json()}, {"expires_s", Json()}}));
}

HttpReply Api::log_in(const HttpCall& call) {
  if (!parts_.trusted) return entrance_.log_in(call);
  return problem(400, "Bad Request",
                 "nobody logs in at the control socket: it is open to its users");
}

HttpReply Api::log_out(const HttpCall& call) {
  if (!parts_.trusted) return entrance_.log_out(call);
  return problem(400, "Bad Request", "there are no sessions at the control socket");
}

HttpReply Api::events(const HttpCall& call) {
  if (parts_.trusted) return events_.open(call.peer_source, [] { return true; });
  auto admitted = entrance_.admit(call);
  if (auto* refusal = std::get_if<HttpReply>(&admitted)) return std::move(*refusal);
  const Guest guest = std::get<Guest>(std::move(admitted));
  return events_.open(guest.who, [this, guest] { return entrance_.stays(guest); });
}

Json Api::services_json(bool explained) {
  const auto all = parts_.loop.snapshot();
  const WallTime wall = parts_.clock.wall();
  Json list = Json::array();
  bool harmless = true;
  for (const auto& [name, shot] : all) {
    Json one = service_json(shot, parts_.outside.at(name), wall);
    harmless = harmless && one.bool_or("restart_harmless");
    if (explained) one.set("explain", explain_json(shot));
    list.push(std::move(one));
  }
  const std::string store = parts_.loop.store_problem();
  const Duration still = std::max(parts_.clock.now() - parts_.loop.last_turn(), Duration::zero());
  Json monitor =
      Json::object({{"name", parts_.monitor},
                    {"version", PM_VERSION},
                    {"dry_run", parts_.dry_run},
                    {"restart_harmless", harmless},
                    {"blind", parts_.loop.is_late() ? "this monitor's own loop was late" : ""},
                    {"state", store.empty() ? "ok" : store},
                    {"at", format_wall(wall)},
                    {"age_s", seconds(still)}});
  return Json::object({{"monitor", std::move(monitor)}, {"services", std::move(list)}});
}

HttpReply Api::services(const HttpCall& call) {
  return json_reply(200, services_json(!call.parameter("explain").empty()));
}

HttpReply Api::service(const HttpCall& call) {
  const auto all = parts_.loop.snapshot();
  const auto found = all.find(call.parameter("service"));
  if (found == all.end()) return problem(404, "Not Found", "no service of that name");
  return json_reply(
      200, service_json(found->second, parts_.outside.at(found->first), parts_.clock.wall()));
}

HttpReply Api::explain(const HttpCall& call) {
  const auto all = parts_.loop.snapshot();
  const auto found = all.find(call.parameter("service"));
  if (found == all.end()) return problem(404, "Not Found", "no service of that name");
  Wanted wanted = automatic_move(found->second.state);
  wanted.planned = call.parameter("kind") == "switchover";
  wanted.automatic = !wanted.planned && call.parameter("by") != "operator";
  return json_reply(200, explain_json(found->second, wanted));
}

HttpReply Api::history(const HttpCall& call) {
  HistoryQuery query;
  query.service = call.parameter("service");
  if (const std::string limit = call.parameter("limit"); !limit.empty()) {
    query.limit = std::clamp(std::atoi(limit.c_str()), 1, 1000);
  }
  const auto journal = parts_.saver.with([&](Store& store) { return store.journal(query); });
  if (!journal.ok()) return problem(503, "Service Unavailable", journal.error().message);
  const auto moves = parts_.saver.with([&](Store& store) { return store.moves(query); });
  if (!moves.ok()) return problem(503, "Service Unavailable", moves.error().message);
  Json list = Json::array();
  for (const MoveRow& row : *moves) {
    auto json = Json::parse(row.json);
    if (json.ok()) list.push(Json::object({{"move", std::move(*json)}}));
  }
  for (const JournalEntry& entry : *journal) {
    list.push(Json::object({{"number", entry.number},
                            {"at", format_wall(entry.at)},
                            {"service", entry.service},
                            {"kind", entry.kind},
                            {"rule", entry.rule},
                            {"epoch", entry.epoch},
                            {"move", entry.move},
                            {"actor", entry.actor},
                            {"outcome", entry.outcome},
                            {"reason", entry.reason},
                            {"inputs", entry.inputs}}));
  }
  return json_reply(200, Json::object({{"history", std::move(list)}}));
}

HttpReply Api::verify(const HttpCall&) {
  const auto report = parts_.saver.verify();
  if (!report.ok()) return problem(503, "Service Unavailable", report.error().message);
  return json_reply(200, Json::object({{"sound", report->sound},
                                       {"entries", report->entries},
                                       {"problem", report->problem}}));
}

HttpReply Api::move(const HttpCall& call) {
  const std::string id = call.parameter("id");
  for (const auto& [name, shot] : parts_.loop.snapshot()) {
    for (const auto* move : {&shot.state.move, &shot.state.last_move}) {
      if (*move && (*move)->id == id) {
        return json_reply(200, move_json(shot.policy, **move, shot.at, parts_.clock.wall()));
      }
    }
  }
  HistoryQuery query;
  query.move = id;
  query.limit = 1;
  const auto rows = parts_.saver.with([&](Store& store) { return store.moves(query); });
  if (!rows.ok() || rows->empty()) return problem(404, "Not Found", "no move of that id");
  HttpReply reply;
  reply.body = rows->front().json + "\n";
  return reply;
}

HttpReply Api::health(const HttpCall&) {
  const Duration silent = parts_.clock.now() - parts_.loop.last_turn();
  if (silent > 5s) return problem(503, "Service Unavailable", "the loop does not turn");
  return json_reply(200, Json::object({{"status", "ok"}}));
}

HttpReply Api::ready(const HttpCall&) {
  const std::string store = parts_.loop.store_problem();
  if (!store.empty()) return problem(503, "Service Unavailable", "state cannot be saved: " + store);
  return json_reply(200, Json::object({{"status", "ready"}}));
}

HttpReply Api::metrics(const HttpCall&) {
  HttpReply reply;
  reply.content_type = kMetricsType;
  reply.body = parts_.metrics();
  return reply;
}

HttpReply Api::tell(const std::string& service, const Result<OperatorAnswer>& answer) const {
  if (!answer.ok()) return problem(503, "Service Unavailable", answer.error().message);
  if (!answer->accepted) {
    Json json = Json::object({{"type", "about:blank"},
                              {"title", "Refused"},
                              {"status", 409},
                              {"service", service},
                              {"gate", answer->gate},
                              {"detail", answer->text}});
    HttpReply reply = json_reply(409, json);
    reply.content_type = "application/problem+json";
    return reply;
  }
  if (answer->move.empty()) return json_reply(200, Json::object({{"text", answer->text}}));
  return json_reply(202, Json::object({{"move", answer->move}, {"text", answer->text}}));
}

HttpReply Api::order(const HttpCall& call) {
  const auto all = parts_.loop.snapshot();
  const auto found = all.find(call.parameter("service"));
  if (found == all.end()) return problem(404, "Not Found", "no service of that name");
  auto order = read_order(call, found->second.policy);
  if (!order.ok()) return problem(400, "Bad Request", order.error().message);
  if (order->dry_run) return rehearse(found->second, order->asked);
  if (parts_.dry_run) return problem(409, "Refused", kRunsDry);
  return tell(found->first, parts_.loop.ask(found->first, std::move(order->asked), kAskWithin));
}

// Every service is told before any answer is awaited: one that cannot be saved yet keeps no other
// from being paused.
HttpReply Api::order_all(const HttpCall& call) {
  if (parts_.dry_run) return problem(409, "Refused", kRunsDry);
  std::vector<std::pair<std::string, OperatorAsked>> orders;
  for (const auto& [name, shot] : parts_.loop.snapshot()) {
    auto order = read_order(call, shot.policy);
    if (!order.ok()) return problem(400, "Bad Request", order.error().message);
    orders.emplace_back(name, std::move(order->asked));
  }
  std::vector<std::pair<std::string, Result<Loop::Asked>>> given;
  for (auto& [name, asked] : orders) given.emplace_back(name, parts_.loop.give(name, asked));
  const Instant until = parts_.clock.now() + kAskWithin;
  Json services = Json::array();
  std::string text;
  bool all = true;
  for (auto& [name, asked] : given) {
    const Duration rest = std::max(until - parts_.clock.now(), Duration::zero());
    const auto answer =
        asked.ok() ? parts_.loop.await(*asked, rest) : Result<OperatorAnswer>(asked.error());
    const bool done = answer.ok() && answer->accepted;
    const std::string told = answer.ok() ? answer->text : name + ": " + answer.error().message;
    all = all && done;
    text += (text.empty() ? "" : "; ") + told;
    services.push(Json::object({{"service", name}, {"done", done}, {"text", told}}));
  }
  if (all) return json_reply(200, Json::object({{"text", text}, {"services", services}}));
  HttpReply reply = json_reply(503, Json::object({{"type", "about:blank"},
                                                  {"title", "Not done for every service"},
                                                  {"status", 503},
                                                  {"detail", text},
                                                  {"services", std::move(services)}}));
  reply.content_type = "application/problem+json";
  return reply;
}

HttpReply Api::rehearse(const ServiceSnapshot& shot, const OperatorAsked& asked) {
  const ServiceState& s = shot.state;
  if (!s.has_primary()) return problem(409, "Refused", "nobody is in power yet");
  const bool planned = asked.kind == AskKind::kSwitchover;
  const Wanted wanted{false, asked.to < 0 ? s.other(s.primary) : asked.to, asked.forced,
                      asked.asserted_off, planned};
  if (wanted.to == s.primary) return problem(409, "Refused", "that site is in power already");
  const Reign reign{s.issued + 1, std::string(16, '0')};
  Json steps = Json::array();
  for (const RenderedStep& step :
       parts_.executor.rehearse(shot.policy.name, {s.primary, wanted.to, reign, planned})) {
    Json writes = Json::array();
    for (const std::string& text : step.writes) writes.push(text);
    steps.push(Json::object({{"name", step.step},
                             {"state", step.problem.empty() ? "waiting" : "failed"},
                             {"detail", step.problem},
                             {"writes", std::move(writes)}}));
  }
  const auto name = [&](int site) {
    return shot.policy.sites.at(static_cast<std::size_t>(site)).name;
  };
  const Json explained = explain_json(shot, wanted);
  Json plan = Json::object({{"service", shot.policy.name},
                            {"kind", planned ? "switchover" : "failover"},
                            {"outcome", "dry-run"},
                            {"from", name(s.primary)},
                            {"to", name(wanted.to)},
                            {"epoch", reign.epoch},
                            {"expected_s", explained.number_or("expected_s")},
                            {"steps", std::move(steps)}});
  plan.set("expected_from", *explained.find("expected_from"));
  plan.set("refused_by", *explained.find("refused_by"));
  plan.set("gates", *explained.find("gates"));
  return json_reply(200, Json::object({{"plan", std::move(plan)}}));
}

}  // namespace pointsman
