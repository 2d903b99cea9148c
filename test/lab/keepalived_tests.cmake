# keepalived beside pointsman (keepalived_test.py): two real ones, a LAN and stores under load.
find_program(PM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
function(pm_keepalived name label timeout)
  add_test(NAME lab-keepalived-${name}
    COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/keepalived_test.py
            --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${ARGN})
  set_tests_properties(lab-keepalived-${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout}
                       RUN_SERIAL TRUE)  # They load both cores.
endfunction()
pm_keepalived(moves lab 240 stopped vrrp-cut)
pm_keepalived(all long 900)
