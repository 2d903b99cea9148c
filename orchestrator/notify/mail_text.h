#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

// A mail as it goes over the wire (RFC 5322, RFC 2047, MIME). Pure.

namespace pointsman {

struct MailParts {
  std::string from;
  std::vector<std::string> to;
  std::string subject;
  std::string text;  // UTF-8, lines end in "\n".
  std::string id;    // Unique; of letters and digits.
  WallTime at;
  bool urgent = false;
};
std::string mail_content(const MailParts& parts);

// As the value of a header: as it is when short ASCII, else as encoded words.
std::string mail_subject(std::string_view text);

// "Fri, 27 Nov 2026 03:04:05 +0000".
std::string mail_date(WallTime at);

}  // namespace pointsman
