#include "agent/local_agent.h"

namespace pointsman {

Result<Json> LocalAgent::ask(const std::string& method, const std::string& path, const Json& body) {
  HttpRequest request;
  request.method = method;
  request.url = "http://localhost" + path;
  request.unix_socket = socket_;
  if (!body.is_null()) {
    request.headers = {{"content-type", "application/json"}};
    request.body = body.dump();
  }
  const auto answer = client_.exchange(request, answer_within_);
  if (!answer) return answer.error();
  auto json = Json::parse(answer->body);
  if (!json) return json.error();
  if (answer->status != 200) {
    return Error{ErrorCode::kRefused, json->string_or("detail", json->string_or("title"))};
  }
  return json;
}

Result<ServiceReport> LocalAgent::report(const std::string& service) {
  const auto status = ask("GET", "/v1/status");
  if (!status) return status.error();
  for (const Json& one : status->array_or_empty("services")) {
    if (one.string_or("service") == service) return service_report_from(one);
  }
  return Error{ErrorCode::kNotFound, "the agent here has no service " + service};
}

}  // namespace pointsman
