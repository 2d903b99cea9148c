#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/address.h"
#include "orchestrator/offline/reading.h"

namespace pointsman {
namespace {

// "API.Example.Test." and "api.example.test" are one name.
std::string dns_name(ConfigTable& table, std::string_view key) {
  std::string name = canonical_host(table.required_text(key));
  const bool given = !name.empty();
  if (given && name.back() == '.') name.pop_back();
  if (given && (!is_host_name(name) || is_ip(name))) {
    table.complain(key, "a DNS name, in full");
  }
  return name;
}

// Other types are the provider's own: what their names and values are, it alone knows.
bool is_dns_type(const std::string& type) {
  return type == "A" || type == "AAAA" || type == "CNAME";
}

std::string plain_name(ConfigTable& table, std::string_view key) {
  std::string name = table.required_text(key);
  if (!name.empty() && !is_plain_name(name)) {
    table.complain(key,
                   "a name of letters, digits, \"-\", \"_\" and \".\", as the provider spells it");
  }
  return name;
}

const char* site_key_for(const std::string& type) {
  return type == "A" ? "address" : type == "AAAA" ? "address6" : "cname";
}

std::string value_for(const std::string& type, const SiteSettings& site) {
  return type == "A" ? site.address : type == "AAAA" ? site.address6 : site.cname;
}

bool fits(const std::string& type, const std::string& value) {
  if (!is_dns_type(type)) return is_plain_name(value);
  if (type == "A") return is_ipv4(value);
  if (type == "AAAA") return is_ipv6(value);
  return is_host_name(value) && !is_ip(value);
}

std::vector<std::string> listed_values(ConfigTable& table, const std::string& site,
                                       const std::string& type) {
  std::vector<std::string> values;
  if (table.is_list(site)) {
    values = table.texts(site);
  } else if (table.has(site)) {
    values = {table.text(site)};
  }
  for (std::string& value : values) {
    if (type == "CNAME" && !value.empty() && value.back() == '.') value.pop_back();
    if (!fits(type, value)) {
      table.complain(site, fmt::format("values of type {}", type),
                     fmt::format("\"{}\" is none", value));
    }
    if (is_dns_type(type)) value = canonical_host(value);
  }
  std::sort(values.begin(), values.end());
  if (std::adjacent_find(values.begin(), values.end()) != values.end()) {
    table.complain(site, "each value once");
  }
  if (values.empty() || (type == "CNAME" && values.size() > 1)) {
    table.complain(site, type == "CNAME" ? "exactly one host name" : "at least one value",
                   table.has(site) ? "" : "is missing");
  }
  return values;
}

void read_values(ConfigTable& table, const ServiceSettings& service, RecordSettings& record) {
  ConfigTable listed = table.table("values");
  if (!listed.present() && !is_dns_type(record.type)) {
    table.complain("values",
                   fmt::format("a table [service.record.values] with each site's own, "
                               "for type {}",
                               record.type),
                   "is missing");
    return;
  }
  for (const SiteSettings& site : service.sites) {
    if (listed.present()) {
      record.values[site.name] = listed_values(listed, site.name, record.type);
      continue;
    }
    const std::string value = value_for(record.type, site);
    if (value.empty()) {
      table.complain(
          "type",
          fmt::format("{} for each site, or a table [service.record.values]",
                      site_key_for(record.type)),
          fmt::format("site \"{}\" has no {} for this type", site.name, site_key_for(record.type)));
    } else {
      record.values[site.name] = {canonical_host(value)};
    }
  }
  listed.finish();
  std::set<std::string> seen;
  for (const auto& [site, values] : record.values) {
    for (const std::string& value : std::set<std::string>(values.begin(), values.end())) {
      if (!seen.insert(value).second && listed.present()) {
        table.complain("values", "different values for each site",
                       fmt::format("\"{}\" stands for both sites", value));
      }
    }
  }
}

// Two services, or two entries, that write one record set would undo each other's work. One service
// may have a name at several providers: a zone that is hosted twice.
void claim(ConfigTable& table, const RecordSettings& record, const std::string& service,
           MonitorReading& reading) {
  if (record.name.empty()) return;
  for (const auto& [owner, other] : reading.record_owners) {
    if (other.name != record.name) continue;
    if (other.type == record.type) {
      if (owner == service && other.provider != record.provider) continue;
      table.complain("name", "each record once at a provider, and of one service only",
                     fmt::format("service \"{}\" has this record already", owner));
    } else if (other.type == "CNAME" || record.type == "CNAME") {
      table.complain("type", "no other type beside a CNAME",
                     fmt::format("service \"{}\" has this name with type {}", owner, other.type));
    }
  }
  reading.record_owners.push_back({service, record});
}

// Those of the provider are its own matter: it knows for which records no server can be asked.
void read_authorities(ConfigTable& table, RecordSettings& record) {
  record.authorities = table.texts("authorities");
  if (!is_dns_type(record.type)) {
    if (!record.authorities.empty()) {
      table.complain("authorities",
                     fmt::format("nothing: no name server answers for type {}", record.type));
    }
    return;
  }
  for (std::string& server : record.authorities) {
    const auto place = host_port_from(server);
    if (is_ip(server)) {
      server = is_ipv6(server) ? fmt::format("[{}]:53", server) : server + ":53";
    } else if (!place || place->port == 0 || !is_ip(place->host)) {
      table.complain("authorities", "addresses, as [\"192.0.2.53:53\"]",
                     fmt::format("\"{}\" is no address", server));
    }
  }
}

bool within_zone(const std::string& name, const std::string& zone) {
  return name == zone || (name.size() > zone.size() && name.ends_with("." + zone));
}

// The types that the record's provider publishes; those of DNS while it is not known.
std::vector<std::string> types_for(const std::string& provider, const MonitorReading& reading) {
  for (const ProviderSettings& one : reading.config.providers) {
    if (one.name != provider) continue;
    std::vector<std::string> types = record_types(one.type);
    if (!types.empty()) return types;
  }
  return {"A", "AAAA", "CNAME"};
}

void read_dns_place(ConfigTable& table, RecordSettings& record) {
  record.zone = dns_name(table, "zone");
  record.name = dns_name(table, "name");
  if (!record.name.empty() && !record.zone.empty() && !within_zone(record.name, record.zone)) {
    table.complain("name", fmt::format("a full name within \"{}\"", record.zone));
  }
  if (record.type == "CNAME" && !record.name.empty() && record.name == record.zone) {
    table.complain("type", "A or AAAA", "a zone's own name cannot be a CNAME");
  }
}

}  // namespace

RecordSettings read_record(ConfigTable table, const ServiceSettings& service,
                           MonitorReading& reading) {
  RecordSettings record;
  record.provider = table.required_text("provider");
  std::vector<std::string> names;
  for (const ProviderSettings& provider : reading.config.providers) names.push_back(provider.name);
  if (!record.provider.empty() &&
      std::find(names.begin(), names.end(), record.provider) == names.end()) {
    const std::string near = nearest_word(record.provider, names);
    table.complain("provider", "the name of a [provider.NAME] section",
                   near.empty() ? "there is no such provider"
                                : fmt::format("no such provider; did you mean \"{}\"?", near));
  }
  const std::vector<std::string> types = types_for(record.provider, reading);
  record.type = table.one_of("type", types, types.front());
  if (!table.has("type")) {
    table.complain("type", fmt::format("{}", fmt::join(types, " | ")), "is missing");
  }
  if (is_dns_type(record.type)) {
    read_dns_place(table, record);
  } else {
    record.zone = plain_name(table, "zone");
    record.name = plain_name(table, "name");
  }
  read_values(table, service, record);
  read_authorities(table, record);
  claim(table, record, service.name, reading);
  table.finish();
  return record;
}

}  // namespace pointsman
