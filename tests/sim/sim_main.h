/* The program: a library's, so that it is linked with each build of core and cluster. */
#ifndef MUSTER_SIM_MAIN_H
#define MUSTER_SIM_MAIN_H

int sim_main(int argc, char **argv);
/* The same in worlds of restarts.h, where a node starts `times` times. */
int sim_restarts_main(int argc, char **argv, unsigned times);

#endif
