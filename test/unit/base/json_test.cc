#include "base/json.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace pointsman {
namespace {

std::string refusal(std::string_view text, JsonLimits limits = {}) {
  const Result<Json> parsed = Json::parse(text, limits);
  if (parsed.ok()) return "";
  CHECK_MESSAGE(parsed.error().code == ErrorCode::kInvalid, text);
  return parsed.error().message;
}

TEST_CASE("json: what is written is read again, and the same") {
  const std::string text =
      R"({"a":[1,-2,3.5,true,false,null],"b":{"c":"\"x\\\u0007\n"},"z":9223372036854775807})";
  const Result<Json> parsed = Json::parse(text);
  REQUIRE(parsed.ok());
  CHECK(parsed->dump() == text);
  CHECK(*Json::parse(parsed->dump()) == *parsed);
  CHECK(Json::parse("  [ ]\n")->as_array().empty());
  CHECK(Json::parse("1.0")->dump() == "1.0");
  CHECK(Json::parse("0.1")->as_number() == 0.1);
  CHECK(Json::parse("9223372036854775808")->as_number() == std::pow(2.0, 63));
  CHECK(Json::parse(R"("\ud83d\ude00")")->as_string() == "\U0001F600");
}

TEST_CASE("json: numbers, exactly") {
  const auto number = [](std::string_view text) { return Json::parse(text)->as_number(); };
  CHECK(number("0e100") == 0);
  CHECK(number("0.0e71") == 0);
  CHECK(number("0.000000000000000000000000") == 0);
  CHECK(number("0.184467440737095516159") == 0.184467440737095516159);
  CHECK(number("2.220446049250313e-16") == 2.220446049250313e-16);
  CHECK(number("1.7976931348623157e308") == std::numeric_limits<double>::max());
  CHECK(number("5e-324") == std::numeric_limits<double>::denorm_min());
  CHECK(number("123456789012345678901234567890") == 123456789012345678901234567890.0);
  CHECK(Json::parse("-9223372036854775808")->as_int() == std::numeric_limits<std::int64_t>::min());
  CHECK(Json::parse("-0")->as_int() == 0);
  CHECK(Json::parse("[1,-2,0,1e2,-0.5E+1]")->dump() == "[1,-2,0,100.0,-5.0]");
}

TEST_CASE("json: strict about everything that is not RFC 8259") {
  for (const char* text : {"",
                           " ",
                           "{",
                           "[1,]",
                           "{\"a\":1,}",
                           "{a:1}",
                           "'a'",
                           "01",
                           "+1",
                           "1.",
                           ".5",
                           "NaN",
                           "Infinity",
                           "1e999",
                           "-1e999",
                           "1e-999",
                           "-",
                           "1e",
                           "1e+",
                           "1.e1",
                           "00",
                           "-01",
                           "1.5.5",
                           "[1]x",
                           "[1][2]",
                           "/*c*/1",
                           "\"\t\"",
                           "\"\\x\"",
                           "\"\\ud800\"",
                           "\"\\udc00\"",
                           "\"\\ud800\\u0041\"",
                           "\"\xff\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xc0\x80\"",
                           "\xef\xbb\xbf{}",
                           "tru",
                           "\"a"}) {
    CHECK_MESSAGE(!refusal(text).empty(), std::string(text));
  }
  CHECK(refusal(std::string_view("{}\0{}", 5)) == "JSON at byte 2: a NUL byte");
  CHECK(refusal(R"({"a":1,"b":{"x":1,"x":2}})").find("duplicate key \"x\"") != std::string::npos);
  CHECK(refusal(R"({"a":1,"\u0061":2})").find("duplicate key \"a\"") != std::string::npos);
  CHECK(Json::parse(R"([{"x":1},{"x":2}])").ok());
}

