# Partitions (partition_test.py): named ones, and schedules drawn anew in each run.
find_program(PM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
function(pm_partition name label timeout)
  add_test(NAME lab-partition-${name}
    COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/partition_test.py
            --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${ARGN})
  set_tests_properties(lab-partition-${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout}
                       RUN_SERIAL TRUE)  # They load both cores.
endfunction()

foreach(name flapping slow-standby-cut-primary)
  pm_partition(${name} lab 180 ${name})
endforeach()
pm_partition(random lab 240 --random 60)
pm_partition(named long 1200 sites-apart monitor-alone requests-lost replies-lost site-deaf loss-30
             slow-line)
pm_partition(random-long long 2700 --random 1800)
