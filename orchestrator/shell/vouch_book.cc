#include "orchestrator/shell/vouch_book.h"

#include <algorithm>
#include "base/planted.h"

namespace pointsman {

void VouchBook::set_service(const std::string& service, VouchTerms terms, Duration widest,
                            Instant now) {
  const bool fresh = !services_.contains(service);
  ServiceBook& book = services_[service];
  book.terms = std::move(terms);
  book.widest = widest;
  if (!fresh) return;
  Duration assumed = std::max(widest, book.terms.lease);
  if (planted(Plant::kWidestForgotten)) assumed = book.terms.lease;
  for (SiteBook& site : book.sites) site.promise.assumed(now, {assumed, kFenceBoundUnarmed});
}

void VouchBook::set_witness(const std::string& service, std::array<Json, kSites> witness,
                            std::uint64_t version) {
  VouchTerms& terms = services_[service].terms;
  terms.witness = std::move(witness);
  terms.witness_version = version;
}

void VouchBook::stop(const std::string& service) { services_[service].wish = {}; }

void VouchBook::wish(const std::string& service, const VouchWish& wish) {
  services_[service].wish = wish;
}

void VouchBook::set_widest(const std::string& service, Duration widest) {
  services_[service].widest = widest;
}

void VouchBook::set_renewal(const std::string& service, int site,
                            std::optional<PrepareRenewal> renewal) {
  ServiceBook& book = services_[service];
  for (SiteBook& each : book.sites) each.renewal.reset();
  if (site >= 0) book.sites.at(static_cast<std::size_t>(site)).renewal = std::move(renewal);
}

void VouchBook::set_hurry(const std::string& service, std::vector<std::string> sites) {
  services_[service].hurry = std::move(sites);
}

bool VouchBook::hurried() const {
  return std::any_of(services_.begin(), services_.end(),
                     [](const auto& each) { return !each.second.hurry.empty(); });
}

bool VouchBook::restored(const ServiceBook& book) const {
  return std::any_of(book.sites.begin(), book.sites.end(), [&](const SiteBook& site) {
    return site.report && site.report->monitor_counter > counter_;
  });
}

std::optional<Vouch> VouchBook::vouch_for(ServiceBook& book, int site) {
  SiteBook& to = book.sites.at(static_cast<std::size_t>(site));
  if (planted(Plant::kTwoReigns) && to.report && to.report->role == Role::kPrimary) {
    book.wish = {site, to.report->reign, false};
  }
  const bool unsure = restored(book) && !planted(Plant::kLapsedVouch);
  if (book.wish.site != site || !book.wish.reign.any() || unsure) return std::nullopt;
  if (!to.token || !to.report) return std::nullopt;
  if (to.report->role != Role::kPrimary || to.report->reign != book.wish.reign) {
    return std::nullopt;
  }
  // A reign whose lease has lapsed is opened again only when both agents answered in this run: this
  // monitor may have been restored, and the other may know better.
  const bool open = to.report->lease_rest > Duration::zero();
  const bool both = std::all_of(book.sites.begin(), book.sites.end(),
                                [](const SiteBook& each) { return each.report.has_value(); });
  if (!open && !both && !planted(Plant::kLapsedVouch)) return std::nullopt;

  Vouch vouch;
  vouch.lone = book.wish.lone && book.widest >= book.terms.lone_lease;
  vouch.lease = vouch.lone ? book.terms.lone_lease : book.terms.lease;
  if (vouch.lease > book.widest) return std::nullopt;
  vouch.number = ++to.number;
  vouch.reign = book.wish.reign;
  vouch.token = *to.token;
  to.promise.made(vouch.number, to.received, {vouch.lease, to.report->fence_bound});
  to.vouched_epoch = std::max(to.vouched_epoch, vouch.reign.epoch);
  return vouch;
}

PollRequest VouchBook::request(const std::string& sender,
                               const std::vector<std::pair<std::string, int>>& services) {
  PollRequest request;
  request.run = run_;
  request.sequence = ++sequence_;
  request.sender = sender;
  request.counter = counter_;
  for (const auto& [name, site] : services) {
    ServiceBook& book = services_[name];
    SiteBook& to = book.sites.at(static_cast<std::size_t>(site));
    ServicePoll poll;
    poll.service = name;
    poll.vouch = vouch_for(book, site);
    poll.renewal = to.renewal;
    poll.lease = book.terms.lease;
    poll.prepare_ttl = book.terms.prepare_ttl;
    poll.spec_version = book.terms.witness_version;
    if (!to.report || to.report->spec_version != book.terms.witness_version) {
      poll.witness = book.terms.witness.at(static_cast<std::size_t>(site));
    }
    poll.hurry = book.hurry;
    request.services.push_back(std::move(poll));
  }
  return request;
}

void VouchBook::address(Order& order, int site, Instant now) {
  ServiceBook& book = services_[order.service];
  SiteBook& to = book.sites.at(static_cast<std::size_t>(site));
  order.run = run_;
  order.sequence = ++sequence_;
  order.counter = counter_;
  order.lease = book.terms.lease;
  order.prepare_ttl = book.terms.prepare_ttl;
  if (to.token) order.token = *to.token;
  if (order.dry_run || order.verb != Verb::kAdopt || order.site != order.power) return;
  const Duration bound = to.report ? to.report->fence_bound : kFenceBoundUnarmed;
  to.promise.made(++to.number, to.token ? to.received : now, {book.terms.lease, bound});
  to.vouched_epoch = std::max(to.vouched_epoch, order.reign.epoch);
}

bool VouchBook::heard(SiteReply reply, Instant now) {
  SiteBook& from = services_[reply.service].sites.at(static_cast<std::size_t>(reply.site));
  if (reply.sequence <= from.last_sequence) return false;
  from.last_sequence = reply.sequence;
  from.received = now;
  from.report = std::move(reply.report);
  const ServiceReport& report = *from.report;
  from.token = report.token;
  if (report.monitor_run == run_ && report.monitor_vouch > 0) {
    from.promise.superseded(report.monitor_vouch, now + closing_length(report.fence_bound));
  }
  if (report.fenced > 0 && report.fenced >= from.vouched_epoch &&
      report.fenced >= report.reign.epoch && report.role == Role::kFenced) {
    from.promise.released();
  }
  return true;
}

Instant VouchBook::promise_end(const std::string& service, int site) const {
  const auto found = services_.find(service);
  if (found == services_.end()) return Instant::never();
  return found->second.sites.at(static_cast<std::size_t>(site)).promise.end();
}

bool VouchBook::knows_token(const std::string& service, int site) const {
  const auto found = services_.find(service);
  return found != services_.end() &&
         found->second.sites.at(static_cast<std::size_t>(site)).token.has_value();
}

bool VouchBook::only_ordinary(const std::string& service, Instant now) const {
  const auto found = services_.find(service);
  if (found == services_.end()) return false;
  const ServiceBook& book = found->second;
  if (book.wish.lone) return false;
  const Duration ordinary = promise_length({book.terms.lease, kFenceBoundUnarmed});
  return std::all_of(book.sites.begin(), book.sites.end(),
                     [&](const SiteBook& site) { return site.promise.end() <= now + ordinary; });
}

}  // namespace pointsman
