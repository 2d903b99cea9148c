#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

#include "test/support/fake_aliyun.h"

// The zone: what alidns 2015-01-09 does with records.

namespace pointsman {
namespace {

constexpr const char* kRequestId = "536E9CAD-DB30-4647-AC87-AA5CC38C5382";

std::string folded(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

Json to_json(const FakeRecord& record) {
  Json out = Json::object({{"RecordId", record.id},
                           {"DomainName", record.domain},
                           {"RR", record.rr},
                           {"Type", record.type},
                           {"Value", record.value},
                           {"TTL", static_cast<std::int64_t>(record.ttl)},
                           {"Line", record.line},
                           {"Status", record.status},
                           {"Locked", record.locked}});
  if (!record.remark.empty()) out.set("Remark", record.remark);
  if (record.priority != 0) out.set("Priority", static_cast<std::int64_t>(record.priority));
  if (record.weight != 0) out.set("Weight", static_cast<std::int64_t>(record.weight));
  return out;
}

FakeReply done(const std::string& id) {
  return {200, Json::object({{"RequestId", kRequestId}, {"RecordId", id}}).dump()};
}

bool same(const FakeRecord& a, const FakeRecord& b) {
  return a.domain == b.domain && folded(a.rr) == folded(b.rr) && a.type == b.type &&
         a.value == b.value && a.line == b.line;
}

bool clash(const FakeRecord& a, const FakeRecord& b) {
  return a.domain == b.domain && folded(a.rr) == folded(b.rr) && a.line == b.line &&
         a.type != b.type && (a.type == "CNAME" || b.type == "CNAME");
}

bool is_value(const std::string& type, const std::string& value) {
  unsigned char out[16];
  if (type == "A") return inet_pton(AF_INET, value.c_str(), out) == 1;
  if (type == "AAAA") return inet_pton(AF_INET6, value.c_str(), out) == 1;
  return type != "CNAME" || value.find(' ') == std::string::npos;
}

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned>(c) & 0xC0U) != 0x80U;
  }));
}

}  // namespace

FakeReply FakeAliyun::describe(const FakeCall& call) {
  const std::string domain = folded(call.at("DomainName"));
  if (world_.domains.count(domain) == 0) {
    return error(400, "InvalidDomainName.NoExist", "The specified domain name does not exist.");
  }
  const auto number = static_cast<std::size_t>(std::stoul(call.at("PageNumber", "1")));
  const auto size = static_cast<std::size_t>(std::stoul(call.at("PageSize", "20")));
  if (size > 100) return error(400, "InvalidPageSize", "PageSize is above 100.");
  std::vector<FakeRecord> found;
  for (const FakeRecord& record : world_.records) {
    const std::string name = record.rr == "@" ? record.domain : record.rr + "." + record.domain;
    if (record.domain != domain || folded(name) != folded(call.at("SubDomain"))) continue;
    if (call.at("Type", record.type) == record.type) found.push_back(record);
  }
  Json list = Json::array();
  for (std::size_t k = (number - 1) * size; k < std::min(number * size, found.size()); ++k) {
    list.push(to_json(found[k]));
  }
  return {200, Json::object({{"RequestId", kRequestId},
                             {"TotalCount", static_cast<std::int64_t>(found.size())},
                             {"PageNumber", static_cast<std::int64_t>(number)},
                             {"PageSize", static_cast<std::int64_t>(size)},
                             {"DomainRecords", Json::object({{"Record", list}})}})
                   .dump()};
}

FakeReply FakeAliyun::describe_domain(const FakeCall& call) {
  const std::string domain = folded(call.at("DomainName"));
  if (world_.domains.count(domain) == 0) {
    return error(400, "InvalidDomainName.NoExist", "The specified domain name does not exist.");
  }
  Json servers = Json::array();
  for (const std::string& name : world_.name_servers) servers.push(name);
  Json out = Json::object({{"RequestId", kRequestId},
                           {"DomainName", domain},
                           {"VersionCode", "version_enterprise_basic"},
                           {"VersionName", "Enterprise Standard"},
                           {"DnsServers", Json::object({{"DnsServer", servers}})}});
  if (call.at("NeedDetailAttributes") == "true") {
    out.set("MinTtl", static_cast<std::int64_t>(world_.min_ttl));
  }
  return {200, out.dump()};
}

