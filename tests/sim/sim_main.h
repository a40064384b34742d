/* The program: a library's, so that it is linked with each build of core and cluster. */
#ifndef MUSTER_SIM_MAIN_H
#define MUSTER_SIM_MAIN_H

int sim_main(int argc, char **argv);

#endif
