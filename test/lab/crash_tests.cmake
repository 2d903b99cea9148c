# The daemons with crash points in them (base/crash_point.h), and the tests that kill them there.
# Every source that has a point is compiled anew here; the programs that ship have none.
set(pm_pointed)
file(GLOB_RECURSE pm_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/agent/*.cc
     ${CMAKE_SOURCE_DIR}/base/*.cc ${CMAKE_SOURCE_DIR}/orchestrator/shell/*.cc)
foreach(source ${pm_sources})
  file(STRINGS ${source} points REGEX "[( ]crash_point\\(" LIMIT_COUNT 1)
  if(points)
    list(APPEND pm_pointed ${source})
  endif()
endforeach()
function(pm_crash_program name main folders)
  set(sources ${pm_pointed})
  list(FILTER sources INCLUDE REGEX "^${CMAKE_SOURCE_DIR}/(${folders})/")
  add_executable(${name} ${CMAKE_SOURCE_DIR}/${main} ${sources}
                 ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/crash_point.cc)
  target_compile_definitions(${name} PRIVATE PM_CRASH_POINTS)
  target_link_libraries(${name} PRIVATE ${ARGN})
endfunction()
pm_crash_program(crash-pointsmand orchestrator/main.cc "base|orchestrator" pm_shell)
pm_crash_program(crash-pointsman-agent agent/main.cc "base|agent" pm_agent pm_probes)

# A disk that fails or is slow, preloaded by faults_test.py.
add_library(disk_shim MODULE ${CMAKE_CURRENT_LIST_DIR}/disk_shim.cc)
target_link_libraries(disk_shim PRIVATE ${CMAKE_DL_LIBS})
set_target_properties(disk_shim PROPERTIES
                      LIBRARY_OUTPUT_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/../lib)

find_program(PM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
function(pm_crash name label timeout program)
  add_test(NAME lab-crash-${name}
    COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/${program}
            --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${ARGN})
  set_tests_properties(lab-crash-${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout}
                       RUN_SERIAL TRUE)  # Leases of seconds hang on them.
endfunction()
pm_crash(sample lab 240 crash_test.py --sample 30)
pm_crash(planned-sample lab 240 crash_test.py --planned --sample 30)
pm_crash(state lab 120 state_test.py)
pm_crash(faults lab 180 faults_test.py disk_full fsync_fails no_descriptors)
pm_crash(all long 3600 crash_test.py --list --all --freeze)
pm_crash(planned-all long 3600 crash_test.py --planned --list --all)
pm_crash(faults-all long 1200 faults_test.py)
