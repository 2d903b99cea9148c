#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

// Handing one mail to a server, on libcurl. TLS is 1.2 or newer, always demanded (STARTTLS, or from
// the first byte) and always verified; proxies of the environment are not used.

namespace pointsman {

struct SmtpServer {
  std::string host{};
  int port = 587;
  bool implicit_tls =
      false;               // TLS from the first byte; else STARTTLS, without which nothing is sent.
  std::string ca_file{};   // PEM. Empty: the system's store.
  std::string greeting{};  // What we call ourselves; a host name.
  // Both or neither. With them, nothing is handed to a server that has not accepted them.
  std::string username{};
  std::string password{};
};

struct Mail {
  std::string from{};             // Addresses as "user@host".
  std::vector<std::string> to{};  // At least one.
  std::string content{};          // Headers, an empty line, text; lines end in CRLF.
};

struct SmtpReceipt {
  std::string reply;                 // The server's last word.
  std::vector<std::string> refused;  // What it said of recipients that it does not take.
};

// Success: the server took the mail for one recipient at least. kUnavailable: not taken, later it
// may be (not reached, or it said so). kTimeout: the answer to the whole mail is missing, so that
// it may have been taken. kRefused: TLS, identity, credentials, sender or every recipient; not
// taken. kInvalid: a mail that cannot be sent. Messages hold the server's words, as it said them.
Result<SmtpReceipt> send_mail(const SmtpServer& server, const Mail& mail, Duration within);

// As far as the login, and no mail: whether send_mail() would come so far.
Result<SmtpReceipt> try_smtp(const SmtpServer& server, Duration within);

}  // namespace pointsman
