#include "base/config_reader.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

std::vector<ConfigError> errors_of(std::string_view text, void (*read)(ConfigTable),
                                   Secrecy secrecy = Secrecy::kOpen) {
  std::vector<ConfigError> errors;
  const auto file = ConfigFile::parse("f.toml", text, errors, secrecy);
  if (file) read(file->root());
  sort_errors(errors);
  return errors;
}

std::string texts_of(const std::vector<ConfigError>& errors) {
  std::string all;
  for (const ConfigError& error : errors) all += error.text() + "\n";
  return all;
}

}  // namespace

TEST_CASE("getters give what is written, and fallbacks for what is not") {
  std::vector<ConfigError> errors;
  const auto file = ConfigFile::parse("f.toml",
                                      "a = \"x\"\nn = 7\nb = true\nd = \"1.5s\"\n"
                                      "l = [\"p\", \"q\"]\nm = [80, 443]\n[t]\nk = 1.5\ns = \"v\"\n"
                                      "[[s]]\nname = \"1\"\n[[s]]\nname = \"2\"\n",
                                      errors);
  REQUIRE(file != nullptr);
  ConfigTable root = file->root();
  CHECK_EQ(root.text("a"), "x");
  CHECK_EQ(root.text("none", "other"), "other");
  CHECK_EQ(root.one_of("a", {"x", "y"}, "y"), "x");
  CHECK_EQ(root.number("n", 1, 0, 9), 7);
  CHECK_EQ(root.boolean("b", false), true);
  CHECK_EQ(root.duration("d", 1s, 0s, 2s), 1500ms);
  CHECK_EQ(root.texts("l"), std::vector<std::string>{"p", "q"});
  CHECK_EQ(root.numbers("m", 1, 65535), std::vector<std::int64_t>{80, 443});
  CHECK_EQ(root.table("t").all_texts(),
           std::map<std::string, std::string>{{"k", "1.5"}, {"s", "v"}});
  CHECK_EQ(root.tables("s").size(), 2);
  CHECK_EQ(root.tables("s")[1].text("name"), "2");
  CHECK_FALSE(root.table("absent").present());
  CHECK_EQ(root.table("absent").number("x", 3, 1, 5), 3);
  CHECK_EQ(root.table("absent").required_text("x"), "");
  for (ConfigTable& part : root.tables("s")) {
    part.text("name");
    part.finish();
  }
  root.finish();
  CHECK_EQ(texts_of(errors), "");
}

TEST_CASE("every mistake is told at once, at its place") {
  const auto errors = errors_of(
      "[service]\n"
      "interval = 1\n"
      "  lease = \"3x\"\n"
      "fall = 99\n"
      "mode = \"atuo\"\n"
      "held = \"yes\"\n"
      "intervall = \"1s\"\n"
      "sites = \"hz\"\n",
      [](ConfigTable root) {
        ConfigTable table = root.table("service");
        table.duration("interval", 1s, 100ms, 60s);
        table.duration("lease", 3s, 500ms, 60s);
        table.number("fall", 3, 1, 20);
        table.one_of("mode", {"auto", "observe"}, "auto");
        table.boolean("held", false);
        table.texts("sites");
        table.required_text("name");
        table.finish();
      });
  CHECK_EQ(texts_of(errors),
           "f.toml:1:1: service.name: is missing, allowed: a text in quotes\n"
           "f.toml:2:12: service.interval: a duration is written in quotes and with its unit, "
           "found 1, allowed: a duration such as \"1s\", 100ms to 1m\n"
           "f.toml:3:11: service.lease: found \"3x\", allowed: a duration such as \"3s\", 500ms to "
           "1m\n"
           "f.toml:4:8: service.fall: found 99, allowed: a whole number from 1 to 20\n"
           "f.toml:5:8: service.mode: did you mean \"auto\"?, found \"atuo\", allowed: auto | "
           "observe\n"
           "f.toml:6:8: service.held: found \"yes\", allowed: true or false, without quotes\n"
           "f.toml:7:1: service.intervall: unknown key; did you mean \"interval\"?\n"
           "f.toml:8:9: service.sites: found \"hz\", allowed: a list of texts, as [\"one\", "
           "\"two\"]\n");
}

TEST_CASE("a secret file shows no value, not even in a syntax error") {
  const auto read = [](ConfigTable root) {
    root.one_of("a", {"x"}, "x");
    root.number("b", 1, 1, 2);
    root.all_texts();
    root.finish();
  };
  const std::string secret = "hunter2";
  CHECK(texts_of(errors_of("a = \"hunter2\"\nb = \"hunter2\"\nc = [\"hunter2\"]\n", read,
                           Secrecy::kSecret))
            .find(secret) == std::string::npos);
  CHECK_EQ(texts_of(errors_of("a = hunter2\n", read, Secrecy::kSecret)),
           "f.toml:1:5: no TOML (text not shown)\n");
}

TEST_CASE("hostile text is refused or shown harmless") {
  const auto read = [](ConfigTable root) {
    root.text("a");
    root.finish();
  };
  CHECK_EQ(errors_of("a = \"x\\ny\"\n", read).size(), 1);
  CHECK_EQ(errors_of("a = \"x\\u001b[31m\"\n", read).size(), 1);
  CHECK(texts_of(errors_of("\"\\u001b[31m\" = 1\n", read)).find('\x1b') == std::string::npos);
  CHECK_EQ(errors_of(std::string(100'000, '['), read).size(), 1);
  CHECK_EQ(errors_of("a = " + std::string(100'000, '['), read).size(), 1);
  CHECK_EQ(errors_of("a = 1\na = 2\n", read).size(), 1);
  CHECK_EQ(errors_of("\xff\xfe = 1\n", read).size(), 1);
}

TEST_CASE("a missing file and a folder are one error each") {
  std::vector<ConfigError> errors;
  CHECK(ConfigFile::load("/nonexistent/x.toml", errors) == nullptr);
  CHECK(ConfigFile::load("/tmp", errors) == nullptr);
  CHECK_EQ(errors.size(), 2);
}

TEST_CASE("the nearest word is near") {
  const std::vector<std::string> known{"interval", "timeout", "ttl", "suspect_interval"};
  CHECK_EQ(nearest_word("intervall", known), "interval");
  CHECK_EQ(nearest_word("tiemout", known), "timeout");
  CHECK_EQ(nearest_word("tll", known), "ttl");
  CHECK_EQ(nearest_word("url", known), "");
  CHECK_EQ(nearest_word("suspct_intrvl", known), "suspect_interval");
  CHECK_EQ(nearest_word("colour", known), "");
}
