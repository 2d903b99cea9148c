#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "orchestrator/core/machine.h"
#include "orchestrator/offline/config.h"
#include "providers/provider.h"

// Where sites meet records: which values a site has, which mark our reign leaves, and what the live
// record means. Providers know neither.

namespace pointsman {

// Our mark: "pointsman service=im-api epoch=2 reign=0123456789abcdef site=sh".
struct Mark {
  std::string service;
  Reign reign;
  std::string site;
};
std::string format_mark(const Mark& mark);
std::optional<Mark> parse_mark(const std::string& text);

// How authoritative servers are asked; a test and the simulator ask their own.
using AskServer = std::function<AuthorityAnswer(const std::string& server, const RecordKey& key,
                                                Duration within)>;

// One record of one service. Calls block; one at a time.
class Publisher {
 public:
  Publisher(const ServiceSettings& service, const RecordSettings& record, Provider& provider,
            AskServer ask_server = ask_authority);

  // What stands there, in the core's words.
  RecordRead read(int index, Duration within);

  // Makes the record name `site`, under the mark of `reign`. A mark of a later reign is never
  // overwritten.
  PublishAnswered publish(const PublishRecord& order, Duration within);

  // The writes that publish() would send.
  Result<std::vector<std::string>> render(int site, const Reign& reign, Duration within);

  // Whether the provider's own API has the last word, in place of authoritative servers.
  // Thread-safe.
  bool asks_api() const;

  // Whether every authoritative server names `site`. Where the API has the last word, nobody is
  // asked and nothing agreed: ask_api() is to be called.
  AuthoritiesAnswered ask(const AskAuthorities& order, Duration within);

  // The same by the API, on the provider's own lane. Where servers have the last word, nobody is
  // asked.
  AuthoritiesAnswered ask_api(const AskAuthorities& order, Duration within);

  // Seen to be well, the authoritative servers are looked for again as well: each day, and when
  // another provider was seated.
  Result<std::string> preflight(Duration within);

  // Looks for the authoritative servers if none are known, or a publication has begun since or
  // preflight() asked for it; when that fails, those known stay. On the provider's own lane.
  void find_authorities(Duration within);

  // The last answers of the authoritative servers, for people. Thread-safe.
  std::vector<AuthorityAnswer> answers() const;

  // What the provider's account held when it was last read or written, sorted; empty before.
  // Thread-safe.
  std::vector<std::string> last_values() const;

  const RecordKey& key() const { return key_; }
  // On the provider's own lane.
  ProviderLimits limits() const { return provider_.limits(); }
  const std::vector<std::string>& values_of(int site) const;

 private:
  int site_of(const std::vector<std::string>& values) const;
  // Whether one mark, or all that stand there, let `reign` write.
  Result<void> may_overwrite(const std::string& text, const Reign& reign) const;
  Result<void> judge_marks(const std::string& live, const Reign& reign) const;
  Change change_for(int site, const Reign& reign) const;
  Result<void> replace(const Change& change, Duration within);
  void seek_authorities();
  void note_values(std::vector<std::string> values);
  // The servers to ask on behalf of `order`; none, and why in `answered`, when there are none.
  std::vector<std::string> servers_for(const AskAuthorities& order,
                                       AuthoritiesAnswered& answered) const;
  AuthoritiesAnswered judge(AuthoritiesAnswered answered, std::vector<AuthorityAnswer> answers);

  std::string service_;
  RecordKey key_;
  std::chrono::seconds ttl_;
  std::array<std::string, kSites> sites_;
  std::array<std::vector<std::string>, kSites> values_;
  Provider& provider_;
  AskServer ask_server_;
  // Of what follows: the provider's lane finds, the asking lane asks, the page reads.
  mutable std::mutex mutex_;
  const bool authorities_given_;  // By the configuration: never looked for.
  std::vector<std::string> authorities_;
  bool seek_ = true;        // Look for them again.
  std::string sought_for_;  // The move whose publication last asked for it.
  std::string authorities_problem_;
  std::vector<AuthorityAnswer> answers_;
  std::vector<std::string> last_values_;
};

}  // namespace pointsman
