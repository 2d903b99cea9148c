# The laboratory of two sites (lab.py) and the failovers in it (failover_test.py).
set(pm_lab_parts net.cc stores.cc)
list(TRANSFORM pm_lab_parts PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
add_library(pm_lab STATIC ${pm_lab_parts})
target_link_libraries(pm_lab PUBLIC PkgConfig::MARIADB PkgConfig::HIREDIS Threads::Threads)
foreach(name app client)
  add_executable(lab-${name} ${CMAKE_CURRENT_LIST_DIR}/${name}.cc)
  target_link_libraries(lab-${name} PRIVATE pm_lab)
endforeach()

# One test per scenario; `long` ones repeat and take an hour and more (test/run --long).
find_program(PM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
function(pm_failover name label timeout)
  add_test(NAME lab-failover-${name}
    COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/failover_test.py
            --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${ARGN})
  set_tests_properties(lab-failover-${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout}
                       RUN_SERIAL TRUE)  # They measure seconds.
endfunction()
# Those that measure none run beside others: each waits most of its time.
function(pm_failover_paired name)
  pm_failover(${name} lab 360 ${name})
  set_tests_properties(lab-failover-${name} PROPERTIES RUN_SERIAL FALSE)
endfunction()

foreach(name a b c d semi-sync late-applier bind-stopped forth-and-back)
  pm_failover(${name} lab 360 ${name})  # Two runs, where one was only late.
endforeach()
foreach(name monitor-cut-off monitor-to-a-cut one-way-loss site-b-down both-down replication-stopped
             delayed-replica record-edited two-failures paused both-writable first-run agents-upgraded
             monitor-restarted monitor-down reload take wrong-key dry-run dry-daemon
             switchover-undone switchover-appointed switchover-daemon-killed way-back)
  pm_failover_paired(${name})
endforeach()
foreach(name a b c d semi-sync)
  pm_failover(${name}-10-runs long 1800 --runs 10 ${name})
endforeach()
foreach(name forth-and-back-20 switchover-daemon-killed-long switchover-agent-killed
        switchover-links-cut rejoin-nothing-lost rejoin-killed)
  pm_failover(${name} long 1800 ${name})
endforeach()
pm_failover(replication-stopped-long long 900 replication-stopped-long)
pm_failover(monitor-down-10min long 1200 monitor-down-10min)
