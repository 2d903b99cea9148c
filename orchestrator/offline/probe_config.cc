#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/address.h"
#include "base/file.h"
#include "orchestrator/offline/reading.h"

namespace pointsman {
namespace {

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

// "http://{address6}:8080/" and "http://[{address6}]:8080/" mean the same.
std::string filled(std::string url, const SiteSettings& site) {
  replace_all(url, "[{address6}]", "{address6}");
  replace_all(url, "{address6}", "[" + site.address6 + "]");
  replace_all(url, "{address}", site.address);
  replace_all(url, "{site}", site.name);
  return url;
}

bool asks_ipv6(const ProbeSpec& shape, const SiteSettings& site) {
  if (shape.type == "http") return shape.url.find("{address6}") != std::string::npos;
  return shape.family == "6" || (shape.family.empty() && site.address.empty());
}

ProbeSpec spec_for(const ServiceSettings& service, const ProbeSpec& shape,
                   const SiteSettings& site) {
  ProbeSpec spec = shape;
  spec.url = shape.type == "http" ? filled(shape.url, site) : "";
  spec.address = asks_ipv6(shape, site) ? site.address6 : site.address;
  replace_all(spec.host, "{site}", site.name);
  if (spec.type == "http") {
    const auto url = url_parts_from(spec.url);
    if (url) spec.port = url->port != 0 ? url->port : url->scheme == "https" ? 443 : 80;
  }
  spec.interval = service.interval;
  spec.timeout = service.timeout;
  spec.suspect_interval = service.suspect_interval;
  spec.fall = service.fall;
  return spec;
}

void read_http(ConfigTable& table, ProbeSpec& shape, const MonitorReading& reading) {
  shape.url = table.required_text("url");
  shape.host = table.text("host");
  if (table.has("expect_status")) {
    shape.expect_status.clear();
    for (const std::int64_t status : table.numbers("expect_status", 100, 599)) {
      shape.expect_status.push_back(static_cast<int>(status));
    }
    if (shape.expect_status.empty()) table.complain("expect_status", "at least one status");
  }
  shape.expect_body = table.text("expect_body");
  shape.expect_json = table.text("expect_json");
  const auto equals = shape.expect_json.find('=');
  if (!shape.expect_json.empty() && (equals == 0 || equals == std::string::npos)) {
    table.complain("expect_json", "\"path.to.field=value\"");
  }
  shape.cert_days = static_cast<int>(table.number("cert_days", 0, 0, 3650));
  if (shape.cert_days > 0 && shape.url.rfind("https:", 0) != 0) {
    table.complain("cert_days", "nothing, unless the URL is https");
  }
  shape.ca_file = table.text("ca_file");
  if (!shape.ca_file.empty()) shape.ca_file = beside(reading.config.file, shape.ca_file);
  shape.keep_alive = table.boolean("keep_alive", false);
}

// A probe through the name that is being switched would follow the switch and see nothing.
void check_url(ConfigTable& table, const ProbeSpec& shape, const ServiceSettings& service) {
  if (shape.url.empty()) return;
  constexpr const char* kAllowed =
      "an http or https URL whose host is {address} or {address6}, as "
      "\"http://{address}:8080/health\"";
  const auto raw = shape.url.find("://");
  const std::string rest =
      raw == std::string::npos ? "" : canonical_host(shape.url.substr(raw + 3));
  const std::string host = rest.substr(0, rest.find_first_of(":/?#"));
  for (const RecordSettings& record : service.records) {
    if (host == record.name) {
      table.complain("url", kAllowed,
                     "goes through the name that is being switched, so it would follow the switch");
      return;
    }
  }
  const bool v4 = rest.rfind("{address}", 0) == 0;
  const bool v6 = rest.rfind("{address6}", 0) == 0 || rest.rfind("[{address6}]", 0) == 0;
  const std::string scheme = canonical_host(shape.url.substr(0, raw));
  if ((!v4 && !v6) || (scheme != "http" && scheme != "https")) {
    table.complain("url", kAllowed);
    return;
  }
  if ((v4 && shape.family == "6") || (v6 && shape.family == "4")) {
    table.complain("family", v4 ? "4, as {address} is IPv4" : "6, as {address6} is IPv6");
  }
}

// What a key by itself cannot tell is asked of the probe's maker, unless the cause is told already.
void check_filled(ConfigTable& table, const ProbeSpec& shape, const ServiceSettings& service,
                  const MonitorReading& reading) {
  const bool sound = reading.errors->size() == reading.errors_before_service;
  for (const SiteSettings& site : service.sites) {
    const bool v6 = asks_ipv6(shape, site);
    if ((v6 ? site.address6 : site.address).empty()) {
      table.complain(shape.type == "http" ? "url" : "family", "an address that every site has",
                     fmt::format("site \"{}\" has no {}", site.name, v6 ? "address6" : "address"));
      continue;
    }
    if (!sound) continue;
    ProbeSpec spec = spec_for(service, shape, site);
    spec.name = fmt::format("{}/{}/{}", service.name, site.name, service.probes.size());
    const auto made = make_probe(spec);
    if (!made) table.complain("", "", made.error().message);
  }
}

}  // namespace

std::vector<ProbeSpec> ServiceSettings::probes_of(const SiteSettings& site) const {
  std::vector<ProbeSpec> specs;
  for (const ProbeSettings& probe : probes) {
    ProbeSpec spec = spec_for(*this, probe.shape, site);
    spec.name = fmt::format("{}/{}/{}", name, site.name, specs.size());
    specs.push_back(std::move(spec));
  }
  return specs;
}

ProbeSettings read_probe(ConfigTable table, const ServiceSettings& service,
                         MonitorReading& reading) {
  ProbeSpec shape;
  shape.type = table.one_of("type", {"http", "tcp"}, "http");
  shape.family = table.one_of("family", {"4", "6"}, "");
  bool sound = true;
  if (shape.type == "http") {
    read_http(table, shape, reading);
    check_url(table, shape, service);
    const std::string with_address = "{address";
    sound = shape.url.find(with_address) != std::string::npos;
  } else {
    shape.port = static_cast<int>(table.number("port", 0, 1, 65535));
    if (!table.has("port")) table.complain("port", "a port from 1 to 65535", "is missing");
    sound = shape.port > 0;
  }
  if (sound) check_filled(table, shape, service, reading);
  table.finish();
  return {shape};
}

}  // namespace pointsman
