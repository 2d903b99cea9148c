#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

// A Probe is one question put to one site, and the reading of one answer. It does no I/O (the
// engine does) and keeps no history (the core does).

namespace pointsman {

enum class Outcome {
  kPass,
  kFail,     // The site answered wrongly, or did not answer in time.
  kUnknown,  // We could not ask: our own network, sockets or clock are at fault.
};
const char* to_string(Outcome outcome);

// What one attempt showed. Never damped: a single kFail is only that.
struct Observation {
  Outcome outcome = Outcome::kUnknown;
  Duration latency{0};  // From the start of the attempt to judgement; zero when kUnknown.
  std::string detail;   // For people: "503 from 192.0.2.10". No secrets, no control characters.
};

// What is asked. One flat shape for all types, so that the monitor can hand it to a witness as
// JSON.
struct ProbeSpec {
  std::string name;           // Unique among the targets of an engine: "im-api/hz/0".
  std::string type = "http";  // "http" (also https) or "tcp".
  std::string url;            // http: with the address already filled in.
  std::string address;        // Where to connect: an IP address; never resolved.
  int port = 0;
  std::string host;  // Host header and SNI; empty: the address.
  std::vector<int> expect_status{200};
  std::string expect_body;  // A text the body must hold; empty: not asked.
  std::string expect_json;  // "path.to.field=value"; empty: not asked.
  int cert_days = 0;        // https: fail when the certificate ends within; 0: not asked.
  std::string ca_file;      // https: empty: the system's store.
  std::string family;       // "4", "6" or "": told by the address.
  bool keep_alive = false;  // Reuse the connection between attempts.
  Duration interval = 1s;
  Duration timeout = 1s;
  Duration suspect_interval = 250ms;  // Spacing of attempts while in doubt.
  int fall = 3;                       // Length of a burst of doubt; the verdict is the core's.

  Json to_json() const;
  static Result<ProbeSpec> from_json(const Json& json);
  bool operator==(const ProbeSpec&) const = default;
};

// What came back, before judgement.
struct ProbeReply {
  int status = 0;    // HTTP only.
  std::string body;  // Capped at 64 KiB; the rest is dropped and `cut` set.
  bool cut = false;
  std::optional<std::int64_t> cert_seconds_left;  // https only.
};

class Probe {
 public:
  virtual ~Probe() = default;
  virtual const ProbeSpec& spec() const = 0;

  // Reads the reply, or the failure to get one, after `took`. Pure. An error of kInternal is
  // kUnknown; every other one is kFail.
  virtual Observation judge(const Result<ProbeReply>& reply, Duration took) const = 0;
};

// kInvalid says which field and what is allowed.
Result<std::unique_ptr<Probe>> make_probe(const ProbeSpec& spec);

}  // namespace pointsman