FakeReply FakeAliyun::write(const FakeCall& call) {
  if (call.action == "AddDomainRecord") return add(call);
  const auto found =
      std::find_if(world_.records.begin(), world_.records.end(),
                   [&](const FakeRecord& record) { return record.id == call.at("RecordId"); });
  if (found == world_.records.end()) {
    return error(400, "DomainRecordNotBelongToUser",
                 "The domain record does not belong to this user.");
  }
  if (call.action == "UpdateDomainRecordRemark") return remark(call, *found);
  if (found->locked) return error(400, "DomainRecordLocked", "The domain record has been locked.");
  if (call.action == "UpdateDomainRecord") return update(call, *found);
  if (call.action != "DeleteDomainRecord") {
    return error(404, "InvalidAction.NotFound", "Specified api is not found.");
  }
  world_.records.erase(found);
  ++changes_;
  return done(call.at("RecordId"));
}

FakeReply FakeAliyun::add(const FakeCall& call) {
  FakeRecord fresh;
  fresh.domain = folded(call.at("DomainName"));
  fresh.rr = call.at("RR");
  fresh.type = call.at("Type");
  fresh.value = call.at("Value");
  fresh.line = call.at("Line", "default");
  fresh.ttl = std::stol(call.at("TTL", "600"));
  if (world_.domains.count(fresh.domain) == 0) {
    return error(400, "IncorrectDomainUser", "The domain name does not belong to this user.");
  }
  if (fresh.ttl < world_.min_ttl) return error(400, "QuotaExceeded.TTL", "TTL below the minimum.");
  if (!is_value(fresh.type, fresh.value)) {
    return error(400, "SubDomainInvalid.Value",
                 "The DNS record is invalid or in the wrong format.");
  }
  for (const FakeRecord& record : world_.records) {
    if (same(record, fresh)) {
      return error(400, "DomainRecordDuplicate", "The DNS record already exists.");
    }
    if (clash(record, fresh)) {
      return error(400, "DomainRecordConflict", "Conflicts with other records.");
    }
  }
  fresh.id = std::to_string(world_.next_id++);
  world_.records.push_back(fresh);
  ++changes_;
  return done(fresh.id);
}

FakeReply FakeAliyun::update(const FakeCall& call, FakeRecord& record) {
  FakeRecord next = record;
  next.rr = call.at("RR");
  next.type = call.at("Type");
  next.value = call.at("Value");
  next.line = call.at("Line", "default");  // Not "as it was".
  next.ttl = std::stol(call.at("TTL", "600"));
  next.priority = std::stol(call.at("Priority", "0"));
  if (next.rr.empty() || next.type.empty() || next.value.empty()) {
    return error(400, "MissingParameter", "RR, Type or Value is missing.");
  }
  if (next.ttl < world_.min_ttl) return error(400, "QuotaExceeded.TTL", "TTL below the minimum.");
  if (!is_value(next.type, next.value)) {
    return error(400, "SubDomainInvalid.Value",
                 "The DNS record is invalid or in the wrong format.");
  }
  for (const FakeRecord& other : world_.records) {
    const bool itself = &other == &record;
    const bool unchanged = itself && next.ttl == record.ttl && next.priority == record.priority;
    if (same(other, next) && (!itself || unchanged)) {
      return error(400, "DomainRecordDuplicate", "The DNS record already exists.");
    }
    if (!itself && clash(other, next)) {
      return error(400, "DomainRecordConflict", "Conflicts with other records.");
    }
  }
  record = next;
  ++changes_;
  return done(record.id);
}

FakeReply FakeAliyun::remark(const FakeCall& call, FakeRecord& record) {
  const std::string text = call.at("Remark");
  const bool sound = std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || static_cast<signed char>(c) < 0 ||
           c == '_' || c == '-' || c == ',' || c == '.';
  });
  if (characters(text) > 50 || !sound) {
    return error(400, "Remark.Invalid", "50 characters long, of digits, Chinese, English, _ - , .");
  }
  record.remark = text;
  ++changes_;
  return {200, Json::object({{"RequestId", kRequestId}}).dump()};
}

}  // namespace pointsman
