add_executable(lab-rfc2136 ${CMAKE_CURRENT_LIST_DIR}/rfc2136_test.cc
                           ${CMAKE_CURRENT_LIST_DIR}/rfc2136_errors_test.cc
                           ${CMAKE_CURRENT_LIST_DIR}/dns_servers.cc)
target_link_libraries(lab-rfc2136 PRIVATE pm_test_main pm_provider_suite)
add_test(NAME lab-rfc2136 COMMAND lab-rfc2136)
set_tests_properties(lab-rfc2136 PROPERTIES TIMEOUT 180 LABELS lab)
