# Passes only if the trace of a seed tells of all that it should, and the world goes as it does without.
#   cmake -DPROGRAM=… -P trace.cmake
execute_process(COMMAND ${PROGRAM} --seed 3 --verbose OUTPUT_VARIABLE plain RESULT_VARIABLE result TIMEOUT 60)
execute_process(COMMAND ${PROGRAM} --seed 3 --trace OUTPUT_VARIABLE trace RESULT_VARIABLE traced TIMEOUT 60)
if(NOT result EQUAL 0 OR NOT traced EQUAL 0)
    message(FATAL_ERROR "seed 3 ended with ${result}, and with ${traced} where it was traced")
endif()
foreach(part
        "node 1 publishes frame [0-9]+: changes [0-9]+\\.\\.[0-9]+, refreshes: [0-9]+"
        "node 0 asks node 1, request [0-9]+: all"
        "frame [0-9]+ of n1: changes [0-9]+\\.\\.[0-9]+, records: [0-9]+"
        "n1 is at [0-9]+, records: [0-9]+"
        "is here for [0-9]+ ms with status [0-9], [0-9]+ ms ago"
        "has left, [0-9]+ ms ago"
        "node 0 knows n1 up to [0-9]+, was [0-9]+"
        "node 0: n1 is alive"
        "node 0 answers reads")
    if(NOT trace MATCHES "${part}")
        message(FATAL_ERROR "no line of the trace is like: ${part}")
    endif()
endforeach()
# Its last line is the figures of the world.
string(REGEX MATCH "[^\n]+\n$" plain_end "${plain}")
string(REGEX MATCH "[^\n]+\n$" trace_end "${trace}")
if(NOT plain_end STREQUAL trace_end)
    message(FATAL_ERROR "the trace changed the world: ${trace_end} is not ${plain_end}")
endif()
