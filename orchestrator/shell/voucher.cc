#include "orchestrator/shell/voucher.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>

#include "base/crypto.h"
#include "base/json.h"
#include "base/log.h"

namespace pointsman {

struct Voucher::Poller {
  AgentAddress agent;
  std::thread thread;
  std::mutex mutex;
  std::condition_variable wake;  // Only to end early.
  std::atomic<bool> ending{false};
  bool silent = false;
};

namespace {
constexpr Duration kPollWithin = 500ms;
}  // namespace

PollRequest only_asking(PollRequest request, std::uint64_t counter) {
  request.dry_run = true;
  request.counter = counter;
  for (ServicePoll& poll : request.services) {
    poll.vouch.reset();
    poll.renewal.reset();
  }
  return request;
}

Voucher::Voucher(Parts parts)
    : clock_(parts.clock),
      sender_(std::move(parts.sender)),
      tls_(std::move(parts.tls)),
      heard_(std::move(parts.heard)),
      silent_(std::move(parts.silent)),
      book_(random_id()) {}

Voucher::~Voucher() { end(); }

void Voucher::watch(std::vector<AgentAddress> agents) {
  for (AgentAddress& agent : agents) {
    auto poller = std::make_unique<Poller>();
    poller->agent = std::move(agent);
    Poller& started = *poller;
    pollers_.push_back(std::move(poller));
    started.thread = std::thread([this, &started] { poll_for_ever(started); });
  }
}

void Voucher::end() {
  for (auto& poller : pollers_) {
    poller->ending = true;
    poller->wake.notify_all();
  }
  for (auto& poller : pollers_) {
    if (poller->thread.joinable()) poller->thread.join();
  }
  pollers_.clear();
}

void Voucher::poll_for_ever(Poller& poller) {
  TlsIdentity tls = tls_;
  tls.peer_name = poller.agent.site;
  HttpClient client(tls);
  Instant next = clock_.now();
  while (!poller.ending) {
    poll_once(poller, client);
    const bool hurried = book_.with([](VouchBook& book) { return book.hurried(); });
    const Duration interval = hurried ? poller.agent.hurry_interval : poller.agent.poll_interval;
    const Instant now = clock_.now();
    next = std::max(next + interval, now);
    // While a move is on the pause is cut into short ones: hurry begins at once.
    while (!poller.ending && clock_.now() < next) {
      std::unique_lock lock(poller.mutex);
      poller.wake.wait_for(lock, std::min<Duration>(next - clock_.now(), 50ms));
      lock.unlock();
      if (!hurried && book_.with([](VouchBook& book) { return book.hurried(); })) break;
    }
    if (clock_.now() < next) next = clock_.now();
  }
}

void Voucher::poll_once(Poller& poller, HttpClient& client) {
  const Instant asked = clock_.now();
  PollRequest request =
      book_.with([&](VouchBook& book) { return book.request(sender_, poller.agent.services); });
  if (dry_counter_) request = only_asking(std::move(request), *dry_counter_);
  HttpRequest http;
  http.method = "POST";
  http.url = poller.agent.url + "/v1/poll";
  http.headers = {{"content-type", "application/json"}};
  http.body = to_json(request).dump();
  const auto answer = client.exchange(http, kPollWithin);
  std::string problem;
  if (!answer.ok()) {
    problem = answer.error().message;
  } else if (answer->status != 200) {
    problem = "HTTP " + std::to_string(answer->status) + " " + answer->body.substr(0, 200);
  } else if (const auto json = Json::parse(answer->body); !json.ok()) {
    problem = json.error().message;
  } else if (const auto reply = poll_reply_from(*json); !reply.ok()) {
    problem = reply.error().message;
  } else {
    const Instant now = clock_.now();
    for (const ServiceReport& report : reply->services) {
      for (const auto& [service, site] : poller.agent.services) {
        if (service != report.service) continue;
        const bool news = book_.with([&, name = service, at = site](VouchBook& book) {
          return book.heard({name, at, report, request.sequence}, now);
        });
        if (news) heard_({service, site, report, asked});
      }
    }
  }
  if (poller.silent != !problem.empty()) {
    poller.silent = !problem.empty();
    log(poller.silent ? LogLevel::kWarning : LogLevel::kNotice,
        poller.silent ? "agent-silent" : "agent-answers",
        {{"site", poller.agent.site}, {"url", poller.agent.url}, {"problem", problem}});
  }
  if (problem.empty()) return;
  for (const auto& [service, site] : poller.agent.services) silent_(service, site, problem);
}

}  // namespace pointsman
