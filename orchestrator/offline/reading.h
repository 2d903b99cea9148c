#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "orchestrator/offline/config.h"

// How the parts of pointsman.toml are read: one function a section. Private to this folder.

namespace pointsman {

// One reading of both files: what is found, and what sections must know of each other.
struct MonitorReading {
  MonitorConfig config;
  std::vector<std::string> warnings;
  struct RecordOwner {
    std::string service;
    RecordSettings record;
  };
  std::vector<RecordOwner> record_owners{};
  bool with_credentials = true;
  bool credentials_known = false;                    // Read, or there is no file of them.
  const std::vector<ConfigError>* errors = nullptr;  // All so far.
  std::size_t errors_before_service = 0;

  void warn(const ConfigTable& table, std::string_view key, const std::string& text) {
    warnings.push_back(table.where(key) + ": " + text);
  }
};

// [[service]]. Appends to reading.config.services; relations are checked with it.
void read_service(ConfigTable table, MonitorReading& reading);

// The parts of it that are long enough for a function of their own.
SiteSettings read_site(ConfigTable table, MonitorReading& reading);
RecordSettings read_record(ConfigTable table, const ServiceSettings& service,
                           MonitorReading& reading);
ProbeSettings read_probe(ConfigTable table, const ServiceSettings& service,
                         MonitorReading& reading);

// After the sites, whose addresses it needs. nullopt: the service has no virtual address.
std::optional<KeepalivedSettings> read_keepalived(ConfigTable table, const ServiceSettings& service,
                                                  MonitorReading& reading);
std::string read_auth_pass(ConfigTable& section);

// Relations between the timings of a service, and between its sites.
void check_timings(ConfigTable& table, const ServiceSettings& service, MonitorReading& reading);
void check_sites(ConfigTable& table, std::vector<ConfigTable>& sites,
                 const ServiceSettings& service, MonitorReading& reading);

// [[notify]], after the services, and [heartbeat]; their sections of the credentials file, whose
// root is given; and what can be said of them once those are known.
void read_notices(ConfigTable& root, MonitorReading& reading);
void read_heartbeat(ConfigTable table, MonitorReading& reading);
void fill_notices(ConfigTable& credentials, MonitorReading& reading);
void check_notices(ConfigTable& root, MonitorReading& reading);

// Sections of later work: checked, so that a file that has them loads, and told.
void read_cluster(ConfigTable table, MonitorReading& reading);
void read_drill(ConfigTable table, MonitorReading& reading);

// The credentials file: sections into reading.config.providers and .web.
void read_credentials(ConfigTable& monitor, MonitorReading& reading,
                      std::vector<ConfigError>& errors);

// A complaint when a section [name] of the credentials file would belong to something else too: the
// page, the cluster, the heartbeat, a provider.
bool expect_own_section(ConfigTable& table, std::string_view key, const std::string& name,
                        const MonitorReading& reading);
// Nothing, an http or https URL, or a complaint.
void expect_url(ConfigTable& table, std::string_view key, const std::string& text);
// A name of ours, or a complaint.
void expect_plain_name(ConfigTable& table, std::string_view key, const std::string& name);
// The PEM file that `key` names, relative to the configuration; "" when the key is absent.
std::string pem_file(ConfigTable& table, std::string_view key, const MonitorReading& reading,
                     bool is_secret);

}  // namespace pointsman