TEST_CASE("json: depth and size are bounded") {
  const std::string deep = std::string(32, '[') + std::string(32, ']');
  CHECK(Json::parse(deep).ok());
  CHECK(refusal("[" + deep + "]").find("nested deeper than 32") != std::string::npos);
  CHECK(!refusal(std::string(1 << 20, '[')).empty());
  CHECK(refusal("[1,2,3]", {.bytes = 6, .depth = 4}).find("longer than 6") != std::string::npos);
  // Many keys cost no quadratic time.
  std::string wide = "{";
  for (int i = 0; i < 80'000; ++i) wide += "\"" + std::to_string(i) + "\":0,";
  wide += "\"79999\":0}";
  CHECK(refusal(wide).find("duplicate key \"79999\"") != std::string::npos);
}

TEST_CASE("json: reading members") {
  const Json json = *Json::parse(R"({"s":"x","n":3,"d":2.5,"b":true,"l":[1],"z":null})");
  CHECK(*json.string_at("s") == "x");
  CHECK(*json.int_at("n") == 3);
  CHECK(*json.bool_at("b"));
  CHECK(json.string_at("n").error().message == "JSON member \"n\" is missing or no string");
  CHECK(json.int_at("d").error().code == ErrorCode::kInvalid);
  CHECK(!json.bool_at("nothing").ok());
  CHECK(json.string_or("z", "y") == "y");
  CHECK(json.int_or("s", 7) == 7);
  CHECK(json.number_or("n") == 3.0);
  CHECK(json.number_or("d") == 2.5);
  CHECK(json.bool_or("b"));
  CHECK(json.array_or_empty("l").size() == 1);
  CHECK(json.array_or_empty("s").empty());
  CHECK(json.find("z")->is_null());
  CHECK(Json(3).find("s") == nullptr);
}

TEST_CASE("json: making values") {
  Json json;
  json.set("a", 1).set("b", "x").set("a", 2);
  json.set("list", Json::array());
  CHECK(json.dump() == R"({"a":2,"b":"x","list":[]})");
  Json list;
  list.push(1).push(Json::object({{"k", true}}));
  CHECK(list.dump() == R"([1,{"k":true}])");
  CHECK(Json::object().dump() == "{}");
  CHECK(Json(std::numeric_limits<double>::quiet_NaN()).dump() == "null");
  CHECK(Json(std::uint64_t{5}).is_int());
  CHECK(!Json(std::numeric_limits<std::uint64_t>::max()).is_int());
  CHECK(Json("bad \xff byte").dump() == "\"bad \\ufffd byte\"");
}

}  // namespace

TEST_CASE("a long list is read element by element, and only what is wanted is kept") {
  const JsonLimits limits{1 << 20, 8};
  const auto wanted = [](const Json& one) { return one.string_or("name") == "b"; };
  const auto read = [&](const std::string& text) { return Json::parse_list(text, limits, wanted); };
  const auto found =
      read(R"([{"name":"a","more":[1,2]},{"name":"b","more":{"c":[]}},{"name":"c"}])");
  REQUIRE(found.ok());
  CHECK_EQ(found->dump(), R"([{"name":"b","more":{"c":[]}}])");
  CHECK_EQ(read("[]")->dump(), "[]");
  CHECK(read("null")->is_null());
  for (const char* text : {"{}", R"({"name":"b"})", "\"b\"", "7", "[{\"name\":\"b\"}", "",
                           R"([{"name":"b","name":"b"}])", "[[[[[[[[[]]]]]]]]]"}) {
    CAPTURE(text);
    const auto bad = read(text);
    REQUIRE_FALSE(bad.ok());
    CHECK_EQ(bad.error().code, ErrorCode::kInvalid);
  }
  // Many elements are nothing; one that is as large as all of them is refused.
  std::string many = "[";
  for (int k = 0; k < 30'000; ++k) many += "[0],";
  CHECK_EQ(read(many + "{\"name\":\"b\"}]")->dump(), R"([{"name":"b"}])");
  many[0] = ' ';
  CHECK_FALSE(read("[[" + many + "0]]").ok());
}

}  // namespace pointsman
