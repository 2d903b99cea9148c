# The drivers on real servers, private ones on loopback (lab-drivers), and the dead-man switch with
# real traffic in namespaces of its own (lab-deadman).
file(GLOB pm_driver_tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/drivers/*_lab_test.cc)
add_executable(lab-drivers ${pm_driver_tests} ${CMAKE_CURRENT_LIST_DIR}/drivers/servers.cc)
target_link_libraries(lab-drivers PRIVATE pm_test_main pm_agent)
foreach(store mysql redis)
  add_test(NAME lab-driver-${store} COMMAND lab-drivers "--test-case=${store}:*")
  set_tests_properties(lab-driver-${store} PROPERTIES LABELS lab TIMEOUT 300)
endforeach()

add_executable(lab-deadman ${CMAKE_CURRENT_LIST_DIR}/drivers/deadman_test.cc)
target_link_libraries(lab-deadman PRIVATE pm_test_main pm_agent)
add_test(NAME lab-deadman COMMAND lab-deadman)
set_tests_properties(lab-deadman PROPERTIES LABELS lab TIMEOUT 120)
