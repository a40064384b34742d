# Passes only if a seed does the same each time it is run.
#   cmake -DPROGRAM=… -P repeats.cmake
foreach(seed 3 17 42)
    foreach(time first second)
        execute_process(COMMAND ${PROGRAM} --seed ${seed} --verbose OUTPUT_VARIABLE ${time} RESULT_VARIABLE result
                        TIMEOUT 60)
        if(NOT result EQUAL 0)
            message(FATAL_ERROR "seed ${seed} ended with ${result}")
        endif()
    endforeach()
    if(NOT first STREQUAL second)
        message(FATAL_ERROR "seed ${seed} did something else the second time")
    endif()
endforeach()
