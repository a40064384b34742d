#include "sim_main.h"

int main(int argc, char **argv) {
    return sim_restarts_main(argc, argv, 5000);
}
