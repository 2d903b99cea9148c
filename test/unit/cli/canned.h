#pragma once

#include <string_view>

// Answers of the control API, in the shapes that the daemon gives.

namespace pointsman::canned {

inline constexpr std::string_view kServices = R"({
"monitor":{"name":"monitor-1","version":"0.1.0","dry_run":false,"restart_harmless":true,
 "blind":"","state":"ok"},
"services":[
 {"name":"im-api","phase":"steady","held":false,"held_reason":"","mode":"auto","epoch":3,
  "primary":"hz","published":"hz","writable":"hz","vouched_by":["monitor","sh"],"lease_s":2.7,
  "summary":"hz serves; sh is ready to take over",
  "sites":[
   {"name":"hz","verdict":"up","role":"primary","writable":true,"lease_s":2.7,"lag_s":null,
    "agent":"up","lone":false,"stores":[{"name":"mysql","liveness":"up","writable":true,
    "replica":false,"detail":"10.11.6"}],"probe":"200 from 192.0.2.10"},
   {"name":"sh","verdict":"up","role":"standby","writable":false,"lease_s":0,"lag_s":0.2,
    "agent":"up","lone":false,"stores":[],"probe":"200 from 198.51.100.20"}],
  "record":[{"name":"api.example.test","type":"A","values":["192.0.2.10"],"servers":[
   {"server":"192.0.2.53:53","values":["192.0.2.10"],"agrees":true,"age_s":0.4},
   {"server":"192.0.2.54:53","values":["198.51.100.20"],"agrees":false,"age_s":0.9}]}],
  "last_move":{"id":"m-1","service":"im-api","kind":"failover","outcome":"done","from":"sh",
   "to":"hz","epoch":3,"started":"2026-11-21T03:04:05.678Z","took_s":3.9,"reason":"","steps":[]},
  "current_move":null},
 {"name":"mail","phase":"stuck","held":true,"held_reason":"kernel upgrade","mode":"propose",
  "epoch":9,"primary":"hz","published":"sh","writable":"","vouched_by":[],"lease_s":0,
  "summary":"","sites":[
   {"name":"hz","verdict":"down","role":"primary","writable":null,"lease_s":0,"lag_s":null,
    "agent":"down","lone":false,"stores":[],"probe":"timeout"},
   {"name":"sh","verdict":"up","role":"standby","writable":false,"lease_s":0,"lag_s":null,
    "agent":"up","lone":false,"stores":[],"probe":""}],
  "record":[],"last_move":null,"current_move":null}]})";

inline constexpr std::string_view kExplain = R"({
"service":"im-api","would_move":false,"to":"sh","expected_s":3.9,"kind":"failover","gates":[
 {"name":"mode","open":true,"reason":"","value":"auto","age_s":null},
 {"name":"held","open":false,"reason":"held by root: kernel upgrade","value":null,"age_s":null},
 {"name":"leader","open":true,"reason":"","value":null,"age_s":null},
 {"name":"replication","open":false,"reason":"applier not running","value":"stopped","age_s":0.3}
]})";

inline constexpr std::string_view kMoveRuns = R"({
"id":"m-2","service":"im-api","kind":"failover","outcome":"running","from":"hz","to":"sh",
"epoch":4,"started":"2026-11-22T03:04:05.678Z","took_s":1.1,"reason":"asked","automatic":false,
"steps":[{"name":"prepare","state":"done","at_s":0,"took_s":0.1,"detail":"sh accepted"},
 {"name":"fence","state":"running","at_s":0.1,"took_s":1.0,"detail":"lease ends in 2.1 s"},
 {"name":"promote","state":"waiting","at_s":null,"took_s":null,"detail":""}],
"timeline":[],"lost":null,"commands":[]})";

inline constexpr std::string_view kMoveDone = R"({
"id":"m-2","service":"im-api","kind":"failover","outcome":"done","from":"hz","to":"sh",
"epoch":4,"started":"2026-11-22T03:04:05.678Z","took_s":3.9,"reason":"asked","automatic":false,
"steps":[{"name":"prepare","state":"done","at_s":0,"took_s":0.1,"detail":"sh accepted"},
 {"name":"fence","state":"done","at_s":0.1,"took_s":2.2,"detail":"acknowledged"},
 {"name":"promote","state":"done","at_s":2.3,"took_s":1.2,"detail":"mysql, redis",
  "writes":["sh: STOP SLAVE","UPDATE example.test\n  add api.example.test 60 A 198.51.100.20"]}],
"timeline":[{"at_s":0.61,"what":"published at 192.0.2.53:53"}],
"lost":{"writes":3,"seconds":0.2},"commands":[]})";

inline constexpr std::string_view kHistory = R"({"history":[
{"move":{"id":"m-1","service":"im-api","kind":"failover","outcome":"done","from":"sh","to":"hz",
 "epoch":3,"started":"2026-11-22T03:04:02.000Z","took_s":3.9,"reason":"sh is down","steps":[
 {"name":"prepare","state":"done","took_s":0.1},{"name":"publish","state":"failed","took_s":3.0},
 {"name":"old","state":"skipped","took_s":0}]}},
{"number":2,"at":"2026-11-22T03:04:03.000Z","service":"im-api","kind":"decision",
 "rule":"suspect","epoch":3,"move":"","actor":"monitor-1","outcome":"","reason":"2 failed probes"},
{"number":1,"at":"2026-11-22T03:04:01.000Z","service":"","kind":"operator","rule":"pause",
 "epoch":0,"move":"","actor":"operator root via control socket","outcome":"done",
 "reason":"kernel upgrade"}]})";

}  // namespace pointsman::canned
