#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"

// A first configuration for one service, as `pointsman init` writes it: what a person answers, and
// the text of every file that follows from it. Pure, but for secrets drawn at random.

namespace pointsman {

struct FirstSite {
  std::string name;
  std::string address;  // IPv4 or IPv6; of the same family at both.
};

struct FirstSetup {
  std::string service;
  std::vector<FirstSite> sites;  // Two; the main one first.
  std::string record;            // The name that users reach.
  std::string zone;
  std::string provider;  // Of first_providers().
  std::string server;    // Of rfc2136: "192.0.2.53:53".
  std::string probe;     // URL with {address}; becomes {address6} where that is meant.
  bool agents = true;
  bool mysql = false;
  bool redis = false;
  std::vector<std::string> units;
  std::vector<int> ports;  // Closed with the lease, besides those of probe and stores.
  std::vector<std::string> references;
  std::string mode = "observe";
  // By the names in the credentials of the provider; and mysql_password, replication_password,
  // redis_password.
  std::map<std::string, std::string> secrets;
};

// Providers that a first configuration can have; others are added by hand.
std::vector<std::string> first_providers();

// Secrets that the setup may be given: those without which it is not whole, and all.
std::vector<std::string> needed_secrets(const FirstSetup& setup);
std::vector<std::string> known_secrets(const FirstSetup& setup);

// Draws those that may be drawn and are not given: the TSIG secret and the stores' passwords.
void draw_secrets(FirstSetup& setup);

struct FirstFile {
  std::string path;  // Relative to the folder of the configuration.
  std::string text;
  int mode = 0644;
};

// Every file but certificates and keys. REQUIRES: two sites; secrets drawn.
std::vector<FirstFile> first_files(const FirstSetup& setup);

// The names of the certificates that belong to it: "monitor" and the sites. Empty without agents.
std::vector<std::string> first_identities(const FirstSetup& setup);

}  // namespace pointsman
