# Writes the files of the page as C++: cmake -DOUT=FILE.cc -DWEB=FOLDER -P embed.cmake
# What is served, under which path and type; no other file of this folder is.
set(assets
  "/|page.html|text/html\; charset=utf-8"
  "/page.css|page.css|text/css\; charset=utf-8"
  "/icon.svg|icon.svg|image/svg+xml"
  "/page.mjs|page.mjs|text/javascript\; charset=utf-8"
  "/draw.mjs|draw.mjs|text/javascript\; charset=utf-8"
  "/feed.mjs|feed.mjs|text/javascript\; charset=utf-8"
  "/orders.mjs|orders.mjs|text/javascript\; charset=utf-8"
  "/texts.mjs|texts.mjs|text/javascript\; charset=utf-8"
  "/views.mjs|views.mjs|text/javascript\; charset=utf-8"
  "/words.mjs|words.mjs|text/javascript\; charset=utf-8"
  "/api/v1/openapi.json|openapi.json|application/json")

set(arrays "")
set(table "")
set(number 0)
foreach(asset IN LISTS assets)
  string(REGEX MATCH "^([^|]+)[|]([^|]+)[|](.+)$" matched "${asset}")
  set(path "${CMAKE_MATCH_1}")
  set(file "${CMAKE_MATCH_2}")
  set(type "${CMAKE_MATCH_3}")
  file(READ "${WEB}/${file}" bytes HEX)
  file(SHA256 "${WEB}/${file}" sum)
  string(SUBSTRING "${sum}" 0 32 tag)
  string(LENGTH "${bytes}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "(................................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
  string(APPEND arrays "constexpr char kBytes${number}[] = {  // ${file}\n${bytes}};\n")
  string(APPEND table "    {\"${path}\", \"${type}\", \"\\\"${tag}\\\"\", {kBytes${number}, ${size}}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUT}.new" "// Made by orchestrator/web/embed.cmake.
#include \"orchestrator/shell/web_assets.h\"

namespace pointsman {
namespace {

${arrays}
constexpr WebAsset kAssets[] = {
${table}};

}  // namespace

std::span<const WebAsset> web_assets() { return kAssets; }

}  // namespace pointsman
")
file(RENAME "${OUT}.new" "${OUT}")
