#include <mutex>

#include "base/check.h"
#include "base/crypto.h"
#include "providers/rfc2136.h"
#include "test/support/fake_dns.h"

// What a name server answers to the rfc2136 provider: sections from anywhere, under our key's own
// signature or none, over UDP and TCP. The first byte says how; the rest is the answer from its
// flags on. Nothing foreign is ever taken for a change that was made.
namespace pointsman {
namespace {

const std::string kSecret = "0123456789abcdef0123456789abcdef";

std::mutex mutex;    // The fuzzer's thread sets what the server's thread answers.
std::string answer;  // Without its id.
bool is_signed = false;
bool as_asked = false;  // With the question that was asked.

void append_u48(std::string& to, std::int64_t value) {
  for (int shift = 40; shift >= 0; shift -= 8) to += static_cast<char>(value >> shift & 0xff);
}

// The MAC of a request: behind algorithm, time, fudge and its own length.
std::string mac_of(const std::string& request) {
  constexpr std::size_t kAlgorithm = 13;
  const auto shape = scan_message(request).value();
  return request.substr(shape.back().rdata + kAlgorithm + 10, 32);
}

// `message` with the signature of the server that knows our secret.
std::string with_tsig(std::string message, const std::string& request) {
  const std::string name = DnsName::parse("pm-key").value().canonical_wire();
  const std::string algorithm = DnsName::parse("hmac-sha256").value().canonical_wire();
  std::string times;
  append_u48(times, system_clock().wall().ns / 1'000'000'000);
  append_u16(times, 300);
  const std::string request_mac = mac_of(request);
  std::string input;
  append_u16(input, static_cast<unsigned>(request_mac.size()));
  input += request_mac + message + name + std::string("\0\xff\0\0\0\0", 6) + algorithm + times +
           std::string(4, '\0');
  const std::string mac = hmac(Hash::kSha256, kSecret, input);
  std::string rdata = algorithm + times;
  append_u16(rdata, static_cast<unsigned>(mac.size()));
  rdata += mac + request.substr(0, 2) + std::string(4, '\0');
  message += name + std::string("\0\xfa\0\xff\0\0\0\0", 8);
  append_u16(message, static_cast<unsigned>(rdata.size()));
  message[11] = static_cast<char>(message[11] + 1);
  return message + rdata;
}

std::vector<std::string> reply(const std::string& request, bool tcp) {
  const std::lock_guard lock(mutex);
  std::string message = request.substr(0, 2) + answer;
  if (as_asked) message[2] = static_cast<char>((message[2] | 0x80) & ~0x02);  // QR, not cut.
  if (as_asked && message.size() >= 12) {
    const auto question = scan_message(request).value().front();
    const std::size_t end = question.rdata;
    message = message.substr(0, 4) + std::string("\0\1", 2) + message.substr(6, 6) +
              request.substr(question.begin, end - question.begin) + message.substr(12);
  }
  if (is_signed && message.size() >= 12) message = with_tsig(std::move(message), request);
  return {tcp ? FakeDns::framed(message) : message};
}

struct Subject {
  FakeDns server{reply};
  std::unique_ptr<Provider> provider;
  Subject() {
    Rfc2136Settings settings;
    settings.provider = "corp";
    settings.server = {server.endpoint().ip, server.endpoint().port};
    settings.key = {DnsName::parse("pm-key").value(), TsigAlgorithm::kHmacSha256, kSecret};
    settings.timeout = 20ms;
    provider = std::make_unique<Rfc2136Provider>(settings, system_clock());
  }
};

}  // namespace
}  // namespace pointsman

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pointsman;
  static Subject subject;
  if (size < 11 || size > 4000) return 0;
  {
    const std::lock_guard lock(mutex);
    is_signed = (bytes[0] & 1) != 0;
    // What is no answer at all is waited out; one time in eight shows that.
    as_asked = (bytes[0] & 0x0e) != 0;
    answer.assign(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  }
  const RecordKey key{"example.test", "api.example.test", "A"};
  const auto read = subject.provider->read(key, 20ms);
  CHECK(is_signed || !read.ok());  // Unsigned proves nothing.
  if ((bytes[0] & 0x10) == 0) return 0;
  const Change change{key,           {"198.51.100.20"}, std::chrono::seconds(60),
                      "im-api 2 sh", {"192.0.2.10"},    {""}};
  const auto replaced = subject.provider->replace(change, 40ms);
  if (!replaced.ok()) return 0;
  // Done is what reads as desired, and nothing else.
  CHECK(read.ok() && read->values == change.desired && read->mark == change.mark);
  return 0;
}
