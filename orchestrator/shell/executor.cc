#include "orchestrator/shell/executor.h"

#include <future>

#include "base/crash_point.h"
#include "base/json.h"
#include "base/log.h"
#include "orchestrator/shell/agent_view.h"

namespace pointsman {
namespace {

constexpr Duration kOrderWithin = 1s;
constexpr Duration kAskWithin = 1s;
constexpr Duration kRenderMore = 2s;       // What a rendering asks beside one reading.
constexpr Duration kRenderedWithin = 12s;  // Somebody waits for it at a terminal.

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

LogLevel level_of(NoticeLevel level) {
  switch (level) {
    case NoticeLevel::kNote: return LogLevel::kNotice;
    case NoticeLevel::kWarning: return LogLevel::kWarning;
    case NoticeLevel::kUrgent: return LogLevel::kError;
  }
  return LogLevel::kNotice;
}

std::string agent_key(const std::string& service, int site) {
  return "agent/" + service + "/" + std::to_string(site);
}

}  // namespace

RealExecutor::RealExecutor(Parts parts)
    : clock_(parts.clock),
      outside_(parts.outside),
      book_(parts.book),
      tls_(std::move(parts.tls)),
      sender_(std::move(parts.sender)),
      sink_(std::move(parts.sink)),
      tell_people_(std::move(parts.tell_people)) {
  for (const auto& [name, service] : outside_) {
    lanes_["ask/" + name] = std::make_unique<Lane>("ask-" + name);
    for (int site = 0; site < kSites; ++site) {
      const std::string key = agent_key(name, site);
      lanes_[key] = std::make_unique<Lane>("order-" + name);
      TlsIdentity identity = tls_;
      identity.peer_name = service.policy.sites.at(static_cast<std::size_t>(site)).name;
      clients_[key] = std::make_unique<HttpClient>(identity);
      told_[key];
    }
  }
}

RealExecutor::~RealExecutor() { lanes_.clear(); }

Lane& RealExecutor::agent_lane(const std::string& service, int site) {
  return *lanes_.at(agent_key(service, site));
}

Lane& RealExecutor::asking_lane(const std::string& service) { return *lanes_.at("ask/" + service); }

Result<OrderReply> RealExecutor::deliver(const std::string& service, const SendOrder& order,
                                         bool dry_run, Duration within) {
  const ServiceOutside& outside = outside_.at(service);
  Order wire = order_of(outside.policy, order);
  wire.sender = sender_;
  wire.dry_run = dry_run;
  const Instant asked = clock_.now();
  const bool known = book_.with([&](VouchBook& book) {
    book.address(wire, order.site, asked);
    return book.knows_token(service, order.site);
  });
  if (!known)
    return {ErrorCode::kUnavailable, "the agent of " + wire.site + " has not answered yet"};
  HttpRequest http;
  http.method = "POST";
  http.url = outside.agent_urls.at(static_cast<std::size_t>(order.site)) + "/v1/order";
  http.headers = {{"content-type", "application/json"}};
  http.body = to_json(wire).dump();
  const auto answer = clients_.at(agent_key(service, order.site))->exchange(http, within);
  if (!answer.ok()) return answer.error();
  if (answer->status != 200) {
    return {ErrorCode::kRefused, "HTTP " + std::to_string(answer->status) + " from the agent of " +
                                     wire.site + ": " + answer->body.substr(0, 300)};
  }
  const auto json = Json::parse(answer->body);
  if (!json.ok()) return json.error();
  auto reply = order_reply_from(*json);
  if (!reply.ok() || dry_run) return reply;
  const bool news = book_.with([&](VouchBook& book) {
    return book.heard({service, order.site, reply->report, wire.sequence}, clock_.now());
  });
  if (news) {
    sink_(service, AgentHeard{order.site, view_of(outside.policy, reply->report), asked});
  }
  return reply;
}

void RealExecutor::send(const std::string& service, const SendOrder& order) {
  crash_point("before-order", to_string(order.kind));
  const auto reply = deliver(service, order, false, kOrderWithin);
  crash_point("after-order", to_string(order.kind));
  OrderAnswered answered;
  answered.site = order.site;
  answered.kind = order.kind;
  answered.reached = reply.ok();
  answered.accepted = reply.ok() && reply->accepted;
  answered.reason = reply.ok() ? reply->reason : reply.error().message;
  const std::string text = std::string(to_string(order.kind)) + " " +
                           std::to_string(order.reign.epoch) + " " + answered.reason;
  // An order may be repeated for days; what it meets is told when it changes.
  if (std::string& last = told_.at(agent_key(service, order.site)); last != text) {
    last = text;
    log(answered.accepted ? LogLevel::kInfo : LogLevel::kNotice,
        answered.accepted ? "order-accepted" : "order-not-accepted",
        {{"service", service},
         {"verb", to_string(order.kind)},
         {"site", outside_.at(service).policy.sites.at(static_cast<std::size_t>(order.site)).name},
         {"epoch", order.reign.epoch},
         {"move", order.move},
         {"reason", answered.reason}});
  }
  sink_(service, answered);
}

void RealExecutor::on_lane(Lane& lane, const std::string& service, const Command& command) {
  const bool on_providers_lane = &lane != &asking_lane(service);
  auto job = [this, service, command, on_providers_lane] {
    ServiceOutside& outside = outside_.at(service);
    const auto publisher = [&](int record) -> Publisher& {
      return *outside.publishers.at(static_cast<std::size_t>(record));
    };
    std::visit(Overloaded{
                   [&](const SendOrder& order) { send(service, order); },
                   [&](const PublishRecord& order) {
                     Publisher& asked = publisher(order.record);
                     PublishAnswered done = asked.publish(order, asked.limits().change);
                     const bool accepted = done.accepted;
                     sink_(service, std::move(done));
                     // Only now: the loop waits for the answer, not for the list.
                     if (accepted) asked.find_authorities(asked.limits().reading);
                   },
                   [&](const AskAuthorities& order) {
                     Publisher& asked = publisher(order.record);
                     // By the provider's API: this runs on its lane (start()), or is too early.
                     sink_(service, on_providers_lane ? asked.ask_api(order, asked.limits().reading)
                                                      : asked.ask(order, kAskWithin));
                   },
                   [&](const ReadRecord& order) {
                     Publisher& asked = publisher(order.record);
                     const Duration within = asked.limits().reading;
                     RecordRead read = asked.read(order.record, within);
                     const int site = read.site;
                     const bool read_well = read.readable;
                     sink_(service, std::move(read));
                     if (read_well) asked.find_authorities(within);
                     // What was read is the answer, where the API has the last word.
                     if (asked.asks_api()) return;
                     asking_lane(service).give([this, service, order, site] {
                       outside_.at(service)
                           .publishers.at(static_cast<std::size_t>(order.record))
                           ->ask({order.record, site, ""}, kAskWithin);
                     });
                   },
                   [&](const Notice&) {},
               },
               command);
  };
  // Reads come round again; a publication that waited for those of many services would be late,
  // and so would the word that it is done. But a provider that never agrees is asked for ever.
  const bool soon = on_providers_lane && std::holds_alternative<AskAuthorities>(command);
  const bool taken = std::holds_alternative<PublishRecord>(command)
                         ? lane.give_first(std::move(job))
                     : soon ? lane.give_soon(std::move(job))
                            : lane.give(std::move(job));
  if (!taken) log(LogLevel::kError, "lane-full", {{"service", service}});
}

void RealExecutor::start(const std::string& service, const Command& command) {
  ServiceOutside& outside = outside_.at(service);
  if (const auto* notice = std::get_if<Notice>(&command)) {
    log(level_of(notice->level), notice->rule, {{"service", service}, {"text", notice->text}});
    if (tell_people_) tell_people_(service, *notice);
    return;
  }
  if (const auto* order = std::get_if<SendOrder>(&command)) {
    on_lane(agent_lane(service, order->site), service, command);
  } else if (const auto* publish = std::get_if<PublishRecord>(&command)) {
    on_lane(*outside.publisher_lanes.at(static_cast<std::size_t>(publish->record)), service,
            command);
  } else if (const auto* read = std::get_if<ReadRecord>(&command)) {
    on_lane(*outside.publisher_lanes.at(static_cast<std::size_t>(read->record)), service, command);
  } else if (const auto* ask = std::get_if<AskAuthorities>(&command);
             ask != nullptr &&
             outside.publishers.at(static_cast<std::size_t>(ask->record))->asks_api()) {
    on_lane(*outside.publisher_lanes.at(static_cast<std::size_t>(ask->record)), service, command);
  } else {
    on_lane(asking_lane(service), service, command);
  }
}

RenderedStep RealExecutor::rehearse_order(const std::string& service, const SendOrder& order) {
  RenderedStep step;
  step.step = to_string(order.kind);
  std::promise<Result<OrderReply>> promise;
  auto future = promise.get_future();
  auto job = [this, service, order, owned = std::move(promise)]() mutable {
    owned.set_value(deliver(service, order, true, kOrderWithin));
  };
  if (!agent_lane(service, order.site).give(std::move(job)) ||
      future.wait_for(std::chrono::seconds(3)) != std::future_status::ready) {
    step.problem = "the agent's lane is busy";
    return step;
  }
  const auto reply = future.get();
  if (!reply.ok()) {
    step.problem = reply.error().message;
    return step;
  }
  const std::string& site =
      outside_.at(service).policy.sites.at(static_cast<std::size_t>(order.site)).name;
  for (const std::string& text : reply->rendered) step.writes.push_back(site + ": " + text);
  if (!reply->accepted) step.problem = reply->reason;
  return step;
}

RenderedStep RealExecutor::rehearse_record(const std::string& service, std::size_t index, int to,
                                           const Reign& reign) {
  RenderedStep step;
  step.step = "publish";
  ServiceOutside& outside = outside_.at(service);
  std::promise<Result<std::vector<std::string>>> promise;
  auto future = promise.get_future();
  auto job = [&outside, index, to, reign, owned = std::move(promise)]() mutable {
    Publisher& asked = *outside.publishers.at(index);
    owned.set_value(asked.render(to, reign, asked.limits().reading + kRenderMore));
  };
  if (!outside.publisher_lanes.at(index)->give(std::move(job)) ||
      future.wait_for(kRenderedWithin) != std::future_status::ready) {
    step.problem = "the provider's lane is busy";
    return step;
  }
  auto rendered = future.get();
  if (!rendered.ok()) {
    step.problem = rendered.error().message;
  } else {
    step.writes = std::move(*rendered);
  }
  return step;
}

RenderedStep RealExecutor::rehearse_survey(const std::string& service, const SendOrder& survey,
                                           Duration within) {
  const Instant until = clock_.now() + within;
  for (;;) {
    RenderedStep step = rehearse_order(service, survey);
    if (step.problem != "surveying" || clock_.now() > until) return step;
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
  }
}

std::vector<RenderedStep> RealExecutor::rehearse(const std::string& service,
                                                 const Rehearsal& move) {
  std::vector<RenderedStep> steps;
  const ServiceOutside& outside = outside_.at(service);
  const auto order = [&](int site, OrderKind kind) {
    if (!outside.policy.agents) return;
    SendOrder one;
    one.site = site;
    one.kind = kind;
    one.reign = move.reign;
    one.power = move.to;
    one.move = "dry-run";
    steps.push_back(rehearse_order(service, one));
  };
  const auto publish = [&] {
    for (std::size_t k = 0; k < outside.publishers.size(); ++k) {
      steps.push_back(rehearse_record(service, k, move.to, move.reign));
    }
  };
  order(move.to, OrderKind::kPrepare);
  if (!move.planned) publish();
  order(move.from, OrderKind::kFence);
  order(move.to, OrderKind::kPromote);
  if (!move.planned) return steps;
  publish();
  order(move.from, OrderKind::kFollow);
  return steps;
}

void DryExecutor::start(const std::string& service, const Command& command) {
  const bool reads = std::holds_alternative<ReadRecord>(command) ||
                     std::holds_alternative<AskAuthorities>(command) ||
                     std::holds_alternative<Notice>(command);
  if (reads) {
    RealExecutor::start(service, command);
    return;
  }
  const auto* order = std::get_if<SendOrder>(&command);
  if (order == nullptr || order->kind != OrderKind::kPrepare) return;
  std::string& rendered = rendered_[service];
  if (rendered == order->move) return;
  rendered = order->move;
  // The move would begin here: all of it is rendered at once, on a lane, and then it ends.
  asking_lane(service).give([this, service, first = *order] { render(service, first); });
}

void DryExecutor::render(const std::string& service, const SendOrder& first) {
  for (const RenderedStep& step :
       rehearse(service, {1 - first.site, first.site, first.reign, false})) {
    for (const std::string& text : step.writes) {
      log(LogLevel::kNotice, "dry-run-write",
          {{"service", service}, {"step", step.step}, {"text", text}});
    }
    if (!step.problem.empty()) {
      log(LogLevel::kNotice, "dry-run-problem",
          {{"service", service}, {"step", step.step}, {"problem", step.problem}});
    }
  }
  OrderAnswered answered;
  answered.site = first.site;
  answered.kind = first.kind;
  answered.reason = "rendered, not sent";
  tell(service, answered);
}

}  // namespace pointsman
