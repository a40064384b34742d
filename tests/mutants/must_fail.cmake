# Passes only if a planted fault makes the named test fail: not by a crash, and not because there is no such test.
#   cmake -DPROGRAM=… -DTEST=… -P must_fail.cmake
execute_process(COMMAND ${PROGRAM} ${TEST} OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result
                TIMEOUT 60)
if(output MATCHES "Test failed with exception")
    message(FATAL_ERROR "${TEST} crashed:\n${output}")
elseif(NOT output MATCHES "\\[  FAILED  \\] ${TEST}\n")
    message(FATAL_ERROR "${TEST} did not fail (result ${result}):\n${output}")
endif()
message(STATUS "${TEST} failed, as it should")
