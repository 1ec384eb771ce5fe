// SPDX-License-Identifier: GPL-2.0-only
// Cray MPICH stops in MPI_Init if GPU support is asked for and its transport layer for GPU buffers (GTL) is not in the
// program. The MPICH of the stand-in does not know GTL; but it asks libfabric for a provider in MPI_Init, and as every
// MPI library of the stand-in needs this library before libfabric, the question comes by here.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check(void) {
  static int done = 0;
  if (done++) return;
  const char *wanted = getenv("MPICH_GPU_SUPPORT_ENABLED");
  if (wanted == NULL || strcmp(wanted, "1") != 0) return;
  int (*gtl)(void) = (int (*)(void)) dlsym(RTLD_DEFAULT, "standin_gtl_init");
  if (gtl != NULL) { gtl(); return; }
  const char *rank = getenv("PMI_RANK");
  fprintf(stderr, "MPICH ERROR [Rank %s] - Abort(-1) (rank %s in comm 0): MPIDI_CRAY_init: GPU_SUPPORT_ENABLED is requested, "
          "but GTL library is not linked\n (Other MPI error)\n\naborting job:\nMPIDI_CRAY_init: GPU_SUPPORT_ENABLED is "
          "requested, but GTL library is not linked\n", rank ? rank : "0", rank ? rank : "0");
  fflush(NULL);
  _exit(255);
}

int fi_getinfo(uint32_t version, const char *node, const char *service, uint64_t flags, const void *hints, void **info) {
  check();
  int (*next)(uint32_t, const char *, const char *, uint64_t, const void *, void **) =
    (int (*)(uint32_t, const char *, const char *, uint64_t, const void *, void **)) dlsym(RTLD_NEXT, "fi_getinfo");
  if (next == NULL) { fprintf(stderr, "stand-in: there is no libfabric behind libmpi\n"); _exit(255); }
  return next(version, node, service, flags, hints, info);
}
