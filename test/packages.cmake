# Packages: built, and lived with on a fresh Debian 12; all units on Debian 13. As root, with a
# mirror of Debian; the folders are kept in the build tree, so that the next run is quick.
function(pm_packages name timeout command)
  add_test(NAME packages-${name} COMMAND bash -c "${command}" WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(packages-${name} PROPERTIES LABELS long TIMEOUT ${timeout} RUN_SERIAL TRUE)
endfunction()
set(deb ${CMAKE_BINARY_DIR}/deb)
pm_packages(build 7200 "packaging/build-deb '${deb}'")
pm_packages(life 1800 "test/packages bookworm '${CMAKE_BINARY_DIR}/bookworm' '${deb}'")
pm_packages(trixie 14400 "test/debian trixie '${CMAKE_BINARY_DIR}/trixie'")
set_tests_properties(packages-build PROPERTIES FIXTURES_SETUP deb)
set_tests_properties(packages-life PROPERTIES FIXTURES_REQUIRED deb)
