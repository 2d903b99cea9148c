#include "orchestrator/offline/notice_preflight.h"

#include <fmt/format.h>

#include "base/crypto.h"
#include "orchestrator/notify/carry.h"
#include "orchestrator/notify/notice_text.h"

namespace pointsman {
namespace {

struct Made {
  std::unique_ptr<Channel> channel;
  Masking masking;
};

Made make(const NoticeSettings& notice) {
  auto channel = channel_kind(notice.type)->make(notice);
  Masking masking(channel->secrets());
  return {std::move(channel), std::move(masking)};
}

SendingNow now(const Clock& clock) { return {clock.wall(), random_id() + random_id()}; }

NoticeMessage message(const MonitorConfig& config, const NoticeSettings& notice) {
  NoticeMessage test = test_message(notice.name, true, {notice.language, config.name, config.link});
  test.id = random_id();
  return test;
}

}  // namespace

PreflightItem ask_channel(const MonitorConfig& config, const NoticeSettings& notice,
                          const Clock& clock, Duration within) {
  PreflightItem item;
  item.name = fmt::format("notices {} ({})", notice.name, notice.type);
  const Made made = make(notice);
  const ChannelReply reply = carry(made.channel->compose_probe(now(clock)), within);
  const Judged judged = made.channel->judge_probe(reply);
  const std::string why = made.masking.line(judged.why);
  // Not reached is more than doubt.
  item.ok =
      judged.receipt == Receipt::kGiven || (judged.receipt == Receipt::kTryAgain && !reply.error);
  item.warning = item.ok && judged.receipt != Receipt::kGiven;
  if (!item.warning) {
    item.text = why.empty() && item.ok ? "answers" : why;
    return item;
  }
  item.text = fmt::format("answers {}; `pointsman notify test {}{}` tells for certain", why,
                          config.file.empty() ? "" : "--config " + config.file + " ", notice.name);
  return item;
}

NoticeTest test_channel(const MonitorConfig& config, const NoticeSettings& notice,
                        const Clock& clock, Duration within) {
  const Made made = make(notice);
  const Outgoing outgoing = made.channel->compose(message(config, notice), now(clock));
  const Judged judged = made.channel->judge(carry(outgoing, within));
  const bool delivered = judged.receipt == Receipt::kGiven;
  std::string why = made.masking.line(judged.why);
  if (delivered) why = why.empty() ? "taken" : "taken; " + why;
  return {notice.name, notice.type, delivered, std::move(why)};
}

NoticeTest render_test(const MonitorConfig& config, const NoticeSettings& notice,
                       const Clock& clock) {
  const Made made = make(notice);
  const Outgoing outgoing = made.channel->compose(message(config, notice), now(clock));
  return {notice.name, notice.type, false, render(outgoing, made.masking)};
}

}  // namespace pointsman
