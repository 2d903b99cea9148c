#pragma once

#include <optional>
#include <string>

#include "providers/aliyun_signature.h"
#include "providers/api_call.h"

// One call of an Aliyun API in RPC style: an action and its parameters in the query of a POST to
// "/", signed with V3; and what its error codes mean for the one who called.

namespace pointsman {

// What a failed call leaves to do.
enum class AliyunNext {
  kStop,       // Asking again cannot help.
  kReadAgain,  // Look what is there now, then decide.
  kWait,       // The same after a pause.
  kRaiseTtl,   // The TTL is below what the edition allows.
};

struct AliyunRequest {
  std::string action;
  AliyunFields parameters;
  bool writes = false;
  bool of_move = false;
  bool once = false;  // See ApiRequest.
};

struct AliyunFailure {
  Error error;
  std::string code;  // The vendor's; "" when the failure is not of its making.
  AliyunNext next = AliyunNext::kStop;
};

struct AliyunKeys {
  std::string id;
  std::string secret;
  std::string token;  // Of STS; "" with keys that last.
};

inline const SettingsReader::Keys kAliyunCredentials = {"access_key_id", "access_key_secret",
                                                        "security_token"};
AliyunKeys read_aliyun_keys(SettingsReader& reader);

// One caller at a time; not thread-safe.
class AliyunApi {
 public:
  // `version`: of the API, "2015-01-09".
  AliyunApi(ApiSettings settings, AliyunKeys keys, std::string version, ApiOutside outside);

  // The body of a success. On failure `failure()` tells more.
  Result<Json> call(const AliyunRequest& request, Instant deadline);
  const AliyunFailure& failure() const { return failure_; }

  // After a failed call: whether reading again and going on may help. Waits, longer with each
  // round, when it should.
  bool may_go_on(int round, Instant deadline);
  // Whether an action is allowed to us: `impossible` names what is ours and can only be turned
  // down. The text is for people; kRefused when it is not allowed, or when it was not turned down:
  // then `look_at` says where it has done harm ("": it cannot have done any), and no further one is
  // sent.
  Result<std::string> try_right(const AliyunRequest& impossible, std::string_view look_at,
                                Instant deadline);

  // The request as it would go out, secrets and signature masked.
  std::string render(const AliyunRequest& request) const;

  const ApiCaller& caller() const { return caller_; }

 private:
  ApiRequest request_of(const AliyunRequest& request) const;
  void sign(HttpRequest& request) const;
  Error failed(Error error, std::string code, AliyunNext next);
  Error judge(const AliyunRequest& request, const ApiAnswer& answer);

  const AliyunKeys keys_;
  const std::string version_;
  const ApiOutside outside_;
  const std::string host_;
  AliyunFailure failure_;
  std::optional<Error> applied_;  // Of a trial that was not turned down.
  ApiCaller caller_;
};

// What to say when a write failed with `written` (or went well, when that is empty) and the reading
// after it with `read`.
Error after_write(const Error& written, const Error& read);

}  // namespace pointsman
