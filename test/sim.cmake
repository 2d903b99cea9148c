# The simulator: fixed seeds, fresh ones (the run prints them), and the same trace twice. As many as
# three minutes allow on two cores (about 7,500 on a quick host, 3,000 on a slow one); nothing that
# measures time runs beside them.
add_test(NAME sim-fixed COMMAND pointsman-sim --seeds 1..20000 --minutes 15 --jobs 2 --within 120)
set_tests_properties(sim-fixed PROPERTIES LABELS sim TIMEOUT 900 PROCESSORS 4)

add_test(NAME sim-fresh COMMAND pointsman-sim --fresh --seeds 1..100000 --minutes 15 --jobs 2
         --within 10 --shrink)
set_tests_properties(sim-fresh PROPERTIES LABELS sim TIMEOUT 900 PROCESSORS 4)
add_test(NAME sim-fresh-long COMMAND pointsman-sim --fresh --seeds 1..1000000 --minutes 15 --jobs 2
         --within 3600 --shrink)
set_tests_properties(sim-fresh-long PROPERTIES LABELS "sim;long" TIMEOUT 7200 PROCESSORS 4)

add_test(NAME sim-deterministic COMMAND bash -c "set -o pipefail; \
  for seed in 3 61 1234; do \
    a=$('$<TARGET_FILE:pointsman-sim>' --seeds $seed --minutes 5 --trace | sha256sum) && \
    b=$('$<TARGET_FILE:pointsman-sim>' --seeds $seed --minutes 5 --trace | sha256sum) && \
    [ \"$a\" = \"$b\" ] || exit 1; \
    echo seed $seed: $a; \
  done")
set_tests_properties(sim-deterministic PROPERTIES LABELS sim TIMEOUT 300)

# Each planted bug must be found; and no other program may hold one.
add_test(NAME sim-planted COMMAND pointsman-sim-planted --seeds 1..3000 --minutes 10 --jobs 1)
set_tests_properties(sim-planted PROPERTIES LABELS "sim;long" TIMEOUT 7200)
add_test(NAME sim-no-plants COMMAND bash -c "! grep -aq 'promise-as-short-as-the-lease' \
  '$<TARGET_FILE:pointsmand>' '$<TARGET_FILE:pointsman-agent>' '$<TARGET_FILE:pointsman-sim>'")
set_tests_properties(sim-no-plants PROPERTIES LABELS sim)

add_test(NAME sim-what-if COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/lab/simulate_test.py
         --bin "$<TARGET_FILE_DIR:pointsman-sim>")
set_tests_properties(sim-what-if PROPERTIES LABELS sim TIMEOUT 300)
