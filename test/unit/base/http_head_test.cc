#include "base/http_server_head.h"

#include <doctest/doctest.h>

namespace pointsman {
namespace {

// The status with which a head is refused; 0 when it is read.
int refusal(const std::string& text) {
  HeadScan scan;
  const auto found = scan.look(text);
  if (const auto* fault = std::get_if<HttpFault>(&found)) return fault->status;
  const std::size_t size = std::get<std::size_t>(found);
  if (size == 0) return -1;
  const auto head = read_head(std::string_view(text).substr(0, size));
  const auto* fault = std::get_if<HttpFault>(&head);
  return fault == nullptr ? 0 : fault->status;
}

RequestHead reading(const std::string& text) {
  auto head = read_head(text);
  REQUIRE(std::holds_alternative<RequestHead>(head));
  return std::get<RequestHead>(std::move(head));
}

int refused_with(const std::string& headers) {
  return refusal("POST /x HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n");
}

TEST_CASE("http head: what is read") {
  const RequestHead head = reading(
      "POST /a/b?c=d%20e HTTP/1.1\r\nHost: here\r\nX-Two:  v1 \r\ncontent-length: 12\r\n"
      "Connection: keep-alive, Close\r\nExpect: 100-Continue\r\n\r\n");
  CHECK(head.method == "POST");
  CHECK(head.target == "/a/b?c=d%20e");
  CHECK(head.header("x-two") == "v1");
  CHECK(head.length == 12);
  CHECK(head.close);
  CHECK(head.expects_continue);
  CHECK(reading("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n").chunked);
  CHECK(reading("GET / HTTP/1.0\r\n\r\n").close);
}

TEST_CASE("http head: whatever could be read in two ways is refused") {
  CHECK(refused_with("Content-Length: 3\r\nContent-Length: 3\r\n") == 400);
  CHECK(refused_with("Content-Length: 3\r\nContent-Length: 4\r\n") == 400);
  CHECK(refused_with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") == 400);
  CHECK(refused_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") == 400);
  CHECK(refused_with("Transfer-Encoding: gzip, chunked\r\n") == 501);
  CHECK(refused_with("Transfer-Encoding: xchunked\r\n") == 501);
  CHECK(refused_with("Transfer-Encoding : chunked\r\n") == 400);
  for (const char* length : {"", "+3", "-3", " ", "3,3", "0x3", "3 3", "99999999999999999999"}) {
    CHECK_MESSAGE(refused_with(std::string("Content-Length: ") + length + "\r\n") == 400,
                  std::string(length));
  }
  CHECK(refused_with("Host: b\r\n") == 400);
  CHECK(refused_with("X: a\r\n folded\r\n") == 400);
  CHECK(refused_with("X: a\nY: b\r\n") == 400);
  CHECK(refused_with("X: a\rY: b\r\n") == 400);
  CHECK(refused_with("no colon\r\n") == 400);
  CHECK(refused_with(": empty\r\n") == 400);
  CHECK(refused_with(std::string("X: \x01\r\n")) == 400);
  CHECK(refused_with("Content-Encoding: gzip\r\n") == 415);
  CHECK(refused_with("Expect: wonders\r\n") == 417);
  std::string many;
  for (int i = 0; i < 100; ++i) many += "X: y\r\n";
  CHECK(refused_with(many) == 431);
}

TEST_CASE("http head: request lines") {
  const std::string host = "\r\nHost: a\r\n\r\n";
  CHECK(refusal("GET / HTTP/1.1" + host) == 0);
  CHECK(refusal("GET / HTTP/1.1\r\n\r\n") == 400);  // No Host.
  CHECK(refusal("GET / HTTP/2.0" + host) == 505);
  CHECK(refusal("GET / http/1.1" + host) == 400);
  CHECK(refusal("GET  / HTTP/1.1" + host) == 400);
  CHECK(refusal("GET /a b HTTP/1.1" + host) == 400);
  CHECK(refusal("GET /" + host) == 400);
  CHECK(refusal("TRACE / HTTP/1.1" + host) == 501);
  CHECK(refusal("CONNECT a:1 HTTP/1.1" + host) == 501);
  CHECK(refusal("GET http://a/ HTTP/1.1" + host) == 400);
  CHECK(refusal("GET /%zz HTTP/1.1" + host) == 400);
  CHECK(refusal("GET /%u0041 HTTP/1.1" + host) == 400);
  CHECK(refusal("GET /% HTTP/1.1" + host) == 400);
  CHECK(refusal("GET /\xc3\xa9 HTTP/1.1" + host) == 400);
  CHECK(refusal("GET /" + std::string(9000, 'a') + " HTTP/1.1" + host) == 414);
  CHECK(refusal("\r\nGET / HTTP/1.1" + host) == 400);
  CHECK(refusal("\x16\x03\x01") == 400);  // TLS at a plain port.
  CHECK(refusal("GET / HTTP/1.1\r\nHost: a\r\n") == -1);
}

TEST_CASE("http head: found at the same place however it arrives") {
  const std::string text = "GET / HTTP/1.1\r\nHost: a\r\n\r\nnext";
  HeadScan scan;
  for (std::size_t size = 0; size < text.size() - 4; ++size) {
    CHECK(std::get<std::size_t>(scan.look(text.substr(0, size))) == 0);
  }
  CHECK(std::get<std::size_t>(scan.look(text)) == text.size() - 4);
}

TEST_CASE("http head: paths") {
  CHECK(!fault_of_path("/a/b", "/a/b"));
  CHECK(!fault_of_path("/%C3%A9", "/\u00e9"));
  CHECK(!fault_of_path("/a...b", "/a...b"));
  CHECK(fault_of_path("/a%2Fb", "/a/b"));
  CHECK(fault_of_path("/a%5cb", "/a\\b"));
  CHECK(fault_of_path("/a/../b", "/a/../b"));
  CHECK(fault_of_path("/a/%2e%2e", "/a/.."));
  CHECK(fault_of_path("/.", "/."));
  CHECK(fault_of_path("/%00", std::string_view("/\0", 2)));
  CHECK(fault_of_path("/%ff", "/\xff"));
}

// The body of a chunked text fed in pieces of `piece`, or "!STATUS".
std::string unchunked(const std::string& text, std::size_t piece, std::size_t most = 100) {
  ChunkReader reader(most);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t taken = reader.take(std::string_view(text).substr(at, piece));
    if (reader.fault()) return "!" + std::to_string(reader.fault()->status);
    at += taken;
    if (reader.whole()) return reader.body() + "|" + text.substr(at);
  }
  return "more";
}

TEST_CASE("http head: chunked bodies") {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{1000}}) {
    CHECK(unchunked("0\r\n\r\nnext", piece) == "|next");
    CHECK(unchunked("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\nn", piece) == "abcde|n");
    CHECK(unchunked("1\r\na\r\n0\r\nT: v\r\n\r\n", piece) == "!400");
    CHECK(unchunked("A\r\n0123456789\r\n0\r\n\r\n", piece) == "0123456789|");
    CHECK(unchunked("3\r\nabc\r\n", piece) == "more");
    CHECK(unchunked("65\r\n", piece) == "!413");
    CHECK(unchunked("64\r\n" + std::string(100, 'x') + "\r\n1\r\n", piece) == "!413");
    CHECK(unchunked("fffffffff\r\n", piece) == "!400");
    CHECK(unchunked("ffffffff\r\n", piece) == "!413");
    for (const char* bad : {"\r\n", "-1\r\n", "+1\r\n", " 1\r\n", "0x1\r\n", "1 \r\n", "1\n",
                            "g\r\n", "1\r\nab", "1\r\na\n", "0\r\n\n", "0\r\nT\n", "1;\n"}) {
      CHECK_MESSAGE(unchunked(bad, piece) == "!400", std::string(bad));
    }
  }
  std::string tiny;
  for (int i = 0; i < 20'000; ++i) tiny += "1\r\nx\r\n";
  CHECK(unchunked(tiny, 1000, 1 << 20) == "!413");
}

}  // namespace
}  // namespace pointsman
