# Failovers with each type of provider (providers_test.py): all at once and a daemon killed half way
# in each run, each by itself in the long one.
add_executable(lab-cloud ${CMAKE_CURRENT_LIST_DIR}/../support/lab_cloud_main.cc)
target_link_libraries(lab-cloud PRIVATE pm_fake_aliyun)
find_program(PM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
function(pm_provider name label)
  add_test(NAME lab-provider-${name}
    COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/providers_test.py
            --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${name})
  set_tests_properties(lab-provider-${name} PROPERTIES LABELS ${label} TIMEOUT 360)
endfunction()

foreach(name all several)
  pm_provider(${name} lab)
endforeach()
foreach(name cloudflare cloudflare-proxied aliyun aliyun-slb webhook webhook-slow exec knot powerdns)
  pm_provider(${name} long)
endforeach()

add_test(NAME lab-canary COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/canary_test.py
                                 --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
set_tests_properties(lab-canary PROPERTIES LABELS lab TIMEOUT 360)

add_test(NAME lab-delegation COMMAND ${PM_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/delegation_test.py
                                     --bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
set_tests_properties(lab-delegation PROPERTIES LABELS lab TIMEOUT 240)
